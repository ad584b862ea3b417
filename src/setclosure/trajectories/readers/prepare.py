"""Before an import begins, everything is known but the content of the frames: layouts, trajectories, data sets."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from setclosure.errors import ReaderError, SetclosureWarning
from setclosure.trajectories.layout import Layout
from setclosure.trajectories.readers.observing import ContextValues, Observables
from setclosure.trajectories.readers.pattern import fields_of
from setclosure.trajectories.readers.plan import Stretch, plan
from setclosure.trajectories.readers.spec import ImportSpec
from setclosure.trajectories.readers.work import ImportOrder, Looked

MOST_NAMED = 10
"""The most trajectories that a message lists."""


@dataclass(frozen=True)
class Prepared:
    """An import of which all is known but the content of the frames.

    Attributes
    ----------
    spec : ImportSpec
        The specification.
    order : ImportOrder
        What others have to know to read for it.
    looked : list of Looked
        What was found at the first look at each trajectory.
    shares : dict
        The stretches that become the trajectories of each data set.
    layouts : dict
        The layout of each data set.
    base : Path
        The folder from which names of files count.
    """

    spec: ImportSpec
    order: ImportOrder
    looked: list[Looked]
    shares: dict[str, list[Stretch]]
    layouts: dict[str, Layout]
    base: Path

    @classmethod
    def of(cls, spec: ImportSpec, order: ImportOrder, looked: list[Looked], base: Path) -> Prepared:
        """Prepare an import from what was found at the first look.

        Raises
        ------
        ReaderError
            If nothing can be read, or files do not fit together.
        """
        good = [part for part in looked if part.facts is not None]
        if not good:
            more = f"\n({len(looked) - 1} more trajectories cannot be read, either.)" if len(looked) > 1 else ""
            raise ReaderError(f"{looked[0].problem}{more}")
        labels, species_names = _species(spec, good)
        has_cell = _has_cell(spec, good)
        fields = tuple(dict.fromkeys(name for pattern in spec.patterns() for name in fields_of(pattern)))
        order = replace(
            order, labels=tuple(labels.items()), has_cell=has_cell, n_species=len(species_names), fields=fields
        )
        shares = plan([len(part.frames) for part in looked], spec.splits, spec.windows, spec.split_by, spec.seed)
        _warn_of_short(spec, looked, shares)
        observables, context = Observables(spec, base), ContextValues(spec.context, base, fields)
        facts = [part.facts for part in good if part.facts is not None]
        most = max(1, *(of.max_particles for of in facts))
        units = {of.units.get(name, "") for of in facts for name in spec.features.position}
        time_units = {of.time_unit for of in facts}
        layouts = {
            name: Layout(
                name=spec.name,
                features=spec.features.features(),
                max_frames=max(2, *(stretch.last - stretch.first for stretch in of_name)),
                max_particles=most,
                observable=observables.registered,
                observable_names=observables.names,
                observable_units=observables.units,
                units=spec.units.length or (units.pop() if len(units) == 1 else ""),
                time_unit=spec.units.time or (next(iter(time_units)) if len(time_units) == 1 else ""),
                species_names=species_names,
                context_names=context.names,
                context_units=context.units,
                ragged=any(of.min_particles != most for of in facts),
                weighted=spec.weights is not None,
                has_cell=has_cell,
                max_step=spec.max_step,
                description=spec.description,
            )
            for name, of_name in shares.items()
        }
        return cls(spec, order, looked, shares, layouts, base)

    def label(self, stretch: Stretch) -> str:
        """Name what becomes a trajectory: the files as they lie below the specification, and the frames of a part."""
        part = self.looked[stretch.source]
        where = part.source.name.removeprefix(f"{self.base}/")
        if (stretch.first, stretch.last) == (0, len(part.frames)):
            return where
        frames = part.frames[stretch.first : stretch.last]
        return f"{where}, frames {frames[0]} to {frames[-1]}"


def _species(spec: ImportSpec, good: list[Looked]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Give the index of each species by its label in the files, and the names of the species."""
    if spec.species is None or spec.species.column is None:
        return {}, ("particles",)
    given = spec.species.names
    labels = list(given) or sorted({label for part in good for label in part.labels}, key=_by_number)
    names = tuple(dict.fromkeys(given.get(label, label) for label in labels))
    return {label: names.index(given.get(label, label)) for label in labels}, names


def _by_number(label: str) -> tuple[float, str]:
    try:
        return float(label), label
    except ValueError:
        return float("inf"), label


def _has_cell(spec: ImportSpec, good: list[Looked]) -> bool:
    if spec.cell == "none" or spec.unwrap or not spec.features.position:
        return False
    if isinstance(spec.cell, tuple):
        return True
    without = [part for part in good if not part.has_cell]
    if spec.cell == "file" and without:
        raise ReaderError(
            f"{without[0].source.name} has no cell, and the specification says cell: file. Give it: cell: [length, …], "
            "or say cell: none."
        )
    if without and len(without) < len(good):
        raise ReaderError(
            f"{without[0].source.name} has no cell, and other files have one. Say cell: none, or give it: "
            "cell: [length, …]."
        )
    return not without


def _warn_of_short(spec: ImportSpec, looked: list[Looked], shares: dict[str, list[Stretch]]) -> None:
    """Name the sources that are shorter than a window, and windows that the fit's own split would let leak."""
    if spec.windows is None:
        return
    used = {stretch.source for of_name in shares.values() for stretch in of_name}
    short = [part for k, part in enumerate(looked) if k not in used]
    if short:
        warnings.warn(
            f"{len(short)} of {len(looked)} trajectories are shorter than a window of {spec.windows.length} frames and "
            f"give none: {', '.join(part.source.name for part in short[:MOST_NAMED])}.",
            SetclosureWarning,
            stacklevel=4,
        )
    if (spec.windows.stride or spec.windows.length) < spec.windows.length and "validation" not in spec.splits:
        warnings.warn(
            f"windows of {spec.windows.length} frames begin every {spec.windows.stride} frames, so they share frames, "
            "and there is no data set 'validation'. A fit that takes its validation from the training trajectories "
            "would see the same frames in both: name one in 'splits'.",
            SetclosureWarning,
            stacklevel=4,
        )
