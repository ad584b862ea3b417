"""The promises of readers: what is counted is what is read, in order, and nothing is lost in silence."""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.conformance.report import Report
from setclosure.conformance.require import require, require_round_trip
from setclosure.errors import ConfigurationError, ConformanceError, ReaderError
from setclosure.sets.cell import cell_matrices
from setclosure.trajectories.readers.base import Frame, ReaderConfig, Source, SourceFacts

SLICES = ((0, None, 1), (1, None, 1), (0, 2, 1), (1, None, 2), (0, 0, 1), (0, 10**6, 3))
"""Start, stop and step of the frames that are asked for."""

CUTS = (0.37, 0.61, 0.98)
"""Shares of its size at which a file is cut off."""


class ReaderContract:
    """The promises of a reader on one source, a method for each, with its sentence as the docstring.

    A subclass whose name begins with ``Test`` is a class of tests for pytest, and :func:`check_reader` runs the same
    methods.

    Attributes
    ----------
    config : ReaderConfig
        The reader, with its options.
    source : Source
        A trajectory of at least two frames.
    reference : sequence of Frame, optional
        What its frames are.
    damage : bool
        Whether a file that is cut off can be told from a whole one, as in every format but some.

    Examples
    --------
    >>> class TestMine(ReaderContract):                                  # doctest: +SKIP
    ...     config = MyReaderConfig()
    ...     source = Source((Path("tests/three_frames.xyz"),))
    """

    config: ReaderConfig
    source: Source
    reference: Sequence[Frame] | None = None
    damage: bool = True

    def test_configuration(self) -> None:
        """its configuration is stored with every option and read back the same"""  # noqa: D400, D403
        require_round_trip("reader", self.config)

    def test_scan(self) -> None:
        """the first look counts the frames, particles and columns that are read"""  # noqa: D400, D403
        facts, frames = self.config.scan(self.source), self._frames()
        require(isinstance(facts, SourceFacts), f"scan gave a {type(facts).__name__}; expected SourceFacts.")
        require(facts.n_frames == len(frames), f"scan counts {facts.n_frames} frames, and {len(frames)} are read.")
        most = max(len(frame) for frame in frames)
        require(facts.max_particles == most, f"scan says at most {facts.max_particles} particles, and {most} are read.")
        least = min(len(frame) for frame in frames)
        said = facts.min_particles
        require(said in (None, least), f"scan says at least {said} particles, and {least} are read.")
        if facts.species is not None:
            known = {str(label) for label in facts.species}
            read = {str(label) for f in frames if f.species is not None for label in np.unique(f.species)}
            require(read <= known, f"scan says the species {', '.join(known)}, and {', '.join(read)} are read.")
        for t, frame in enumerate(frames):
            require(
                set(frame.columns) == set(facts.columns),
                f"scan says the columns {', '.join(facts.columns)}, and frame {t} has {', '.join(frame.columns)}.",
            )
            for said, found, what in (
                (facts.has_ids, frame.ids is not None, "identities"),
                (facts.has_cell, frame.cell is not None, "a cell"),
            ):
                require(said == found, f"scan says {said} to {what}, and frame {t} has {what if found else 'none'}.")
        unknown = set(facts.units) - set(facts.columns)
        require(not unknown, f"there are units of {', '.join(sorted(unknown))}, which are no columns.")

    def test_times(self) -> None:
        """times are finite and rise"""  # noqa: D400, D403
        times = [frame.time for frame in self._frames()]
        require(bool(np.isfinite(times).all()), f"the times are {times[:5]}; expected finite numbers.")
        late = [t for t in range(1, len(times)) if times[t] <= times[t - 1]]
        require(not late, f"the time of frame {late[:1]} is not after that of the frame before.")

    def test_frames(self) -> None:
        """frames hold a number of each particle in float64 columns, and a square cell"""  # noqa: D400, D403
        for t, frame in enumerate(self._frames()):
            n = len(frame)
            require(bool(frame.columns), f"frame {t} has no columns.")
            for name, column in frame.columns.items():
                found = (getattr(column, "dtype", None), getattr(column, "shape", None))
                require(
                    found == (np.dtype(np.float64), (n,)),
                    f"the column '{name}' of frame {t} is {found[0]} {found[1]}; expected float64 ({n},).",
                )
            if frame.species is not None:
                require(np.shape(frame.species) == (n,), f"frame {t} has {n} particles, and not as many species.")
            if frame.cell is not None:
                require(np.ndim(frame.cell) == 2, f"the cell of frame {t} is no matrix of lattice vectors.")
                cell_matrices(frame.cell, np.shape(frame.cell)[-1])
            numbers = [*frame.observables.values()]
            require(all(isinstance(v, float) for v in numbers), f"the observables of frame {t} are {numbers}.")
            require(frame.step is None or isinstance(frame.step, int), f"the step of frame {t} is {frame.step!r}.")

    def test_ids(self) -> None:
        """particles are in the order of their identities, which are distinct"""  # noqa: D400, D403
        for t, frame in enumerate(self._frames()):
            if frame.ids is None:
                continue
            require(np.shape(frame.ids) == (len(frame),), f"frame {t} has {len(frame)} particles and other identities.")
            rising = bool((frame.ids[1:] > frame.ids[:-1]).all())
            require(rising, f"the identities of frame {t} do not rise; expected particles sorted by them.")

    def test_kept(self) -> None:
        """a frame that is kept does not change while others are read"""  # noqa: D400, D403
        kept, copies = [], []
        for frame in self.config.frames(self.source):
            kept.append(frame)
            copies.append(pickle.loads(pickle.dumps(frame)))
        for t, (frame, copy) in enumerate(zip(kept, copies, strict=True)):
            _require_same(frame, copy, f"frame {t}, looked at after the last one")

    def test_slices(self) -> None:
        """start, stop and step choose among the same frames"""  # noqa: D400
        frames = self._frames()
        for start, stop, step in SLICES:
            found = list(self.config.frames(self.source, start, stop, step))
            expected = frames[start:stop:step]
            what = f"with start {start}, stop {stop} and step {step}"
            require(len(found) == len(expected), f"{what} there are {len(found)} frames; expected {len(expected)}.")
            for one, other in zip(found, expected, strict=True):
                _require_same(one, other, what)

    def test_processes(self) -> None:
        """it can be sent to other processes, and reads the same there"""  # noqa: D400, D403
        config, source = pickle.loads(pickle.dumps((self.config, self.source)))
        require(config == self.config, f"what arrives is {config!r}; expected {self.config!r}.")
        _require_same(next(config.frames(source)), next(self.config.frames(self.source)), "sent and read")

    def test_provenance(self) -> None:
        """its files are noted with size and checksum"""  # noqa: D400, D403
        for facts, path in zip(self.source.files(), self.source.paths, strict=True):
            noted = Path(facts["path"])
            require(noted == path.resolve(), f"the path is noted as {noted}; expected {path.resolve()}.")
            require(path.is_dir() or facts["size"] == path.stat().st_size, f"the size of {path} is noted wrongly.")
            require(len(facts["sha256"]) == 64, f"the checksum of {path} is {facts['sha256']!r}.")

    def test_missing_file(self) -> None:
        """a file that is not there is named"""  # noqa: D400, D403
        missing = self.source.path.with_name(f"not-there-{self.source.path.name}")
        _require_refused(self.config, _moved(self.source, missing, 0), missing.name)

    def test_cut_off(self) -> None:
        """a file that is cut off is named, and no frame of it is lost in silence"""  # noqa: D400, D403
        last = self.source.paths[-1]
        if not self.damage or not last.is_file():
            return
        with _copied(last) as copy:
            source = _moved(self.source, copy, -1)
            for one, other in zip(self.config.frames(source), self._frames(), strict=True):
                _require_same(one, other, "read from a copy of the file")
            content = last.read_bytes()
            for share in CUTS:
                end = int(share * len(content))
                while content[end - 3 : end].count(b"\n"):
                    end -= 1  # a text that is cut off between two lines cannot be told from a whole one
                copy.write_bytes(content[:end])
                _require_refused(self.config, source, copy.name)

    def test_reference(self) -> None:
        """frames are what they are known to be"""  # noqa: D400, D403
        if self.reference is None:
            return
        frames = self._frames()
        require(len(frames) == len(self.reference), f"there are {len(frames)} frames; expected {len(self.reference)}.")
        for t, (frame, known) in enumerate(zip(frames, self.reference, strict=True)):
            _require_same(frame, known, f"frame {t}", tolerance=1e-6)

    def _frames(self) -> list[Frame]:
        frames = list(self.config.frames(self.source))
        require(len(frames) > 1, f"there are {len(frames)} frames; a check needs a trajectory of two at least.")
        return frames


def check_reader(
    config: ReaderConfig, source: Source, reference: Sequence[Frame] | None = None, damage: bool = True
) -> Report:
    """Check the promises of a reader on a source.

    Parameters
    ----------
    config : ReaderConfig
        The reader, with its options.
    source : Source
        A trajectory of at least two frames; a small one is enough.
    reference : sequence of Frame, optional
        What its frames are, to one part in a million.
    damage : bool
        Whether a file that is cut off can be told from a whole one.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.
    """
    contract = ReaderContract()
    contract.config, contract.source, contract.reference, contract.damage = config, source, reference, damage
    report = Report("reader", config.part_name)
    for sentence, promise in _promises(contract):
        if (promise == contract.test_reference and reference is None) or (
            promise == contract.test_cut_off and not damage
        ):
            continue
        with report.promise(sentence):
            promise()
    return report


def check_reader_on_files(config_of: Callable[[dict[str, Any]], ReaderConfig], options: dict[str, Any]) -> Report:
    """Check a reader on the files that its options name under ``files``.

    Raises
    ------
    ConfigurationError
        If no files are named.
    """
    options = dict(options)
    files = options.pop("files", None)
    if not files:
        raise ConfigurationError("a reader is checked on a file of yours: name it with --set files=run.dump.")
    paths = (files,) if isinstance(files, str | Path) else tuple(files)
    config = config_of(options)
    sources = config.sources(Source(tuple(Path(path) for path in paths)))
    return check_reader(config, sources[0])


def _promises(contract: ReaderContract) -> Iterator[tuple[str, Callable[[], None]]]:
    for name, method in vars(ReaderContract).items():
        if name.startswith("test_"):
            yield str(method.__doc__), getattr(contract, name)


def _require_same(found: Frame, expected: Frame, what: str, tolerance: float = 0.0) -> None:
    """Require equal frames; a number may differ by ``tolerance`` of the largest one of its kind."""
    require(
        set(found.columns) == set(expected.columns),
        f"{what}: the columns are {', '.join(found.columns)}; expected {', '.join(expected.columns)}.",
    )
    for name, column in expected.columns.items():
        _require_close(found.columns[name], column, f"{what}: the column '{name}'", tolerance)
    for entry in (f.name for f in fields(Frame) if f.name != "columns"):
        one, other = getattr(found, entry), getattr(expected, entry)
        if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.dtype.kind == "f":
            _require_close(one, other, f"{what}: {entry}", tolerance)
        elif isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
            require(np.array_equal(one, other), f"{what}: {entry} differs.")
        elif isinstance(one, float) and isinstance(other, float):
            _require_close(np.array(one), np.array(other), f"{what}: {entry}", tolerance)
        else:
            require(type(one) is type(other) and one == other, f"{what}: {entry} is {one!r}; expected {other!r}.")


def _require_close(found: Any, expected: Any, what: str, tolerance: float) -> None:
    require(found.shape == expected.shape, f"{what} has shape {found.shape}; expected {expected.shape}.")
    if not expected.size:
        return
    size = float(np.nanmax(np.abs(expected)))
    kept = np.allclose(found, expected, rtol=0, atol=tolerance * size, equal_nan=True)
    require(kept, f"{what} differs by up to {np.nanmax(np.abs(found - expected)):.3g} of {size:.3g}.")


def _require_refused(config: ReaderConfig, source: Source, name: str) -> None:
    try:
        count = config.scan(source).n_frames
        read = sum(1 for _ in config.frames(source))
    except ReaderError as error:
        require(name in str(error), f"the message does not name the file {name}: {error}")
        return
    raise ConformanceError(f"it counts {count} frames and reads {read} of it without a word; expected a ReaderError.")


def _moved(source: Source, path: Path, i: int) -> Source:
    paths = list(source.paths)
    paths[i] = path
    return Source(tuple(paths), source.values, source.part)


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        yield copy
