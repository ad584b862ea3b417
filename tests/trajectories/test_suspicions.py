"""Trajectories that are not what their owner believes are warned of; honest ones are not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from setclosure.errors import SetclosureWarning
from setclosure.trajectories.dataset import TrajectoryDataset

M, T, N, L = 3, 30, 40, 10.0


def walks(step=0.2, d=2, seed=0, n=N):
    """Random walks in a box, not wrapped: ``(M, T, N, d)``."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, L, size=(M, 1, n, d))
    return start + np.cumsum(rng.normal(scale=step, size=(M, T, n, d)), axis=1)


def made(path, points, **options):
    return TrajectoryDataset.from_arrays(path, points, np.zeros((len(points), T)), times=range(T), **options)


@pytest.fixture
def silent(tmp_path):
    """Make a data set without any warning."""

    def make(points, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return made(tmp_path / "silent.zarr", points, **options)

    return make


def test_wrapped_coordinates_without_a_cell_name_a_particle_and_a_frame(tmp_path):
    x = walks()
    with pytest.warns(SetclosureWarning, match=r"wrapped into a periodic box.*Give the box: cell=") as caught:
        made(tmp_path / "a.zarr", x % L)
    text = str(caught[0].message)
    m, i = (int(text.split(word)[1].split(maxsplit=1)[0].strip(":")) for word in ("trajectory ", "particle "))
    t = int(text.split("in frame ")[1].split(maxsplit=1)[0])
    axis = "xy".index(text.split("along '")[1][0])
    assert abs((x % L)[m, t + 1, i, axis] - (x % L)[m, t, i, axis]) > 0.75 * L
    assert abs(x[m, t + 1, i, axis] - x[m, t, i, axis]) < 2


def test_wrapped_coordinates_in_their_cell_are_silent(silent):
    silent(walks() % L, cell=[L, L])


def test_the_open_direction_of_a_cell_is_looked_at_alone(tmp_path):
    x = walks()
    x[..., 0] %= L
    with pytest.warns(SetclosureWarning, match="along 'x'"):
        made(tmp_path / "a.zarr", x, cell=[0.0, L])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(tmp_path / "b.zarr", x, cell=[L, 0.0])


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(walks(), id="walks"),
        pytest.param(walks(step=3.0), id="long steps"),
        pytest.param(np.random.default_rng(0).uniform(0, L, size=(M, T, N, 2)), id="no memory"),
        pytest.param(walks()[:, :1] * 0.5 ** np.arange(T)[:, None, None], id="collapse"),
        pytest.param(np.where(np.arange(T)[:, None, None] < 5, 0.0, 1.0) + walks(0.01) * 0.01, id="a jump of all"),
        pytest.param(walks(n=1), id="one particle"),
    ],
)
def test_honest_motion_is_silent(silent, points):
    silent(points)


def test_an_angle_is_told_apart_from_a_box(tmp_path, silent):
    x = np.concatenate([walks(), (walks(0.3, d=1, seed=1) + np.pi) % (2 * np.pi) - np.pi], axis=-1)
    features, roles = ("x", "y", "theta"), ("position", "position", "scalar")
    with pytest.warns(SetclosureWarning, match=r"'theta'.*looks like an angle.*cosine and sine"):
        made(tmp_path / "a.zarr", x, features=features, roles=roles)
    switch = np.random.default_rng(0).random((M, T, N, 1)) < 0.02
    silent(np.concatenate([walks(), switch], axis=-1), features=("x", "y", "on"), roles=roles)


def test_frames_that_are_all_the_same_object_are_told(tmp_path, silent):
    frame = walks()[0, 0]
    with pytest.warns(SetclosureWarning, match=r"nothing changes in time.*append a copy"):
        made(tmp_path / "a.zarr", [[frame] * T] * M)
    x = walks()
    x[:2] = x[:2, :1]
    silent(x)  # one trajectory moves


# ── places ───────────────────────────────────────────────────────────────────────────────────────────────────────

KINDS = np.tile(np.arange(N) % 2, (M, 1))


def unsorted(x, share=1.0, seed=0):
    """Put a share of the particles of every frame to other places."""
    rng, out = np.random.default_rng(seed), x.copy()
    for m, t in np.ndindex(M, T):
        some = np.flatnonzero(rng.random(x.shape[2]) < share)
        out[m, t, some] = x[m, t, rng.permutation(some)]
    return out


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("what", ["species", "masses"])
def test_particles_that_change_places_do_not_go_with_values_for_places(tmp_path, what, share):
    x = unsorted(walks(0.02), share)
    with pytest.warns(SetclosureWarning, match=rf"trajectory \d+: the particle at place \d+ .*{what} were given once"):
        made(tmp_path / "a.zarr", x, **{what: KINDS + (what == "masses")})


def test_the_place_that_is_named_is_the_true_one(tmp_path):
    x = unsorted(walks(0.02))
    with pytest.warns(SetclosureWarning) as caught:
        made(tmp_path / "a.zarr", x, species=KINDS[0])
    words = str(caught[0].message).replace(":", "").replace(",", "").split()
    numbers = [int(word) for word in words if word.isdigit()][:5]
    m, i, t, j, after = numbers
    assert after == t + 1
    assert np.linalg.norm(x[m, t, i] - x[m, after, j]) < 0.2


@pytest.mark.parametrize(
    ("points", "options"),
    [
        pytest.param(walks(0.02), {"species": KINDS}, id="fixed places"),
        pytest.param(walks(2.0), {"species": KINDS}, id="far in a step"),
        pytest.param(walks(0.02) % L, {"species": KINDS, "cell": [L, L]}, id="wrapped in a cell"),
        pytest.param(unsorted(walks(0.02)), {}, id="one species needs no places"),
        pytest.param(unsorted(walks(0.02)), {"species": np.tile(KINDS[:, None], (1, T, 1))}, id="for each frame"),
        pytest.param(np.random.default_rng(0).uniform(0, L, size=(M, T, N, 2)), {"species": KINDS}, id="no memory"),
    ],
)
def test_places_that_are_kept_or_not_needed_are_silent(silent, points, options):
    silent(points, **options)
