"""An observable of one's own: the radius of gyration, and how long the set is in its longest direction.

    setclosure check-part observable gyration --plugin examples/my_observable.py

In Python, ``setclosure.TrajectoryDataset.from_arrays("mine.zarr", points, "gyration", times=times)`` computes it of
every frame after ``setclosure.load_plugin("examples/my_observable.py")``. A data set and a model write down the name,
never the code: ``setclosure --plugin examples/my_observable.py predict …`` brings the function along.
"""

import torch
from torch import Tensor

import setclosure
from setclosure import MicrostateBatch


@setclosure.register("observable", "gyration", components=("radius", "longest"), units=("length", "length"))
def gyration(microstates: MicrostateBatch) -> Tensor:
    """Root of the mean squared distance from the centre, over all directions and in the longest: ``(B, 2)``."""
    k = microstates.roles.position  # the first k features are the place of a particle
    x = microstates.points[..., :k] - microstates.mean()[:, None, :k]
    tensor = (microstates.particle_weights[..., None] * x).mT @ x  # (B, k, k); padding has weight zero
    longest = torch.linalg.eigvalsh(tensor)[:, -1]
    return torch.stack([tensor.diagonal(dim1=1, dim2=2).sum(dim=1), longest], dim=1).clamp(min=0).sqrt()
