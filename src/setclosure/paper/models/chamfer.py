"""The Chamfer distance compares particles with decoded ones (Achlioptas et al. 2018, arXiv 1707.02392)."""

from __future__ import annotations

import torch
from torch import Tensor

from setclosure.paper.models.pointwise import PointwiseDecoder
from setclosure.reconstruction.base import LossAlone, ReconstructionConfig
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch


@register("reconstruction", "chamfer")
class ChamferConfig(ReconstructionConfig):
    """The options of a :class:`Chamfer` reconstruction, which has none."""

    def build(self, bandwidth: float | Tensor) -> Chamfer:
        """Make the reconstruction, which smooths nothing and ignores ``bandwidth``."""
        return Chamfer()


class Chamfer(LossAlone):
    """A reconstruction by the Chamfer distance, Σ_i w_i min_j ‖x_i − x̂_j‖² + mean_j min_i ‖x_i − x̂_j‖², over d.

    The order of neither set matters, and their sizes may differ. For each set N·N' distances are held in memory.
    """

    def loss(
        self,
        batch: MicrostateBatch,
        embeddings: Tensor,
        decoder: PointwiseDecoder,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Give the loss of each microstate ``(B,)``, from embeddings ``(B, S, c)``."""
        weights = batch.particle_weights  # species are decoded together (A.4)
        return chamfer_distance(batch.points, weights, decoder(embeddings.flatten(1))) / batch.n_features


def chamfer_distance(x: Tensor, weights: Tensor, y: Tensor) -> Tensor:
    """Give the squared Chamfer distance between sets, ``(B,)``.

    Parameters
    ----------
    x : Tensor
        Sets ``(B, N, d)``.
    weights : Tensor
        Weights of their points, ``(B, N)``; a place with zero weight is padding, and no point's neighbour.
    y : Tensor
        Sets ``(B, N', d)`` without weights.

    Examples
    --------
    >>> x, y = torch.tensor([[[0.0], [1.0]]]), torch.tensor([[[0.0], [3.0]]])
    >>> chamfer_distance(x, torch.full((1, 2), 0.5), y)  # (0 + 1) / 2 + (0 + 4) / 2
    tensor([2.5000])
    """
    with torch.no_grad():  # the distances to the nearest points alone have a gradient; they are computed again below
        distances = torch.cdist(x, y)
        nearest_y = distances.argmin(dim=2)
        nearest_x = distances.masked_fill_(weights[:, :, None] == 0, torch.inf).argmin(dim=1)
    to_y = (x - _chosen(y, nearest_y)).square().sum(dim=-1)  # (B, N)
    to_x = (y - _chosen(x, nearest_x)).square().sum(dim=-1)  # (B, N')
    return (weights * to_y).sum(dim=1) + to_x.mean(dim=1)


def _chosen(points: Tensor, index: Tensor) -> Tensor:
    return points.gather(1, index[..., None].expand(-1, -1, points.shape[-1]))
