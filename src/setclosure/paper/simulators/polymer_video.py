"""The polymer of :mod:`setclosure.paper.simulators.polymer` is seen as images, or as beads that may be numbered."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from setclosure.paper.images.trajectories import MOST_PIXELS, image_layout, image_trajectory
from setclosure.paper.simulators.polymer import Polymer
from setclosure.registry import register
from setclosure.sets.features import Features
from setclosure.trajectories.layout import Layout, Trajectory

NUMBERED_BEADS = Features(4, names=("x", "y", "z", "place"))
"""The features of a bead with its place along the chain, which symmetry treats as a coordinate."""


@register("simulator", "polymer_video")
class PolymerVideo(Polymer):
    """A :class:`Polymer` whose microstates are the images of its frames, as sets of pixels (A.5).

    Examples
    --------
    >>> video = PolymerVideo(n_beads=20, n_frames=5)
    >>> video.layout.ragged, video.simulate(np.random.default_rng(0)).points.shape[::2]
    (True, (5, 3))
    >>> beads = video.model_copy(update={"microstates": "numbered beads"})
    >>> beads.simulate(np.random.default_rng(0)).points[4, :3, 3].tolist()
    [0.0, 1.0, 2.0]
    """

    microstates: Literal["pixels", "beads", "numbered beads"] = Field(
        "pixels",
        description="Particles of a microstate: the pixels of the image that are not white, the beads, or the beads "
        "with their place along the chain as a fourth feature.",
    )
    most_pixels: int = Field(MOST_PIXELS, ge=1, description="Pixels for which there is room in every frame.")

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        beads = super().layout
        if self.microstates == "pixels":
            return image_layout(beads.name, beads.max_frames, self.most_pixels)
        return beads if self.microstates == "beads" else replace(beads, features=NUMBERED_BEADS)

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory of pixels ``(T, N, 3)`` with counts, or of beads, with extension ``(T, 1)``.

        Numbered beads are ``(T, N, 4)``, a set that tells which bead follows which.

        Raises
        ------
        SimulationError
            If the rods could not be kept, or no candidate becomes a slow start.
        MicrostateError
            If a bead is beside the image, or a frame has more than ``most_pixels``.
        """
        if self.microstates == "pixels":
            return image_trajectory(self.run(self.initial(rng), rng, self.n_frames), self.times, self.most_pixels)
        beads = super().simulate(rng)
        if self.microstates == "beads":
            return beads
        places = np.broadcast_to(np.arange(self.n_beads, dtype=np.float32)[:, None], (*beads.points.shape[:2], 1))
        return Trajectory(np.concatenate([beads.points, places], axis=-1), beads.observables, beads.times)
