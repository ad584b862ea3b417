"""Trajectory data sets: trajectories of microstates with observables, cells and context, on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import DatasetError
from setclosure.observables.registered import Function, Observable
from setclosure.sets.features import Features
from setclosure.trajectories import from_arrays as arrays_in
from setclosure.trajectories.description import span
from setclosure.trajectories.layout import Array, Layout, Trajectory
from setclosure.trajectories.reading import Readable
from setclosure.trajectories.store import Store


class TrajectoryDataset(Readable):
    """A data set of trajectories on disk, or a part of one in time.

    Make one with :meth:`create` or :meth:`from_arrays`, read one with :meth:`open`. Trajectories may have different
    numbers of frames, each has its own times, and the number of particles may vary. :meth:`between` and :meth:`blocks`
    give parts in time, whose trajectories are stretches of those on the disk.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> points = [np.random.default_rng(m).normal(size=(T, 20, 2)) for m, T in enumerate((10, 13))]
    >>> folder = tempfile.TemporaryDirectory()
    >>> data = TrajectoryDataset.from_arrays(
    ...     f"{folder.name}/mine.zarr", points, observables="extension", times=[range(10), range(13)]
    ... )
    >>> data.n_trajectories, data.lengths.tolist(), data.observables()[1].shape, len(data.trajectory(0))
    (2, [10, 13], (13, 1), 10)
    """

    # ── making and opening ────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def create(
        cls, path: str | Path, layout: Layout, n_trajectories: int, provenance: dict[str, Any] | None = None
    ) -> TrajectoryDataset:
        """Make a data set without trajectories; :meth:`commit` adds them.

        Parameters
        ----------
        path : path
            The new group, by custom ``DIR/<split>.zarr``.
        layout : Layout
            The facts that all trajectories have in common.
        n_trajectories : int
            M.
        provenance : dict, optional
            Where the data come from, as JSON values.

        Raises
        ------
        DatasetError
            If there is something at ``path`` already.
        StorageError
            If the folder may not be written or the disk is full.
        """
        return cls(Store.create(Path(path), layout, n_trajectories, provenance or {}))

    @classmethod
    def open(cls, path: str | Path, *, allow_unfinished: bool = False) -> TrajectoryDataset:
        """Open a data set for reading, or to :meth:`commit` to it.

        Parameters
        ----------
        path : path
            The group.
        allow_unfinished : bool
            Whether learning and evaluation may use what is there if some trajectories were never committed.

        Raises
        ------
        DatasetError
            If nothing is there, or it is no data set.
        SchemaVersionError
            If it was written under another schema.
        DamagedFileError
            If its description is damaged.
        """
        return cls(Store.open(Path(path)), allow_unfinished=allow_unfinished)

    @classmethod
    def from_arrays(
        cls,
        path: str | Path,
        points: Any,
        observables: Array | Function | Observable | str | Sequence[Array],
        *,
        times: Any,
        features: Features | Sequence[str] | None = None,
        roles: Sequence[str] | None = None,
        species: Any = None,
        masses: Any = None,
        cell: Any = None,
        context: dict[str, Any] | None = None,
        context_units: dict[str, str] | None = None,
        observable_names: Sequence[str] | str | None = None,
        observable_units: Sequence[str] | str | None = None,
        species_names: Sequence[str] | str | None = None,
        name: str = "user data",
        units: str = "",
        time_unit: str = "",
        max_step: float | None = None,
        description: str = "",
    ) -> TrajectoryDataset:
        """Make a data set from your own trajectories.

        Parameters
        ----------
        path : path
            The new group.
        points : array or nested sequences
            ``(M, T, N, d)``; for trajectories of different lengths M arrays ``(T_m, N, d)``; for sets that vary in
            size M sequences of T_m arrays ``(N_mt, d)``, some of which may be empty ``(0, d)``. In a masked array a
            particle all of whose features are masked is not there. Tables of pandas are read by rows.
        observables : array, sequence of arrays, function or str
            Values ``(M, T, o)`` or ``(M, T)``, or M arrays ``(T_m, o)``; or a function from a
            :class:`~setclosure.MicrostateBatch` to ``(B, o)``; or the name of a registered observable.
        times : sequence
            Times of the frames, ``(T,)`` for all trajectories, or M sequences ``(T_m,)``. A frame that is missing is
            left out with its time: the longer step is a gap, across which nothing is learned.
        features : Features or sequence of str, optional
            The roles of the d features, or their names together with ``roles``; all are positions by default.
        roles : sequence of str, optional
            ``"position"``, ``"vector"`` or ``"scalar"`` for each name in ``features``.
        species : array or nested sequences, optional
            Species 0 … S−1 of each particle: ``(N,)`` for all trajectories and ``(M, N)`` where every particle keeps
            its place in the array from frame to frame, ``(M, T, N)`` where it does not.
        masses : array or nested sequences, optional
            Positive weights of the particles, likewise.
        cell : array or sequence of arrays, optional
            Lengths ``(k,)`` or lattice vectors ``(k, k)`` for all trajectories, or M of these, or for each frame M
            arrays ``(T_m, k, k)``. A zero length is a direction that is not periodic.
        context : dict, optional
            For each name what is known from outside: one number for all, ``(M,)`` numbers, or for each frame
            ``(M, T)`` or M sequences ``(T_m,)``.
        context_units : dict, optional
            Unit of each name in ``context``.
        observable_names, observable_units, species_names : sequence of str, optional
            Names and units of the o observables, names of the S species.
        name, units, time_unit, description : str
            For people.
        max_step : float, optional
            The longest time between successive frames from which dynamics may be learned; by default 1.5 times what
            nine tenths of all steps keep.

        Raises
        ------
        MicrostateError
            If shapes do not fit, times do not rise or a number is NaN or infinite, with the trajectory and the frame.
        DatasetError
            If a trajectory has one frame only, or ``path`` exists.

        Warns
        -----
        SetclosureWarning
            If single precision, in which coordinates are kept, is coarse for the particles of a set; or if nothing
            changes in time, positions look wrapped and no cell is given, or particles change places for which species
            or masses were given.
        """
        layout, trajectories = arrays_in.read(
            arrays_in.Given(
                points=points,
                observables=observables,
                times=times,
                features=features,
                roles=roles,
                species=species,
                masses=masses,
                cell=cell,
                context=context or {},
            ),
            observable_names=arrays_in.as_names(observable_names),
            observable_units=arrays_in.as_names(observable_units),
            species_names=arrays_in.as_names(species_names),
            context_units=context_units or {},
            name=name,
            units=units,
            time_unit=time_unit,
            max_step=max_step,
            description=description,
        )
        for i, trajectory in enumerate(trajectories):
            trajectory.packed(layout, i)  # everything is checked before anything is written
        data = cls.create(path, layout, len(trajectories), {"source": "arrays"})
        for i, trajectory in enumerate(trajectories):
            data.commit(i, trajectory)
        return data

    @classmethod
    def from_files(
        cls,
        path: str | Path,
        files: str | Sequence[str | Sequence[str]],
        reader: Any,
        *,
        features: Any,
        observables: Any,
        base: str | Path = ".",
        workers: int = 1,
        **more: Any,
    ) -> TrajectoryDataset:
        """Make a data set from files of other programs, or go on with one that was stopped.

        ``setclosure import`` does the same from a file, and makes several data sets at once.

        Parameters
        ----------
        path : path
            The new group.
        files : str or sequence
            A pattern of names such as ``"runs/run_T{temperature}.dump"``, or a list; each file is a trajectory.
        reader : str or dict
            A registered reader, ``"table"`` for instance, or a dictionary of its name and options.
        features : dict
            The columns that are features of a particle: ``{"position": ["x", "y"], "vectors": [["vx", "vy"]],
            "scalars": ["charge"]}``.
        observables : str, dict or sequence of these
            Names of registered observables, or sources such as ``{"column": "energy"}`` and
            ``{"csv": "energies.csv", "columns": {"E": "energy"}}``.
        base : path
            The folder from which names of files count.
        workers : int
            Processes that read; one is this process.
        **more
            All other keys of an import specification: ``species``, ``weights``, ``cell``, ``frames``, ``context``,
            ``units``, ``windows``, ``unwrap``, ``name``, ``description``, ``max_step``.

        Raises
        ------
        ConfigurationError
            If a key or a value is none of a specification.
        ReaderError
            If files cannot be read; the message names each with the place in it, and all others are there.
        DatasetError
            If ``path`` holds other data.
        """
        from setclosure.trajectories.readers.importing import import_dataset
        from setclosure.trajectories.readers.spec import ImportSpec

        listed = [observables] if isinstance(observables, (str, dict)) else list(observables)
        spec = ImportSpec.parse(
            {
                "files": files,
                "reader": reader,
                "features": features,
                "observables": [{"registered": of} if isinstance(of, str) else of for of in listed],
                **more,
            },
            "of from_files",
        )
        return cls.open(import_dataset(spec, path, base, pool=workers))

    def commit(self, index: int, trajectory: Trajectory) -> None:
        """Write trajectory ``index``; it counts as written only when all of it is there.

        Raises
        ------
        MicrostateError
            If it does not fit the layout, or holds NaN or infinite numbers.
        DatasetError
            If there is no such index, or this is a part in time.
        StorageError
            If the disk is full or the folder may not be written.
        """
        if self._stretches is not None:
            raise DatasetError(f"a part in time of {self.path} cannot be written to; open the whole data set.")
        self._require("trajectories", self.n_trajectories, np.array([index]))
        self._store.commit(index, trajectory.packed(self.layout, index))
        for known in ("usable", "time_step", "longest_step", "largest_set"):
            self.__dict__.pop(known, None)

    def clear_leftovers(self) -> None:
        """Finish what a killed writer has left; nobody else may be writing."""
        self._store.clear_leftovers()

    # ── parts in time ─────────────────────────────────────────────────────────────────────────────────────────

    def between(self, first: int, last: int) -> TrajectoryDataset:
        """Give the frames ``first`` … ``last`` − 1 of every trajectory that has two of them, as a data set of its own.

        Raises
        ------
        DatasetError
            If fewer than two frames of every trajectory lie there.
        """
        if not 0 <= first < last:
            raise DatasetError(f"frames {first} to {last} are no stretch; expected 0 ≤ first < last.")
        rows = [(i, a + first, min(a + last, b)) for i, a, b in self._rows() if min(a + last, b) - (a + first) >= 2]
        return self._part(rows, f"no two frames between frames {first} and {last}")

    def blocks(self, length: int) -> TrajectoryDataset:
        """Cut every trajectory into blocks of ``length`` frames that share none; a shorter rest is left out.

        Raises
        ------
        DatasetError
            If no trajectory is that long, or ``length`` is below two.
        """
        if length < 2:
            raise DatasetError(f"a block of {length} frames has no step; expected at least two frames.")
        rows = [(i, start, start + length) for i, a, b in self._rows() for start in range(a, b - length + 1, length)]
        return self._part(rows, f"no block of {length} frames")

    def _part(self, rows: list[tuple[int, int, int]], lacking: str) -> TrajectoryDataset:
        if not rows:
            raise DatasetError(f"{self.path} has {lacking}: its trajectories have {span(self.lengths)} frames.")
        return type(self)(self._store, np.array(rows, dtype=np.int64), self.allow_unfinished)
