"""The networks of a spline flow: one on the contexts, and per layer one on the points.

A residual network h_k = h_{k-1} + V_k relu(W_k h_{k-1} + b_k) between a linear inlet and a linear outlet is, with
the linear maps multiplied out, a network in which every hidden layer and the output see the input and all hidden
layers before them, each through one matrix. That form holds the same functions and needs one matrix product
between two hidden layers where the residual form has two; it is the one used for the points.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class ContextTrunk(nn.Module):
    """Residual network on contexts ``(G, c)``; its ``(G, hidden)`` numbers serve every layer of a flow."""

    def __init__(self, context_dim: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.inlet = nn.Linear(context_dim, hidden) if context_dim else None
        self.constant = nn.Parameter(torch.zeros(hidden))  # all there is when the context is empty
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
            for _ in range(blocks)
        )

    def forward(self, context: Tensor) -> Tensor:
        """Features ``(G, hidden)`` of the contexts."""
        h = self.constant.expand(context.shape[0], -1)
        if self.inlet is not None:
            h = h + self.inlet(context)
        for block in self.blocks:
            h = h + block(h)
        return relu(h)


class Conditioner(nn.Module):
    """Masked network from the features 1 … d-1 of each point to the spline parameters of features 2 … d.

    Each hidden unit has a degree in 1 … d-1 and sees features up to its degree; the parameters of feature j see
    units of degree below j (Germain et al. 2015). With d = 2 nothing is masked. All biases are given from
    outside, one set of them for all points of a set.

    Parameters
    ----------
    n_inputs : int
        d - 1.
    n_outputs : int
        Parameters of the splines of d - 1 features.
    hidden, blocks : int
        Units of a hidden layer, and number of hidden layers.
    """

    mask: Tensor

    def __init__(self, n_inputs: int, n_outputs: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.hidden, self.blocks = hidden, blocks
        self.inlet = nn.Parameter(torch.empty(n_outputs + blocks * hidden, n_inputs))
        self.inner = nn.ParameterList(nn.Parameter(torch.empty(hidden, k * hidden)) for k in range(1, blocks))
        self.outlet = nn.Parameter(torch.empty(n_outputs, blocks * hidden))
        for weight in (self.inlet, *self.inner, self.outlet):
            bound = max(weight.shape[1], 1) ** -0.5
            nn.init.uniform_(weight, -bound, bound)
        with torch.no_grad():
            self.outlet.mul_(0.01)
            self.inlet[:n_outputs].mul_(0.01)
        self._mask(n_inputs, n_outputs)

    def _mask(self, n_inputs: int, n_outputs: int) -> None:
        feature = torch.arange(1, n_inputs + 1)
        unit = (torch.arange(self.hidden) % n_inputs + 1).repeat(self.blocks)
        out = feature.repeat_interleave(n_outputs // n_inputs)
        sees = torch.cat((out, unit))[:, None] >= torch.cat((feature, unit))
        self.masked = n_inputs > 1
        self.register_buffer("mask", sees, persistent=False)

    def weights(self) -> tuple[Tensor, list[Tensor], Tensor]:
        """Inlet, inner and outlet weights, masked."""
        if not self.masked:
            return self.inlet, list(self.inner), self.outlet
        n_out, n_in = self.outlet.shape[0], self.inlet.shape[1]
        inner = [
            weight * self.mask[n_out : n_out + self.hidden, n_in : n_in + weight.shape[1]] for weight in self.inner
        ]
        return self.inlet * self.mask[:, :n_in], inner, self.outlet * self.mask[:n_out, n_in:]

    def forward(self, x: Tensor, biases: Tensor) -> Tensor:
        """Outputs ``(G, K, n_outputs)`` at ``x (G, K, d-1)``, with ``biases (G, n_outputs + blocks·hidden)``."""
        inlet, inner, outlet = self.weights()
        sizes = [outlet.shape[0]] + [self.hidden] * self.blocks
        outward, *inward = zip(inlet.split(sizes), biases[:, None].split(sizes, dim=-1), strict=True)
        layers: list[Tensor] = []
        for k, (weight, bias) in enumerate(inward):
            h = x @ weight.T + bias
            if k > 0:
                h = h + torch.cat(layers, dim=-1) @ inner[k - 1].T
            layers.append(relu(h))
        out = x @ outward[0].T + outward[1]
        return out + torch.cat(layers, dim=-1) @ outlet.T if layers else out
