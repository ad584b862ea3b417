"""The readable names of studies, splits, metrics and steps; an unknown name is shown as it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A label for tables and figures, and a sentence for a reader who does not know the word."""

    label: str
    sentence: str = ""


STUDIES = {
    "interacting_particles": Word(
        "Interacting particles",
        "In this study particles in the plane attract each other at a distance and repel each other when close; "
        "the macroscopic quantity is the energy of the pairs, which falls as the particles arrange themselves.",
    ),
    "lennard_jones": Word(
        "Lennard-Jones mixing",
        "In this study two species of particles, separated at first, mix; the macroscopic quantities are the "
        "mixing ratios of the two species.",
    ),
    "polymer": Word(
        "Polymer in extensional flow",
        "In this study a chain is stretched by a flow; the macroscopic quantity is its extension.",
    ),
    "gaussian_mixtures": Word(
        "One-dimensional demonstration", "In this study sets of numbers are drawn from mixtures of Gaussians."
    ),
}


OBSERVABLES = {"pair_energy": Word("pair energy"), "extension": Word("extension")}

BOUNDARY = "boundary_"
"""Begins the names of splits that start with the boundary of two species at one place."""

SPLITS = {
    "train": Word("Training", "the trajectories that the model was trained on"),
    "validation": Word("Validation", "held back from training, used to choose weights"),
    "in_dst": Word("In distribution", "same distribution of initial states as in training"),
    "diff_init": Word("Other initial states", "initial states of a kind that training never showed"),
    "fast": Word("Fast start", "one first microstate that unravels fast, with different noises"),
    "medium": Word("Medium start", "one first microstate that unravels slower, with different noises"),
    "slow": Word("Slow start", "one folded first microstate, with different noises"),
    "diff_n": Word("Other number of particles", "sets of another size than in training"),
}

METRICS = {
    "mre": Word(
        "MRE",
        "Mean relative error: for each test trajectory the sum over time of the squared difference between "
        "prediction and truth, divided by the sum over time of the squared truth, then averaged over trajectories "
        "(App. A.2 of the paper). It is a ratio of squared norms: 10⁻⁴ means a typical deviation of 1 %.",
    ),
    "mre_scaled": Word(
        "MRE, scaled",
        "The same ratio after the observable is scaled to [−1, 1] by its minimum and maximum over the training data.",
    ),
    "mre_median": Word("MRE, median", "The median over the test trajectories, which a few bad ones cannot carry."),
    "effective_rank": Word(
        "Effective rank of ẑ",
        "How many directions the closures of the test trajectories use (the exponential of the entropy of the "
        "eigenvalues of their covariance): far below the numbers of the closure, it has collapsed.",
    ),
    "closure_variance": Word(
        "Variance of ẑ",
        "Mean variance of the numbers of the closure over the test trajectories, in the units that the encoder chose; "
        "zero if it is constant.",
    ),
    "mmd": Word(
        "MMD",
        "Squared maximum mean discrepancy between predicted and true distributions, averaged over time and over "
        "several kernel widths (App. A.2 of the paper); zero if the two are the same.",
    ),
    "mmd_unbiased": Word(
        "MMD, unbiased",
        "The same without the terms that compare a trajectory with itself: zero on average for equal distributions, so "
        "that single values may be negative.",
    ),
    "mean_error": Word(
        "Error of the mean",
        "Deviation of the predicted mean over trajectories from the true one, summed over time and divided by the sum "
        "of the true one.",
    ),
    "sd_error": Word("Error of the spread", "The same of the standard deviation over trajectories."),
    "inside_band": Word(
        "Inside the band",
        "Share of the frames at which the predicted mean lies within one true standard deviation of the true mean, for "
        "every observable.",
    ),
    "r2": Word("R²", "Share of the variance that a regression explains, each case predicted by others."),
    "r2_error": Word("Standard error of R²", "Over resampled cases."),
    "diverged": Word(
        "Diverged",
        "Rollouts, of all paths of the noise, that reached numbers that are not finite or beyond all bounds, and were "
        "stopped.",
    ),
    "outside": Word(
        "Left the range",
        "Rollouts, of all paths of the noise, that left the range of the training data; their end is extrapolation.",
    ),
    "warned": Word(
        "X₀ flagged", "First microstates that the model itself found outside the range of its training data."
    ),
    "seconds": Word("Seconds of training"),
    "extension": Word("Extension"),
    "kl": Word("KL(q_X ‖ p)"),
    "kl_shown": Word("KL(q_X ‖ p), of the set in the picture"),
    "permutation_deviation": Word("Largest deviation under permutations"),
    "permutation": Word(
        "Effect of permutation",
        "Largest change of a prediction, in the unit of the observable, when the particles of the first microstate "
        "are renumbered; only rounding is left if the encoder is permutation-invariant.",
    ),
}

STEPS = {
    "simulate": Word("Simulate the trajectories"),
    "stage_one": Word(
        "Stage one", "Encoder and decoder: learn a closure from which the density of the particles returns."
    ),
    "encode": Word("Encode every microstate"),
    "stage_two": Word("Stage two", "Macro dynamics: learn how observable and closure move together."),
    "evaluate": Word("Evaluate"),
}

STATUSES = {
    "complete": "The run is complete.",
    "interrupted": "The run was interrupted: what follows is what had been finished by then, and may change.",
    "started": "The run was not finished when this report was made: nothing is evaluated yet.",
    "trained": "The run is trained, but was not evaluated when this report was made.",
    "failed": "The run ended with an error: what follows is what had been finished by then.",
}


def label(words: dict[str, Word], name: str) -> str:
    """The readable label of ``name``, or ``name`` itself."""
    if words is SPLITS and name.startswith(BOUNDARY):
        return f"Boundary at x = {name.removeprefix(BOUNDARY)}"
    return words[name].label if name in words else name


def sentence(words: dict[str, Word], name: str) -> str:
    """The explanation of ``name``, or nothing."""
    return words[name].sentence if name in words else ""
