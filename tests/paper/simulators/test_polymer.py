"""The chain against theory: its rods, its noise, its equilibrium, its order, its coils; and campaigns of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, linalg, stats

from setclosure.errors import ConfigurationError, SimulationError
from setclosure.observables.registered import get_observable
from setclosure.paper.simulators.polymer import Polymer
from setclosure.paper.simulators.polymer_kernels import (
    TILE,
    brownian_frames,
    counted_bits,
    normals,
    project_rods,
    remove_overlaps,
    solve_rods,
)
from setclosure.seeds import numpy_stream
from setclosure.simulate.campaign import simulate_dataset

SHORT = Polymer(n_beads=30, extension_rate=0.05, time_step=0.01, frame_interval=1.0, n_frames=61, lead_frames=0)
ROD_ERROR = 1e-3
DEEP = 0.8
"""Distance below which an overlap is deep. Rods get their lengths back after overlaps were removed, which makes new
ones, so some are always there."""


def frames_of(start, n_frames, stride, time_step, rate=0.0, noise=1.0, repel=False, seed=0, dtype=np.float32):
    """Frames (T, N, 3) and the means that were taken out of them (T, 3)."""
    keys = np.random.default_rng(seed).integers(0, 2**64, 2, dtype=np.uint64)
    frames = np.empty((n_frames, len(start), 3), np.float32)
    done, means = brownian_frames(start.astype(dtype), rate, noise, time_step, stride, repel, keys, np.inf, frames)
    assert done == n_frames
    return frames, means


def rod_lengths(points):
    return np.linalg.norm(np.diff(points.astype(np.float64), axis=-2), axis=-1)


def distances(points):
    """Distances of beads that are not neighbours, ``(*, pairs)``."""
    i, j = np.triu_indices(points.shape[-2], 2)
    return np.linalg.norm(points[..., i, :] - points[..., j, :], axis=-1)


def coils(n_beads, n, **options):
    system = Polymer(n_beads=n_beads, **options)
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(lambda k: system.coil(numpy_stream(1, "coil", k)), range(n))))


# ── random numbers ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_kernel_s_normal_numbers_are_normal_and_independent():
    keys = np.array([7, 8], np.uint64)
    bits, out = np.empty(500_000, np.uint64), np.empty(1_000_000, np.float32)
    counted_bits(keys, np.uint64(0), bits)
    normals(bits.view(np.uint32), out)
    x = out.astype(np.float64)
    assert stats.kstest(x, "norm").pvalue > 1e-3
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert abs((x**power).mean() - moment) < 5 * (x**power).std() / 1e3
    tail = (np.abs(x) > 4).sum()
    assert stats.poisson.sf(tail - 1, 63.3) > 1e-3
    assert stats.poisson.cdf(tail, 63.3) > 1e-3
    for y in (x, np.abs(x)):
        y = y - y.mean()  # noqa: PLW2901
        for lag in (1, 2, 8, 900, 500_000):
            assert abs((y[lag:] * y[:-lag]).mean()) < 5 * y.var() / np.sqrt(len(y) - lag)


def test_a_number_depends_on_the_keys_and_its_place_alone():
    keys = np.array([7, 8], np.uint64)
    whole, part, other = (np.empty(100, np.uint64) for _ in range(3))
    counted_bits(keys, np.uint64(0), whole)
    counted_bits(keys, np.uint64(60), part)
    assert np.array_equal(whole[60:], part[:40])
    for changed in ((9, 8), (7, 9)):
        counted_bits(np.array(changed, np.uint64), np.uint64(0), other)
        assert not np.isin(other, whole).any()


def test_the_radius_is_finite_for_every_word():
    words = np.array([0, 1, 2**32 - 1, 2**32, 2**64 - 1, 2**64 - 2**32], np.uint64)
    out = np.empty(12, np.float32)
    normals(words.view(np.uint32), out)
    assert np.isfinite(out).all()
    assert np.abs(out).max() < 7


# ── the parts of a step ───────────────────────────────────────────────────────────────────────────────────────


@given(n=st.integers(1, 40), seed=st.integers(0, 1000))
def test_the_solver_of_the_rods_agrees_with_lapack(n, seed):
    rng = np.random.default_rng(seed)
    off, right = rng.uniform(-1, 1, n - 1), rng.normal(size=n)
    ahead, factor, out = np.empty((3, n))
    solve_rods(off, right, ahead, factor, out)
    matrix = 2 * np.eye(n) + np.diag(off, 1) + np.diag(off, -1)
    assert np.allclose(out, linalg.solve(matrix, right), rtol=1e-10, atol=1e-10)


@given(N=st.integers(2, 90), size=st.floats(0.01, 0.2), seed=st.integers(0, 1000))
def test_rods_get_their_lengths_back_and_the_mean_stays(N, size, seed):
    rng = np.random.default_rng(seed)
    start = Polymer(n_beads=N, excluded_volume=False).coil(rng)
    x = np.ascontiguousarray((start + size * rng.normal(size=start.shape)).T)
    before = x.mean(axis=1)
    assert project_rods(x, N, np.empty((3, N - 1)), np.empty((6, N - 1))) >= 0
    assert np.abs(rod_lengths(x.T) - 1).max() <= 1.0001e-4
    assert np.allclose(x.mean(axis=1), before, atol=1e-12)


@given(N=st.integers(2, 90), spread=st.floats(0.5, 8), seed=st.integers(0, 1000))
def test_overlaps_are_those_that_all_pairs_show(N, spread, seed):
    """Tiles and boxes lose no pair, and count none twice."""
    points = np.random.default_rng(seed).normal(size=(N, 3)) * spread
    P = -(-N // TILE) * TILE
    x = np.full((3, P + 2 + TILE), 1e9)
    x[:, :N] = points.T
    tiles = np.empty((2, 3, P // TILE))
    found = remove_overlaps(x, N, tiles[0], tiles[1], np.empty(N, np.int32), np.empty_like(x))
    i, j = np.triu_indices(N, 2)
    apart = points[j] - points[i]
    r = np.linalg.norm(apart, axis=1, keepdims=True)
    push = np.where(r < 1, 0.5 * (1 - r) / r, 0) * apart
    expected = points.copy()
    np.add.at(expected, i, -push)
    np.add.at(expected, j, push)
    assert found == (r < 1).sum()
    assert np.allclose(x[:, :N].T, expected, atol=1e-9)


# ── the scheme against theory ─────────────────────────────────────────────────────────────────────────────────


def test_without_noise_a_rod_turns_as_it_should():
    """A rod's angle to the flow obeys tan φ = tan φ_0 · exp(−2 ε̇ t)."""
    start = 0.5 * np.array([[np.cos(1.2), np.sin(1.2), 0], [-np.cos(1.2), -np.sin(1.2), 0]])
    frames, _ = frames_of(start, 2, 100, 0.02, rate=0.5, noise=0.0)
    ends = frames[-1, 0] - frames[-1, 1]
    assert ends[1] / ends[0] == pytest.approx(np.tan(1.2) * np.exp(-2 * 0.5 * 2.0), rel=2e-3)


@pytest.mark.slow
def test_without_noise_the_scheme_has_order_one():
    start = Polymer(n_beads=6).coil(np.random.default_rng(5))

    def end(h):
        return frames_of(start, 2, round(1.0 / h), h, rate=1.0, noise=0.0, dtype=np.float64)[0][-1]

    fine = end(0.0005)
    errors = [np.abs(end(h) - fine).max() for h in (0.1, 0.05, 0.025)]
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx([1, 1], abs=0.25)
    assert errors[-1] > 10 * 1e-4  # well above the tolerance of the rods


def test_the_equilibrium_of_a_rod_in_flow():
    """The flow of a rod has a potential: its density is ∝ exp(ε̇ (u_x² − u_y²)/4)."""
    rate = 4.0
    frames, _ = frames_of(0.5 * np.array([[1.0, 0, 0], [-1, 0, 0]]), 40_001, 50, 0.004, rate=rate)
    u = np.diff(frames.astype(np.float64), axis=1)[1:, 0]
    order = (u[:, 0] ** 2 - u[:, 1] ** 2).reshape(-1, 200).mean(axis=1)

    def moment(power):
        def density(angle, z):
            value = (1 - z * z) * np.cos(2 * angle)
            return value**power * np.exp(rate * value / 4)

        return integrate.dblquad(density, 0, 1, 0, np.pi)[0]

    error = order.std() / np.sqrt(len(order))
    assert order.mean() == pytest.approx(moment(1) / moment(0), abs=4 * error + 0.002)
    assert error < 0.005


def test_three_ideal_beads_have_the_weight_that_the_docstring_states():
    """det(J Jᵀ)^(−½) = (4 − c²)^(−½), c the cosine at the joint: ⟨c²⟩ = 0.346; with +½ it were 0.321."""
    frames, _ = frames_of(np.array([[-1.0, 0, 0], [0, 0, 0], [1, 0, 0]]), 80_001, 50, 0.004)
    rods = np.diff(frames.astype(np.float64), axis=1)[10:]
    c2 = np.square((rods[:, 0] * rods[:, 1]).sum(axis=1))
    c = np.linspace(-1, 1, 20_001)
    weight = (4 - c * c) ** -0.5
    assert c2.mean() == pytest.approx((c * c * weight).sum() / weight.sum(), abs=0.008)


def test_a_free_chain_diffuses_as_its_beads_together():
    """D = kT/(N ζ) for the centre of mass, whatever rods and overlaps do."""
    N, n_frames, interval = 12, 4001, 1.0
    start = Polymer(n_beads=N).coil(np.random.default_rng(0))
    _, means = frames_of(start, n_frames, 50, 0.02, repel=True)
    steps = means[1:]  # what the mean moved by since the frame before
    assert np.square(steps).mean() == pytest.approx(2 * interval / N, rel=5 * np.sqrt(2 / steps.size))


def test_single_and_double_precision_follow_the_same_path():
    start = Polymer(n_beads=50).coil(np.random.default_rng(3))
    single, _ = frames_of(start, 6, 10, 0.02, rate=0.01, repel=True)
    double, _ = frames_of(start, 6, 10, 0.02, rate=0.01, repel=True, dtype=np.float64)
    assert np.abs(single[1] - double[1]).max() < 2e-3
    assert np.abs(single[1] - single[0]).max() > 0.1


@pytest.mark.parametrize(("time_step", "deep", "closest"), [(0.02, 3.5, 0.05), (0.01, 0.6, 0.5)])
def test_frames_keep_rods_distances_and_centre(time_step, deep, closest):
    """Not more than ``deep`` overlaps a frame are deep on average, and none comes below ``closest``."""
    system = Polymer(n_beads=100, n_frames=61, lead_frames=0, frame_interval=2.0, time_step=time_step)
    trajectory = system.simulate(np.random.default_rng(0))
    assert np.abs(rod_lengths(trajectory.points) - 1).max() < ROD_ERROR
    assert np.abs(trajectory.points.astype(np.float64).mean(axis=1)).max() < 1e-4
    r = distances(trajectory.points)
    assert r[0].min() > 1 - 1e-5  # a coil has no overlaps at all
    assert (r < DEEP).sum(axis=1).mean() < deep
    assert r.min() > closest
    ideal = system.model_copy(update={"excluded_volume": False}).simulate(np.random.default_rng(0))
    assert (distances(ideal.points) < DEEP).sum(axis=1).mean() > 10 * deep


def test_steps_that_cannot_be_made_are_a_named_error():
    with pytest.raises(SimulationError, match=r"could not be kept .* after frame 1\. Use a smaller time_step"):
        SHORT.model_copy(update={"time_step": 50.0, "frame_interval": 5e3}).simulate(np.random.default_rng(0))


# ── coils ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ideal_coils_are_random_walks():
    x = coils(40, 2000, excluded_volume=False)
    ends = x[:, -1] - x[:, 0]
    squares = np.square(ends).sum(axis=1)
    assert squares.mean() == pytest.approx(39, abs=4 * squares.std() / np.sqrt(len(x)))
    per_axis = np.square(ends).mean(axis=0)
    assert per_axis == pytest.approx([13, 13, 13], rel=4 * np.sqrt(2 / len(x)))  # no direction is special
    middle = x[:, 20] - x[:, 19]
    assert np.square(middle).mean(axis=0) == pytest.approx([1 / 3] * 3, abs=4 * np.sqrt(4 / 45 / len(x)))


@pytest.mark.slow
def test_coils_swell_with_flory_s_exponent():
    """⟨R²⟩ ∝ (N − 1)^2ν, ν = 0.588; chains of touching beads this short come within 0.02 of it."""
    sizes, squares, errors = (25, 100), [], []
    for n in sizes:
        x = coils(n, 1000)
        r2 = np.square(x[:, -1] - x[:, 0]).sum(axis=1)
        assert distances(x[:50]).min() > 1 - 1e-6
        assert np.abs(rod_lengths(x) - 1).max() < 1e-9
        squares.append(r2.mean())
        errors.append(r2.std() / np.sqrt(len(x)) / r2.mean())
    nu = np.log(squares[1] / squares[0]) / (2 * np.log(99 / 24))
    assert nu == pytest.approx(0.588, abs=0.02 + 4 * np.hypot(*errors) / (2 * np.log(99 / 24)))
    assert nu - 4 * np.hypot(*errors) / (2 * np.log(99 / 24)) > 0.5


@pytest.mark.slow
def test_coils_of_the_paper_s_chain_have_the_known_width():
    span = np.ptp(coils(300, 400)[..., 0], axis=1)
    assert span.mean() == pytest.approx(30.5, abs=4 * 9.4 / 20)
    assert span.std() == pytest.approx(9.4, rel=0.15)


# ── trajectories and campaigns ────────────────────────────────────────────────────────────────────────────────


def test_a_trajectory_is_a_function_of_its_stream():
    one, same, other = (SHORT.simulate(np.random.default_rng(k)) for k in (0, 0, 1))
    assert np.array_equal(one.points, same.points)
    assert not np.array_equal(one.points[0], other.points[0])
    assert np.array_equal(get_observable(SHORT.layout.observable)(one.points), one.observables)


def test_the_lead_is_the_beginning_of_the_trajectory():
    """Without it the same stream gives the coil, and the frames before the first one."""
    led = SHORT.model_copy(update={"lead_frames": 20, "n_frames": 2})
    whole = SHORT.run(SHORT.coil(rng := np.random.default_rng(3)), rng, 21)
    assert np.abs(led.simulate(np.random.default_rng(3)).points[0] - whole[-1]).max() < 1e-5  # centred once more
    fixed = led.model_copy(update={"start": "fast", "n_candidates": 10})
    unled = SHORT.model_copy(update={"start": "fast", "n_candidates": 10})
    assert np.array_equal(fixed.initial(np.random.default_rng(0)), unled.initial(np.random.default_rng(0)))


def test_a_short_chain_is_stretched_and_stays_so():
    extension = np.mean([SHORT.simulate(np.random.default_rng(k)).observables[:, 0] for k in range(20)], axis=0)
    assert extension[0] < 12
    assert extension[-20:].mean() > 15
    still = SHORT.model_copy(update={"extension_rate": 0.0})
    coil = np.mean([still.simulate(np.random.default_rng(k)).observables[:, 0] for k in range(20)], axis=0)
    assert coil[-20:].mean() == pytest.approx(coil[0], rel=0.25)


def test_a_campaign_does_not_depend_on_the_number_of_workers(tmp_path):
    for start in ("coil", "slow"):
        system = SHORT.model_copy(update={"start": start, "n_candidates": 25, "n_frames": 11})
        one, two = (simulate_dataset(tmp_path / f"{start}{n}", system, 6, 0, "train", workers=n) for n in (1, 2))
        assert one.fingerprint == two.fingerprint


def test_fixed_starts_are_the_same_for_all_and_differ_in_how_fast_they_unravel():
    length, times, starts = SHORT.n_beads - 1, {}, {}
    for start in ("fast", "medium", "slow"):
        system = SHORT.model_copy(update={"start": start, "n_candidates": 50})
        runs = [system.simulate(np.random.default_rng(k)) for k in range(16)]
        starts[start] = runs[0].points[0]
        assert all(np.array_equal(run.points[0], starts[start]) for run in runs)
        assert not np.array_equal(runs[0].points[1], runs[1].points[1])
        reached = np.array([run.observables[:, 0] > 0.6 * length for run in runs])
        times[start] = np.where(reached.any(axis=1), reached.argmax(axis=1), SHORT.n_frames).mean()
    assert times["fast"] < 0.7 * times["medium"]
    assert times["fast"] < 0.7 * times["slow"]
    spans = {start: np.ptp(x[:, 0]) for start, x in starts.items()}
    assert spans["medium"] < spans["slow"] < spans["fast"]
    other = SHORT.model_copy(update={"start": "fast", "n_candidates": 50, "start_seed": 1})
    assert not np.array_equal(other.initial(np.random.default_rng(0)), starts["fast"])


def test_a_flow_too_weak_for_a_slow_start_is_named():
    weak = Polymer(n_beads=200, extension_rate=1e-9, time_step=0.05, frame_interval=0.05, start="slow", n_candidates=10)
    with pytest.raises(SimulationError, match=r"no slow start\. Use a larger extension_rate"):
        weak.initial(np.random.default_rng(0))


def test_mistakes_in_the_configuration_are_named():
    with pytest.raises(ConfigurationError, match=r"n_bead.*did you mean 'n_beads'"):
        Polymer.parse({"n_bead": 10})
    with pytest.raises(ConfigurationError, match=r"frame_interval 10 is not a multiple of time_step 0\.03"):
        Polymer.parse({"time_step": 0.03})
    with pytest.raises(ConfigurationError, match=r"frame_interval 0\.01 is not a multiple"):
        Polymer.parse({"frame_interval": 0.01})
    with pytest.raises(ConfigurationError, match="start 'fast' needs a chain of at least 10 beads"):
        Polymer.parse({"start": "fast", "n_beads": 5})
    with pytest.raises(ConfigurationError, match="extension_rate is 0"):
        Polymer.parse({"start": "slow", "extension_rate": 0})
    with pytest.raises(ConfigurationError, match="start"):
        Polymer.parse({"start": "straight"})


@pytest.mark.slow
def test_the_full_chain_has_the_published_plateau():
    """246.6 to 247.2 ± 3.5 in the published data, at full size."""
    system = Polymer()
    straight = np.zeros((300, 3))
    straight[:, 0] = np.arange(300) - 149.5
    points = system.run(straight, np.random.default_rng(0), system.n_frames)
    extension = np.ptp(points[60:, :, 0].astype(np.float64), axis=1)
    assert extension.mean() == pytest.approx(246.9, rel=0.01)
    assert extension.std() == pytest.approx(3.5, rel=0.25)
    assert np.abs(rod_lengths(points) - 1).max() < ROD_ERROR
    assert (distances(points[100::50]) < DEEP).sum(axis=1).mean() < 10
