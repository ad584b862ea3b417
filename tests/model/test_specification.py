"""The specification of a model is resolved: every default is written out, and no preset is needed to read it."""

from __future__ import annotations

import json

import pytest
from tests.model.fits import SMALL_MODEL, own_data, small

from setclosure import registry
from setclosure.decoders.gaussian_mixture import GaussianMixtureConfig
from setclosure.decoders.spline_flow import SplineFlowConfig
from setclosure.dynamics.euler_maruyama import EulerMaruyamaConfig
from setclosure.dynamics.ode import ODEConfig
from setclosure.encoders.deep_set import DeepSetConfig
from setclosure.encoders.set_transformer import SetTransformerConfig
from setclosure.errors import ConfigurationError
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.closure_model import ClosureModel
from setclosure.model.methods import Method, get_method, method_names
from setclosure.model.specification import ModelSettings, use_method
from setclosure.parts import PartConfig
from setclosure.reconstruction.distribution import DistributionConfig
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateKind
from setclosure.settings import Settings


@pytest.fixture
def preset(monkeypatch):
    """A method of a test, and how to forget it."""
    monkeypatch.setitem(registry._PARTS, "method", dict(registry._PARTS["method"]))
    method = Method(
        "a method of this test",
        {"name": "deep_set", "width": 12},
        {"name": "gaussian_mixture", "components": 3},
        {"name": "distribution", "samples": 7},
        dynamics_weight=0.25,
    )
    register("method", "of-this-test")(method)
    return lambda: monkeypatch.delitem(registry._PARTS["method"], "of-this-test")


def stored(settings):
    return json.loads(json.dumps(settings.model_dump(mode="json")))


# ── resolved ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_method_fills_in_its_parts_and_options_that_are_given_stay(preset):
    settings = ModelSettings.parse({"method": "of-this-test", "encoder": {"phi_layers": 1}})
    assert settings.encoder == DeepSetConfig(width=12, phi_layers=1)
    assert settings.decoder == GaussianMixtureConfig(components=3)
    assert settings.reconstruction == DistributionConfig(samples=7)
    assert settings.dynamics_weight == 0.25
    assert ModelSettings.parse({"method": "of-this-test", "dynamics_weight": 0.0}).dynamics_weight == 0.0


def test_a_stored_configuration_is_read_without_its_method(preset):
    settings = ModelSettings.parse({"method": "of-this-test", "closure_dim": 5, "encoder": {"activation": "gelu"}})
    written = stored(settings)
    preset()
    with pytest.raises(ConfigurationError, match="there is no method 'of-this-test'"):
        ModelSettings.parse({"method": "of-this-test"})
    assert ModelSettings.parse(written) == settings


def test_a_saved_model_is_loaded_without_its_method(preset, tmp_path):
    model = small(method="of-this-test", decoder={"hidden": 8}, dynamics_weight=0.0)
    model.fit(own_data(tmp_path / "data.zarr", observables="extension")).save(tmp_path / "model")
    preset()
    assert ClosureModel.load(tmp_path / "model").settings == model.settings


def test_a_preset_that_changes_later_changes_no_stored_configuration(preset):
    written = stored(ModelSettings.parse({"method": "of-this-test"}))
    preset()
    register("method", "of-this-test")(Method("another", {"name": "set_transformer"}, None, None, 1.0))
    again = ModelSettings.parse(written)
    assert stored(again) == written
    assert again.encoder == DeepSetConfig(width=12)
    assert again.dynamics_weight == 0.25


def every_default_is_there(settings, written):
    """Compare a section with what was written of it: each field, in every part that it holds."""
    for key in type(settings).model_fields:
        assert key in written, key
        value = getattr(settings, key)
        if isinstance(value, Settings):
            every_default_is_there(value, written[key])
    if isinstance(settings, PartConfig):
        assert written[settings.name_key] == settings.part_name


@pytest.mark.parametrize("method", method_names())
@pytest.mark.parametrize("dynamics", ["ode", {"name": "euler_maruyama", "drift": "onsager", "diffusion": "full"}])
def test_what_is_stored_has_every_default_of_every_part_and_reads_as_the_same(method, dynamics):
    settings = ModelSettings.parse({"method": method, "dynamics": dynamics})
    written = stored(settings)
    every_default_is_there(settings, written)
    assert ModelSettings.parse(written) == settings
    for part in ("encoder", "decoder", "reconstruction"):
        assert (written[part] is None) == (getattr(get_method(method), part) is None)


# ── parts by name ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoder", ["set_transformer", {"name": "set_transformer"}, SetTransformerConfig()])
def test_a_part_is_chosen_by_name_by_options_or_as_a_configuration(encoder):
    assert ModelSettings.parse({"encoder": encoder}).encoder == SetTransformerConfig()


def test_a_part_of_another_name_takes_nothing_from_the_preset(preset):
    settings = ModelSettings.parse({"method": "of-this-test", "decoder": {"name": "spline_flow", "bins": 5}})
    assert settings.decoder == SplineFlowConfig(bins=5)
    named = ModelSettings.parse({"method": "of-this-test", "decoder": {"name": "gaussian_mixture"}})
    assert named.decoder == GaussianMixtureConfig(components=3)


def test_a_method_without_a_part_can_be_given_one_by_name():
    settings = ModelSettings.parse({"method": "inve", "decoder": "spline_flow", "reconstruction": "distribution"})
    assert settings.decoder == SplineFlowConfig()
    assert settings.dynamics_weight == 1.0
    assert ModelSettings.parse({"method": "density", "decoder": None, "reconstruction": None}).decoder is None


def test_the_dynamics_is_an_ode_if_nothing_is_said():
    assert ModelSettings.parse({}).dynamics == ODEConfig()
    assert ModelSettings.parse({"dynamics": {"drift": "onsager"}}).dynamics == ODEConfig.parse({"drift": "onsager"})
    assert ModelSettings.parse({"dynamics": "euler_maruyama"}).dynamics == EulerMaruyamaConfig()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"method": "densty"}, r"method: there is no method 'densty'\. Did you mean 'density'\?"),
        ({"closure_dims": 3}, r"closure_dims: unknown key; did you mean 'closure_dim'\?"),
        ({"encoder": {"widht": 3}}, r"encoder\.widht: unknown key; did you mean 'width'\?"),
        ({"encoder": {"name": "deepset"}}, r"encoder\.name: there is no encoder 'deepset'\. Did you mean 'deep_set'"),
        ({"encoder": {"width": 0}}, r"encoder\.width: .*greater than or equal to 1; got 0"),
        ({"encoder": 3}, r"encoder\.name: a section with the name of the encoder .* got 3"),
        ({"decoder": "splineflow"}, r"decoder\.name: .*Did you mean 'spline_flow'"),
        ({"reconstruction": {"smaples": 3}}, r"reconstruction\.smaples: unknown key; did you mean 'samples'"),
        ({"dynamics": "euler_mayurama"}, r"dynamics\.name: there is no dynamics .* Did you mean 'euler_maruyama'"),
        ({"dynamics": {"diffusion": "full"}}, r"dynamics\.diffusion: unknown key"),
        ({"dynamics": {"drift": {"hiden": [3]}}}, r"dynamics\.drift\.hiden: unknown key; did you mean 'hidden'"),
        ({"symmetry": "rotation"}, "symmetry: .*'none', 'translation' or 'euclidean'"),
        ({"method": "inve", "decoder": {"bins": 3}}, r"decoder: method 'inve' has no decoder, so it takes no such"),
        ({"decoder": None}, "reconstruction: a decoder and a reconstruction are given together, or neither"),
        ({"method": "inve", "decoder": "spline_flow"}, "reconstruction: .* given together, or neither"),
        ({"bandwidth": float("nan")}, "bandwidth"),
        ({"dynamics_weight": -1.0}, "dynamics_weight"),
    ],
)
def test_each_mistake_has_a_line_that_begins_with_its_key(values, words):
    with pytest.raises(ConfigurationError, match=rf"\n  {words}"):
        ModelSettings.parse(values)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ConfigurationError) as error:
        ModelSettings.parse({"closure_dim": -1, "encoder": {"width": 0, "colour": 1}, "dynamics": {"substeps": 0}})
    lines = str(error.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [
        "closure_dim",
        "encoder.width",
        "encoder.colour",
        "dynamics.substeps",
    ]


# ── closure_dim ───────────────────────────────────────────────────────────────────────────────────────────────


def test_without_an_encoder_there_is_no_closure():
    assert ModelSettings.parse({"method": "none"}).closure_dim == 0
    assert ModelSettings.parse({"method": "none", "closure_dim": 0}).closure_dim == 0
    with pytest.raises(ConfigurationError, match="closure_dim: without an encoder there is no closure; use 0, not 3"):
        ModelSettings.parse({"method": "none", "closure_dim": 3})
    with pytest.raises(ConfigurationError, match="closure_dim: an encoder has a closure of one number at least"):
        ModelSettings.parse({"closure_dim": 0})
    assert Autoencoder(ModelSettings.parse({"method": "none"}), MicrostateKind(2, 3)).closure_dim == 0
    assert Autoencoder(ModelSettings.parse(SMALL_MODEL), MicrostateKind(2, 3)).closure_dim == 6


def test_an_encoder_can_be_taken_from_a_method():
    settings = ModelSettings.parse({"encoder": None, "decoder": None, "reconstruction": None})
    assert (settings.closure_dim, settings.encoder_name) == (0, "none")


# ── another method ────────────────────────────────────────────────────────────────────────────────────────────


def test_another_method_keeps_the_options_that_its_parts_have_too():
    model = {
        "method": "density",
        "closure_dim": 5,
        "encoder": {"width": 64, "phi_layers": 3},
        "decoder": {"bins": 8, "hidden": 32},
        "dynamics": {"substeps": 2},
        "dynamics_weight": 0.5,
    }
    use_method(model, "density-mixture")
    assert model == {
        "method": "density-mixture",
        "closure_dim": 5,
        "encoder": {"width": 64, "phi_layers": 3},
        "decoder": {"hidden": 32},
        "dynamics": {"substeps": 2},
    }
    use_method(model, "inve")
    assert "decoder" not in model
    assert ModelSettings.parse(model).dynamics_weight == 1.0
    use_method(model, "none")
    assert ModelSettings.parse(model).closure_dim == 0
    assert model["dynamics"] == {"substeps": 2}


def test_every_method_can_follow_every_other_in_a_stored_configuration():
    for first in method_names():
        for second in method_names():
            model = stored(ModelSettings.parse({"method": first, "bandwidth": 0.5}))
            use_method(model, second)
            settings = ModelSettings.parse(model)
            expected = ModelSettings.parse({"method": second})
            assert settings.encoder_name == expected.encoder_name
            assert settings.dynamics_weight == expected.dynamics_weight
            for part in ("encoder", "decoder", "reconstruction"):
                assert type(getattr(settings, part)) is type(getattr(expected, part)), (first, second)
            assert settings.closure_dim == expected.closure_dim
            assert settings.bandwidth == 0.5


def test_a_method_can_follow_one_that_is_not_known_any_more(preset):
    model = stored(ModelSettings.parse({"method": "of-this-test", "encoder": {"width": 20}}))
    preset()
    use_method(model, "density")
    settings = ModelSettings.parse(model)
    assert settings.encoder == DeepSetConfig(width=20)
    assert settings.decoder == SplineFlowConfig(hidden=model["decoder"]["hidden"])
    assert settings.dynamics_weight == 0.0


def test_a_part_that_is_named_follows_the_method_too():
    model = {"method": "density", "encoder": "set_transformer"}
    use_method(model, "none")
    assert ModelSettings.parse(model).encoder is None
    model = {"method": "density", "decoder": "spline_flow"}
    use_method(model, "density-mixture")
    assert ModelSettings.parse(model).decoder == GaussianMixtureConfig()


def test_a_part_that_was_taken_away_stays_away():
    model = {"method": "density", "decoder": None, "reconstruction": None}
    use_method(model, "density-set-transformer")
    assert ModelSettings.parse(model).decoder is None


def test_an_unknown_method_changes_nothing():
    model = {"method": "density", "encoder": {"width": 3}}
    with pytest.raises(ConfigurationError, match="there is no method 'nothing'"):
        use_method(model, "nothing")
    assert model == {"method": "density", "encoder": {"width": 3}}
