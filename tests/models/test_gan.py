"""The two networks and their losses: held against the formula, and where the formula's answer is known."""

import math

import pytest
import torch
import torch.nn.functional as F

from models import gan
from models.gan import critic_loss, generator_loss, gradient_penalty, judge_loss, value

SHAPES = {"points": (2,), "small_digits": (1, 8, 8), "digits": (1, 28, 28), "drums": (1, 32, 32)}


@pytest.mark.parametrize("size", list(gan.SIZES))
def test_what_is_made_has_the_shape_of_what_is_real_and_is_judged(size: str) -> None:
    network = gan.SIZES[size](1).eval()
    with torch.no_grad():
        made = network.make(network.draw_noise(3, torch.Generator().manual_seed(1)))
        assert made.shape == (3, *SHAPES[size])
        assert network.logits(made).shape == (3,)
    if size != "points":
        assert made.min() >= 0 and made.max() <= 1


@pytest.mark.parametrize("size", list(gan.SIZES))
def test_the_judge_looks_at_each_example_alone(size: str) -> None:
    """No statistics of the batch: an all-made batch would otherwise be told from an all-real one by them."""
    network = gan.SIZES[size](1).train()
    x = torch.rand(4, *SHAPES[size])
    with torch.no_grad():
        torch.testing.assert_close(network.logits(x), torch.cat([network.logits(each[None]) for each in x]))


def test_the_seed_alone_decides_the_first_weights() -> None:
    torch.manual_seed(1)
    one = gan.small_digits(7)
    torch.manual_seed(2)
    same, other = gan.small_digits(7), gan.small_digits(8)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_noise_fills_the_square() -> None:
    z = gan.points(0).draw_noise(2000, torch.Generator().manual_seed(1))
    assert z.shape == (2000, 2) and z.abs().max() <= 1
    assert z.min() < -0.98 and z.max() > 0.98 and abs(float(z.mean())) < 0.05


def test_the_value_is_the_formula_of_the_paper() -> None:
    real, fake = torch.tensor([0.3, -2.0, 5.0]), torch.tensor([-1.0, 0.5])
    D = torch.sigmoid
    torch.testing.assert_close(value(real, fake), D(real).log().mean() + (1 - D(fake)).log().mean())
    assert float(value(torch.zeros(4), torch.zeros(4))) == pytest.approx(-2 * math.log(2))


def test_a_sure_judge_has_finite_losses() -> None:
    sure = torch.full((2,), 200.0)
    assert float(value(sure, -sure)) == 0
    assert float(value(-sure, sure)) == pytest.approx(-400)


def test_the_judge_without_smoothing_makes_minus_the_value_small() -> None:
    real, fake = torch.randn(5), torch.randn(5)
    torch.testing.assert_close(judge_loss(real, fake), -value(real, fake))


def test_smoothing_is_cross_entropy_with_a_label_below_one_for_the_real_only() -> None:
    real, fake = torch.randn(5), torch.randn(5)
    expected = F.binary_cross_entropy_with_logits(real, torch.full((5,), 0.9)) + F.binary_cross_entropy_with_logits(
        fake, torch.zeros(5)
    )
    torch.testing.assert_close(judge_loss(real, fake, 0.1), expected)
    logit = torch.linspace(-6, 6, 2401)
    best = logit[torch.stack([judge_loss(each[None], torch.zeros(1), 0.1) for each in logit]).argmin()]
    assert float(best.sigmoid()) == pytest.approx(0.9, abs=1e-3), "sure to 0.9, not to 1"


def test_a_sure_judge_leaves_no_gradient_in_the_saturating_loss_alone() -> None:
    slopes = {}
    for saturating in (True, False):
        fake = torch.tensor([-10.0], requires_grad=True)
        (slope,) = torch.autograd.grad(generator_loss(fake, saturating), fake)
        slopes[saturating] = float(slope)
    assert -1e-4 < slopes[True] < 0
    assert slopes[False] == pytest.approx(-1, abs=1e-4)


def test_a_critic_of_slope_one_pays_nothing_and_others_what_the_formula_says() -> None:
    real, fake, share = torch.randn(6, 2), torch.randn(6, 2), torch.rand(6)
    for slope, fine in ((1.0, 0.0), (3.0, 10.0 * 4)):
        direction = torch.tensor([0.6, 0.8]) * slope
        assert float(gradient_penalty(lambda x, d=direction: x @ d, real, fake, share)) == pytest.approx(fine, abs=1e-4)
    assert float(critic_loss(torch.tensor([2.0, 4.0]), torch.tensor([1.0]))) == -2


def test_the_penalty_is_taken_between_the_two() -> None:
    seen = []

    def judge(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.sum(1)

    real, fake = torch.zeros(3, 2), torch.ones(3, 2)
    gradient_penalty(judge, real, fake, torch.tensor([0.0, 0.25, 1.0]))
    torch.testing.assert_close(seen[0], torch.tensor([[1.0, 1.0], [0.75, 0.75], [0.0, 0.0]]))
