from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from setclosure.errors import ConfigurationError
from setclosure.experiments.configuration import load_study, save_study, set_method
from setclosure.registry import names
from setclosure.settings import Settings

ALL = sorted((Path(__file__).parents[2] / "configs").glob("*/*.yaml"))
CONFIGS = [path for path in ALL if path.parent.name in names("study")]  # those of figures are read by their own tests


def test_a_saved_study_is_read_as_it_was_with_every_default_written_out(tiny_study, tmp_path):
    save_study(tiny_study, tmp_path / "config.yaml")
    assert load_study(tmp_path / "config.yaml") == tiny_study
    text = (tmp_path / "config.yaml").read_text()
    assert "weight_decay" in text
    assert "python" not in text  # plain YAML


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_configuration_of_the_repository_loads_and_survives_saving(path, tmp_path):
    study = load_study(path)
    save_study(study, tmp_path / "config.yaml")
    assert load_study(tmp_path / "config.yaml") == study


def test_there_is_a_demo_a_laptop_and_a_paper_configuration():
    assert {"demo", "laptop", "paper"} <= {path.stem for path in CONFIGS}


def test_overrides_reach_nested_keys_and_lists(tiny_config):
    study = load_study(
        tiny_config,
        [
            "model.dynamics.drift.hidden=[8, 8]",
            "training.stage_two.learning_rate=1e-3",
            "model.encoder.width=24",
            "seeds=[3, 4]",
            "training.stage_one.patience=null",
            "simulation.system.preset=paper-text",
        ],
    )
    assert study.model.dynamics.drift.hidden == (8, 8)
    assert study.training.stage_two.learning_rate == 1e-3
    assert study.model.encoder.width == 24
    assert study.seeds == (3, 4)
    assert study.training.stage_one.patience is None
    assert study.simulation.system.preset == "paper-text"


def sections(cls: type[Settings], path=()):
    yield path
    for name, field in cls.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from sections(field.annotation, (*path, name))


def test_an_unknown_key_in_any_section_is_named(tiny_config, tiny_study):
    paths = [".".join((*path, "qqq")) for path in sections(type(tiny_study))]
    paths += [f"model.{part}.qqq" for part in ("encoder", "decoder", "reconstruction")]
    assert len(paths) >= 13
    for path in paths:
        with pytest.raises(ConfigurationError) as error:
            load_study(tiny_config, [f"{path}=1"])
        assert f"  {path}: unknown key; known keys: " in str(error.value)


def test_a_model_of_images_takes_no_weights_over():
    values = {"model": {"method": "density", "weight_feature": 2}}
    set_method(values, "none")
    assert values["model"]["weight_feature"] == 2
    set_method(values, "cnn")
    assert "weight_feature" not in values["model"]
    values["model"]["weight_feature"] = 2
    set_method(values, "cnn")
    assert values["model"]["weight_feature"] == 2  # a mistake that stays to be told


def test_another_method_keeps_the_options_that_it_shares(tiny_config):
    assert load_study(tiny_config, ["model.method=none"]).model.encoder is None
    study = load_study(tiny_config, ["model.decoder.depth=1", "model.method=ae-aug"])  # the method comes first
    assert study.model.encoder.model_dump().items() >= {"name": "flat_mlp", "width": 16}.items()
    assert study.model.decoder.model_dump().items() >= {"name": "pointwise_mlp", "hidden": 16, "depth": 1}.items()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.closure_dims=3", r"model\.closure_dims: unknown key; did you mean 'closure_dim'"),
        ("model.encoder.widht=3", r"model\.encoder\.widht: unknown key; did you mean 'width'"),
        ("simulation.trajectories.in_dstt=3", "did you mean 'in_dst'"),
        ("model.encoder.width=-3", r"model\.encoder\.width: .*greater than.*; got -3"),
        ("training.stage_one.steps=-3", r"training\.stage_one\.steps: .*greater than or equal to 1; got -3"),
        ("model.bandwidth=0", r"model\.bandwidth: .*greater than 0.*got 0"),
        ("training.stage_one.learning_rate=.nan", r"learning_rate: .*finite"),
        ("training.stage_one.learning_rate=fast", r"learning_rate: .*number.*; got 'fast'"),
        ("simulation.system.n_particles=2.5", r"n_particles: .*integer"),
        ("simulation.system.preset=releasd", r"preset: .*'released' or 'paper-text'.*; got 'releasd'"),
        ("model.method=densty", r"there is no method 'densty'\. Did you mean 'density'\? Known: ae-aug, .*none"),
        ("model={method: densty, encoder: {width: 3}}", r"model\.method: there is no method 'densty'"),
        ("model={method: densty, encoder: {}, decoder: {}, reconstruction: {}}", "model.method: there is no method"),
        ("model.method=7", r"model\.method: .*7"),
        ("model={method: none, encoder: {width: 3}}", r"model\.encoder: method 'none' has no encoder"),
        ("model=7", "model: a section with keys is expected; got 7"),
        ("model=", "model: a section with keys is expected; got None"),
        ("seeds=[]", "seeds: "),
        ("seeds=[-1]", r"seeds\.0: .*got -1"),
        ("seeds=[1, 1]", "seeds must differ"),
        ("study=polymers", "'study' is 'polymers'; expected .* 'data' .* one of: exam, interacting_particles"),
        ("study=[1]", r"'study' is \[1\]"),
        ("model.closure_dim", "an override reads section.key=value"),
        ("=3", "an override reads section.key=value"),
        ("model..closure_dim=3", "an override reads section.key=value"),
        ("model.closure_dim.x=3", "'closure_dim' is a value, not a section"),
        ("seeds=[1", "is not YAML"),
    ],
)
def test_a_wrong_override_names_key_value_and_what_is_expected(tiny_config, override, message):
    with pytest.raises(ConfigurationError, match=message):
        load_study(tiny_config, [override])


def test_all_mistakes_are_told_at_once_and_briefly(tiny_config):
    with pytest.raises(ConfigurationError) as error:
        load_study(tiny_config, ["model.closure_dim=-1", "model.bandwith=1", "training.stage_two.steps=0"])
    lines = str(error.value).splitlines()
    assert len(lines) == 4
    assert max(map(len, lines[1:])) < 150


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a\n- b\n", "not a mapping"),
        ("", "not a mapping"),
        ("model: {closure_dim: 3}", "'study' is None"),
        ("study: [", "not YAML"),
        ("study: !!python/object/apply:os.mkdir [code_ran]", "not YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        load_study(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_a_folder_and_bytes_are_named(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            load_study(path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not YAML"):
        load_study(tmp_path / "bytes.yaml")


def test_a_seed_list_of_a_file_is_read(tiny_config, tmp_path):
    values = yaml.safe_load(tiny_config.read_text()) | {"seeds": [5, 6]}
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(values))
    assert load_study(tmp_path / "two.yaml").seeds == (5, 6)


def test_a_key_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("study: interacting_particles\nmodel: {closure_dim: 2}\nmodel: {closure_dim: 3}\n")
    with pytest.raises(ConfigurationError, match="the key 'model' stands twice in one section"):
        load_study(path)
