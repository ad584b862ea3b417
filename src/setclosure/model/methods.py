"""The closure methods: one row each, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from setclosure.decoders.base import DecoderConfig
from setclosure.decoders.gaussian_mixture import GaussianMixtureConfig
from setclosure.paper.models.image_decoders import CNNDecoderConfig, ViTDecoderConfig
from setclosure.paper.models.pointwise import PointwiseMLPConfig
from setclosure.decoders.spline_flow import SplineFlowConfig
from setclosure.encoders.base import EncoderConfig
from setclosure.paper.models.cnn import CNNEncoderConfig
from setclosure.encoders.deep_set import DeepSetConfig
from setclosure.paper.models.flat_mlp import FlatMLPConfig
from setclosure.encoders.set_transformer import SetTransformerConfig
from setclosure.paper.models.vit import ViTEncoderConfig
from setclosure.reconstruction.base import ReconstructionConfig
from setclosure.paper.models.chamfer import ChamferConfig
from setclosure.reconstruction.distribution import DistributionConfig
from setclosure.paper.models.pixel_error import PixelErrorConfig
from setclosure.paper.models.squared_error import SquaredErrorConfig


@dataclass(frozen=True)
class Method:
    """A closure method: what encodes, what decodes, what is compared, and whether the dynamics has a say.

    Each part is a configuration class with a ``build`` method, or None where the method has no such part.
    ``dynamics_weight`` is λ_dyn of the joint objective (Sec. 3.3): with 0 stage one sees no dynamics.
    """

    summary: str
    encoder: type[EncoderConfig] | None = None
    decoder: type[DecoderConfig] | None = None
    reconstruction: type[ReconstructionConfig] | None = None
    dynamics_weight: float = 0.0

    @property
    def reads_images(self) -> bool:
        """Whether its encoder reads pixels as they are, in the image that they make."""
        return self.encoder is not None and self.encoder.raw


METHODS: dict[str, Method] = {
    "ours": Method("DeepSet, spline flow, KL(q_X ‖ p)", DeepSetConfig, SplineFlowConfig, DistributionConfig),
    "ours-set-transformer": Method(
        "Set Transformer, spline flow, KL(q_X ‖ p)", SetTransformerConfig, SplineFlowConfig, DistributionConfig
    ),
    "ours-mixture": Method(
        "DeepSet, Gaussian mixture, KL(q_X ‖ p)", DeepSetConfig, GaussianMixtureConfig, DistributionConfig
    ),
    "ours-joint": Method(
        "ours, trained jointly with the dynamics", DeepSetConfig, SplineFlowConfig, DistributionConfig, 0.1
    ),
    "ae-aug": Method(
        "flat MLP on random orders, point-wise MLP, squared error",
        FlatMLPConfig,
        PointwiseMLPConfig,
        SquaredErrorConfig,
    ),
    "ae-inve": Method("DeepSet, point-wise MLP, squared error", DeepSetConfig, PointwiseMLPConfig, SquaredErrorConfig),
    "ae-inve-cd": Method("DeepSet, point-wise MLP, Chamfer distance", DeepSetConfig, PointwiseMLPConfig, ChamferConfig),
    "cnn": Method("CNN on images, CNN, squared error of pixels", CNNEncoderConfig, CNNDecoderConfig, PixelErrorConfig),
    "vit": Method("ViT on images, ViT, squared error of pixels", ViTEncoderConfig, ViTDecoderConfig, PixelErrorConfig),
    "inve": Method("DeepSet trained by the dynamics alone", DeepSetConfig, dynamics_weight=1.0),
    "none": Method("no closure: the observable alone"),
}
