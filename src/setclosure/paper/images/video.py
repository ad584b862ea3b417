"""Short videos of images are written as GIF, or as MP4 if ffmpeg is there."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ConfigurationError, MicrostateError, MissingExtraError
from setclosure.files import write_bytes


def write_video(frames: Any, path: str | Path, frames_per_second: int = 25) -> None:
    """Write images as a video, dark on white, as the paper shows them (Fig. 8).

    Parameters
    ----------
    frames : array
        Images ``(T, H, W)`` uint8; 0 is white.
    path : path
        The file, which ends with ``.gif`` (exact grey levels, repeats without end) or ``.mp4`` (a fraction of the size,
        needs ffmpeg).
    frames_per_second : int
        The speed. A GIF counts time in hundredths of a second, and players slow down what is faster than 50.

    Raises
    ------
    ConfigurationError
        If the path ends otherwise, or the speed is not positive.
    MicrostateError
        If the frames have another shape or dtype.
    MissingExtraError
        If MP4 is wanted and ffmpeg is not installed or fails; the message has the command that installs it, or the
        words of ffmpeg.
    StorageError
        If the disk is full or the folder may not be written.
    """
    frames, path = np.asarray(frames), Path(path)
    if frames.ndim != 3 or 0 in frames.shape or frames.dtype != np.uint8:
        raise MicrostateError(f"a video is of images (T, H, W) of dtype uint8; got {frames.shape} and {frames.dtype}.")
    if frames_per_second < 1:
        raise ConfigurationError(f"a video has at least one frame a second; got {frames_per_second}.")
    makers = {".gif": _gif, ".mp4": _mp4}
    if path.suffix.lower() not in makers:
        raise ConfigurationError(f"a video's path ends with {' or '.join(makers)}; got {path}.")
    write_bytes(path, makers[path.suffix.lower()](255 - frames, frames_per_second))


def _gif(frames: np.ndarray[Any, Any], frames_per_second: int) -> bytes:
    from PIL import Image

    first, *others = (Image.fromarray(frame) for frame in frames)
    out = io.BytesIO()
    duration = 10 * max(round(100 / frames_per_second), 1)
    first.save(out, format="GIF", save_all=True, append_images=others, duration=duration, loop=0)
    return out.getvalue()


def _mp4(frames: np.ndarray[Any, Any], frames_per_second: int) -> bytes:
    _, H, W = frames.shape
    even = "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white"  # the colour planes of H.264 have half the rows and columns
    with tempfile.TemporaryDirectory() as folder:  # ffmpeg seeks in its output
        made = Path(folder) / "video.mp4"
        source = f"-f rawvideo -pixel_format gray -video_size {W}x{H} -framerate {frames_per_second} -i -"
        target = ["-vf", even, "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(made)]
        command = [_ffmpeg(), "-loglevel", "error", *source.split(), *target]
        done = subprocess.run(command, input=frames.tobytes(), capture_output=True, check=False)
        if done.returncode != 0 or not made.is_file():
            words = done.stderr.decode(errors="replace").strip()
            raise MissingExtraError(f"ffmpeg cannot make this video ({words}). Write a .gif instead.")
        return made.read_bytes()


def _ffmpeg() -> str:
    """Find the program ffmpeg of the system, or that of the package imageio-ffmpeg."""
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        return str(import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:  # a RuntimeError means that the package has no program
        raise MissingExtraError(
            "MP4 needs ffmpeg, which is not installed. Install it: pip install imageio-ffmpeg. "
            "A path that ends with .gif needs nothing."
        ) from error
