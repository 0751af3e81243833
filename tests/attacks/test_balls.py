"""Each ball against its definition: the steepest step, the nearest point inside, a start anywhere inside."""

import pytest
import torch
from torch import Tensor

from attacks.balls import BALLS, Ball

EPSILON = 0.3
TINY = 1e-6

every_ball = pytest.mark.parametrize("ball", BALLS.values(), ids=BALLS)


def lengths(ball: Ball, eta: Tensor) -> Tensor:
    """The norm that the ball is named after, of every picture."""
    flat = eta.flatten(1).double()
    return flat.abs().amax(1) if ball.name == "linf" else flat.pow(2).sum(1).sqrt()


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def points_inside(ball: Ball, count: int) -> Tensor:
    """Any perturbations inside the ball, corners and edges among them, made without the code under test."""
    raw = random(count, 1, 2, 3, seed=7)
    if ball.name == "linf":
        return torch.cat([EPSILON * raw.sign(), (EPSILON * raw).clamp(-EPSILON, EPSILON)])
    unit = raw / raw.flatten(1).norm(dim=1)[:, None, None, None]
    return torch.cat([EPSILON * unit, EPSILON * unit * torch.linspace(0, 1, count)[:, None, None, None]])


def inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)


@every_ball
def test_no_perturbation_of_the_ball_gains_more_than_the_steepest(ball: Ball) -> None:
    for seed in range(5):
        g = random(1, 1, 2, 3, seed=seed)
        best = ball.optimize_linear(g, EPSILON)
        assert lengths(ball, best).item() == pytest.approx(EPSILON, abs=TINY)
        assert (inner(points_inside(ball, 20000), g) <= inner(best, g) + TINY).all()


@every_ball
def test_the_steepest_gains_the_dual_norm(ball: Ball) -> None:
    g = random(4, 3, 5, 5)
    dual = g.flatten(1).abs().sum(1) if ball.name == "linf" else g.flatten(1).pow(2).sum(1).sqrt()
    assert torch.allclose(inner(ball.optimize_linear(g, EPSILON), g), EPSILON * dual, rtol=1e-5)


@every_ball
@pytest.mark.parametrize("scale", [1e-3, 1e-12, 1e-18, 1e-25, 1e-30, 1e12])
def test_the_steepest_depends_on_the_direction_of_the_gradient_alone(ball: Ball, scale: float) -> None:
    """A network that is sure of itself has gradients like these; the step must be as long as for any other."""
    g = random(2, 3, 4, 4)
    small = ball.optimize_linear(g * scale, EPSILON)
    assert (lengths(ball, small) <= EPSILON + TINY).all()
    assert torch.allclose(small, ball.optimize_linear(g, EPSILON), atol=1e-5)


@every_ball
def test_projecting_gives_the_nearest_point_inside(ball: Ball) -> None:
    inside = points_inside(ball, 20000)
    for seed in range(5):
        eta = random(1, 1, 2, 3, seed=seed)
        near = ball.project(eta, EPSILON)
        assert lengths(ball, near).item() <= EPSILON + TINY
        distances = (inside - eta).flatten(1).norm(dim=1)
        assert (distances >= (near - eta).norm() - TINY).all()


@every_ball
def test_projecting_twice_changes_nothing_more_and_the_inside_stays(ball: Ball) -> None:
    once = ball.project(random(6, 3, 4, 4), EPSILON)
    assert torch.allclose(ball.project(once, EPSILON), once, atol=1e-7)
    inside = ball.optimize_linear(random(6, 3, 4, 4), 0.99 * EPSILON)
    assert torch.equal(ball.project(inside, EPSILON), inside)


@every_ball
def test_each_picture_is_projected_on_its_own(ball: Ball) -> None:
    eta = random(3, 3, 4, 4) * torch.tensor([1e-3, 1.0, 100.0])[:, None, None, None]
    alone = [ball.project(one[None], EPSILON) for one in eta]
    assert torch.allclose(ball.project(eta, EPSILON), torch.cat(alone), atol=1e-7)


@every_ball
def test_a_random_start_is_inside_and_fills_the_ball(ball: Ball) -> None:
    like = torch.zeros(400, 1, 1, 2)
    start = ball.random_start(like, EPSILON, torch.Generator().manual_seed(0))
    assert start.shape == like.shape and (lengths(ball, start) <= EPSILON + TINY).all()
    # uniform in two dimensions: a ball of half the size holds a quarter, and no side is preferred
    assert 0.18 < (lengths(ball, start) < EPSILON / 2).float().mean() < 0.32
    assert start.mean((0, 1, 2)).abs().max() < 0.03
    again = ball.random_start(like, EPSILON, torch.Generator().manual_seed(0))
    assert torch.equal(start, again)
    assert not torch.equal(start, ball.random_start(like, EPSILON, torch.Generator().manual_seed(1)))


@every_ball
def test_a_zero_gradient_gives_a_zero_step(ball: Ball) -> None:
    g = random(3, 3, 4, 4)
    g[1] = 0
    step = ball.optimize_linear(g, EPSILON)
    assert step.isfinite().all() and (step[1] == 0).all() and (step[0] != 0).any() and (step[2] != 0).any()
    assert torch.equal(ball.project(torch.zeros(1, 1, 2, 2), EPSILON), torch.zeros(1, 1, 2, 2))


@every_ball
def test_a_ball_of_size_zero_holds_only_zero(ball: Ball) -> None:
    eta = random(2, 3, 4, 4)
    for result in (
        ball.optimize_linear(eta, 0.0),
        ball.project(eta, 0.0),
        ball.random_start(eta, 0.0, torch.Generator().manual_seed(0)),
    ):
        assert (result == 0).all()
