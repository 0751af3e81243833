"""The small network: its formula, its first weights, and that attacks find a gradient in it."""

import torch

from models.small import MLP


def test_it_is_the_formula() -> None:
    network, x = MLP(4, 3, (5,), seed=2), torch.rand(2, 1, 2, 2)
    W_1, b_1, W_2, b_2 = network.parameters()
    h = ((2 * x.reshape(2, 4) - 1) @ W_1.T + b_1).clamp_min(0)
    torch.testing.assert_close(network(x), h @ W_2.T + b_2)


def test_the_seed_alone_decides_the_first_weights() -> None:
    torch.manual_seed(1)
    one = MLP(4, 2, seed=7)
    torch.manual_seed(2)
    same, other = MLP(4, 2, seed=7), MLP(4, 2, seed=8)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_pixels_have_a_gradient() -> None:
    x = torch.rand(3, 1, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(MLP(64, 10)(x).sum(), x)
    assert gradient.flatten(1).norm(dim=1).min() > 0
