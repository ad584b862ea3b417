"""``setclosure predict`` reads initial microstates from a file, predicts, and writes the rollouts."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.dynamics.rollout import RolloutStatus
from setclosure.errors import ConfigurationError, MicrostateError, RunError
from setclosure.experiments.run import Run
from setclosure.files import write_arrays
from setclosure.model.closure_model import ClosureModel
from setclosure.model.range_check import RangeCheck
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch


def predict_file(model: ClosureModel, initial: Path, steps: int, out: Path, **options: Any) -> list[str]:
    """Predict from the microstates in ``initial``, write ``out``, and return what to tell the user.

    ``options`` are those of :meth:`ClosureModel.predict`.
    """
    given = read_microstates(initial, model.facts.kind.features)
    prediction = model.predict(given.pop("x"), steps, **given, **options)
    write_arrays(
        out,
        times=prediction.times,
        observables=prediction.observables,
        observable_names=np.array(list(model.facts.observable_names)),
        closure=prediction.closure,
        status=prediction.status,
        step=prediction.step,
        **_checked(prediction.check),
    )
    B = len(prediction)
    lines = [f"microstate {b}: {prediction.message(b)}" for b in range(min(B, 10))]
    if B > 10:
        diverged = int((prediction.status == RolloutStatus.DIVERGED).any(axis=1).sum())
        outside = 0 if prediction.check is None else int((~prediction.check.inside).sum())
        lines.append(f"… of {B} microstates {outside} start outside the training range and {diverged} diverged.")
    return [*lines, f"Wrote {out}: times, observables, closure, status and the range check."]


def _checked(check: RangeCheck | None) -> dict[str, np.ndarray]:
    if check is None:
        return {}
    return {"inside_training_range": check.inside, "kl": check.kl, "distance": check.distance}


def parse_context(given: list[str] | None) -> dict[str, float] | None:
    """Read what is known from outside from ``name=number``.

    Raises
    ------
    ConfigurationError
        If a text reads otherwise.

    Examples
    --------
    >>> parse_context(["temperature=300"])
    {'temperature': 300.0}
    """
    if not given:
        return None
    try:
        return {key: float(value) for key, value in (text.split("=", 1) for text in given)}
    except ValueError as error:
        raise ConfigurationError(f"--context reads name=number, as in temperature=300; got {given}.") from error


def read_microstates(path: Path, features: Features) -> dict[str, Any]:
    """Read microstates ``x``, and ``observables`` if they are given, from a ``.npy`` or ``.npz`` file.

    A ``.npy`` holds ``(N, d)`` or ``(B, N, d)``. A ``.npz`` with an array ``points`` may have ``species``, ``masses``,
    ``cell`` and ``observables`` beside it; any other holds one array for each set, in the order of their names.

    Parameters
    ----------
    path : Path
        The file.
    features : Features
        The features of the particles that the model was trained on.

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
    x = MicrostateBatch.from_arrays(arrays["points"], **given, features=features)
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
