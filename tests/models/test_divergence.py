"""Trap 17: a live metric that is right. Densities sum to 1, KL(p, p) = 0, KL ≥ 0, JS ≤ 1 bit."""

import math

import pytest
import torch

from models.divergence import CELLS, REACH, covered, density, js, kl, nearest_mode


def some(seed: int, n: int = 500, spread: float = 0.6) -> torch.Tensor:
    return spread * torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("spread", [0.1, 0.6, 5.0, 1e9])
@pytest.mark.parametrize("pseudo", [0.0, 0.5])
def test_a_density_sums_to_one_wherever_the_points_are(spread: float, pseudo: float) -> None:
    p = density(some(1, spread=spread), pseudo=pseudo)
    assert len(p) == CELLS**2 + 1 and p.min() >= 0
    assert float(p.double().sum()) == pytest.approx(1, abs=1e-5)


def test_every_point_is_counted_in_its_own_cell() -> None:
    x = torch.tensor([[-1.19, -1.19], [1.19, -1.19], [-1.19, 1.19], [3.0, 0.0], [0.0, float("nan")]])
    p = density(x)
    assert p.nonzero()[:, 0].tolist() == [0, CELLS - 1, CELLS * (CELLS - 1), CELLS * CELLS]
    assert p[-1] == pytest.approx(0.4), "outside, or nowhere"
    assert density(torch.tensor([[REACH, REACH]]))[-1] == 1


def test_of_equals_it_is_nothing() -> None:
    p = density(some(1))
    assert kl(p, p) == 0 and js(p, p) == 0


@pytest.mark.parametrize("seed", range(10))
def test_it_is_never_negative_and_js_is_at_most_one_bit(seed: int) -> None:
    p, q = density(some(seed), pseudo=0.5), density(some(seed + 100, 300, 0.3), pseudo=0.5)
    assert kl(p, q) > 0 and kl(q, p) > 0
    assert 0 < js(p, q) <= 1
    assert js(p, q) == pytest.approx(js(q, p), abs=1e-9)


def test_strangers_are_one_bit_apart_and_infinitely_in_kl() -> None:
    p, q = density(torch.full((9, 2), -0.5)), density(torch.full((9, 2), 0.5))
    assert js(p, q) == 1 and kl(p, q) == math.inf
    assert js(p, density(torch.full((9, 2), 77.0))) == 1, "what is outside the grid is a place, too"


def test_known_divergences() -> None:
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.25, 0.5])
    assert kl(p, q) == pytest.approx(1)
    m = (p + q) / 2
    by_hand = sum(float((each * (each / m).log2()).nansum()) for each in (p, q)) / 2
    assert js(p, q) == pytest.approx(by_hand)


def test_modes_are_counted_by_what_is_near_them() -> None:
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    x = torch.cat([torch.zeros(60, 2), centres[1].repeat(37, 1), torch.tensor([[0.0, 0.98], [0.4, 0.4], [9.0, 9.0]])])
    mode, near = nearest_mode(x, centres, 0.02)
    assert mode[-3:].tolist() == [2, 0, 1] or mode[-3:-1].tolist() == [2, 0]
    assert near.tolist() == [True] * 98 + [False] * 2
    modes, share = covered(x, centres, 0.02)
    assert modes == 2, "one point of a hundred is less than a tenth of a third"
    assert share == pytest.approx(0.98)
