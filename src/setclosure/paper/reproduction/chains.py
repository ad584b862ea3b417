"""Chains of the polymer that are simulated until a flow has stretched them to half of their length.

They are the data of :mod:`setclosure.paper.reproduction.unravelling`. A chain starts as a random coil, unravels in the
flow, and is looked at when its extension first is a quarter of its length: there the slow test of the polymer study
starts. The number of frames from then until it is half stretched is what shall be explained.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import SimulationError
from setclosure.files import read_json, write_arrays, write_json
from setclosure.paper.simulators.polymer import FOLDED_EXTENSION, extension
from setclosure.paper.simulators.polymer_video import PolymerVideo
from setclosure.processes import available_cores
from setclosure.progress import progress
from setclosure.provenance import provenance
from setclosure.seeds import numpy_stream
from setclosure.tables.pieces import digest, locked

Array = np.ndarray[Any, Any]

SEED = 90001
"""The root seed of the chains differs from those of all training and test data."""

HALF = 0.5
"""A chain counts as unravelled when its extension is this share of its length."""

LAG = 10
"""An earlier frame of each chain is kept, too: so many frames before the one at which it is looked at."""

LEAST_CHAINS = 25
"""A regression on fewer chains would tell nothing, and is refused."""

EARLY = "left out as they pass both too early"
"""A chain is of no use if it has no frame ``LAG`` before, or is half stretched already when it is looked at."""

LATE = "are given up before they are half stretched"
"""A chain is of no use if it is not half stretched in twice the frames of a trajectory of the study."""


@dataclass(frozen=True)
class ChainsPiece:
    """The piece of work that simulates the chains.

    Attributes
    ----------
    system : PolymerVideo
        The system whose chains they are.
    n_chains : int
        The number of chains that are simulated; some may turn out to be of no use.
    work : Path
        A folder; the chains lie below it, in one that their configuration names.
    """

    system: PolymerVideo
    n_chains: int
    work: Path

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """Everything that the chains depend on, as JSON values."""
        return {"system": self.system.model_dump(mode="json"), "chains": self.n_chains, "seed": SEED}

    @property
    def folder(self) -> Path:
        """The folder of the chains, named by their configuration."""
        return self.work / "chains" / digest(self.configuration)

    @property
    def label(self) -> str:
        """The name of the piece in messages."""
        return f"chains-{self.folder.name}"

    @property
    def finished(self) -> bool:
        """Whether all chains are there; the file of their provenance is written last."""
        return (self.folder / "chains.json").is_file()

    @property
    def data(self) -> Path:
        """The folder of the chains again: they are data, and are made before any training."""
        return self.folder

    def finish(self) -> None:
        """Do nothing: :meth:`prepare` has made all."""

    def facts(self) -> dict[str, Any]:
        """Give commit, machine and configuration."""
        found = read_json(self.folder / "chains.json")
        return {key: found[key] for key in ("commit", "dirty", "machine")} | {"configuration": self.configuration}

    def prepare(self) -> None:
        """Simulate the chains, on all cores.

        Raises
        ------
        SimulationError
            If fewer than :data:`LEAST_CHAINS` are of use.
        """
        with locked(self.folder):
            if self.finished:
                return
            ended = []
            with ThreadPoolExecutor(available_cores()) as pool, progress("chains", self.n_chains, "chains") as advance:
                for k, one in enumerate(pool.map(self._chain, range(self.n_chains))):
                    ended.append(one)
                    advance(k + 1)
            used = [one for one in ended if not isinstance(one, str)]
            if len(used) < LEAST_CHAINS:
                raise SimulationError(
                    f"only {len(used)} of {self.n_chains} chains had a quarter of their length {LAG} frames or more "
                    f"after their start, and half of it within {self._most_frames} frames; {LEAST_CHAINS} are needed. "
                    "Ask for longer trajectories in simulation.system.n_frames, or a smaller frame_interval."
                )
            frames, remaining = zip(*used, strict=True)
            write_arrays(self.folder / "chains.npz", frames=np.array(frames), remaining=np.array(remaining))
            counts = {reason: ended.count(reason) for reason in (EARLY, LATE)}
            write_json(self.folder / "chains.json", provenance() | {"left_out": counts})

    @property
    def _most_frames(self) -> int:
        return 2 * self.system.n_frames

    def _chain(self, k: int) -> tuple[Array, int] | str:
        """Simulate chain ``k``; give its two frames ``(2, N, 3)`` and the frames that remain, or why it is of no use.

        The first of the two frames is that ``LAG`` before the second, in which the chain is looked at.
        """
        stream = numpy_stream(SEED, "unravelling", k)
        length = self.system.n_beads - 1
        frames = self.system.run(self.system.coil(stream), stream, self._most_frames, HALF * length)
        width = extension(frames)
        if width[-1] < HALF * length:
            return LATE
        first, last = int(np.argmax(width >= FOLDED_EXTENSION * length)), len(frames) - 1
        return EARLY if first < LAG or first == last else (frames[[first - LAG, first]], last - first)

    def left_out(self) -> dict[str, int]:
        """Count the chains that are of no use, by reason."""
        counts: dict[str, int] = read_json(self.folder / "chains.json")["left_out"]
        return counts

    def load(self) -> tuple[Array, Array]:
        """Read the beads ``(M, 2, N, 3)``, relative to the centre of mass, and the frames that remain, ``(M,)``."""
        with np.load(self.folder / "chains.npz") as arrays:
            return arrays["frames"], arrays["remaining"]
