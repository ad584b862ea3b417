"""The promises of decoders: conditional densities integrate to one, others make what their reconstruction compares."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from setclosure.conformance.partners import partners
from setclosure.conformance.quadrature import Grid
from setclosure.conformance.report import Report, begun
from setclosure.conformance.require import (
    require,
    require_different,
    require_finite,
    require_gradients,
    require_reload,
    require_same,
    require_shape,
)
from setclosure.conformance.sets import batched, made_for, random_sets
from setclosure.decoders.base import ConditionalDensity, DecoderConfig
from setclosure.errors import ConformanceError, SetclosureError
from setclosure.reconstruction.base import ReconstructionConfig
from setclosure.seeds import seeded, torch_stream
from setclosure.sets.microstates import MicrostateKind

C = 3
"""Numbers of a closure."""

STEPS, FIRST_STEP, LEAST_GAIN = 40, 0.05, 0.05
"""Steps before a density is looked at, the length of the first one, and what they must gain of the log density."""

SAMPLES = 4000
"""Samples that are compared with a density."""

CIRCLES = ((True,), (False, True))
"""The features that are angles, for decoders that take them, in each kind of microstates that is tried."""

FAR = (1e3, 1e6)
"""Distances, in standard deviations of the data, at which a density must still be finite."""

WRONG_TOTAL, WRONG_SHARE = 1e-2, 2.5
"""Largest error of an integral by quadrature; largest difference of distribution functions times the root of the
number of samples, which a true sample exceeds once in 100,000 times."""


def check_decoder(config: DecoderConfig, reconstruction: ReconstructionConfig | None = None) -> Report:
    """Check the promises of a decoder.

    Parameters
    ----------
    config : DecoderConfig
        The decoder with its options.
    reconstruction : ReconstructionConfig, optional
        What compares its results with microstates, for a decoder that is no density; by default those that registered
        methods use it with, or else every registered one is tried.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.

    Examples
    --------
    >>> from setclosure.decoders.gaussian_mixture import GaussianMixtureConfig
    >>> report = check_decoder(GaussianMixtureConfig(components=2, hidden=8))
    >>> report.promises[2]
    'log densities (G, K) and samples (G, n, d) have the shapes that were asked for'
    """
    report = begun("decoder", config)
    with report.promise("it is built for microstates of positions, or of pixels"):
        kind, decoder = made_for(lambda kind: _made(config, kind))
    if isinstance(decoder, ConditionalDensity):
        _check_density(report, config)
        if config.on_circles:
            _check_circles(report, config)
    else:
        _check_other(report, config, kind, reconstruction)
    return report


def _made(config: DecoderConfig, kind: MicrostateKind, seed: int = 0) -> Any:
    with seeded(seed, "conformance"):
        decoder: Any = config.build(kind, C)
    require(isinstance(decoder, nn.Module), f"build gave a {type(decoder).__name__}; expected a torch.nn.Module.")
    return decoder.double().eval()


def _contexts(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, C, generator=torch_stream(seed, "contexts"), dtype=torch.float64)


def _points(context: Tensor, d: int, n: int = 64, seed: int = 0) -> Tensor:
    """Draw points ``(G, n, d)`` that lie where their context ``(G, c)`` says."""
    noise = torch.randn(len(context), n, d, generator=torch_stream(seed, "points"), dtype=torch.float64)
    return 0.6 * noise + context.roll(1, dims=1)[:, None, :1].tanh()


def _check_density(report: Report, config: DecoderConfig) -> None:
    decoders = {d: _made(config, MicrostateKind(d)) for d in (1, 2, 3)}
    context = _contexts(6)
    with report.promise("log densities (G, K) and samples (G, n, d) have the shapes that were asked for"):
        for d, decoder in decoders.items():
            require_shape(decoder.log_prob(_points(context, d), context), (6, 64), f"log_prob of points with d = {d}")
            sample = decoder.sample(context, 7, torch_stream(0))
            require_shape(sample, (6, 7, d), f"a sample with d = {d}")
            require_finite(sample, f"a sample with d = {d}")
            require(not sample.requires_grad, "a sample carries gradients; decorate sample with @torch.no_grad().")
    with report.promise("every parameter has a finite gradient, and training raises the likelihood"):
        for d, decoder in decoders.items():
            require_gradients(decoder, -decoder.log_prob(_points(context, d), context).mean())
            _train(decoder, d)
    with report.promise("the context decides on the density, and only that of the set itself"):
        for d, decoder in decoders.items():
            _check_context(decoder, d)
    with report.promise("the density integrates to one, in one dimension and in two"):
        grids = {d: Grid(d) for d in (1, 2)}
        found = {d: [grid.density(decoders[d], one[None]) for one in context[:2]] for d, grid in grids.items()}
        for d, grid in grids.items():
            for density in found[d]:
                total = grid.total(density)
                require(abs(total - 1) < WRONG_TOTAL, f"its integral with d = {d} is {total:.4g} by quadrature.")
    with report.promise("samples follow the density"):
        for d, grid in grids.items():
            for i, density in enumerate(found[d]):
                sample = decoders[d].sample(context[i : i + 1], SAMPLES, torch_stream(i))[0]
                for axis in range(d):
                    gap = grid.gap(density, sample, axis)
                    require(
                        gap < WRONG_SHARE * SAMPLES**-0.5,
                        f"the distribution functions of {SAMPLES} samples and of the density along feature {axis} of "
                        f"{d} differ by {gap:.3g}; at most {WRONG_SHARE * SAMPLES**-0.5:.3g} may come from chance.",
                    )
    with report.promise("the same random numbers give the same sample, and others another"):
        one, again, other = (decoders[2].sample(context, 50, torch_stream(seed)) for seed in (0, 0, 1))
        require_same(one, again, "samples with generators of the same state", 0.0)
        require_different(one, other, "samples with generators of different states")
    with report.promise("log densities are finite far outside the data, in single precision, too"):
        for d, decoder in decoders.items():
            for dtype in (torch.float64, torch.float32):
                x = torch.tensor([-FAR[1], -FAR[0], *FAR], dtype=dtype)[None, :, None].expand(6, -1, d)
                log_p = decoder.to(dtype).log_prob(x, context.to(dtype))
                require_finite(log_p, f"log densities at ±{FAR[0]:g} and ±{FAR[1]:g} ({dtype})")
            decoder.double()
    with report.promise("its weights are saved and loaded"):
        other = _made(config, MicrostateKind(2), seed=1)
        require_reload(decoders[2], other, lambda module: module.log_prob(_points(context, 2), context))


def _check_circles(report: Report, config: DecoderConfig) -> None:
    """Check a density of features that are angles, alone and beside one that is none."""
    context = _contexts(2)
    decoders = {circular: _made(config, _on_circles(circular)) for circular in CIRCLES}
    with report.promise("with features that are angles, training raises the likelihood, and gradients are finite"):
        for circular, decoder in decoders.items():
            require_gradients(decoder, -decoder.log_prob(_points(context, len(circular)), context).mean())
            _train(decoder, len(circular))
    with report.promise("a whole turn of an angle changes no log density"):
        for circular, decoder in decoders.items():
            x = _points(context, len(circular))
            turned = x + 2 * math.pi * torch.tensor([-2.0 * angle for angle in circular], dtype=torch.float64)
            require_same(decoder.log_prob(turned, context), decoder.log_prob(x, context), "after two turns back", 1e-9)
    with report.promise("the density integrates to one on circles, and samples follow it there"):
        for circular, decoder in decoders.items():
            grid = Grid(len(circular), circular)
            density = grid.density(decoder, context[:1])
            total = grid.total(density)
            require(abs(total - 1) < WRONG_TOTAL, f"its integral with angles {circular} is {total:.4g} by quadrature.")
            sample = decoder.sample(context[:1], SAMPLES, torch_stream(0))[0]
            for axis, angle in enumerate(circular):
                if angle:  # into [-π, π)
                    sample[:, axis] -= 2 * math.pi * ((sample[:, axis] + math.pi) / (2 * math.pi)).floor()
                gap = grid.gap(density, sample, axis)
                require(
                    gap < WRONG_SHARE * SAMPLES**-0.5,
                    f"the distribution functions of samples and of the density along feature {axis} with angles "
                    f"{circular} differ by {gap:.3g}; at most {WRONG_SHARE * SAMPLES**-0.5:.3g} may come from chance.",
                )


def _on_circles(circular: tuple[bool, ...]) -> MicrostateKind:
    return MicrostateKind(len(circular), circular=circular)


def _train(decoder: Any, d: int) -> None:
    """Descend towards points that depend on the context, as a new decoder may know nothing of it.

    Steps go along the gradient; one that does not lower the loss is taken back, and the next is shorter.
    """
    context = _contexts(12, seed=1)
    x, parameters = _points(context, d, 24), list(decoder.parameters())

    def loss() -> Tensor:
        return -torch.as_tensor(decoder.log_prob(x, context)).mean()

    length = FIRST_STEP
    start = float(loss().detach())
    for _ in range(STEPS):
        now = loss()
        gradient = torch.autograd.grad(now, parameters)
        size = torch.stack([g.norm() for g in gradient]).norm()
        with torch.no_grad():
            for p, g in zip(parameters, gradient, strict=True):
                p.sub_(g, alpha=float(length / size))
            before = float(now.detach())
            if float(loss()) < before:
                length *= 1.5
                continue
            for p, g in zip(parameters, gradient, strict=True):
                p.add_(g, alpha=float(length / size))
            length *= 0.3
    after = float(loss().detach())
    require(
        after < start - LEAST_GAIN,
        f"with d = {d}, {STEPS} steps along the gradient took the mean of −log p of points that follow their context "
        f"from {start:.4g} to {after:.4g}; expected {LEAST_GAIN} less at least.",
    )


def _check_context(decoder: Any, d: int) -> None:
    context = _contexts(4)
    x = _points(context[:1], d).expand(4, -1, -1)
    together = decoder.log_prob(x, context)
    require_different(together[0], together[1], "log densities of the same points, given two contexts")
    alone = torch.cat([decoder.log_prob(x[:1], one[None]) for one in context])
    require_same(alone, together, "log densities of a set alone, and with others in a batch", 1e-10)
    order = torch.randperm(x.shape[1], generator=torch_stream(0))
    require_same(decoder.log_prob(x[:, order], context), together[:, order], "log densities in another order", 1e-10)


def _check_other(
    report: Report, config: DecoderConfig, kind: MicrostateKind, reconstruction: ReconstructionConfig | None
) -> None:
    decoder = _made(config, kind)
    sizes = (kind.n_particles,) * 4
    batch = batched(random_sets(kind, sizes), kind)
    embeddings = _contexts(len(sizes))[:, None].requires_grad_()
    known = partners("reconstruction", "decoder", config.part_name) if reconstruction is None else [reconstruction]
    with report.promise("a reconstruction compares what it makes with microstates, (B,), by a finite loss"):
        loss = _loss(known, lambda built: built.loss(batch, embeddings, decoder, torch_stream(0)), len(sizes))
        require_finite(loss, "the loss")
    with report.promise("every parameter has a finite gradient, and the closure, too"):
        require_gradients(decoder, loss.sum())
        require(embeddings.grad is not None, "the loss does not depend on the closure.")
    with report.promise("the closures of other microstates change nothing"):
        flat = embeddings.detach().flatten(1)
        alone = torch.cat([decoder(one[None]) for one in flat])
        require_same(decoder(flat), alone, "what it makes of a closure alone, and with others in a batch", 1e-10)
    with report.promise("its weights are saved and loaded"):
        require_reload(decoder, _made(config, kind, seed=1), lambda module: module(flat))


def _loss(candidates: list[ReconstructionConfig], evaluate: Any, B: int) -> Tensor:
    """Evaluate the loss of the first reconstruction that takes what the decoder makes."""
    refused = []
    for config in candidates:
        try:
            loss: Tensor = evaluate(config.build(0.1))
            require_shape(loss, (B,), f"the loss of reconstruction '{config.part_name}'")
            return loss
        except (SetclosureError, RuntimeError, AttributeError, TypeError, ValueError) as error:
            refused.append(f"{config.part_name}: {error}")
    raise ConformanceError(f"no reconstruction takes it ({'; '.join(refused)}).")
