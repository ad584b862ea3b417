"""The paper's studies, tests and observables have words here, which ``run.json`` takes over for reports."""

from __future__ import annotations

BOUNDARY = "boundary_"
"""The beginning of the names of tests that have the boundary of two species at one place."""

STUDIES = {
    "interacting_particles": {
        "name": "Interacting particles",
        "description": "Particles in the plane attract each other at a distance and repel each other when close; the "
        "macroscopic quantity is the energy of the pairs, which falls as the particles arrange themselves.",
    },
    "lennard_jones": {
        "name": "Lennard-Jones mixing",
        "description": "Two species of particles, separated at first, mix; the macroscopic quantities are the mixing "
        "ratios of the two species.",
    },
    "polymer": {
        "name": "Polymer in extensional flow",
        "description": "A chain is stretched by a flow; the macroscopic quantity is its extension.",
    },
    "gaussian_mixtures": {
        "name": "One-dimensional demonstration",
        "description": "Sets of numbers are drawn from mixtures of Gaussians.",
    },
}
"""Each study of the paper has a name and a description, by which reports call its runs."""

TESTS = {
    "in_dst": {"label": "In distribution", "sentence": "same distribution of initial states as in training"},
    "diff_init": {"label": "Other initial states", "sentence": "initial states of a kind that training never showed"},
    "fast": {
        "label": "Fast start",
        "sentence": "one first microstate that unravels fast, with different noises",
    },
    "medium": {"label": "Medium start", "sentence": "one first microstate that unravels slower, with different noises"},
    "slow": {"label": "Slow start", "sentence": "one folded first microstate, with different noises"},
    "diff_n": {"label": "Other number of particles", "sentence": "sets of another size than in training"},
}
"""Each test of the paper has a label, and a sentence about its initial states."""

OBSERVABLES = {"pair_energy": "pair energy", "extension": "extension"}
"""Some observables have a label; the others are called by their names."""


def words_of_test(name: str) -> dict[str, str]:
    """Give the label of a test of the paper's studies, and the sentence about its initial states.

    Examples
    --------
    >>> words_of_test("boundary_0.3")
    {'label': 'Boundary at x = 0.3', 'sentence': ''}
    """
    if name.startswith(BOUNDARY):
        return {"label": f"Boundary at x = {name.removeprefix(BOUNDARY)}", "sentence": ""}
    return TESTS.get(name, {"label": name, "sentence": ""})
