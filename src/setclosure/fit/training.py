"""A fit goes through stage one, encoding, stage two and the training range, and can be resumed in each."""

from __future__ import annotations

import logging
import shutil
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from setclosure.claims import claim, differences
from setclosure.descriptors.joined import Descriptors
from setclosure.dynamics.base import Dynamics
from setclosure.errors import ConfigurationError, SetclosureWarning
from setclosure.files import read_json, sha256, write_bytes, write_json
from setclosure.fit.bandwidth import automatic, compare
from setclosure.fit.declared_symmetry import CHECKED, check_symmetry
from setclosure.fit.macrostates import Macrostates
from setclosure.fit.principal_axes import principal_axes
from setclosure.fit.settings import FitSettings
from setclosure.fit.split import describe as describe_splits
from setclosure.fit.split import make_splits
from setclosure.fit.stage_one import train_autoencoder
from setclosure.fit.stage_two import train_dynamics
from setclosure.fit.trainer import History, kept_row
from setclosure.fit.untrained import fit_untrained
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.composition import Composition
from setclosure.model.facts import ModelFacts
from setclosure.model.observable_map import ObservableMap
from setclosure.model.parts import ModelParts, new_dynamics
from setclosure.model.specification import ModelSettings
from setclosure.observables.registered import Observable, get_observable
from setclosure.processes import is_first_process
from setclosure.registry import find
from setclosure.seeds import numpy_stream, seeded
from setclosure.sets.symmetry import as_symmetry
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import GIVEN

_log = logging.getLogger(__name__)

UNUSED_BANDWIDTH = 0.01
"""The bandwidth that stands in the specification of a model that smooths nothing."""

SCORED_MICROSTATES = 512
"""The number of training microstates from whose scores the limit of the decoder's score is taken."""


class Training:
    """A fit with its data, its settings and the folder of its checkpoints.

    Parameters
    ----------
    model : ModelSettings
        The specification of the model.
    settings : FitSettings
        Budgets of both stages, and the trainer.
    data : TrajectoryDataset
        Training trajectories.
    validation : TrajectoryDataset or None
        Validation trajectories; with None a fifth of those in ``data`` is held back.
    seed : int
        Root seed.
    folder : Path
        The folder of checkpoints and macrostates.
    resume : bool
        Whether ``folder`` may hold this fit already.
    reuse : sequence of Path
        Folders of other fits; stage one and macrostates are copied from the first with the same data, seed and
        settings up to stage two.
    observable : Observable, optional
        The function φ̄, on which the declared symmetry is checked; by default that which is registered under the name
        of the observable.

    Raises
    ------
    ModelError
        If the observable does not have the symmetry that was declared.
    RunError
        If ``folder`` holds a fit and ``resume`` is false, or a fit of other data or another configuration.
    DatasetError
        If there are too few trajectories, or a data set is unfinished or of another kind.
    """

    def __init__(
        self,
        model: ModelSettings,
        settings: FitSettings,
        data: TrajectoryDataset,
        validation: TrajectoryDataset | None,
        seed: int,
        folder: Path,
        resume: bool,
        reuse: Sequence[Path] = (),
        observable: Observable | None = None,
    ) -> None:
        self.settings, self.seed, self.folder, self.resume = settings, seed, folder, resume
        self.training, self.validation = make_splits(data, validation, seed, settings.memory_gib)
        self.model = model
        self.model_facts = self._facts(data)
        self.model = model = self._prepared(model, observable, folder)
        """The specification of the model, with numbers in the place of what is chosen from the data."""
        for split in (self.training, self.validation):
            split.see(self.model_facts)
        facts = {
            "model": model.model_dump(mode="json"),
            # devices, loggers and memory may change between a kill and its resume
            "stage_one": settings.stage_one.model_dump(mode="json"),
            "stage_two": settings.stage_two.model_dump(mode="json"),
            "seed": seed,
            "training": data.fingerprint,
            "validation": None if validation is None else validation.fingerprint,
        }
        path = folder / "fit.json"
        if claim(f"{folder} holds a fit", read_json(path) if path.exists() else None, facts, resume=resume):
            write_json(path, facts)
        self._reuse(facts, reuse)
        self.seconds: dict[str, float] = {}
        of_training = self.training.transitions
        _log.info(
            "%d training and %d validation trajectories; %d steps to learn from, %d gaps left out",
            len(self.training.trajectories),
            len(self.validation.trajectories),
            len(of_training),
            of_training.n_gaps,
        )

    def _facts(self, data: TrajectoryDataset) -> ModelFacts:
        """Give the facts of the training data; all statistics come from the training split alone."""
        training, model = self.training, self.model
        facts = ModelFacts.of(data)
        seen = ObservableMap.fitted(
            data.observable_names, model.observables, training.observables, training.trajectories.tolist()
        )
        known = Composition.fitted(data.species_names, training.composition()) if model.composition else None
        return replace(facts, observable_map=seen, composition=known)

    def run(self) -> tuple[ModelParts, dict[str, History]]:
        """Train both stages and fill the training range.

        Returns
        -------
        (ModelParts, dict)
            The trained parts, and the history of each stage.
        """
        with seeded(self.seed, "weights"):
            parts = ModelParts(self.model, self.model_facts)
        history = {"stage_one": self.stage_one(parts.autoencoder)}
        parts = self.turned(parts)
        training, validation = self.macrostates(parts.autoencoder)
        history["stage_two"] = self.stage_two(parts, training, validation)
        self.training_range(parts, training)
        return parts, history

    def stage_one(self, autoencoder: Autoencoder) -> History:
        """Train encoder and decoder, and give the history; a method without an encoder trains nothing.

        Raises
        ------
        ConfigurationError
            If the method has an encoder that neither a reconstruction nor the dynamics trains.
        """
        settings, weight = self.settings.stage_one, self.model.dynamics_weight
        if autoencoder.encoder is None:
            self.seconds["stage_one"] = 0.0
            return []
        if self.model.encoder is not None and not self.model.encoder.trained:
            start = time.perf_counter()
            fit_untrained(autoencoder, self.training, self.seed)
            self.seconds["stage_one"] = time.perf_counter() - start
            return []
        if autoencoder.decoder is None and weight == 0:
            raise ConfigurationError(
                f"method '{self.model.method}' reconstructs nothing, and model.dynamics_weight is 0: nothing would "
                "train its encoder. Give it a positive weight, or a decoder and a reconstruction."
            )
        joint = None
        if weight > 0:
            with seeded(self.seed, "joint dynamics"):
                dynamics = new_dynamics(self.model, self.model_facts, autoencoder.closure_dim)
            dynamics.set_context_statistics(self.training.all_context())
            joint = dynamics, weight
        share = settings.transient_share
        history = train_autoencoder(
            autoencoder,
            self.training.batches(settings.batch_sets, share, joint is not None),
            self.validation.batches(settings.validation_sets, share, joint is not None),
            settings,
            self.seed,
            self.folder / "stage_one",
            self.settings.trainer,
            joint,
            self.resume,
        )
        self.seconds["stage_one"] = history[-1]["seconds"]
        return history

    def turned(self, parts: ModelParts) -> ModelParts:
        """Give the parts with the closure turned to its principal axes, if that is wanted and an encoder reads sets.

        Encoders of lists and of images stay as they are: none of their particles can be left out.
        """
        autoencoder, encoder = parts.autoencoder.eval(), self.model.encoder
        if self.model.axes == "given" or encoder is None or encoder.ordered or encoder.raw:
            return parts
        found = principal_axes(autoencoder, self.training, self.seed)
        n = found.axes.shape[1]
        _log.info("%d of %d numbers of the closure carry more than noise, and are kept", n, len(found.shift))
        self.model_facts = replace(self.model_facts, n_axes=n)
        with seeded(self.seed, "weights"):
            turned = ModelParts(self.model, self.model_facts)
        turned.autoencoder.load_state_dict({**autoencoder.state_dict(), "axes_shift": found.shift, "axes": found.axes})
        return turned

    def stage_two(self, parts: ModelParts, training: Macrostates, validation: Macrostates) -> History:
        """Train the dynamics, and give the history.

        Where options of the dynamics are to be chosen, every candidate is trained in a folder of its own, with the
        weights and the batches that it would have alone. The one whose validation rollouts are best takes its place in
        ``parts`` and in :attr:`model`.
        """
        settings, folder = self.settings.stage_two, self.folder / "stage_two"
        candidates = self.model.dynamics.candidates(int(np.median(training.stretches)))
        tried: list[tuple[float, ModelSettings, Dynamics, History]] = []
        for name, options in (candidates or {"": self.model.dynamics}).items():
            model = self.model.model_copy(update={"dynamics": options})
            with seeded(self.seed, "weights"):
                dynamics = ModelParts(model, self.model_facts).dynamics
            history = train_dynamics(
                dynamics,
                training,
                validation,
                settings,
                self.seed,
                folder / name,
                self.settings.trainer,
                self.resume,
            )
            error = kept_row(history, "rollout_error", settings)["rollout_error"]
            _log.info("error of validation rollouts%s: %.4g", name and f", {name}", error)
            tried.append((error, model, dynamics, history))
        self.seconds["stage_two"] = sum(history[-1]["seconds"] for *_, history in tried)
        _, self.model, parts.dynamics, history = min(tried, key=lambda one: one[0])
        return history

    def macrostates(self, autoencoder: Autoencoder) -> tuple[Macrostates, Macrostates]:
        """Encode all training and validation frames, or read them from the folder if they were encoded before.

        Under a symmetry with rotations each training trajectory is encoded in several random orientations.
        """
        path, log = self.folder / "macrostates.safetensors", self.folder / "encode.json"
        if self.resume and log.is_file():
            before = read_json(log)
            content = path.read_bytes() if path.is_file() else b""
            if sha256(content) == before["sha256"]:
                self.seconds["encode"] = before["seconds"]
                return self._in_rows(safetensors.torch.load(content))
            warnings.warn(f"{path} is damaged; the microstates are encoded again.", SetclosureWarning, stacklevel=3)
        start = time.perf_counter()
        on_gpu = self.settings.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        autoencoder.eval().to("cuda" if on_gpu else "cpu")
        V = self.settings.stage_two.views if autoencoder.coordinates.symmetry.turns else 1
        z = {
            "training": self.training.macrostates(autoencoder, V, self.seed).z,
            "validation": self.validation.macrostates(autoencoder, 1, self.seed).z,
        }
        autoencoder.to("cpu")
        content = safetensors.torch.save(z)
        write_bytes(path, content)
        self.seconds["encode"] = time.perf_counter() - start
        # written last, so that it tells that the macrostates are whole
        write_json(log, {"seconds": self.seconds["encode"], "sha256": sha256(content)})
        return self._in_rows(z)

    def _in_rows(self, z: dict[str, Tensor]) -> tuple[Macrostates, Macrostates]:
        return self.training.in_a_row(z["training"]), self.validation.in_a_row(z["validation"])

    def training_range(self, parts: ModelParts, macrostates: Macrostates) -> None:
        """Fill the training range from training macrostates and microstates alone."""
        parts.eval()
        stream = numpy_stream(self.seed, "training range")
        scores = []
        if parts.autoencoder.decoder is not None:
            drawn = (self.training.some(SCORED_MICROSTATES, first, stream) for first in (True, False))
            scores = [parts.autoencoder.score(batch) for batch in drawn]
        standard = parts.dynamics.standardise(macrostates.z)
        stays = parts.dynamics.persistence()
        parts.range.fit(standard, macrostates.trajectory, macrostates.is_first, scores, stream, stays)

    def _prepared(self, model: ModelSettings, observable: Observable | None, folder: Path) -> ModelSettings:
        """Compare the settings with training microstates, choose what is 'auto', and describe all particles."""
        kind = self.model_facts.kind
        symmetry = as_symmetry(model.symmetry, kind.features)
        batch = self.training.some(CHECKED, False, numpy_stream(self.seed, "check of settings"))
        if is_first_process():
            spread = np.concatenate(self.training.observables).std(axis=0)
            check_symmetry(batch, symmetry, observable or self._registered(), spread, self.seed)
        Descriptors(model.descriptors, kind)  # that they fit is said before anything is chosen by them
        chosen = tuple(part.fitted(batch) for part in model.descriptors)
        model = model.model_copy(update={"descriptors": chosen})
        describe = Descriptors(chosen, kind)
        model.check_bandwidth(describe.described.features)
        describe_splits((self.training, self.validation), describe, folder / "descriptors")
        batch = describe(batch)
        if model.reconstruction is None or model.encoder is None or model.encoder.raw:
            return model if model.bandwidth != "auto" else model.model_copy(update={"bandwidth": UNUSED_BANDWIDTH})
        if isinstance(model.bandwidth, str):
            bandwidth = automatic(batch)
            _log.info("bandwidth ε of each feature: %s", ", ".join(f"{e:g}" for e in bandwidth))
            return model.model_copy(update={"bandwidth": bandwidth})
        if is_first_process() and find("reconstruction", model.reconstruction.part_name).value.smooths:
            compare(batch, model.bandwidth)
        return model

    def _registered(self) -> Observable | None:
        name = self.model_facts.observable
        if name == GIVEN:
            return None
        try:
            return get_observable(name)
        except ConfigurationError:
            return None

    def _reuse(self, facts: dict[str, Any], others: Sequence[Path]) -> None:
        """Copy stage one and macrostates from a fit with the same seed and settings, which are equal to the bit."""
        begun = any((self.folder / name).exists() for name in ("stage_one", "encode.json"))
        if begun or not is_first_process():
            return
        for other in others:
            # the record of the macrostates is written last, so all before it is finished
            if not ((other / "encode.json").is_file() and (other / "fit.json").is_file()):
                continue
            if not differences(_before_stage_two(read_json(other / "fit.json")), _before_stage_two(facts)):
                if (other / "stage_one").exists():  # a method without an encoder has none
                    unfinished = self.folder / ".stage_one.unfinished"  # renamed when it is whole
                    shutil.rmtree(unfinished, ignore_errors=True)
                    shutil.copytree(other / "stage_one", unfinished)
                    unfinished.rename(self.folder / "stage_one")
                for name in ("macrostates.safetensors", "encode.json"):
                    write_bytes(self.folder / name, (other / name).read_bytes())
                write_json(self.folder / "reused.json", {"from": str(other)})
                self.resume = True
                _log.info("stage one and macrostates are those of %s", other)
                return


def _before_stage_two(facts: dict[str, Any]) -> dict[str, Any]:
    """Keep the facts on which stage one and the macrostates depend."""
    unseen = () if facts["model"]["dynamics_weight"] > 0 else ("dynamics",)
    return facts | {
        "model": {key: value for key, value in facts["model"].items() if key not in unseen},
        "stage_two": facts["stage_two"]["views"],
    }
