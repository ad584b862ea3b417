"""Reports of conformance checks: the promises that a part was found to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from setclosure.conformance.require import require_round_trip
from setclosure.errors import ConformanceError
from setclosure.parts import PartConfig

_Tried = TypeVar("_Tried")
"""A part as it is tried, such as an encoder of one kind of microstates."""


@dataclass
class Report:
    """The promises of one part that were checked, in their order.

    Attributes
    ----------
    kind, name : str
        The part.
    promises : list of str
        A sentence for each promise that it keeps.

    Examples
    --------
    >>> report = Report("encoder", "mine")
    >>> with report.promise("the order of the particles changes nothing"):
    ...     pass
    >>> print(report)
    The encoder 'mine' keeps all 1 promises:
      - the order of the particles changes nothing
    """

    kind: str
    name: str
    promises: list[str] = field(default_factory=list)

    @contextmanager
    def promise(self, sentence: str) -> Iterator[None]:
        """Note a promise as kept if the block ends without an error.

        Raises
        ------
        ConformanceError
            If it does not; the message has the promise and what was found instead.
        """
        try:
            yield
        except ConformanceError as error:
            raise ConformanceError(f"{self.part} breaks a promise: {sentence}. {error}") from error
        except Exception as error:
            raise ConformanceError(
                f"{self.part} breaks a promise: {sentence}. It stopped with {type(error).__name__}: {error}"
            ) from error
        self.promises.append(sentence)

    def keeps(self, checks: Mapping[str, Callable[[_Tried], None]], tried: Iterable[_Tried]) -> None:
        """Note promises as kept if their checks pass for everything that is tried.

        Raises
        ------
        ConformanceError
            At the first that does not.
        """
        tried = list(tried)
        for sentence, check in checks.items():
            with self.promise(sentence):
                for one in tried:
                    check(one)

    @property
    def part(self) -> str:
        """The part in words."""
        return f"the {self.kind} '{self.name}'"

    def __str__(self) -> str:
        head = f"T{self.part[1:]} keeps all {len(self.promises)} promises:"
        return "\n".join([head, *(f"  - {sentence}" for sentence in self.promises)])


def begun(kind: str, config: PartConfig) -> Report:
    """Begin the report of a part by the promise that all parts make: its configuration can be stored.

    Raises
    ------
    ConformanceError
        If it cannot.
    """
    report = Report(kind, config.part_name)
    with report.promise("its configuration is stored with every option and read back the same"):
        require_round_trip(kind, config)
    return report
