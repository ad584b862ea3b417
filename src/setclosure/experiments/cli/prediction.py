"""``setclosure predict`` reads initial microstates from a file, predicts, and writes the rollouts."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.dynamics.rollout import RolloutStatus
from setclosure.errors import ConfigurationError, MicrostateError, RunError
from setclosure.experiments.run import Run
from setclosure.model.closure_model import ClosureModel
from setclosure.model.prediction_files import require_known_ending
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.layout import GIVEN


def predict_file(model: ClosureModel, initial: Path, steps: int, out: Path, **options: Any) -> list[str]:
    """Predict from the microstates in ``initial``, write ``out``, and return what to tell the user.

    ``options`` are those of :meth:`ClosureModel.predict`.
    """
    require_known_ending(out)  # before anything is computed
    given = read_microstates(initial, model.facts.kind.features, model.facts.kind.n_species)
    _require_all_given(model, initial, given, options)
    prediction = model.predict(given.pop("x"), steps, **given, **options)
    prediction.save(out)
    B = len(prediction)
    lines = [f"microstate {b}: {prediction.message(b)}" for b in range(min(B, 10))]
    if B > 10:
        diverged = int((prediction.status == RolloutStatus.DIVERGED).any(axis=1).sum())
        outside = 0 if prediction.check is None else int((~prediction.check.inside).sum())
        lines.append(f"… of {B} microstates {outside} start outside the training range and {diverged} diverged.")
    return [*lines, f"Wrote {out}: times, observables, closure, status and the range check."]


def _require_all_given(model: ClosureModel, initial: Path, given: dict[str, Any], options: dict[str, Any]) -> None:
    """Say in the words of the command line what a prediction lacks, or has and cannot use.

    Raises
    ------
    ConfigurationError
        If an option is missing or does not fit the model.
    MicrostateError
        If the file lacks something, or has other particles than the model.
    """
    facts, context = model.facts, options.get("context")
    if set(context or {}) != set(facts.context_names):
        if not facts.context_names:
            raise ConfigurationError("this model was trained without context; leave --context out.")
        said = f"--context names {', '.join(context)}, and " if context else ""
        wanted = " ".join(f"--context {name}=…" for name in facts.context_names)
        raise ConfigurationError(
            f"{said}this model was trained with the context {', '.join(facts.context_names)}: give {wanted}"
        )
    if options.get("samples", 1) > 1 and not model.parts.dynamics.stochastic:
        raise ConfigurationError("this model has no noise, so all of its samples would be equal; leave --samples out.")
    x, S = given["x"], facts.kind.n_species
    if S > 1 and not isinstance(x, MicrostateBatch):
        raise MicrostateError(
            f"{initial} does not say of which species the particles are, and this model has {S}: "
            f"{', '.join(facts.species_names)}. Give a .npz with the arrays 'points' and 'species' (0 … {S - 1})."
        )
    sets = [x.points] if isinstance(x, MicrostateBatch) else (x if isinstance(x, list) else [x])
    for points in sets:
        if np.ndim(points) and np.shape(points)[-1] != facts.kind.n_features:
            raise MicrostateError(
                f"{initial} has particles of {np.shape(points)[-1]} features; this model was trained on "
                f"{facts.kind.n_features}: {', '.join(facts.kind.features.names)}."
            )
    if "observables" not in given and not model.can_observe:
        names = ", ".join(facts.observable_names)
        plugin = f" Or name the file that registers '{facts.observable}': setclosure --plugin FILE predict …"
        raise MicrostateError(
            f"this model cannot compute {names} of the start. Put the values into {initial} as an array 'observables' "
            f"(B, {len(facts.observable_names)}) beside 'points', in a .npz file."
            f"{'' if facts.observable == GIVEN else plugin}"
        )


def parse_places(given: list[str] | None) -> dict[str, Path]:
    """Read where data are from ``name=path``.

    Raises
    ------
    ConfigurationError
        If a text reads otherwise.

    Examples
    --------
    >>> parse_places(["train=/new/train.zarr"])["train"].name
    'train.zarr'
    """
    places = {}
    for text in given or []:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise ConfigurationError(f"--data-path reads name=path, as in train=/new/train.zarr; got '{text}'.")
        places[name] = Path(path)
    return places


def parse_context(given: list[str] | None) -> dict[str, float] | None:
    """Read what is known from outside from ``name=number``.

    Raises
    ------
    ConfigurationError
        If a text reads otherwise, or a name is given twice.

    Examples
    --------
    >>> parse_context(["temperature=300"])
    {'temperature': 300.0}
    """
    if not given:
        return None
    values: dict[str, float] = {}
    for text in given:
        name, _, number = text.partition("=")
        if name in values:
            raise ConfigurationError(f"--context gives '{name}' twice, as {values[name]:g} and as {number}.")
        try:
            values[name] = float(number)
        except ValueError as error:
            raise ConfigurationError(f"--context reads name=number, as in temperature=300; got '{text}'.") from error
    return values


def read_microstates(path: Path, features: Features, n_species: int = 1) -> dict[str, Any]:
    """Read microstates ``x``, and ``observables`` if they are given, from a ``.npy`` or ``.npz`` file.

    A ``.npy`` holds ``(N, d)`` or ``(B, N, d)``. A ``.npz`` with an array ``points`` may have ``species``, ``masses``,
    ``cell`` and ``observables`` beside it; any other holds one array for each set, in the order of their names.

    Parameters
    ----------
    path : Path
        The file.
    features : Features
        The features of the particles that the model was trained on.
    n_species : int
        The number of its species, some of which may lack particles.

    Raises
    ------
    MicrostateError
        If the file is missing or not such a file.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"x": loaded}
        with loaded:
            arrays = {name: loaded[name] for name in sorted(loaded.files, key=lambda n: (len(n), n))}
    except OSError as error:
        raise MicrostateError(
            f"{path} cannot be read: {error.strerror or error}. Expected a .npy or .npz file."
        ) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise MicrostateError(
            f"{path} is not a whole .npy or .npz file of plain numbers ({_without_pickle(error)}). Save microstates "
            "with numpy.save as (N, d) or (B, N, d), or sets of different sizes with numpy.savez(file, *sets)."
        ) from error
    if "points" not in arrays:
        return {"x": list(arrays.values())}
    of_particles = {"species", "masses", "cell"}
    unknown = arrays.keys() - {"points", "observables"} - of_particles
    if unknown:
        raise MicrostateError(
            f"{path} has arrays {sorted(unknown)} beside 'points'; expected species, masses, cell or observables."
        )
    given = {name: arrays[name] for name in of_particles & arrays.keys()}
    if np.shape(arrays["points"])[-1:] != (features.d,):
        return {"x": arrays["points"]}  # which is told with the names of the features
    if "species" in given:
        n_species = max(n_species, 1 + int(np.max(given["species"], initial=0)))
    elif n_species > 1:
        return {"x": arrays["points"]}
    x = MicrostateBatch.from_arrays(arrays["points"], **given, features=features, n_species=n_species)
    return {"x": x} | ({"observables": arrays["observables"]} if "observables" in arrays else {})


def _without_pickle(error: Exception) -> str:
    """Leave NumPy's advice to allow pickles out of its message: they can run code, and it takes any file for one."""
    return "it is another kind of file, or holds Python objects" if "allow_pickle" in str(error) else str(error)


def find_model(folder: Path, seed: int | None) -> ClosureModel:
    """Load the model in a folder, or that of a training seed of a run.

    Raises
    ------
    RunError
        If a run has no such seed or it is not trained, or a seed is named for a single model.
    """
    if (folder / "model.json").is_file():
        if seed is not None:
            raise RunError(f"{folder} is one model, and not a run with training seeds; leave --training-seed out.")
        return ClosureModel.load(folder)
    run = Run(folder)
    seed = run.study.seeds[0] if seed is None else seed
    if seed not in run.study.seeds:
        raise RunError(f"{folder} has no seed {seed}; its seeds are {', '.join(map(str, run.study.seeds))}.")
    return ClosureModel.load(run.trained(seed) / "model")
