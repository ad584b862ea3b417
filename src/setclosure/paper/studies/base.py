"""The paper's studies have a base in common: they are simulated, and have words for the report."""

from __future__ import annotations

from typing import ClassVar

from pydantic import model_validator

from setclosure.experiments.study import SimulationStudy, Words
from setclosure.paper.words import OBSERVABLES, STUDIES, words_of_test


class PaperStudy(SimulationStudy):
    """A study of the paper, whose name, description, tests and observables have words of their own."""

    unit_range: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _words(cls, values: dict[str, object]) -> dict[str, object]:
        return {**STUDIES[cls.part_name], **values}

    def test_words(self, test: str) -> Words:
        """Give label and explanation of a test."""
        return Words(**words_of_test(test))

    def observable_label(self, observable: str) -> str:
        """Give the readable name of an observable."""
        return OBSERVABLES.get(observable, observable)
