from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageSequence

from setclosure.errors import ConfigurationError, MicrostateError, MissingExtraError, StorageError
from setclosure.paper.images.render import render
from setclosure.paper.images.video import write_video


def test_a_gif_has_every_grey_level_of_every_frame_on_white(tmp_path, beads):
    frames = render(beads)
    write_video(frames, tmp_path / "chain.gif", 20)
    with Image.open(tmp_path / "chain.gif") as video:
        shown = np.array([np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(video)])
        assert video.info["duration"] == 50
        assert video.info["loop"] == 0
    assert np.array_equal(shown, 255 - frames)


def test_one_frame_is_a_video(tmp_path):
    write_video(np.ones((1, 3, 5), np.uint8), tmp_path / "one.gif")
    with Image.open(tmp_path / "one.gif") as video:
        assert video.size == (5, 3)


def _has_ffmpeg():
    if shutil.which("ffmpeg"):
        return True
    try:
        import imageio_ffmpeg
    except ImportError:
        return False
    return bool(imageio_ffmpeg.get_ffmpeg_exe())


@pytest.mark.skipif(not _has_ffmpeg(), reason="ffmpeg is not installed")
@pytest.mark.parametrize("cut", [0, 1])  # odd numbers of rows and columns, too
def test_an_mp4_holds_the_frames(tmp_path, beads, cut):
    from setclosure.paper.images.video import _ffmpeg

    frames = render(beads)[:, cut:, cut:]
    write_video(frames, tmp_path / "chain.mp4")
    command = [_ffmpeg(), "-i", str(tmp_path / "chain.mp4"), "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    shown = np.frombuffer(raw, np.uint8).reshape(len(frames), 100, 500)[:, : 100 - cut, : 500 - cut]
    assert np.abs(shown.astype(int) - (255 - frames)).mean() < 1  # compression loses little


def test_without_ffmpeg_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingExtraError, match=r"pip install imageio-ffmpeg\. A path that ends with \.gif"):
        write_video(np.ones((2, 4, 4), np.uint8), tmp_path / "chain.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_ffmpeg_that_fails_is_told_in_its_words(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\ncat > /dev/null\necho no such encoder >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    with pytest.raises(MissingExtraError, match=r"cannot make this video \(no such encoder\). Write a .gif"):
        write_video(np.ones((2, 4, 4), np.uint8), tmp_path / "chain.mp4")


@pytest.mark.parametrize(
    ("frames", "name", "options", "error", "message"),
    [
        (np.ones((2, 4), np.uint8), "a.gif", {}, MicrostateError, r"got \(2, 4\)"),
        (np.ones((2, 4, 4)), "a.gif", {}, MicrostateError, "got .* float64"),
        (np.ones((2, 4, 4), np.uint8), "a.avi", {}, ConfigurationError, "ends with .gif or .mp4; got .*a.avi"),
        (np.ones((2, 4, 4), np.uint8), "a.gif", {"frames_per_second": 0}, ConfigurationError, "at least one frame"),
    ],
)
def test_mistakes_are_named(tmp_path, frames, name, options, error, message):
    with pytest.raises(error, match=message):
        write_video(frames, tmp_path / name, **options)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        write_video(np.ones((2, 4, 4), np.uint8), tmp_path / "file" / "a.gif")
