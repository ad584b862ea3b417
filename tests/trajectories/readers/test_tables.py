"""Tables of tracks: what is in a row is kept, and what cannot be kept is refused with its line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.trajectories.readers.tracks import frames, source, tracks

from setclosure.errors import ReaderError
from setclosure.settings import OptionsError
from setclosure.trajectories.readers.tables import TableReader

READER = TableReader(frame="frame", particle="particle")


def written(path, table, **options):
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, **options)
    return path


def refused(path, reader=READER):
    with pytest.raises(ReaderError) as error:
        frames(reader, path)
    return str(error.value)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_unsorted_rows_give_frames_in_order_and_particles_by_identity(tmp_path, name):
    table = tracks()
    path = written(tmp_path / name, table.sample(frac=1, random_state=3))
    given = frames(TableReader(frame="frame", particle="particle", species="kind", time_step=0.5), path)
    assert [frame.time for frame in given] == [0.5 * t for t in range(8)]
    for t, frame in enumerate(given):
        of = table[table.frame == t]
        assert frame.ids.tolist() == list(range(6))
        assert frame.species.tolist() == of.kind.tolist()
        assert frame.step == t
        for column in ("x", "y", "weight", "energy"):
            np.testing.assert_array_equal(frame.columns[column], of[column])
        assert "kind" not in frame.columns


def test_a_scan_says_what_the_frames_hold(tmp_path):
    table = tracks().drop(index=[3, 4, 5])
    reader = TableReader(frame="frame", particle="particle", species="kind")
    facts = reader.scan(source(written(tmp_path / "t.csv", table)))
    assert (facts.n_frames, facts.min_particles, facts.max_particles) == (8, 3, 6)
    assert (facts.species, facts.has_ids, facts.has_cell) == (("A", "B"), True, False)
    assert {"x", "y", "weight", "energy"} <= set(facts.columns)


def test_particles_come_and_go_and_a_frame_without_rows_is_a_gap(tmp_path):
    table = tracks()
    table = table[(table.frame != 3) & ~((table.frame < 2) & (table.particle == 0))]
    given = frames(READER, written(tmp_path / "t.csv", table))
    assert [frame.time for frame in given] == [0, 1, 2, 4, 5, 6, 7]
    assert [len(frame) for frame in given] == [5, 5, 6, 6, 6, 6, 6]
    assert given[0].ids.tolist() == [1, 2, 3, 4, 5]


def test_times_of_a_column_and_no_numbers_of_frames(tmp_path):
    table = tracks()
    table["t"] = 0.1 * table.frame
    given = frames(TableReader(time="t"), written(tmp_path / "t.csv", table.drop(columns=["frame"])))
    np.testing.assert_allclose([frame.time for frame in given], 0.1 * np.arange(8))
    assert given[0].ids is None
    assert given[0].step is None


def test_a_part_of_the_frames(tmp_path):
    path = written(tmp_path / "t.csv", tracks())
    assert [frame.step for frame in frames(READER, path, 1, 7, 2)] == [1, 3, 5]


def test_several_trajectories_of_one_file_and_one_of_them_damaged(tmp_path):
    tables = [tracks(m).assign(run=name) for m, name in enumerate(("b", "a", "c"))]
    tables[1].loc[4, "particle"] = 3
    path = written(tmp_path / "t.csv", pd.concat(tables))
    reader = TableReader(trajectory="run", frame="frame", particle="particle")
    parts = reader.sources(source(path))
    assert [part.part for part in parts] == ["b", "a", "c"]
    for k in (0, 2):
        x = [frame.columns["x"] for frame in reader.frames(parts[k])]
        np.testing.assert_array_equal(np.concatenate(x), tables[k].x)
    with pytest.raises(ReaderError, match=r"line 54: particle 3 of frame 0 is there already, in line 53"):
        reader.scan(parts[1])


def test_identities_of_text_and_what_pandas_takes_for_nothing(tmp_path):
    table = tracks(N=3, kinds=["NA", "None", "Cl"])
    table["particle"] = table.particle.map({0: "p10", 1: "p9", 2: "null"})
    reader = TableReader(frame="frame", particle="particle", species="kind")
    first = frames(reader, written(tmp_path / "t.csv", table))[0]
    assert first.ids.tolist() == ["null", "p10", "p9"]
    assert first.species.tolist() == ["Cl", "NA", "None"]


def test_where_a_particle_stands(tmp_path):
    table = tracks().sample(frac=1, random_state=1).reset_index(drop=True)
    row = int(table.index[(table.frame == 2) & (table.particle == 4)][0])
    assert READER.where(source(written(tmp_path / "t.csv", table)), 2, 4) == f"line {row + 2}"
    assert READER.where(source(written(tmp_path / "t.parquet", table)), 2, 4) == f"row {row}"


def test_empty_lines_and_a_mark_of_the_byte_order_change_nothing(tmp_path):
    path = written(tmp_path / "t.csv", tracks())
    expected = frames(READER, path)
    text = path.read_text().replace("\n2,", "\n\n2,", 1) + "\n\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    for a, b in zip(frames(READER, path), expected, strict=True):
        np.testing.assert_array_equal(a.columns["x"], b.columns["x"])
    assert READER.where(source(path), 2, 0) == "line 15"


def test_another_separator_and_the_message_for_the_wrong_one(tmp_path):
    path = written(tmp_path / "t.tsv", tracks(), sep="\t")
    assert len(frames(TableReader(frame="frame", separator="\t"), path)) == 8
    assert "no column 'frame'" in refused(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"particle": 1}, "line 2: particle 1 of frame 0 is there already, in line 3|line 3: particle 1 of frame 0 is"),
        ({"frame": 0.5}, "line 2: 'frame' is 0.5; expected a whole number"),
        ({"frame": None}, "line 2: 'frame' is empty; expected a finite number"),
        ({"particle": None}, "line 2: 'particle' is empty; expected an entry in every row"),
        ({"frame": "one"}, "line 2: 'frame' is 'one'; expected a finite number"),
    ],
)
def test_a_wrong_entry_is_named_with_its_line(tmp_path, change, says):
    table = tracks().astype(dict.fromkeys(change, object))
    table.loc[0, list(change)] = list(change.values())
    assert any(part in refused(written(tmp_path / "t.csv", table)) for part in says.split("|"))


def test_a_frame_has_one_time_and_times_rise(tmp_path):
    reader = TableReader(frame="frame", time="t", particle="particle")
    table = tracks()
    table["t"] = table.frame * 0.1
    table.loc[8, "t"] = 0.15
    assert "line 10: 't' is 0.15, and another row of frame 1 has 0.1" in refused(
        written(tmp_path / "t.csv", table), reader
    )
    table["t"] = [0.1 * (t if t != 3 else 1) for t in table.frame]
    assert "frame 3 has the time 0.1, which is not later" in refused(written(tmp_path / "u.csv", table), reader)


def test_a_row_of_another_length_is_refused_with_its_line(tmp_path):
    path = written(tmp_path / "t.csv", tracks())
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], lines[4] + ",1", *lines[5:]]) + "\n")
    assert "line 5" in refused(path)
    path.write_text("\n".join([lines[0], lines[1] + ",1", *lines[2:]]))
    assert "cannot be read as a table" in refused(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be read as a table"),
        (b"frame,particle,x\n", "has no rows"),
        (b"frame,particle,x,x\n0,1,2,3\n", "line 1: the column 'x' is named twice"),
        (b"frame,x\n0,1\n", "has no column 'particle' of numbers, which the reader names"),
        (b"frame,particle,x\n0,1,\xff\n", "no text in UTF-8"),
        (b"frame,particle,x\na,1,2\n", "no entry of 'frame' is a number; the first is 'a'"),
    ],
)
def test_files_that_are_no_such_table(tmp_path, content, says):
    (tmp_path / "t.csv").write_bytes(content)
    assert says in refused(tmp_path / "t.csv")


def test_a_damaged_parquet_file_a_missing_one_and_two_for_one_trajectory(tmp_path):
    path = written(tmp_path / "t.parquet", tracks())
    path.write_bytes(path.read_bytes()[:-100])
    assert "cannot be read as a table" in refused(path)
    assert "cannot be read: No such file" in refused(tmp_path / "gone.csv")


def test_a_reader_needs_a_course_in_time():
    with pytest.raises(OptionsError, match="column of the frame, or of the time"):
        TableReader.checked({"particle": "id"})


def test_a_table_that_a_real_tracker_wrote(tmp_path):
    import trackpy

    trackpy.quiet()
    rng = np.random.default_rng(5)
    start = np.array([[20, 20], [20, 70], [50, 45], [80, 20], [80, 75]])
    true = start + np.cumsum(rng.normal(scale=0.6, size=(6, 5, 2)), axis=0)  # rows and columns of pixels
    grid = np.stack(np.meshgrid(np.arange(100), np.arange(100), indexing="ij"), axis=-1)
    spots = [np.exp(-((grid[:, :, None] - of_t) ** 2).sum(axis=-1) / 8).sum(axis=-1) for of_t in true]
    images = [(200 * spot).astype(np.uint8) for spot in spots]
    found = trackpy.batch(images, diameter=11, minmass=200, processes=1)
    linked = trackpy.link(found, search_range=6)
    linked = linked[~((linked.frame == 2) & (linked.particle == 1))]  # the tracker lost one for a frame
    linked.to_csv(tmp_path / "tracks.csv")  # with the index that pandas writes by default
    given = frames(READER, tmp_path / "tracks.csv")
    assert [len(frame) for frame in given] == [5, 5, 4, 5, 5, 5]
    places = [np.stack([frame.columns["y"], frame.columns["x"]], axis=1) for frame in given]
    order = np.abs(true[0] - places[0][:, None]).sum(axis=2).argmin(axis=1)
    for t in (0, 1, 3, 4, 5):
        np.testing.assert_allclose(places[t], true[t, order], atol=0.2)
    assert {"mass", "size", "ecc", "signal"} <= set(given[0].columns)


def test_a_table_that_is_cut_off_within_a_row_is_refused(tmp_path):
    path = written(tmp_path / "t.csv", tracks())
    path.write_bytes(path.read_bytes()[:-2])  # the last number has lost digits, and nothing else shows it
    assert f"ends within line {len(tracks()) + 1}, so it may be cut off" in refused(path)
    assert len(frames(TableReader(frame="frame", particle="particle", cut_off="whole"), path)) == 8
