"""Pixel sets of a batch become the images that convolutions and patches read."""

from __future__ import annotations

from pydantic import Field, model_validator
from torch import Tensor

from setclosure.errors import ModelError
from setclosure.paper.images.pixel_sets import BLACK, HEIGHT, WIDTH
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.settings import Settings


class ImageGrid(Settings):
    """The size of the images that a model reads or makes."""

    # "width" is an option of many networks and is kept when the method changes, so these have other names
    image_height: int = Field(HEIGHT, ge=1, description="Rows of the images.")
    image_width: int = Field(WIDTH, ge=1, description="Columns of the images.")
    pool: int = Field(1, ge=1, description="The model sees the means of squares of pool × pool pixels.")

    @model_validator(mode="after")
    def _pool_divides_image(self) -> ImageGrid:
        if self.image_height % self.pool or self.image_width % self.pool:
            raise ValueError(f"pool ({self.pool}) must divide {self.image_height} rows and {self.image_width} columns")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """The rows and columns that the model sees, h and w."""
        return self.image_height // self.pool, self.image_width // self.pool


def require_pixels(kind: MicrostateKind) -> None:
    """Refuse microstates that cannot be pixel sets.

    Raises
    ------
    ModelError
        If particles have another number of features than three.
    """
    if kind.n_features != 3:
        raise ModelError(
            f"this method reads images, as sets of pixels (column, row, grey level); these particles have "
            f"d = {kind.n_features} features. Use a method for sets, or make pixel sets "
            "(setclosure.paper.images.pixel_sets)."
        )


def rasterise(batch: MicrostateBatch, grid: ImageGrid) -> Tensor:
    """Make images ``(B, S, h, w)`` of pixel sets, one for each species, with grey levels from 0 (white) to 1.

    Grey levels are whole numbers, so their sums do not depend on an order; weights only say which places are particles.

    Raises
    ------
    ModelError
        If a particle lies outside the image.

    Examples
    --------
    >>> batch = MicrostateBatch.from_arrays([[[1.5, 0.5, 255.0]]])
    >>> rasterise(batch, ImageGrid(image_height=2, image_width=2)).tolist()
    [[[[0.0, 1.0], [0.0, 0.0]]]]
    """
    B, S, N = batch.weights.shape
    (h, w), there = grid.shape, batch.weights > 0
    place = (batch.points[..., :2].detach() / grid.pool).floor().long()
    column, row = place[..., 0], place[..., 1]
    outside = ((column < 0) | (column >= w) | (row < 0) | (row >= h)) & there.any(dim=1)
    if bool(outside.any()):
        b, i = outside.nonzero()[0].tolist()
        raise ModelError(
            f"microstate {b}, particle {i} is at {batch.points[b, i].tolist()}, outside the images of "
            f"{grid.image_height} rows and {grid.image_width} columns that this model sees. Pixels are (column + 0.5, "
            "row + 0.5, grey level); the options image_height and image_width of encoder and decoder set the size."
        )
    index = (row.clamp(0, h - 1) * w + column.clamp(0, w - 1))[:, None].expand(B, S, N)  # padding may lie anywhere
    levels = batch.points[:, None, :, 2] * there
    images: Tensor = levels.new_zeros(B, S, h * w).scatter_add_(2, index, levels).unflatten(2, (h, w))
    return images / (BLACK * grid.pool**2)
