"""Files are found by patterns, and their frames are shared among data sets so that none is in two."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from setclosure.errors import ConfigurationError, ReaderError
from setclosure.trajectories.readers.pattern import fields_of, filled, find_sources
from setclosure.trajectories.readers.plan import plan
from setclosure.trajectories.readers.spec import Windows


def files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_fields_of_names_are_kept_and_numbers_are_ordered_as_numbers(tmp_path):
    files(tmp_path, "runs/run_T0.7_s10.dump", "runs/run_T0.7_s9.dump", "runs/run_T1.2_s9.dump", "runs/note.txt")
    found = find_sources("runs/run_T{temperature}_s{seed}.dump", tmp_path)
    assert [source.values for source in found] == [
        {"temperature": "0.7", "seed": "9"}, {"temperature": "0.7", "seed": "10"}, {"temperature": "1.2", "seed": "9"},
    ]  # fmt: skip
    assert found[0].path == tmp_path / "runs/run_T0.7_s9.dump"
    assert filled("log_{seed}", found[1].values, "the log") == "log_10"


@pytest.mark.parametrize("pattern", ["{run}/*.csv", "*/t?.csv", "**/*.csv", "{run}/{run}.csv", "../{here}/*/t1.csv"])
def test_patterns_of_folders_and_letters(tmp_path, pattern):
    base = files(tmp_path / "base", "a/t1.csv", "b/t1.csv", "b/b.csv", "c.csv")
    expected = {
        "{run}/*.csv": [{"run": "a"}, {"run": "b"}, {"run": "b"}],
        "*/t?.csv": [{}, {}],
        "**/*.csv": [{}, {}, {}, {}],
        "{run}/{run}.csv": [{"run": "b"}],
        "../{here}/*/t1.csv": [{"here": "base"}, {"here": "base"}],
    }
    assert [source.values for source in find_sources(pattern, base)] == expected[pattern]


def test_absolute_names_lists_and_several_files_of_one_trajectory(tmp_path):
    files(tmp_path, "a.csv", "b.csv", "c1.csv", "c2.csv", "odd [1].csv")
    found = find_sources([str(tmp_path / "{name}.csv")], tmp_path / "elsewhere")
    assert len(found) == 5
    found = find_sources(["b.csv", ["c1.csv", "c2.csv"], "odd [1].csv"], tmp_path)
    assert [len(source.paths) for source in found] == [1, 2, 1]
    assert found[1].name.endswith("c1.csv and 1 more")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("runs/{seed}.csv", "There is no folder .*runs, either"),
        ("z{seed}.csv", r"no file has a name like .*z\{seed\}.csv. In .* are a_b_c.csv, d.csv"),
        ("d.cvs", "there is no file .*d.cvs. In .* are a_b_c.csv"),
        ("{one}_{two}.csv", r"fits the pattern '\{one\}_\{two\}.csv' in two ways: \{one\} may be 'a' or 'a_b'"),
        (["d.csv", "*.csv"], "named twice"),
        ([["*.csv"]], "is 2 files; expected one"),
    ],
)
def test_names_that_cannot_be_found_or_read_in_one_way(tmp_path, pattern, says):
    with pytest.raises(ReaderError, match=says):
        find_sources(pattern, files(tmp_path, "a_b_c.csv", "d.csv"))


def test_fields_that_cannot_be_told_from_each_other():
    with pytest.raises(ConfigurationError, match="touch"):
        fields_of("run{a}{b}.csv")
    with pytest.raises(ConfigurationError, match="has no name"):
        fields_of("run{}.csv")
    with pytest.raises(ConfigurationError, match=r"has the field \{x\}"):
        filled("{x}.log", {"seed": "1"}, "the log")


NAMES = st.text(st.sampled_from("ab1._-"), min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))


@given(NAMES, NAMES)
def test_what_is_written_into_a_name_is_read_from_it_or_refused(one, two):
    name = f"T{one}_s{two}.x"
    expressions = re.compile(r"T(.+?)_s(.+?)\.x"), re.compile(r"T(.+)_s(.+)\.x")
    once = expressions[0].fullmatch(name).groups() == expressions[1].fullmatch(name).groups()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).touch()
        if once:
            assert find_sources("T{one}_s{two}.x", Path(folder))[0].values == {"one": one, "two": two}
        else:
            with pytest.raises(ReaderError, match="two ways"):
                find_sources("T{one}_s{two}.x", Path(folder))


# ── frames ────────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def imports(draw):
    """Lengths of sources, shares of data sets, windows and how it is split."""
    lengths = draw(st.lists(st.one_of(st.just(0), st.integers(2, 60)), min_size=1, max_size=8))
    weights = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    splits = {f"set{k}": weight / sum(weights) for k, weight in enumerate(weights)}
    length = draw(st.integers(2, 12))
    windows = draw(st.one_of(st.none(), st.builds(Windows, length=st.just(length), stride=st.integers(1, 15))))
    return lengths, splits, windows, draw(st.sampled_from([None, "time", "trajectory"]))


@given(imports(), st.integers(0, 3))
def test_no_frame_is_in_two_data_sets(given_, seed):
    lengths, splits, windows, by = given_
    try:
        shares = plan(lengths, splits, windows, by, seed)
    except ReaderError:
        assume(False)
    assert list(shares) == list(splits)
    seen = {
        name: {(s.source, t) for s in stretches for t in range(s.first, s.last)} for name, stretches in shares.items()
    }
    for name, frames in seen.items():
        assert all(0 <= t < lengths[m] for m, t in frames)
        for other, of_other in seen.items():
            assert name == other or not frames & of_other
    for stretches in shares.values():
        for s in stretches:
            assert (s.last == 0) == (lengths[s.source] == 0)  # what cannot be read keeps a place
            if windows is not None and s.last:
                assert s.last - s.first == windows.length
    if windows is None:
        assert sum(map(len, seen.values())) == sum(lengths)


@given(imports())
def test_the_plan_is_the_same_every_time(given_):
    lengths, splits, windows, by = given_
    try:
        assert plan(lengths, splits, windows, by) == plan(lengths, splits, windows, by)
    except ReaderError:
        assume(False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([10, 10], {"a": 0.5, "b": 0.3, "c": 0.2}), "2 trajectories cannot be shared among the 3 data sets a, b, c"),
        (([10], {"a": 0.95, "b": 0.05}), "the data set 'b' gets 0 of the 10 frames of source 0"),
        (([10], {"a": 0.7, "b": 0.3}, Windows(length=4)), "no window of 4 frames fits into what the data set 'b' gets"),
    ],
)
def test_too_little_for_a_data_set_is_refused(arguments, says):
    with pytest.raises(ReaderError, match=says):
        plan(*arguments)
