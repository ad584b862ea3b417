from __future__ import annotations

import json
import os
import pickle
import shutil

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.model.fits import own_data, small

from setclosure.errors import ConfigurationError, DamagedFileError, ModelError, SchemaVersionError
from setclosure.files import sha256
from setclosure.model.closure_model import ClosureModel


@pytest.fixture
def saved(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    return tmp_path / "model"


def rewrite(folder, change):
    """Change the manifest."""
    facts = json.loads((folder / "model.json").read_text())
    change(facts)
    (folder / "model.json").write_text(json.dumps(facts))


def put_weights(folder, content):
    """Weights with the checksum that belongs to them: a forgery, not damage."""
    (folder / "weights.safetensors").write_bytes(content)
    rewrite(folder, lambda facts: facts.update(weights_sha256=sha256(content)))


def change_tensors(folder, change):
    tensors = safetensors.torch.load((folder / "weights.safetensors").read_bytes())
    change(tensors)
    put_weights(folder, safetensors.torch.save(tensors))


def test_a_model_comes_back_with_every_bit(tiny_model, saved):
    assert sorted(path.name for path in saved.iterdir()) == ["history.json", "model.json", "weights.safetensors"]
    loaded = ClosureModel.load(saved)
    assert loaded.settings == tiny_model.settings
    assert loaded.facts == tiny_model.facts
    x = np.random.default_rng(0).normal(size=(3, 24, 2)) * 0.3
    a, b = tiny_model.predict(x, 10), loaded.predict(x, 10)
    for name in ("times", "observables", "closure", "status", "step"):
        assert np.array_equal(getattr(a, name), getattr(b, name))
    assert [a.message(i) for i in range(3)] == [b.message(i) for i in range(3)]
    assert np.array_equal(tiny_model.encode(x), loaded.encode(x))


def test_the_history_of_the_training_is_kept(tmp_path):
    model = small().fit(own_data(tmp_path / "data.zarr", observables="extension"))
    assert {stage: [row["step"] for row in rows] for stage, rows in model.history.items()} == {
        "stage_one": [3, 6],
        "stage_two": [5, 10],
    }
    assert set(model.seconds) == {"stage_one", "encode", "stage_two"}
    model.save(tmp_path / "model")
    loaded = ClosureModel.load(tmp_path / "model")
    assert loaded.history == model.history
    assert loaded.seconds == model.seconds
    (tmp_path / "model" / "history.json").unlink()  # a model is whole without it
    assert ClosureModel.load(tmp_path / "model").history == {}


@pytest.mark.parametrize("content", ["[]", '{"losses": []}', '{"losses": {"stage_one": 3}, "seconds": {}}', "{"])
def test_a_damaged_history_is_named(saved, content):
    (saved / "history.json").write_text(content)
    with pytest.raises(DamagedFileError, match=r"history\.json"):
        ClosureModel.load(saved)


def test_context_features_and_species_come_back(tmp_path):
    data = own_data(
        tmp_path / "data.zarr",
        d=3,
        observables="extension",
        features=("x", "y", "charge"),
        roles=("position", "position", "scalar"),
        species=[0, 0, 0, 1, 1, 1],
        species_names=("A", "B"),
        context={"temperature": [1.0, 2.0, 1.5, 1.2]},
        context_units={"temperature": "K"},
        time_unit="ps",
        name="salt",
    )
    model = small().fit(data)
    model.save(tmp_path / "model")
    loaded = ClosureModel.load(tmp_path / "model")
    facts = loaded.facts
    assert facts == model.facts
    assert facts.kind.features == data.features
    assert (facts.system, facts.species_names, facts.time_unit) == ("salt", ("A", "B"), "ps")
    assert (facts.context_names, facts.context_units) == (("temperature",), ("K",))
    x = data.first([0])
    context = {"temperature": 1.3}
    assert np.array_equal(loaded.predict(x, 3, context=context).closure, model.predict(x, 3, context=context).closure)


def test_saving_over_a_model_replaces_it(tiny_model, saved):
    before = (saved / "weights.safetensors").read_bytes()
    ClosureModel.load(saved).save(saved)
    assert (saved / "weights.safetensors").read_bytes() == before
    ClosureModel.load(saved)


@pytest.mark.parametrize("signed", [True, False])
def test_a_pickle_in_place_of_weights_runs_no_code(saved, tmp_path, signed):
    mark = tmp_path / "code ran"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(mark),)

    for content in (pickle.dumps(Trap()), pickle.dumps({"weights": Trap()}, protocol=2)):
        if signed:
            put_weights(saved, content)
        else:
            (saved / "weights.safetensors").write_bytes(content)
        message = "not a safetensors file" if signed else "its checksum differs"
        with pytest.raises(DamagedFileError, match=message):
            ClosureModel.load(saved)
        assert not mark.exists()


@pytest.mark.parametrize("place", [0.0, 0.01, 0.5, 0.999])
def test_a_flipped_bit_in_the_weights_is_found(saved, place):
    content = bytearray((saved / "weights.safetensors").read_bytes())
    content[int(place * len(content))] ^= 1
    (saved / "weights.safetensors").write_bytes(content)
    with pytest.raises(DamagedFileError, match="its checksum differs"):
        ClosureModel.load(saved)


@pytest.mark.parametrize("schema", [0, 1, 2, 99, "3", None])
def test_other_schemas_are_refused_with_the_remedy(saved, schema):
    rewrite(saved, lambda facts: facts.update(schema=schema))
    with pytest.raises(SchemaVersionError, match=r"reads version 3\. Install the version"):
        ClosureModel.load(saved)


def test_every_missing_key_is_named(saved):
    whole = (saved / "model.json").read_text()
    for key in json.loads(whole).keys() - {"schema", "provenance"}:
        (saved / "model.json").write_text(whole)
        rewrite(saved, lambda manifest, key=key: manifest.pop(key))
        with pytest.raises(DamagedFileError, match=f"lacks {key}; restore it from a copy"):
            ClosureModel.load(saved)
    (saved / "model.json").write_text("[]")
    with pytest.raises(SchemaVersionError):
        ClosureModel.load(saved)
    (saved / "model.json").write_text(whole[:-5])
    with pytest.raises(DamagedFileError, match=r"model\.json is not readable JSON"):
        ClosureModel.load(saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", None),
        ("kind", {"features": 2, "n_species": 1, "n_particles": 24}),
        ("kind.n_species", -1),
        ("kind.n_species", "1"),
        ("kind.n_particles", 2.5),
        ("kind.features.position", "two"),
        ("kind.features.position", -2),
        ("kind.features.names", ["x"]),
        ("time_step", None),
        ("time_step", -0.1),
        ("time_step", True),
        ("time_unit", 3),
        ("system", None),
        ("observable", 7),
        ("observable_names", 3),
        ("observable_names", []),
        ("observable_units", ["", ""]),
        ("species_names", ["A", "B"]),
        ("context_names", "field"),
        ("context_units", ["K"]),
    ],
)
def test_facts_of_the_wrong_kind_are_named(saved, key, value):
    def change(manifest):
        *sections, last = key.split(".")
        place = manifest["facts"]
        for section in sections:
            place = place[section]
        assert last in place
        place[last] = value

    rewrite(saved, change)
    with pytest.raises(DamagedFileError, match=r"model\.json was changed: its facts cannot be read"):
        ClosureModel.load(saved)


@pytest.mark.parametrize("facts", [None, [], "facts", {}])
def test_facts_that_are_none_are_named(saved, facts):
    rewrite(saved, lambda manifest: manifest.update(facts=facts))
    with pytest.raises(DamagedFileError, match="its facts cannot be read"):
        ClosureModel.load(saved)


def test_unknown_settings_are_named(saved):
    rewrite(saved, lambda facts: facts["settings"].update(colour="red"))
    with pytest.raises(ConfigurationError, match=r"model\.json cannot be used:\n  colour: unknown key"):
        ClosureModel.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("range.limits"), "range.limits is missing"),
        (lambda t: t.update(extra=torch.zeros(2)), "extra is unknown"),
        (lambda t: t.update({"range.limits": torch.zeros(2)}), r"range.limits is torch.float32 \(2,\), expected .*64"),
        (lambda t: t.update({"range.limits": torch.zeros(3, dtype=torch.float64)}), r"\(3,\), expected .* \(2,\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(saved, change, message):
    change_tensors(saved, change)
    with pytest.raises(DamagedFileError, match=message):
        ClosureModel.load(saved)


def test_a_model_of_other_settings_does_not_take_these_weights(saved):
    rewrite(saved, lambda facts: facts["settings"].update(closure_dim=2))
    with pytest.raises(DamagedFileError, match="written for other settings"):
        ClosureModel.load(saved)


@pytest.mark.parametrize("missing", ["model.json", "weights.safetensors", "both"])
def test_a_missing_file_is_named(saved, missing):
    if missing == "both":
        shutil.rmtree(saved)
    else:
        (saved / missing).unlink()
    with pytest.raises(ModelError, match=r"holds no model: expected model.json and weights.safetensors"):
        ClosureModel.load(saved)
