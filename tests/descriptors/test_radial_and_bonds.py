"""Motion about a centre and order of bonds against cases that are known by heart."""

from __future__ import annotations

import numpy as np
import pytest

from setclosure.descriptors.bond_order import BondOrderConfig
from setclosure.descriptors.radial import RadialConfig
from setclosure.errors import ModelError
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

PLANE = Features(2, vectors=1, names=("x", "y", "vx", "vy"))


def test_a_ring_that_turns():
    angle = np.linspace(0, 2 * np.pi, 7)[:-1]
    r, v = np.stack([np.cos(angle), np.sin(angle)], 1), np.stack([-np.sin(angle), np.cos(angle)], 1)
    ring = np.concatenate([2 * r + [5, 7], 3 * v + [1, 1]], axis=1)
    batch = MicrostateBatch.from_arrays([ring], features=PLANE)
    assert np.allclose(RadialConfig().describe(batch)[0], [2, 3, 0, 3, 6], atol=1e-5)
    assert np.allclose(RadialConfig(signed=True).describe(batch)[0], [2, 3, 0, 3, 6], atol=1e-5)
    mirrored = MicrostateBatch.from_arrays([ring * [-1, 1, -1, 1]], features=PLANE)
    assert np.allclose(RadialConfig(signed=True).describe(mirrored)[0], [2, 3, 0, -3, -6], atol=1e-5)


def test_what_has_no_centre_or_velocity_is_refused():
    with pytest.raises(ModelError, match="a periodic cell has none"):
        RadialConfig().features(MicrostateKind(2, periodic=(True, True)))
    with pytest.raises(ModelError, match="no vector whose first component is 'px'; vectors begin with vx"):
        RadialConfig(velocity="px").features(MicrostateKind(PLANE))
    with pytest.raises(ModelError, match="signs"):
        RadialConfig(signed=True).features(MicrostateKind(3))
    with pytest.raises(ModelError, match="for the plane and for space"):
        BondOrderConfig().features(MicrostateKind(1))


def test_lattices_have_their_bond_order():
    pytest.importorskip("freud")
    triangular = np.array([[1.0, 0.0], [0.5, 0.75**0.5]])
    places = np.array([(i, j) for i in range(6) for j in range(6)]) @ triangular
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    for cell, x in ((6 * triangular, places), (6 * triangular @ turn, places @ turn + 2)):
        batch = MicrostateBatch.from_arrays([x], cell=cell)
        assert np.allclose(BondOrderConfig(orders=(6,)).describe(batch), 1, atol=1e-4)
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    cubic = np.concatenate([base + np.array(t) for t in np.ndindex(3, 3, 3)])
    found = BondOrderConfig().describe(MicrostateBatch.from_arrays([cubic], cell=[3.0, 3.0, 3.0]))
    assert np.allclose(found, [0.19094, 0.57452], atol=1e-4)  # Steinhardt, Nelson & Ronchetti 1983: face-centred cubic
    alone = MicrostateBatch.from_arrays([cubic[:1]])
    assert BondOrderConfig().describe(alone).tolist() == [[[0.0, 0.0]]]
