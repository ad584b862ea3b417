"""Speed of one training step of the conditional spline flow, beside nflows and zuko.

All three have the same number of layers, bins, hidden units and residual blocks, the same box and the same
float32 points. The peers get the context as their users must give it: repeated to one row for each point.

- zuko: masked autoregressive layers of its rational-quadratic spline with ``residual=True`` and one entry of
  ``hidden_features`` for each block. Its blocks are h + V relu(W h), the form that our points' network is the
  multiplied-out version of.
- nflows: ``MaskedPiecewiseRationalQuadraticAutoregressiveTransform`` with context features, residual blocks and
  otherwise its defaults. Its blocks are h + V relu(W relu(h)) times a gate of the context: one more activation
  a block than zuko's and ours.

Features are reversed between layers everywhere. A step is the mean log density, forward and backward, to the
parameters and the context. Runs of the three alternate, and a ratio is the median of the ratios within a round,
so that other load on the machine meets all three alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from setclosure.decoders.spline_flow import SplineFlow

CONTEXT = 8
"""Numbers of a context: the closure dimension of the interacting particles."""


def _ours(layers: int, bins: int, hidden: int, blocks: int, box: float) -> Any:
    flow = SplineFlow(2, CONTEXT, layers=layers, bins=bins, hidden=hidden, blocks=blocks, box=box)
    return flow, flow.log_prob


def _nflows(layers: int, bins: int, hidden: int, blocks: int, box: float) -> Any:
    from nflows.distributions.normal import StandardNormal
    from nflows.flows import Flow
    from nflows.transforms import (
        CompositeTransform,
        MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
        ReversePermutation,
    )

    steps: list[Any] = []
    for _ in range(layers):
        steps.append(
            MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
                features=2,
                hidden_features=hidden,
                context_features=CONTEXT,
                num_bins=bins,
                tails="linear",
                tail_bound=box,
                num_blocks=blocks,
                use_residual_blocks=True,
            )
        )
        steps.append(ReversePermutation(2))
    flow = Flow(CompositeTransform(steps), StandardNormal([2]))

    def log_prob(x: Tensor, context: Tensor) -> Tensor:
        repeated = context[:, None].expand(-1, x.shape[1], -1).reshape(-1, CONTEXT)
        return flow.log_prob(x.reshape(-1, 2), repeated)

    return flow, log_prob


def _zuko(layers: int, bins: int, hidden: int, blocks: int, box: float) -> Any:
    import zuko
    from zuko.flows import MaskedAutoregressiveTransform, UnconditionalDistribution
    from zuko.lazy import Flow

    def layer(i: int) -> Any:
        return MaskedAutoregressiveTransform(
            features=2,
            context=CONTEXT,
            order=torch.arange(2) if i % 2 == 0 else torch.arange(2).flip(0),
            univariate=lambda w, h, d: zuko.transforms.MonotonicRQSTransform(w, h, d, bound=box),
            shapes=[(bins,), (bins,), (bins - 1,)],
            hidden_features=[hidden] * blocks,
            residual=True,
        )

    base = UnconditionalDistribution(zuko.distributions.DiagNormal, torch.zeros(2), torch.ones(2), buffer=True)
    flow = Flow([layer(i) for i in range(layers)], base)

    def log_prob(x: Tensor, context: Tensor) -> Tensor:
        return flow(context[:, None].expand(-1, x.shape[1], -1)).log_prob(x)

    return flow, log_prob


def _stepper(build: Any, sets: int, samples: int, **sizes: Any) -> Callable[[], float]:
    torch.manual_seed(0)
    flow, log_prob = build(**sizes)
    x = torch.randn(sets, samples, 2)
    context = torch.randn(sets, CONTEXT, requires_grad=True)

    def step() -> float:
        flow.zero_grad()
        start = time.perf_counter()
        log_prob(x, context).mean().backward()
        return time.perf_counter() - start

    return step


def spline_flow_step(
    sets: int = 64, samples: int = 600, layers: int = 8, bins: int = 16, rounds: int = 5, threads: int = 2
) -> dict[str, Any]:
    """Steps a second of our flow, and its speed as a multiple of nflows' and zuko's.

    Parameters
    ----------
    sets, samples : int
        Sets, and points of each set.
    layers, bins : int
        Sizes of the flows; 128 hidden units, 2 residual blocks, box ±8.
    rounds : int
        Rounds in which each of the three runs once, after one that is not counted.
    threads : int
        PyTorch's threads.

    Returns
    -------
    dict
        ``name``, ``value``, ``unit`` and ``ratio``.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        sizes = {"layers": layers, "bins": bins, "hidden": 128, "blocks": 2, "box": 8.0}
        steppers = {
            name: _stepper(build, sets, samples, **sizes)
            for name, build in (("ours", _ours), ("nflows", _nflows), ("zuko", _zuko))
        }
        for step in steppers.values():
            step()
        rows = [{name: step() for name, step in steppers.items()} for _ in range(rounds)]
    finally:
        torch.set_num_threads(before)
    return {
        "name": "spline_flow_step",
        "value": 1.0 / statistics.median(row["ours"] for row in rows),
        "unit": "steps/s",
        "ratio": {peer: statistics.median(row[peer] / row["ours"] for row in rows) for peer in ("nflows", "zuko")},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="64 sets of 64 points, 3 layers of 8 bins")
    small = {"samples": 64, "layers": 3, "bins": 8, "rounds": 21}
    print(json.dumps(spline_flow_step(**(small if parser.parse_args().small else {}))))
