"""The promises of studies: a stored configuration is the whole of it, and its data fit together."""

from __future__ import annotations

from typing import Any

import yaml

from setclosure.conformance.report import Report
from setclosure.conformance.require import require
from setclosure.descriptors.joined import Descriptors
from setclosure.model.autoencoder import Autoencoder
from setclosure.parts import PartConfig
from setclosure.registry import find
from setclosure.sets.microstates import MicrostateKind

FITTED = ("train", "validation")
"""Splits that every simulated study has, beside its tests."""

REPEAT = "_again"
"""The ending of the name of a split that is a second set of true trajectories of a test."""


def check_study(config: PartConfig) -> Report:
    """Check the promises of a study; nothing is simulated, trained or opened.

    Parameters
    ----------
    config : setclosure.experiments.study.Study
        The study with its options.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.
    """
    report = Report("study", config.part_name)
    with report.promise("its configuration is stored as YAML with every option and read back the same"):
        _check_yaml(config)
    if not hasattr(config, "simulation"):
        return report  # its data are there already, or not: that is no matter of the study
    study: Any = config
    with report.promise("it has data for training, for validation and for one test at least"):
        splits = study.simulations.splits()
        lacking = [split for split in FITTED if split not in splits]
        require(not lacking, f"splits() has {', '.join(splits)}; it lacks {', '.join(lacking)}.")
        tests = [split for split in splits if split not in FITTED and not split.endswith(REPEAT)]
        require(bool(tests), f"splits() has {', '.join(splits)} and no test.")
        strange = [split for split in splits if "/" in split or split.startswith(".")]
        require(not strange, f"{', '.join(strange)} are no names of files.")
        again = [split for split in splits if split.endswith(REPEAT) and split.removesuffix(REPEAT) not in splits]
        require(not again, f"{', '.join(again)} repeat tests that are not there.")
        wrong = {split: n for split, (_, n) in splits.items() if not isinstance(n, int) or n < 1}
        require(not wrong, f"the numbers of trajectories are {wrong}; expected whole numbers of at least 1.")
    with report.promise("its splits have particles, observables and context of one kind"):
        facts = {split: _facts(simulator.layout) for split, (simulator, _) in splits.items()}
        for split, of_split in facts.items():
            require(of_split == facts["train"], f"those of {split} are {of_split}; of train {facts['train']}.")
    with report.promise("its model can be made for its particles"):
        layout = splits["train"][0].layout
        kind = MicrostateKind(layout.features, layout.n_species, layout.max_particles)
        Autoencoder(study.model, Descriptors(study.model.descriptors, kind).described)
    with report.promise("every test has words for the report"):
        for test in tests:
            require(bool(study.test_words(test).label), f"the label of {test} is empty.")
        for name in splits["train"][0].layout.observable_names:
            require(bool(study.observable_label(name)), f"the label of observable {name} is empty.")
    return report


def _check_yaml(config: PartConfig) -> None:
    name = type(config).part_name
    require(bool(name), "its class is not registered: decorate it with @setclosure.register('study', 'a-name').")
    stored = yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))
    require(stored.get("study") == name, f"the stored 'study' is {stored.get('study')!r}; expected {name!r}.")
    lacking = [key for key in type(config).model_fields if key not in stored]
    require(not lacking, f"the stored configuration lacks {', '.join(lacking)}; every option is expected.")
    read = find("study", name).value.parse(stored)
    require(read == config, f"it was read as {read!r}; expected {config!r}.")


def _facts(layout: Any) -> dict[str, Any]:
    return {
        "features": layout.features.names,
        "species": layout.species_names,
        "observables": layout.observable_names,
        "context": layout.context_names,
    }
