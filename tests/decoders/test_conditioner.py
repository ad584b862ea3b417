"""The network of the points: its gradient, its structure, and what it stands for."""

import pytest
import torch

from setclosure.decoders import conditioner
from setclosure.decoders.conditioner import Conditioner


def _plain(net, x, biases):
    """The same network in plain operations, with the biases repeated for each point."""
    inlet, inner, outlet = net.weights()
    sizes = [outlet.shape[0]] + [net.hidden] * net.blocks
    biases = biases[:, None].expand(-1, x.shape[1], -1)
    out, *starts = (x @ inlet.T + biases).split(sizes, dim=-1)
    known = []
    for k, h in enumerate(starts):
        known.append(torch.relu(h + torch.cat(known, -1) @ inner[k - 1].T if k else h))
    return out + torch.cat(known, -1) @ outlet.T if known else out


@pytest.mark.parametrize("blocks", [0, 1, 2, 3])
@pytest.mark.parametrize("n_inputs", [1, 3])
def test_value_and_gradients_equal_plain_operations(n_inputs, blocks, monkeypatch):
    monkeypatch.setattr(conditioner, "_ROWS", 20)  # several chunks, the last one smaller
    torch.manual_seed(0)
    net = Conditioner(n_inputs, 5 * n_inputs, hidden=6, blocks=blocks).double()
    leaves = [
        torch.randn(5, 10, n_inputs, dtype=torch.float64, requires_grad=True),
        torch.randn(5, 5 * n_inputs + 6 * blocks, dtype=torch.float64, requires_grad=True),
        *net.parameters(),
    ]
    ours, plain = net(*leaves[:2]), _plain(net, *leaves[:2])
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    cotangent = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad(ours, leaves, cotangent, allow_unused=True, materialize_grads=True),
        torch.autograd.grad(plain, leaves, cotangent, allow_unused=True, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


def test_output_j_sees_only_the_features_before_it():
    torch.manual_seed(0)
    net = Conditioner(3, 6, hidden=12, blocks=2).double()
    torch.nn.init.normal_(net.outlet)
    biases = torch.randn(1, 6 + 24, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(
        lambda x: net(x.view(1, 1, 3), biases)[0, 0], torch.randn(3, dtype=torch.float64)
    ).view(3, 2, 3)
    lower = torch.ones(3, 3, dtype=torch.bool).tril()
    assert (jacobian.abs().amax(dim=1)[~lower] == 0).all()
    assert (jacobian.abs().amax(dim=1)[lower] > 1e-3).all()


def test_holds_every_residual_network_of_its_size():
    """h + V relu(W h + b) blocks, multiplied out: the claim of the module's docstring."""
    torch.manual_seed(0)
    double = {"dtype": torch.float64}
    A, U = torch.randn(7, 1, **double), torch.randn(4, 7, **double)
    W, V = torch.randn(2, 7, 7, **double), torch.randn(2, 7, 7, **double)
    s, b, u = torch.randn(7, **double), torch.randn(2, 7, **double), torch.randn(4, **double)
    x = torch.randn(3, 9, 1, **double)
    h = x @ A.T + s
    for k in range(2):
        h = h + torch.relu(h @ W[k].T + b[k]) @ V[k].T
    net = Conditioner(1, 4, hidden=7, blocks=2).double()
    with torch.no_grad():
        net.inlet.copy_(torch.cat((U @ A, W[0] @ A, W[1] @ A)))
        net.inner[0].copy_(W[1] @ V[0])
        net.outlet.copy_(torch.cat((U @ V[0], U @ V[1]), dim=1))
    biases = torch.cat((U @ s + u, W[0] @ s + b[0], W[1] @ s + b[1])).expand(3, -1)
    torch.testing.assert_close(net(x, biases), h @ U.T + u, rtol=1e-11, atol=1e-11)
