"""The Set Transformer with inducing points is the encoder of Table 3 (Lee et al. 2019, arXiv 1810.00825)."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from setclosure.encoders.base import EncoderConfig
from setclosure.networks import mlp
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


@register("encoder", "set_transformer")
class SetTransformerConfig(EncoderConfig):
    """The sizes of a :class:`SetTransformer`."""

    width: int = Field(64, ge=1, description="Width of the attention blocks.")
    heads: int = Field(4, ge=1, description="Attention heads; divides the width.")
    blocks: int = Field(2, ge=1, description="Induced set-attention blocks.")
    inducing_points: int = Field(16, ge=1, description="Inducing points of each block: the cost is linear in them.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> SetTransformerConfig:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self

    def build(self, kind: MicrostateKind, closure_dim: int) -> SetTransformer:
        """Make the encoder of microstates of a ``kind``, with ``closure_dim`` = c numbers for each species."""
        return SetTransformer(kind.n_features, closure_dim, self)


class Attention(nn.Module):
    """A multi-head attention block MAB(Q, K) over a *weighted* set of keys, with a residual feed-forward layer.

    The logarithm of a key's weight is added to its attention logits. So a particle of weight 2w counts as two particles
    of weight w would, and a particle of weight zero (padding, another species) does not count.

    Parameters
    ----------
    width : int
        Numbers of a query and of a key.
    heads : int
        Attention heads; divides the width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value, self.out = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )
        self.norm_attention, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed_forward = mlp([width, width, width], "gelu")

    def forward(self, queries: Tensor, keys: Tensor, log_weights: Tensor | None = None) -> Tensor:
        """Attend from queries ``(G, Q, width)`` to keys ``(G, N, width)`` with log weights ``(G, N)``."""
        q = self._split(self.query(queries))
        k, v = (self._split(part) for part in self.key_value(keys).chunk(2, dim=-1))
        bias = None if log_weights is None else log_weights[:, None, None, :].expand(-1, 1, q.shape[2], -1)
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=bias)  # (G, heads, Q, width / heads)
        h = self.norm_attention(queries + self.out(mixed.transpose(1, 2).flatten(2)))
        result: Tensor = self.norm_out(h + self.feed_forward(h))
        return result

    def _split(self, x: Tensor) -> Tensor:
        heads: Tensor = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return heads


class InducedAttention(nn.Module):
    """An induced set-attention block (ISAB), in which a set attends to m inducing points that attend to the set.

    It costs O(N m) instead of the O(N²) of attention between all particles.

    Parameters
    ----------
    width : int
        Numbers of an element.
    heads : int
        Attention heads; divides the width.
    inducing_points : int
        Inducing points, m.
    """

    def __init__(self, width: int, heads: int, inducing_points: int) -> None:
        super().__init__()
        self.inducing = nn.Parameter(torch.randn(1, inducing_points, width) * width**-0.5)
        self.gather, self.spread = Attention(width, heads), Attention(width, heads)

    def forward(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """Map elements ``(G, N, width)`` with log weights ``(G, N)`` to elements ``(G, N, width)``."""
        summary = self.gather(self.inducing.expand(len(x), -1, -1), x, log_weights)
        result: Tensor = self.spread(x, summary)
        return result


class SetTransformer(nn.Module):
    """An encoder of induced set-attention blocks, pooling by attention with one seed, and a perceptron.

    Parameters
    ----------
    n_features : int
        Features of a particle, d.
    closure_dim : int
        Numbers of the embedding of one species, c.
    config : SetTransformerConfig
        Sizes.

    Examples
    --------
    >>> batch = MicrostateBatch.from_points(torch.randn(4, 10, 2))
    >>> SetTransformer(2, 3, SetTransformerConfig(width=16, heads=2))(batch).shape
    torch.Size([4, 1, 3])
    """

    def __init__(self, n_features: int, closure_dim: int, config: SetTransformerConfig | None = None) -> None:
        super().__init__()
        config = config or SetTransformerConfig()
        w = config.width
        self.embed = nn.Linear(n_features, w)
        self.blocks = nn.ModuleList(
            InducedAttention(w, config.heads, config.inducing_points) for _ in range(config.blocks)
        )
        self.seed = nn.Parameter(torch.randn(1, 1, w) * w**-0.5)
        self.pool = Attention(w, config.heads)
        self.head = mlp([w, w, closure_dim], "gelu")

    def forward(self, batch: MicrostateBatch) -> Tensor:
        """Embed ``batch``: ``(B, S, c)``."""
        B, S, N = batch.weights.shape
        weights = batch.weights.reshape(B * S, N)
        empty = ~(weights > 0).any(dim=1)
        # −∞ where the weight is zero; an empty set attends evenly to its padding, whose elements are zero
        log_weights = weights.log().masked_fill(empty[:, None], 0.0)
        x = self.embed(batch.points).repeat_interleave(S, dim=0)  # (B·S, N, width)
        x = torch.where(empty[:, None, None], torch.zeros_like(x), x)
        for block in self.blocks:
            x = block(x, log_weights)
        pooled = self.pool(self.seed.expand(B * S, -1, -1), x, log_weights)[:, 0]
        embedding: Tensor = self.head(pooled).reshape(B, S, -1)
        return embedding
