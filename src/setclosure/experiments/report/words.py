"""These words of the report hold for every system; those of one system are in its ``run.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word has a label for tables and figures, and a sentence for a reader who does not know the word."""

    label: str
    sentence: str = ""


@dataclass(frozen=True)
class Quantity:
    """Something that is measured has a label and a unit, which may be empty."""

    label: str
    unit: str = ""

    @property
    def axis(self) -> str:
        """Put the unit in parentheses behind the label, for an axis or the head of a table."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def of(self, value: str) -> str:
        r"""Write a value, which is text already, with the unit behind it.

        Examples
        --------
        >>> Quantity("length", "nm").of("2 ± 1"), Quantity("order").of("2 ± 1")
        ('(2 ± 1)\u202fnm', '2 ± 1')
        """
        if self.unit and "±" in value and "(" not in value:
            value = f"({value})"
        return f"{value}\u202f{self.unit}" if self.unit else value


FITTED_ON = {
    "train": Word("Training", "the trajectories that the model was trained on"),
    "validation": Word("Validation", "held back from training, used to choose weights"),
}

NAIVE = {
    "persistence": Word("persistence", "It keeps every observable at its first value."),
    "mean path": Word("mean path", "It predicts the mean over the training trajectories at each time."),
    "linear fit": Word("linear fit", "It is a linear model, fitted to the training trajectories."),
}

STEPS = {
    "simulate": Word("Simulate the trajectories"),
    "stage_one": Word("Stage one", "Encoder and decoder: learn a closure from which the particles can be recovered."),
    "encode": Word("Encode every microstate"),
    "stage_two": Word("Stage two", "Macroscopic dynamics: learn how observables and closure move together."),
    "evaluate": Word("Evaluate"),
}

STATUSES = {
    "complete": "The run is complete.",
    "started": "The run was not finished when this report was made: nothing is evaluated yet.",
    "trained": "The run is trained, but was not evaluated when this report was made.",
}


def word(words: Mapping[str, Word], name: str) -> Word:
    """Look up the words for ``name``; one that is not known is shown as it is."""
    return words.get(name, Word(name))


def listed(items: list[str]) -> str:
    """Join items as in a sentence.

    Examples
    --------
    >>> listed(["energy"]), listed(["energy", "order", "radius"])
    ('energy', 'energy, order and radius')
    """
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
