"""Images are sets: every pixel that differs from the background is a particle with a place and a level."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from setclosure.errors import ReaderError
from setclosure.extras import optional_packages
from setclosure.registry import register
from setclosure.trajectories.readers.base import Array, Frame, ReaderConfig, Source, SourceFacts
from setclosure.trajectories.readers.pattern import natural_order

STACKS = (".tif", ".tiff")
"""Endings of files that hold several images."""

SINGLE = (".png", ".bmp", ".pgm")
"""Endings of files that hold one image without loss; a folder of them is a trajectory."""


@register("reader", "images")
class ImagesReader(ReaderConfig):
    """A TIFF stack, or a folder of images in the order of their names.

    A pixel whose level is further from the background than the threshold is a particle. Its columns are ``x``, the
    column of the pixel + ½; ``y``, the row + ½, downwards; and ``level``, how far it is from the background.
    """

    background: int = Field(0, ge=0, description="The level of a pixel where nothing is: 0 is black, 255 often white.")
    threshold: int = Field(0, ge=0, description="A pixel is a particle if it is further than this from the background.")
    channel: int | None = Field(None, ge=0, description="Which channel is read of images in colours.")
    pixel: float = Field(1.0, gt=0, description="The width of a pixel in the unit of lengths.")
    time_step: float = Field(1.0, gt=0, description="Time from one image to the next.")

    def scan(self, source: Source) -> SourceFacts:
        """Count the images and their pixels; all are read, because every one may have more."""
        sizes = [int(self._ink(image).sum()) for _, image in self._images(source, 0, None, 1)]
        return SourceFacts(len(sizes), max(sizes), ("x", "y", "level"), min_particles=min(sizes))

    def frames(self, source: Source, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Give the pixels of one image after another, row by row."""
        for t, image in self._images(source, start, stop, step):
            rows, columns = np.nonzero(self._ink(image))
            level = np.abs(image[rows, columns].astype(np.float64) - self.background)
            places = {"x": (columns + 0.5) * self.pixel, "y": (rows + 0.5) * self.pixel, "level": level}
            yield Frame(time=t * self.time_step, columns=places, step=t)

    def _ink(self, image: Array) -> Array:
        return np.asarray(np.abs(image.astype(np.float64) - self.background) > self.threshold)

    def _images(self, source: Source, start: int, stop: int | None, step: int) -> Iterator[tuple[int, Array]]:
        """Read some images of a source, all of one size and of whole numbers."""
        shape: tuple[int, ...] | None = None
        for t, name, image in _read(source, start, stop, step):
            array = np.asarray(image)
            if array.ndim == 3 and self.channel is not None and self.channel < array.shape[2]:
                array = array[..., self.channel]
            if array.ndim != 2:
                raise ReaderError(
                    f"{name} has the shape {array.shape}; expected one level for each pixel, (H, W). Of colours name "
                    "one: channel: 0."
                )
            if array.dtype == bool:
                array = array.astype(np.uint8)
            if array.dtype.kind not in "ui":
                raise ReaderError(f"{name} has levels of the type {array.dtype}; expected whole numbers.")
            if shape is not None and array.shape != shape:
                raise ReaderError(f"{name} has {array.shape} pixels, and the images before it {shape}.")
            shape = array.shape
            yield t, array


def _read(source: Source, start: int, stop: int | None, step: int) -> Iterator[tuple[int, str, Any]]:
    """Give the number, the name for messages and the pixels of images."""
    files = [file for path in source.paths for file in _files(path)]
    stacks = [file for file in files if file.suffix.lower() in STACKS]
    if len(files) > 1 or not stacks:
        for t in range(*slice(start, stop, step).indices(len(files))):
            yield t, str(files[t]), _image(files[t])
        return
    with optional_packages():
        import tifffile
    path = files[0]
    try:
        with tifffile.TiffFile(path) as file:
            pages = file.pages
            for t in range(*slice(start, stop, step).indices(len(pages))):
                yield t, f"{path}, image {t}", pages[t].asarray()
    except (OSError, ValueError, IndexError, KeyError, RuntimeError, tifffile.TiffFileError) as error:
        raise ReaderError(f"{path} cannot be read as TIFF: {error}. Is it whole?") from error


def _files(path: Path) -> list[Path]:
    """List the images of a folder; a file stands for itself."""
    if not path.is_dir():
        if path.suffix.lower() not in (*STACKS, *SINGLE):
            raise ReaderError(
                f"{path} is no image that keeps its levels; expected one of {', '.join((*STACKS, *SINGLE))}, or a "
                "folder of them."
            )
        return [path]
    files = [file for file in path.iterdir() if file.suffix.lower() in (*STACKS, *SINGLE)]
    if not files:
        raise ReaderError(f"the folder {path} holds no images ({', '.join((*STACKS, *SINGLE))}).")
    return natural_order(files)


def _image(path: Path) -> Array:
    """Read one image as its levels."""
    with optional_packages():
        import tifffile
        from PIL import Image
    try:
        if path.suffix.lower() in STACKS:
            return np.asarray(tifffile.imread(path))
        with Image.open(path) as image:
            if image.mode == "P":
                raise ReaderError(f"{path} has a palette of colours; expected grey levels. Convert it to grey.")
            return np.asarray(image)
    except ReaderError:
        raise
    except Exception as error:  # both raise many kinds
        raise ReaderError(f"{path} cannot be read as an image: {error}. Is it whole?") from error
