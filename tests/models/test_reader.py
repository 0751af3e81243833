"""The reader of captchas: its formulas by a loop, where its regions lie, and gradients down to the pixels."""

import pytest
import torch

from models.reader import COLUMNS, HEIGHT, ROWS, WIDTH, Reader, State, lightness, normal, places
from models.words import BEGIN

LETTERS = torch.tensor([[BEGIN, 5, 6, 7], [BEGIN, 9, 9, 4]])


@pytest.fixture(scope="module")
def network() -> Reader:
    torch.manual_seed(0)
    made = Reader(12, d_letter=5, d=7, d_a=6, channels=(4, 5, 6, 8))
    for name, parameter in made.named_parameters():
        if not name.startswith("cnn"):
            torch.nn.init.normal_(parameter, std=0.5)
    return made.eval().requires_grad_(False)


def test_the_formulas_by_a_loop(network: Reader) -> None:
    x = torch.rand(2, 3, 30, 50)
    a, lstm, score = network.regions(x), network.decoder, network.score
    assert a.shape == (2, ROWS * COLUMNS, 8 + ROWS + COLUMNS)
    logits = network(x, LETTERS)
    for b in range(2):
        h, m, c = torch.tanh(network.W_0(a[b].mean(0))), torch.zeros(7), torch.zeros(a.shape[2])
        for t, y in enumerate(LETTERS[b]):
            x_t = torch.cat([network.letter_embedding.weight[y], c])
            gates = lstm.weight_ih @ x_t + lstm.bias_ih + lstm.weight_hh @ h + lstm.bias_hh
            i, f, g, o = gates.split(7)
            m = torch.sigmoid(f) * m + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(m)
            e = torch.stack([score.v_a @ torch.tanh(h @ score.W_a + a_i @ score.U_a) for a_i in a[b]])
            alpha = e.exp() / e.exp().sum()
            c = sum(weight * a_i for weight, a_i in zip(alpha, a[b], strict=True))
            a_t = torch.tanh(network.W_c.weight @ torch.cat([c, h]) + network.W_c.bias)
            assert torch.allclose(logits[b, t], network.W_y.weight @ a_t + network.W_y.bias, atol=1e-5)


def test_the_weights_sum_to_one(network: Reader) -> None:
    a = network.regions(torch.rand(3, 3, HEIGHT, WIDTH))
    weights = network.glimpse(torch.randn(3, 7), a).weights
    assert weights.shape == (3, 1, ROWS * COLUMNS)
    assert torch.allclose(weights.sum(-1), torch.ones(3, 1))


def test_where_it_looked_decides_where_it_looks(network: Reader) -> None:
    a = network.regions(torch.rand(1, 3, HEIGHT, WIDTH))
    h, m, c = network.begin(a)
    looks = [
        network.glimpse(network.move(LETTERS[0, :1], State(h, m, glimpse))[0], a).weights for glimpse in (c, a[:, 95])
    ]
    assert not torch.allclose(*looks)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 23), (1, 20), (2, 2)])
def test_regions_are_counted_row_by_row(network: Reader, row: int, column: int) -> None:
    """Turn a patch of a picture over, which leaves its mean and its contrast: the region that lies there moves, none far away."""
    x = torch.rand(1, 3, HEIGHT, WIDTH)
    other = x.clone()
    patch = other[..., row * 8 : (row + 1) * 8, column * 4 : (column + 1) * 4]
    patch.copy_(patch.flip(2, 3))
    moved = (network.regions(other) - network.regions(x)).norm(dim=-1)[0].view(ROWS, COLUMNS)
    far = torch.cat([moved[:, : max(column - 6, 0)], moved[:, column + 7 :]], dim=1)
    assert moved[row, column] > 1e-3 and far.max() < 1e-5


def test_the_place_is_told_one_hot() -> None:
    p = places(torch.zeros(1, 8, 3, 4))
    assert p.shape == (12, 7) and (p.sum(1) == 2).all()
    assert p[6].nonzero().flatten().tolist() == [1, 3 + 2]


def test_light_and_contrast_are_taken_out() -> None:
    x = torch.rand(2, 3, 20, 30)
    light = normal(lightness(x))
    assert light.shape == (2, 20, 30)
    assert torch.allclose(light.mean((1, 2)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(light.std((1, 2)), torch.ones(2), atol=0.01)
    assert torch.allclose(normal(lightness(0.5 * x + 0.3)), light, atol=0.02)
    assert (normal(lightness(torch.full((1, 3, 4, 4), 0.7))).abs() < 1e-4).all()
    assert torch.allclose(lightness(torch.full((1, 3, 1, 1), 0.7)), torch.tensor(0.7))


def test_gradients_reach_the_pixels_and_leave_nothing_behind(network: Reader) -> None:
    x = torch.rand(2, 3, 24, 72, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x, LETTERS).square().mean(), x)
    assert gradient.isfinite().all() and (gradient.abs().sum((1, 2, 3)) > 0).all()
    assert all(p.grad is None for p in network.parameters())
