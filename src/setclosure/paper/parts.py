"""The import of this module registers all parts of the paper."""

from __future__ import annotations

from setclosure.model.methods import Method
from setclosure.paper.models import (  # noqa: F401  these modules register their parts
    chamfer,
    cnn,
    flat_mlp,
    image_decoders,
    pixel_error,
    pointwise,
    squared_error,
    vit,
)
from setclosure.paper.simulators import (  # noqa: F401
    interacting_particles,
    lennard_jones,
    polymer,
    polymer_video,
)
from setclosure.paper.studies import interacting_particles as _particles  # noqa: F401
from setclosure.paper.studies import lennard_jones as _mixture  # noqa: F401
from setclosure.paper.studies import polymer as _polymer  # noqa: F401
from setclosure.registry import register

register("method", "ae-aug")(
    Method(
        "flat MLP on random orders, point-wise MLP, squared error",
        {"name": "flat_mlp"},
        {"name": "pointwise_mlp"},
        {"name": "squared_error"},
    )
)
register("method", "ae-inve")(
    Method(
        "DeepSet, point-wise MLP, squared error",
        {"name": "deep_set"},
        {"name": "pointwise_mlp"},
        {"name": "squared_error"},
    )
)
register("method", "ae-inve-cd")(
    Method(
        "DeepSet, point-wise MLP, Chamfer distance",
        {"name": "deep_set"},
        {"name": "pointwise_mlp"},
        {"name": "chamfer"},
    )
)
register("method", "cnn")(
    Method("CNN on images, CNN, squared error of pixels", {"name": "cnn"}, {"name": "cnn"}, {"name": "pixel_error"})
)
register("method", "vit")(
    Method("ViT on images, ViT, squared error of pixels", {"name": "vit"}, {"name": "vit"}, {"name": "pixel_error"})
)
