"""A reader that breaks a promise is told, and which one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import Field

from setclosure.conformance import check, check_reader
from setclosure.errors import ConfigurationError, ConformanceError, ReaderError
from setclosure.trajectories.readers.base import Frame, ReaderConfig, Source, SourceFacts

CONTENT = "\n".join(f"{t} {' '.join(str(t + i) for i in (3, 1, 2))}" for t in range(5)) + "\n"


class Plain(ReaderConfig):
    """Lines with a time and the places of particles 3, 1 and 2, which a broken reader changes."""

    scale: float = 1.0

    def scan(self, source):
        count = len(self.rows(source))
        return SourceFacts(count, 3, ("x",), has_ids=True, units={"x": "m"}, min_particles=3)

    def rows(self, source):
        try:
            lines = source.path.read_text().splitlines(keepends=True)
        except OSError as error:
            raise ReaderError(f"{source.path} cannot be read.") from error
        for i, line in enumerate(lines):
            if len(line.split()) != 4 or not line.endswith("\n"):
                raise ReaderError(f"{source.path}, line {i + 1}: expected four numbers.")
        return [[float(word) for word in line.split()] for line in lines]

    def frames(self, source, start=0, stop=None, step=1):
        for time, *x in self.rows(source)[start:stop:step]:
            yield self.frame(time, np.array(x))

    def frame(self, time, x):
        order = [1, 2, 0]
        return Frame(self.scale * time, {"x": x[order]}, np.array([1, 2, 3]), cell=np.eye(1), step=int(time))


class Whole(Plain):
    def scan(self, source):
        return replace(super().scan(source), has_cell=True)


class HiddenScale(Whole):
    scale: float = Field(1.0, exclude=True)


class OneFrameTooMany(Whole):
    def scan(self, source):
        return replace(super().scan(source), n_frames=6)


class OtherColumns(Whole):
    def scan(self, source):
        return replace(super().scan(source), columns=("x", "y"))


class FewerParticles(Whole):
    def scan(self, source):
        return replace(super().scan(source), min_particles=2)


class StandsStill(Whole):
    def frame(self, time, x):
        return replace(super().frame(time, x), time=0.0)


class SinglePrecision(Whole):
    def frame(self, time, x):
        return replace(super().frame(time, x), columns={"x": x.astype(np.float32)})


class AnotherCell(Whole):
    def frame(self, time, x):
        return replace(super().frame(time, x), cell=np.array([-1.0]))


class Unsorted(Whole):
    def frame(self, time, x):
        return replace(super().frame(time, x), columns={"x": x}, ids=np.array([3, 1, 2]))


class NoStop(Whole):
    def frames(self, source, start=0, stop=None, step=1):
        yield from super().frames(source, start, None, step)


class OneBuffer(Whole):
    def frames(self, source, start=0, stop=None, step=1):
        buffer = np.empty(3)
        for frame in super().frames(source, start, stop, step):
            buffer[:] = frame.columns["x"]
            yield replace(frame, columns={"x": buffer})


class Unpicklable(Whole):
    def __reduce__(self):
        raise TypeError("it holds a handle of a library")


class HandMadeSource(Source):
    def files(self):
        return [{**facts, "size": 1} for facts in super().files()]


class SilentAboutMissing(Whole):
    def rows(self, source):
        return super().rows(source) if source.path.exists() else []


class DropsTheEnd(Whole):
    def rows(self, source):
        try:
            lines = source.path.read_text().splitlines(keepends=True)
        except OSError as error:
            raise ReaderError(f"{source.path} cannot be read.") from error
        return [[float(word) for word in line.split()] for line in lines if len(line.split()) == 4]


CUT = "a file that is cut off is named, and no frame of it is lost in silence"
SCAN = "the first look counts the frames, particles and columns that are read"
FRAMES = "frames hold a number of each particle in float64 columns, and a square cell"
BROKEN = [
    ("its configuration is stored with every option and read back the same", HiddenScale),
    (SCAN, OneFrameTooMany),
    (SCAN, OtherColumns),
    (SCAN, FewerParticles),
    (SCAN, Plain),
    ("times are finite and rise", StandsStill),
    (FRAMES, SinglePrecision),
    (FRAMES, AnotherCell),
    ("particles are in the order of their identities, which are distinct", Unsorted),
    ("start, stop and step choose among the same frames", NoStop),
    ("a frame that is kept does not change while others are read", OneBuffer),
    ("it can be sent to other processes, and reads the same there", Unpicklable),
    ("its files are noted with size and checksum", HandMadeSource),
    ("a file that is not there is named", SilentAboutMissing),
    (CUT, DropsTheEnd),
    ("frames are what they are known to be", Whole),
]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "places.txt"
    path.write_text(CONTENT)
    return Source((path,))


def test_there_is_a_broken_reader_for_every_promise(known, source):
    reader = known("reader", Whole)()
    report = check_reader(reader, source, reference=list(reader.frames(source)))
    assert {sentence for sentence, _ in BROKEN} == set(report.promises)


@pytest.mark.parametrize(("sentence", "broken"), BROKEN, ids=[broken.__name__ for _, broken in BROKEN])
def test_a_broken_reader_is_told(known, source, sentence, broken):
    reference = None
    if broken is HandMadeSource:
        source, broken = HandMadeSource(source.paths), Whole
    elif broken is Whole:
        reference = [replace(frame, time=frame.time + 0.1) for frame in Whole().frames(source)]
    with pytest.raises(ConformanceError) as error:
        check_reader(known("reader", broken)(), source, reference)
    assert f"breaks a promise: {sentence}" in str(error.value)


def test_a_reader_is_checked_by_its_name_on_a_file(known, source):
    known("reader", Whole)
    assert CUT in check("reader", "broken", {"files": str(source.path), "scale": 2.0}).promises
    with pytest.raises(ConfigurationError, match=r"checked on a file of yours: name it with --set files=run.dump"):
        check("reader", "broken")
