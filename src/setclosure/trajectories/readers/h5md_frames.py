"""H5MD files are read with identities, species, image flags, and the boundary of each direction.

The format is version 1.1 of https://nongnu.org/h5md/h5md.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.extras import optional_packages
from setclosure.trajectories.readers.base import Frame, Source, SourceFacts
from setclosure.trajectories.readers.finishing import AXES, facts, finished, least_and_most, require_columns
from setclosure.trajectories.readers.options import MDAnalysisOptions
from setclosure.trajectories.readers.selection import Selector, topology_rows
from setclosure.trajectories.readers.text import whole_numbers
from setclosure.trajectories.readers.units import unit_name

Array = np.ndarray[Any, Any]

PREFIXES = {"position": "", "velocity": "v", "force": "f", "image": "i"}
"""The beginnings of the names of columns, which end in x, y and z, by the name of the element."""


@dataclass
class H5MDFrames:
    """The reading of one source of H5MD files.

    Parameters
    ----------
    source : Source
        The files.
    options : MDAnalysisOptions
        The options of the reader.
    topology : Universe, optional
        The topology, whose particles are those of the file, by identity or in their order.
    """

    source: Source
    options: MDAnalysisOptions
    topology: Any = None

    def scan(self) -> SourceFacts:
        """Count the frames, and look at the first one.

        Raises
        ------
        ReaderError
            If a file cannot be read.
        """
        count = 0
        numbers: list[int] = []
        length = velocity = time = ""
        for path in self.source.paths:
            with _group(path, self.options.group) as group, _reading(str(path)):
                value = group["position/value"]
                count += len(value)
                numbers.append(value.shape[1])
                length, velocity = _unit(value), _unit(group.get("velocity/value"))
                time = _unit(group.get("position/time"))
                says_time = "position/time" in group
        first = next(self.frames(0, 1), None)
        sizes = min(numbers, default=0), max(numbers, default=0)
        if first is None:
            raise ReaderError(f"{self.source.name} has no frame.")
        if self.options.select is not None:
            sizes = least_and_most(self.frames())
        if self.options.times == "frames" and self.options.time_step is None:
            time = "frames"
        elif self.options.times == "frames" or not says_time:
            time = "steps" if self.options.time_step is None else ""
        return facts(first, count, sizes, length, velocity, time)

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Give the frames asked for.

        Raises
        ------
        ReaderError
            If a file is damaged; the message names the frame.
        """
        selector = None if self.options.select is None else Selector(self.options.select, self.topology)
        number = 0
        last: float | None = None
        columns: tuple[str, ...] | None = None
        for path in self.source.paths:
            with _group(path, self.options.group) as group:
                with _reading(str(path)):
                    count = len(group["position/value"])
                    steps = _series(group["position"], "step", count)
                    times = _series(group["position"], "time", count)
                for i in range(count):
                    where = f"{path}, frame {i}"
                    if number >= start and (stop is None or number < stop) and (number - start) % step == 0:
                        with _reading(where):
                            content, ids, cell = self._content(group, i, steps, where)
                        time = self._time(times, steps, i, number, where)
                        if last is not None and time <= last:
                            raise ReaderError(
                                f"{where}: its time {time:g} is not after {last:g}, that of the frame before; expected "
                                "times that rise. Frames can be counted instead: reader: {times: frames}."
                            )
                        frame = finished(
                            self.options,
                            selector,
                            content,
                            where=where,
                            time=time,
                            step=None if steps is None else int(steps[i]),
                            ids=ids,
                            cell=cell,
                            observables=_observables(group, steps, i),
                            topology=self.topology,
                            rows=self._rows(group, ids, where),
                        )
                        require_columns(frame, columns, where)
                        last, columns = time, tuple(frame.columns)
                        yield frame
                    number += 1

    def _time(self, times: Array | None, steps: Array | None, i: int, number: int, where: str) -> float:
        step = self.options.time_step
        if self.options.times == "frames":
            return number * (1.0 if step is None else step)
        if times is not None:
            if step is not None:
                raise ReaderError(f"{where}: the file says times; leave 'time_step' out, or say times: frames.")
            return float(times[i])
        return float(number if steps is None else steps[i]) * (1.0 if step is None else step)

    def _content(
        self, group: Any, i: int, steps: Array | None, where: str
    ) -> tuple[dict[str, Array], Array, Array | None]:
        content: dict[str, Array] = {}
        for element in group:
            if element == "box":
                continue
            values = _at(group, element, i, steps, where)
            if values is None:
                continue
            if element in PREFIXES:
                for k in range(values.shape[1]):
                    content[PREFIXES[element] + AXES[k]] = values[:, k].astype(np.float64)
            elif values.ndim == 1 and len(values) == group["position/value"].shape[1]:
                content[element] = values.astype(str) if values.dtype.kind in "OS" else values
            elif values.ndim == 2:
                vector = values.shape[1] == group["position/value"].shape[2]
                names = [f"{element}_{AXES[k] if vector else k}" for k in range(values.shape[1])]
                content |= {name: values[:, k].astype(np.float64) for k, name in enumerate(names)}
        if "species" in content:
            content["type"] = content["species"]
        cell = self._cell(group, i, steps, where)
        if self.options.unwrap:
            self._unwrap(content, cell, where)
        n = len(content["x"])
        if "id" not in content:
            return content, np.arange(n), cell
        ids = whole_numbers(content.pop("id"), "id", where)
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        if n and (ids[0] < 0 or (ids[1:] == ids[:-1]).any()):
            raise ReaderError(f"{where}: the identities of the particles are negative or not distinct.")
        return {name: column[order] for name, column in content.items()}, ids, cell

    def _rows(self, group: Any, ids: Array, where: str) -> Array | None:
        """Give the numbers of the particles in the topology: by identities, or by their order if there are none."""
        if self.topology is None:
            return None
        if "id" in group:
            return topology_rows(self.topology, ids, where)
        if self.topology.atoms.n_atoms != len(ids):
            raise ReaderError(
                f"{where} has {len(ids)} particles, and the topology {self.topology.atoms.n_atoms}; expected the same."
            )
        return ids

    def _unwrap(self, content: dict[str, Array], cell: Array | None, where: str) -> None:
        axes = [axis for axis in AXES if axis in content]
        if any(f"i{axis}" not in content for axis in axes) or cell is None:
            raise ReaderError(f"{where}: the file has no image flags and cell, so positions cannot be unwrapped.")
        shift = np.stack([content[f"i{axis}"] for axis in axes], axis=1) @ cell
        for k, axis in enumerate(axes):
            content[axis] = content[axis] + shift[:, k]

    def _cell(self, group: Any, i: int, steps: Array | None, where: str) -> Array | None:
        box = group.get("box")
        if box is None or "edges" not in box:
            return None
        edges = _at(box, "edges", i, steps, where)
        if edges is None:
            raise ReaderError(f"{where}: the box has no edges at this step; expected them for every frame.")
        edges = edges.astype(np.float64)
        cell: Array = np.diag(edges) if edges.ndim == 1 else edges
        boundary = np.atleast_1d(box.attrs.get("boundary", np.array(["periodic"] * len(cell))))
        said = [(flag.decode() if isinstance(flag, bytes) else str(flag)) == "periodic" for flag in boundary]
        if self.options.periodic is not None:
            said = [flag == "p" for flag in self.options.periodic][: len(cell)]
        cell = cell * np.array(said * len(cell) if len(said) == 1 else said)[:, None]
        return cell if cell.any() else None


def _at(group: Any, element: str, i: int, steps: Array | None, where: str) -> Array | None:
    """Give an element at the step of frame ``i`` of the positions; None if it is not there at this step."""
    item = group[element]
    if hasattr(item, "shape"):
        return np.asarray(item)
    if "value" not in item:
        return None
    value = item["value"]
    own = _series(item, "step", len(value))
    if own is None or steps is None or (len(own) > i and own[i] == steps[i]):
        return np.asarray(value[i])
    found = np.flatnonzero(own == steps[i])
    return np.asarray(value[found[0]]) if len(found) else None


def _series(item: Any, name: str, count: int) -> Array | None:
    """Give steps or times of an element, which may be stored as one increment."""
    if name not in item:
        return None
    data = item[name]
    if data.shape == ():
        series: Array = data.attrs.get("offset", 0) + np.arange(count) * data[()]
        return series
    if len(data) < count:
        raise ReaderError(f"{item.name}/{name} has {len(data)} entries; expected {count}.")
    return np.asarray(data[:count])


def _observables(group: Any, steps: Array | None, i: int) -> dict[str, float]:
    found: dict[str, float] = {}
    whole = group.file.get("observables")
    if whole is None:
        return found

    def visit(name: str, item: Any) -> None:
        if hasattr(item, "shape"):
            if item.size == 1 and item.dtype.kind in "fiu" and "value" not in item.parent:
                found[name] = float(np.ravel(item[()])[0])  # the same in all frames
            return
        if "value" not in item or not hasattr(item["value"], "shape"):
            return
        if item["value"].ndim == 1 and item["value"].dtype.kind in "fiu":
            value = _at(whole, name, i, steps, name)
            if value is not None:
                found[name] = float(value)

    whole.visititems(visit)
    return found


def _unit(data: Any) -> str:
    unit = "" if data is None else data.attrs.get("unit", "")
    text = unit.decode() if isinstance(unit, bytes) else str(unit)
    return "/".join(unit_name(part) for part in text.replace(" ps-1", "/ps").replace(" fs-1", "/fs").split("/"))


@contextmanager
def _group(path: Path, name: str | None) -> Iterator[Any]:
    with optional_packages():
        import h5py
    if not path.is_file():
        raise ReaderError(f"{path} is not there.")
    with _reading(str(path)):
        file = h5py.File(path, "r")
    with file:
        groups = list(file.get("particles", ()))
        if not groups:
            raise ReaderError(f"{path} has no group 'particles'; expected an H5MD file with particles.")
        if name is None and len(groups) > 1:
            raise ReaderError(
                f"{path} has {len(groups)} groups of particles: {', '.join(groups)}. Say which: reader: "
                f"{{group: {groups[0]}}}."
            )
        name = name or groups[0]
        if name not in groups:
            raise ReaderError(f"{path} has no group of particles '{name}'; it has {', '.join(groups)}.")
        if "position/value" not in file[f"particles/{name}"]:
            raise ReaderError(f"{path}: the group '{name}' has no positions.")
        yield file[f"particles/{name}"]


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except (ReaderError, MemoryError):
        raise
    except Exception as error:  # h5py raises several kinds
        raise ReaderError(
            f"{where} cannot be read: {type(error).__name__}: {' '.join(str(error).split())}. Expected a whole "
            "H5MD file; copy it again."
        ) from error
