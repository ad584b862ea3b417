"""A spline flow has one network on the contexts, and in each layer one network on the points.

A residual network h_k = h_{k-1} + V_k relu(W_k h_{k-1} + b_k) between a linear inlet and a linear outlet is, with
the linear maps multiplied out, a network in which every hidden layer and the output see the input and all hidden
layers before them, each through one matrix. This form holds the same functions and needs one matrix product
between two hidden layers where the residual form needs two, so the network on the points has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import relu

_ROWS = 2400
"""The number of points that are worked on at once.

A hidden layer of 128 float32 numbers for each of them about fills the cache of a core."""


class ContextTrunk(nn.Module):
    """A residual network on contexts, whose output serves every layer of a flow.

    Parameters
    ----------
    context_dim : int
        Numbers of a context, c ≥ 0; with 0 the output is a constant.
    hidden : int
        Units of a hidden layer, and numbers of the output.
    blocks : int
        Residual blocks.
    """

    def __init__(self, context_dim: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.inlet = nn.Linear(context_dim, hidden) if context_dim else None
        self.constant = nn.Parameter(torch.zeros(hidden))  # the whole output where the context is empty
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
            for _ in range(blocks)
        )

    def forward(self, context: Tensor) -> Tensor:
        """Map contexts ``(G, c)`` to features ``(G, hidden)``."""
        h = self.constant.expand(context.shape[0], -1)
        if self.inlet is not None:
            h = h + self.inlet(context)
        for block in self.blocks:
            h = h + block(h)
        return relu(h)


class Conditioner(nn.Module):
    """A masked network from the features 1 … d − 1 of each point to the spline parameters of features 2 … d.

    A feature may have several inputs, as an angle has its cosine and sine. Each hidden unit has a degree in 1 … d − 1
    and sees features up to its degree; the parameters of feature j see units of degree below j (Germain et al. 2015).
    With d = 2 nothing is masked. All biases are given from outside, one set of them for all points of a set.

    Parameters
    ----------
    n_features : int
        Features that the network sees, d − 1.
    n_outputs : int
        Parameters of the splines of d − 1 features.
    hidden, blocks : int
        Units of a hidden layer, and number of hidden layers.
    inputs : sequence of int, optional
        The number of inputs of each feature, ``(d − 1,)``; one by default.
    """

    mask: Tensor

    def __init__(
        self, n_features: int, n_outputs: int, hidden: int, blocks: int, inputs: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        self.hidden, self.blocks = hidden, blocks
        inputs = (1,) * n_features if inputs is None else inputs
        n_inputs = sum(inputs)
        self.inlet = nn.Parameter(torch.empty(n_outputs + blocks * hidden, n_inputs))
        self.inner = nn.ParameterList(nn.Parameter(torch.empty(hidden, k * hidden)) for k in range(1, blocks))
        self.outlet = nn.Parameter(torch.empty(n_outputs, blocks * hidden))
        for weight in (self.inlet, *self.inner, self.outlet):
            bound = max(weight.shape[1], 1) ** -0.5
            nn.init.uniform_(weight, -bound, bound)
        with torch.no_grad():
            self.outlet.mul_(0.01)
            self.inlet[:n_outputs].mul_(0.01)
        self._mask(inputs, n_outputs)

    def _mask(self, inputs: Sequence[int], n_outputs: int) -> None:
        n_features = len(inputs)
        feature = torch.arange(1, n_features + 1)
        of_input = feature.repeat_interleave(torch.tensor(inputs))
        unit = (torch.arange(self.hidden) % n_features + 1).repeat(self.blocks)
        out = feature.repeat_interleave(n_outputs // n_features)
        sees = torch.cat((out, unit))[:, None] >= torch.cat((of_input, unit))
        self.masked = n_features > 1
        self.register_buffer("mask", sees, persistent=False)

    def weights(self) -> tuple[Tensor, list[Tensor], Tensor]:
        """Give the masked weights of the inlet, of the layers between, and of the outlet."""
        if not self.masked:
            return self.inlet, list(self.inner), self.outlet
        n_out, n_in = self.outlet.shape[0], self.inlet.shape[1]
        inner = [
            weight * self.mask[n_out : n_out + self.hidden, n_in : n_in + weight.shape[1]] for weight in self.inner
        ]
        return self.inlet * self.mask[:, :n_in], inner, self.outlet * self.mask[:n_out, n_in:]

    def forward(self, x: Tensor, biases: Tensor) -> Tensor:
        """Map ``x (G, K, inputs)`` with ``biases (G, n_outputs + blocks·hidden)`` to outputs ``(G, K, n_outputs)``."""
        inlet, inner, outlet = self.weights()
        out: Tensor = _Network.apply(x, biases, inlet, outlet, *inner)  # type: ignore[no-untyped-call]
        return out


class _Network(torch.autograd.Function):
    """The dense network of a :class:`Conditioner`, forward and backward in pieces that stay in a core's cache.

    With inputs x, hidden layers h_1 … h_n, inlet weights A, inner weights P, outlet weights D and biases b:
    h_k = relu(A_k x + b_k + P_k [h_1 … h_{k-1}]), out = A_0 x + b_0 + D [h_1 … h_n].
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, biases: Tensor, inlet: Tensor, outlet: Tensor, *inner: Tensor) -> Tensor:
        G, K, _ = x.shape
        n_out = outlet.shape[0]
        hidden = inner[0].shape[0] if inner else outlet.shape[1]
        blocks = outlet.shape[1] // max(hidden, 1)
        weights = _pieces(inlet, outlet, inner, hidden, blocks)
        bias = biases.split([n_out] + [hidden] * blocks, dim=-1)
        layers = [x.new_empty((G, K, hidden)) for _ in range(blocks)]
        out = x.new_empty((G, K, n_out))
        for sets in _chunks(x):
            known: list[Tensor] = []
            for k, target in enumerate((*layers, out)):
                part = target[sets].flatten(0, 1)
                from_inputs, from_layers = weights[k]
                _affine(x[sets], from_inputs, bias[(k + 1) % (blocks + 1)][sets], target[sets])
                for h, weight in zip(known, from_layers, strict=True):
                    part.addmm_(h, weight.T)
                if k < blocks:
                    known.append(part.relu_())
        ctx.save_for_backward(x, biases, inlet, outlet, *inner, *layers)
        ctx.blocks, ctx.hidden = blocks, hidden
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor, ...]:
        blocks, hidden = ctx.blocks, ctx.hidden
        x, biases, inlet, outlet, *rest = ctx.saved_tensors
        inner, layers = rest[: len(rest) - blocks], rest[len(rest) - blocks :]
        _, K, n_in = x.shape
        weights = _pieces(inlet, outlet, inner, hidden, blocks)
        grad_x, grad_biases, grad_inlet = torch.empty_like(x), torch.empty_like(biases), torch.zeros_like(inlet)
        grad_outlet, grad_inner = torch.zeros_like(outlet), [torch.zeros_like(weight) for weight in inner]
        grad_weights = _pieces(grad_inlet, grad_outlet, grad_inner, hidden, blocks)
        grad_bias = grad_biases.split([outlet.shape[0]] + [hidden] * blocks, dim=-1)
        ones = x.new_ones((1, 1, 1))
        chunks = _chunks(x)
        workspace = [torch.empty_like(h[chunks[0]]).flatten(0, 1) for h in layers] if chunks else []
        for sets in chunks:
            n = sets.stop - sets.start
            known = [h[sets].flatten(0, 1) for h in layers]
            grads = [w[: n * K] for w in workspace]
            inputs = torch.cat((x[sets], ones.expand(n, K, 1)), dim=-1).transpose(1, 2)
            for k in reversed(range(blocks + 1)):
                if k == blocks:
                    g = grad_out[sets].flatten(0, 1)
                else:
                    g = grads[k]
                    torch.ops.aten.threshold_backward.grad_input(g, known[k], 0, grad_input=g)
                from_inputs, from_layers = weights[k]
                grad_from_inputs, grad_from_layers = grad_weights[k]
                for j in range(len(from_layers)):
                    # the output comes first and reaches all layers, so it writes, and the others add
                    grads[j].addmm_(g, from_layers[j], beta=0.0 if k == blocks else 1.0)
                    grad_from_layers[j].addmm_(g.T, known[j])
                per_set = inputs @ g.view(n, K, -1)  # (n, d, units): inlet weights, then the bias
                grad_from_inputs += per_set[:, :n_in].sum(dim=0).T
                grad_bias[(k + 1) % (blocks + 1)][sets] = per_set[:, n_in]
                part = grad_x[sets].view(-1, n_in)
                part.addmm_(g, from_inputs, beta=0.0 if k == blocks else 1.0)
        return grad_x, grad_biases, grad_inlet, grad_outlet, *grad_inner


def _pieces(
    inlet: Tensor, outlet: Tensor, inner: Sequence[Tensor], hidden: int, blocks: int
) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    """List, for each hidden layer and then the output, its weights from the inputs and from each layer before it."""
    to_out, *to_layers = inlet.split([outlet.shape[0]] + [hidden] * blocks)
    before: list[tuple[Tensor, ...]] = [weight.split(hidden, dim=1) for weight in inner]
    none: list[tuple[Tensor, ...]] = [()] if blocks else []
    return list(zip((*to_layers, to_out), (*none, *before, outlet.split(hidden, dim=1) if blocks else ()), strict=True))


def _affine(x: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> None:
    """Write ``x (n, K, d) @ weight.T + bias (n, units)`` to ``out (n, K, units)``."""
    torch.addcmul(bias[:, None], x[..., :1], weight[:, 0], out=out)
    for j in range(1, x.shape[-1]):
        out.addcmul_(x[..., j : j + 1], weight[:, j])


def _chunks(x: Tensor) -> list[slice]:
    """Split the sets of ``x (G, K, ·)`` into ranges of about :data:`_ROWS` points; an accelerator gets one range."""
    sets, samples, _ = x.shape
    step = max(1, _ROWS // max(samples, 1)) if x.device.type == "cpu" else max(1, sets)
    return [slice(start, min(start + step, sets)) for start in range(0, sets, step)]
