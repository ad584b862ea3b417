"""Every file of MDAnalysisTests is read as MDAnalysis reads it, or refused with a reason; a page lists all."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("MDAnalysisTests")

from tests.trajectories.readers.real_files import PAGE, Comparison, compare, files, written

# why setclosure refuses a file that MDAnalysis reads
REFUSED = {
    "cryst_then_model.pdb.bz2": "cannot be read",  # an archive of tar under another name
    "cryst_then_model.pdb.gz": "cannot be read",
    "model_then_cryst.pdb.bz2": "cannot be read",
    "model_then_cryst.pdb.gz": "cannot be read",
    "lammps/wat.lammpstrj_long.bz2": r"6 entries .* expected 5, which are id type xs ys zs",
}
RESULTS: dict[str, Comparison] = {}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("file", files())
def test_a_file_is_read_as_mdanalysis_reads_it_or_refused(file):
    result = RESULTS[file] = compare(file)
    if file in REFUSED:
        assert not result.refused_by_mdanalysis
        assert re.search(REFUSED[file], result.refused)
    elif result.refused:
        assert result.refused_by_mdanalysis, result.refused
    else:
        assert result.frames
        assert "positions" in result.equal or result.refused_by_mdanalysis


def test_the_page_has_the_table_of_the_files():
    """Run ``python -m tests.trajectories.readers.real_files`` if it differs."""
    results = [RESULTS.get(file) or compare(file) for file in files()]
    assert PAGE.read_text() == written(results)
