"""A whole fit in a folder: stage one, encoding, stage two, training range; resumable piece by piece."""

from __future__ import annotations

import math
import shutil
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from pydantic import Field
from torch import Tensor

from setclosure.model.autoencoder import Autoencoder, ModelSettings
from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.dataset import Ensemble
from setclosure.trajectories.splits import split_trajectories
from setclosure.differences import differences, require_same
from setclosure.dynamics.macro_dynamics import MacroDynamics
from setclosure.errors import ConfigurationError, EnsembleError, RunError, SetclosureWarning
from setclosure.files import read_json, sha256, write_bytes, write_json
from setclosure.model.methods import METHODS
from setclosure.sets.microstates import MicrostateBatch
from setclosure.model.parts import ModelParts
from setclosure.processes import is_first_process
from setclosure.progress import progress
from setclosure.seeds import numpy_stream, seeded, torch_stream
from setclosure.settings import Settings
from setclosure.sets.coordinates import random_orthogonal, rotated
from setclosure.fit.settings import StageOneSettings, StageTwoSettings, TrainerSettings
from setclosure.fit.stage_one import FrameBatches, train_autoencoder
from setclosure.fit.stage_two import train_dynamics
from setclosure.fit.trainer import History

KL_MICROSTATES = 512
"""Training microstates from which the limit of the reconstruction KL is taken."""


class FitSettings(Settings):
    """Budgets of both stages, and the Lightning trainer."""

    stage_one: StageOneSettings = Field(default_factory=StageOneSettings)
    stage_two: StageTwoSettings = Field(default_factory=StageTwoSettings)
    trainer: TrainerSettings = Field(default_factory=TrainerSettings)
    memory_gib: float = Field(8.0, gt=0, description="Microstates are held in memory up to this size.")


class Training:
    """One fit: data, settings and the folder of its checkpoints.

    Parameters
    ----------
    model : ModelSettings
        What is fitted.
    settings : FitSettings
        Budgets.
    ensemble : Ensemble
        Training trajectories.
    validation : Ensemble or None
        Validation trajectories; None takes a fifth of ``ensemble``'s.
    seed : int
        Root seed.
    folder : Path
        For checkpoints and macrostates.
    resume : bool
        Whether ``folder`` may hold this fit already.
    reuse : sequence of Path
        Folders of other fits; stage one and macrostates are taken from the first that has the same.

    Raises
    ------
    RunError
        If ``folder`` holds a fit and ``resume`` is false, or one of other data or another configuration.
    """

    def __init__(
        self,
        model: ModelSettings,
        settings: FitSettings,
        ensemble: Ensemble,
        validation: Ensemble | None,
        seed: int,
        folder: Path,
        resume: bool,
        reuse: Sequence[Path] = (),
    ) -> None:
        if ensemble.n_frames < 2:
            raise EnsembleError(
                f"the trajectories of {ensemble.path} have one frame; learning dynamics needs at least two."
            )
        steps = np.diff(ensemble.times)
        if not np.allclose(steps, ensemble.time_step, rtol=1e-6):
            raise EnsembleError(
                f"the frames of {ensemble.path} are between {steps.min():g} and {steps.max():g} apart; learning "
                "one-step dynamics needs equal steps. Interpolate or thin the trajectories to equally spaced frames."
            )
        if validation is not None:
            _check_kind(ensemble, validation)
        self.model, self.settings, self.seed, self.folder, self.resume = model, settings, seed, folder, resume
        self.training, self.validation = _splits(ensemble, validation, seed, settings.memory_gib)
        wanted = settings.stage_one.dynamics_weight
        self.dynamics_weight = METHODS[model.method].dynamics_weight if wanted is None else wanted
        facts = {
            "model": model.model_dump(mode="json"),
            # devices, loggers and memory may change between a kill and its resume
            "stage_one": settings.stage_one.model_dump(mode="json") | {"dynamics_weight": self.dynamics_weight},
            "stage_two": settings.stage_two.model_dump(mode="json"),
            "seed": seed,
            "training": ensemble.fingerprint,
            "validation": None if validation is None else validation.fingerprint,
        }
        self._claim(facts)
        self._reuse(facts, reuse)
        self.seconds: dict[str, float] = {}

    def stage_one(self, autoencoder: Autoencoder) -> History:
        """Train encoder and decoder; a method without either trains nothing."""
        settings = self.settings.stage_one
        if autoencoder.encoder is None:
            self.seconds["stage_one"] = 0.0
            return []
        pairs = self.dynamics_weight > 0
        if autoencoder.reconstruction is None and not pairs:
            raise ConfigurationError(
                f"method '{self.model.method}' reconstructs nothing, and training.stage_one.dynamics_weight is 0: "
                "nothing would train its encoder. Give it a positive weight, or leave it at null."
            )
        joint = None
        if pairs:
            n = self.training.observables.shape[-1]
            with seeded(self.seed, "joint dynamics"):
                dynamics = MacroDynamics(
                    n + autoencoder.closure_dim,
                    n,
                    self.model.drift,
                    self.model.diffusion,
                    self.training.time_step,
                )
            joint = dynamics, self.dynamics_weight
        share = settings.transient_share
        history = train_autoencoder(
            autoencoder,
            self.training.batches(settings.batch_sets, share, pairs),
            self.validation.batches(settings.validation_sets, share, pairs),
            settings,
            self.seed,
            self.folder / "stage_one",
            self.settings.trainer,
            joint,
            self.resume,
        )
        self.seconds["stage_one"] = history[-1]["seconds"]
        return history

    def macrostates(self, autoencoder: Autoencoder) -> dict[str, Tensor]:
        """Macrostates z = [z̄, ẑ] of all training (V·M, T, D) and validation (M, T, D) frames; stored in the folder.

        Under ``euclidean`` symmetry each training trajectory is encoded in V random orientations.
        """
        path, log = self.folder / "macrostates.safetensors", self.folder / "encode.json"
        if self.resume and log.is_file():
            before = read_json(log)
            content = path.read_bytes() if path.is_file() else b""
            if sha256(content) == before["sha256"]:
                self.seconds["encode"] = before["seconds"]
                return safetensors.torch.load(content)
            warnings.warn(f"{path} is damaged; the microstates are encoded again.", SetclosureWarning, stacklevel=3)
        start = time.perf_counter()
        on_gpu = self.settings.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        autoencoder.eval().to("cuda" if on_gpu else "cpu")
        V = self.settings.stage_two.views if self.model.symmetry == "euclidean" else 1
        z = {
            "training": self.training.macrostates(autoencoder, V, self.seed),
            "validation": self.validation.macrostates(autoencoder, 1, self.seed),
        }
        autoencoder.to("cpu")
        content = safetensors.torch.save(z)
        write_bytes(path, content)
        self.seconds["encode"] = time.perf_counter() - start
        write_json(log, {"seconds": self.seconds["encode"], "sha256": sha256(content)})  # last: all is there
        return z

    def stage_two(self, dynamics: MacroDynamics, macrostates: dict[str, Tensor]) -> History:
        """Train drift and diffusion."""
        history = train_dynamics(
            dynamics,
            macrostates["training"],
            macrostates["validation"],
            self.settings.stage_two,
            self.seed,
            self.folder / "stage_two",
            self.settings.trainer,
            self.resume,
        )
        self.seconds["stage_two"] = history[-1]["seconds"]
        return history

    def training_range(self, parts: ModelParts, macrostates: dict[str, Tensor]) -> None:
        """Fill the training range from training macrostates and microstates alone."""
        parts.eval()
        stream = numpy_stream(self.seed, "training range")
        kl = []
        if parts.autoencoder.has_density:
            kl = [
                parts.autoencoder.encode_kl(self.training.some(KL_MICROSTATES, first, stream))
                for first in (True, False)
            ]
        by_view = macrostates["training"].unflatten(0, (-1, len(self.training.trajectories)))  # (V, M, T, D)
        parts.range.fit(parts.dynamics.standardise(by_view), kl, stream)

    def _claim(self, facts: dict[str, Any]) -> None:
        path = self.folder / "fit.json"
        if not path.exists():
            write_json(path, facts)
            return
        before = read_json(path)
        if not self.resume and is_first_process():
            raise RunError(
                f"{self.folder} already holds a fit. Resume it (resume=True, --resume), or choose another folder."
            )
        require_same(
            before,
            facts,
            f"{self.folder} holds a fit of other data or another configuration, so it cannot be resumed",
            "Use the same data and configuration, or another folder.",
        )

    def _reuse(self, facts: dict[str, Any], others: Sequence[Path]) -> None:
        """Copy what another fit has made with the same settings: with one seed it is the same to the bit."""
        begun = any((self.folder / name).exists() for name in ("stage_one", "encode.json"))
        if begun or not is_first_process():
            return
        for other in others:
            # the record of the macrostates is written last: all before it is finished
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
                return


def _before_stage_two(facts: dict[str, Any]) -> dict[str, Any]:
    """What stage one and the macrostates depend on."""
    joint = facts["stage_one"]["dynamics_weight"] > 0
    unseen = () if joint else ("drift", "diffusion")
    return facts | {
        "model": {key: value for key, value in facts["model"].items() if key not in unseen},
        "stage_two": facts["stage_two"]["views"],
    }


class Split:
    """Some trajectories of an ensemble."""

    def __init__(self, ensemble: Ensemble, source: MicrostateSource, trajectories: np.ndarray) -> None:
        self.source, self.trajectories = source, trajectories
        self.observables = ensemble.observables(trajectories)
        self.time_step, self.n_frames = ensemble.time_step, ensemble.n_frames

    def batches(self, n_sets: int, transient_share: float, pairs: bool) -> FrameBatches:
        """Draws of microstates of this split."""
        return FrameBatches(self.source, self.trajectories, self.observables, n_sets, transient_share, pairs)

    def some(self, n: int, first: bool, stream: np.random.Generator) -> MicrostateBatch:
        """``n`` random microstates, of first frames alone or of all frames."""
        frames = np.zeros(n, dtype=np.int64) if first else stream.integers(self.n_frames, size=n)
        return self.source.batch(stream.choice(self.trajectories, size=n), frames)

    def macrostates(self, autoencoder: Autoencoder, n_views: int, seed: int) -> Tensor:
        """``(V·M, T, D)``: every trajectory, in ``n_views`` random orientations if more than one."""
        frames = np.arange(self.n_frames)
        out = []
        total = n_views * len(self.trajectories)
        with progress("encode", total, "trajectories") as advance:
            for v in range(n_views):
                for i, trajectory in enumerate(self.trajectories):
                    batch = self.source.batch(np.full(self.n_frames, trajectory), frames)
                    if n_views > 1:
                        batch = _turned(batch, seed, int(trajectory), v)
                    z_bar = torch.as_tensor(self.observables[i], dtype=torch.float32)
                    out.append(torch.cat([z_bar, autoencoder.encode(batch)], dim=1))
                    advance(len(out), "")
        return torch.stack(out)


def _turned(batch: MicrostateBatch, seed: int, trajectory: int, view: int) -> MicrostateBatch:
    stream = torch_stream(seed, "view", trajectory, view)
    return rotated(batch, random_orthogonal(1, batch.n_features, stream)[0])


def _splits(ensemble: Ensemble, validation: Ensemble | None, seed: int, memory_gib: float) -> tuple[Split, Split]:
    limit = int(memory_gib * 2**30)
    source = MicrostateSource(ensemble, limit)
    if validation is not None:
        return Split(ensemble, source, ensemble.usable), Split(
            validation, MicrostateSource(validation, limit), validation.usable
        )
    usable = ensemble.usable
    if len(usable) < 2:
        raise EnsembleError(
            f"{ensemble.path} has {len(usable)} usable trajectories; training needs at least two, "
            "one of them for validation."
        )
    parts = split_trajectories(len(usable), (0.8, 0.2), seed)
    return Split(ensemble, source, usable[parts[0]]), Split(ensemble, source, usable[parts[1]])


def _check_kind(ensemble: Ensemble, validation: Ensemble) -> None:
    kinds = [
        {
            "features": e.n_features,
            "species": list(e.species_names),
            "observable": e.observable,
            "observables": list(e.observable_names),
        }
        for e in (ensemble, validation)
    ]
    if kinds[0] != kinds[1] or not math.isclose(ensemble.time_step, validation.time_step, rel_tol=1e-6):
        raise EnsembleError(
            f"the validation ensemble {validation.path} is of another kind than {ensemble.path}: {kinds[1]}, frames "
            f"{validation.time_step:g} apart, instead of {kinds[0]}, frames {ensemble.time_step:g} apart."
        )
