"""The closure methods: one row each, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from setclosure.decoders.gaussian_mixture import GaussianMixtureConfig
from setclosure.decoders.spline_flow import SplineFlowConfig
from setclosure.encoders.base import EncoderConfig
from setclosure.encoders.deep_set import DeepSetConfig
from setclosure.encoders.set_transformer import SetTransformerConfig
from setclosure.reconstruction.distribution import DistributionConfig


@dataclass(frozen=True)
class Method:
    """A closure method: what encodes, what decodes, and what is compared.

    Each entry is a configuration class with a ``build`` method, or None where the method has no such part.
    """

    summary: str
    encoder: type[EncoderConfig] | None = None
    decoder: type[SplineFlowConfig] | type[GaussianMixtureConfig] | None = None
    reconstruction: type[DistributionConfig] | None = None


METHODS: dict[str, Method] = {
    "ours": Method("DeepSet, spline flow, KL(q_X ‖ p)", DeepSetConfig, SplineFlowConfig, DistributionConfig),
    "ours-set-transformer": Method(
        "Set Transformer, spline flow, KL(q_X ‖ p)",
        SetTransformerConfig,
        SplineFlowConfig,
        DistributionConfig,
    ),
    "ours-mixture": Method(
        "DeepSet, Gaussian mixture, KL(q_X ‖ p)", DeepSetConfig, GaussianMixtureConfig, DistributionConfig
    ),
    "none": Method("no closure: the observable alone"),
}
