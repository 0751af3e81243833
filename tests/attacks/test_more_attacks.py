"""Attacks beyond FGSM and PGD, against what can be computed by hand, and what may never be broken."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from attacks import defences
from attacks.apgd import apgd, checkpoints
from attacks.balls import BALLS, L2, LINF
from attacks.classification import attack, cross_entropy, logits_of, margin, margins
from attacks.decision import hop_skip_jump
from attacks.gradient import Step, fgsm, noise, pgd
from attacks.nearest import carlini_wagner, deepfool, smallest_epsilon
from attacks.perturbation import to_8bit
from attacks.shared import patch, universal
from tests.attacks.small import LINEAR, MEET, Constant, Small, X, picture, small_pictures

ZERO, ONE = torch.tensor([0]), torch.tensor([1])
NEAREST = (
    5 * MEET / math.sqrt(13)
)  # of the boundary between classes 0 and 1 of LINEAR: 31.5/255 over the length of (2, −3)


def hills(x: Tensor) -> Tensor:
    """A low hill at 0.4 and a high one at 0.8 in every pixel; from below only the low one is found."""
    return (torch.exp(-((x - 0.4) ** 2) / 0.005) + 2 * torch.exp(-((x - 0.8) ** 2) / 0.005)).flatten(1).sum(1)


def test_restarts_keep_the_highest_run_of_each_picture() -> None:
    x = picture(0.35).repeat(3, 1, 1, 1)
    one = pgd(hills, x, 0.6, steps=40, step_size=0.01)
    many = pgd(hills, x, 0.6, steps=40, step_size=0.01, restarts=8, seed=0)
    assert one.exact.flatten().tolist() == pytest.approx([0.4] * 3, abs=0.011)
    assert many.exact.flatten().tolist() == pytest.approx([0.8] * 3, abs=0.011)


def test_momentum_is_dongs_rule() -> None:
    """By hand: the gradient of −(x − 0.5)² changes its sign at 0.5; with μ = 1 the step does so later, when the sum does."""

    def loss(x: Tensor) -> Tensor:
        return -(x - 0.5).pow(2).flatten(1).sum(1)

    done = pgd(loss, picture(0.35), 0.3, steps=5, step_size=0.1, momentum=1.0)
    # g/‖g‖₁ of one pixel is ±1: 0.35 → 0.45 (1) → 0.55 (2) → 0.65 (1) → stays (0: sign(0) = 0) → 0.55 (−1)
    assert done.exact.item() == pytest.approx(0.55, abs=1e-6)


def test_every_step_is_told_and_a_watcher_may_stop() -> None:
    seen: list[Step] = []
    model, x = Small(), small_pictures(3)
    loss = cross_entropy(model, model(x).argmax(1))
    done = pgd(loss, x, 4 / 255, steps=5, step_size=1 / 255, watch=seen.append)
    assert [step.t for step in seen] == [0, 1, 2, 3, 4] and torch.equal(seen[-1].x, done.exact)
    assert all((step.x - x).abs().max() <= 4 / 255 + 1e-6 for step in seen)
    assert torch.equal(torch.stack([step.J for step in seen]), torch.stack(done.history))
    assert (seen[0].length > 0).all()
    blind: list[Step] = []
    pgd(cross_entropy(Constant(), ONE), X, 1 / 255, steps=1, step_size=1 / 255, watch=blind.append)
    assert blind[0].length.item() == 0

    def stop(step: Step) -> None:
        if step.t == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        pgd(loss, x, 4 / 255, steps=5, step_size=1 / 255, watch=stop)


def test_the_checkpoints_are_those_of_the_paper() -> None:
    assert checkpoints(100)[:4] == [22, 41, 57, 70]


@pytest.mark.parametrize("ball", BALLS.values(), ids=BALLS)
def test_apgd_ends_at_the_corner_that_a_flat_loss_has(ball: object) -> None:
    loss = cross_entropy(LINEAR, ZERO)
    found = apgd(loss, X, 5 / 255, steps=10, ball=ball)
    assert torch.allclose(found.exact, pgd(loss, X, 5 / 255, steps=20, step_size=2 / 255, ball=ball).exact, atol=1e-4)
    back = apgd(cross_entropy(LINEAR, ONE), X, 5 / 255, steps=10, ball=LINF, targeted=True)
    assert torch.allclose(back.exact, fgsm(loss, X, 5 / 255).exact, atol=1e-6)


def test_apgd_halves_its_steps_where_a_fixed_step_jumps_to_and_fro() -> None:
    def loss(x: Tensor) -> Tensor:
        return -(x - 0.5).pow(2).flatten(1).sum(1)

    fixed = pgd(loss, picture(0.3), 0.3, steps=60, step_size=0.08).exact.item()
    found = apgd(loss, picture(0.3), 0.3, steps=60).exact.item()
    assert abs(found - 0.5) < 1e-3 < abs(fixed - 0.5)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("ball", BALLS.values(), ids=BALLS)
def test_apgd_stays_in_the_ball_and_returns_the_best_point(ball: object, targeted: bool) -> None:
    model, x = Small(), small_pictures(6)
    loss = cross_entropy(model, model(x).argmax(1))
    epsilon = 8 / 255 if ball is LINF else 0.5
    points: list[Tensor] = [x]
    done = apgd(loss, x, epsilon, steps=25, ball=ball, targeted=targeted, seed=1, watch=lambda s: points.append(s.x))
    for point in [*points, done.exact]:
        eta = (point - x).flatten(1)
        assert (eta.norm(p=math.inf if ball is LINF else 2, dim=1) <= epsilon + 1e-6).all()
        assert point.min() >= 0 and point.max() <= 1
    losses = torch.stack([loss(point) for point in points[1:]])
    best = losses.amin(0) if targeted else losses.amax(0)
    assert torch.allclose(loss(done.exact), best, atol=1e-5)


@pytest.mark.parametrize(("norm", "distance"), [("l2", NEAREST), ("linf", MEET)])
def test_deepfool_goes_straight_to_the_boundary_of_a_linear_network(norm: str, distance: float) -> None:
    done = deepfool(margins(LINEAR, ZERO), X, norm=norm)
    assert LINEAR(done.exact).argmax().item() == 1
    assert done.epsilon == pytest.approx(1.02 * distance, rel=1e-3) and done.norm == norm
    assert len(done.history) == 2 and done.history[0].item() == pytest.approx(5 * MEET, rel=1e-5)


def test_deepfool_fools_each_picture_as_it_would_alone() -> None:
    model, x = Small(), small_pictures(6)
    y = model(x).argmax(1)
    together = deepfool(margins(model, y), x).exact
    assert (model(together).argmax(1) != y).all()
    for i in range(6):
        alone = deepfool(margins(model, y[i : i + 1]), x[i : i + 1]).exact
        assert torch.allclose(together[i : i + 1], alone, atol=1e-4)


def test_carlini_and_wagner_find_the_nearest_point() -> None:
    done = carlini_wagner(margin(LINEAR, ZERO), X, steps=120, searches=6)
    assert LINEAR(done.exact).argmax().item() == 1 and done.norm == "l2"
    assert NEAREST <= done.epsilon < 1.05 * NEAREST
    target = carlini_wagner(margin(LINEAR, ONE, targeted=True), X, steps=120, searches=6)
    assert LINEAR(target.exact).argmax().item() == 1 and target.epsilon < 1.05 * NEAREST
    sure = carlini_wagner(margin(LINEAR, ZERO), X, steps=120, searches=6, confidence=0.05)
    z = LINEAR(sure.exact)[0]
    assert z[1] - z[0] >= 0.05 - 1e-5 and sure.epsilon > done.epsilon


def test_what_nothing_fools_comes_back_as_it_was() -> None:
    done = carlini_wagner(margin(Constant(), ONE), X, steps=5, searches=2)
    assert torch.equal(done.exact, X) and done.epsilon == 0


def test_the_smallest_epsilon_is_found_by_bisection() -> None:
    def try_(epsilon: float):
        return attack(LINEAR, X, ZERO, epsilon)

    def fools(x: Tensor) -> Tensor:
        return LINEAR(x).argmax(1) != 0

    found = smallest_epsilon(try_, fools, finest=0.25 / 255)
    assert found is not None and MEET < found.epsilon < MEET + 1 / 255
    assert bool(fools(found.adversarial)) and not bool(fools(try_(found.epsilon - 0.5 / 255).adversarial))
    assert smallest_epsilon(try_, fools, most=5 / 255) is None


def test_hop_skip_jump_needs_only_answers_and_comes_near() -> None:
    asked = []

    def fools(x: Tensor) -> Tensor:
        asked.append(len(x))
        assert not x.requires_grad
        return LINEAR(x).argmax(1) != 0

    done = hop_skip_jump(fools, X, start=picture(1.0, 0.0), steps=25, asked=60, seed=1)
    assert bool(fools(done.exact)) and NEAREST <= done.epsilon < 1.1 * NEAREST
    distances = [float(each) for each in done.history]
    assert distances[-1] < 0.8 * distances[0]
    with pytest.raises(ValueError, match="nothing to begin with"):
        hop_skip_jump(lambda x: torch.zeros(len(x), dtype=torch.bool), X)


def test_a_universal_perturbation_is_one_for_all() -> None:
    model, x = Small(), (0.3 + 0.4 * small_pictures(20))
    y = model(x).argmax(1)

    def loss_of(rows: Tensor):
        return cross_entropy(model, y[rows])

    done = universal(loss_of, x, 16 / 255, epochs=8, step_size=4 / 255)
    eta = done.exact - x
    assert torch.allclose(eta, eta[:1].expand_as(eta), atol=1e-6), "nothing is clipped here"
    assert eta.abs().max() <= 16 / 255 + 1e-6
    loss, random = cross_entropy(model, y), noise(x, 16 / 255)
    assert loss(done.exact).mean() > loss(random.exact).mean() > 0
    back = universal(loss_of, x, 16 / 255, epochs=8, step_size=4 / 255, targeted=True)
    assert loss(back.exact).mean() < loss(x).mean()


def test_a_patch_changes_its_place_alone() -> None:
    model, x = Small(), small_pictures(3)
    y, place = model(x).argmax(1), torch.zeros(8, 8, dtype=torch.bool)
    place[2:5, 3:6] = True
    loss = cross_entropy(model, y)
    done = patch(loss, x, place, steps=40, step_size=0.05)
    assert torch.equal(done.exact[..., ~place], x[..., ~place])
    assert done.exact.min() >= 0 and done.exact.max() <= 1
    assert (loss(done.exact) > loss(x)).all()
    with pytest.raises(ValueError, match="no place"):
        patch(loss, x, torch.zeros(8, 8, dtype=torch.bool), steps=1, step_size=0.1)


@pytest.mark.parametrize("ball", BALLS.values(), ids=BALLS)
def test_noise_is_as_large_as_the_budget_and_the_same_again(ball: object) -> None:
    x = torch.full((2, 3, 8, 8), 0.5)
    done = noise(x, 0.1, ball=ball, seed=3)
    size = (done.exact - x).flatten(1).norm(p=math.inf if ball is LINF else 2, dim=1)
    assert size.tolist() == pytest.approx([0.1, 0.1], rel=1e-4)
    assert torch.equal(done.exact, noise(x, 0.1, ball=ball, seed=3).exact)
    assert not torch.equal(done.exact, noise(x, 0.1, ball=ball, seed=4).exact)
    if ball is L2:
        assert done.norm == "l2"


ALL = {
    "jpeg": defences.jpeg,
    "bits": defences.bit_depth,
    "blur": defences.blur,
    "resize": defences.resize,
}


def photo() -> Tensor:
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(20.0), indexing="ij")
    smooth = torch.stack([torch.sin(x / 5) / 2 + 0.5, torch.cos(y / 7) / 2 + 0.5, (x * y) / 500])
    return to_8bit(smooth[None])


@pytest.mark.parametrize("name", ALL)
def test_a_defence_gives_pictures_and_lets_the_gradient_through(name: str) -> None:
    x = photo().requires_grad_()
    done = ALL[name](x)
    assert done.shape == x.shape and done.min() >= -1e-6 and done.max() <= 1 + 1e-6
    assert not torch.equal(done, x)
    (gradient,) = torch.autograd.grad((done * torch.randn(done.shape)).sum(), x)
    assert (gradient != 0).float().mean() > 0.9


def test_jpeg_is_pillows() -> None:
    memory = io.BytesIO()
    Image.fromarray((photo()[0].permute(1, 2, 0) * 255).round().byte().numpy()).save(memory, "JPEG", quality=40)
    expected = torch.from_numpy(np.array(Image.open(memory))).permute(2, 0, 1)[None] / 255
    assert torch.allclose(defences.jpeg(photo(), 40), expected)
    with pytest.raises(ValueError, match="1 to 95"):
        defences.jpeg(photo(), 0)


def test_bits_blur_and_size_by_hand() -> None:
    assert defences.bit_depth(picture(0.4, 0.6), 1).flatten().tolist() == [0, 1]
    flat = torch.full((1, 3, 9, 9), 0.3)
    for name in ("blur", "resize"):
        assert torch.allclose(ALL[name](flat), flat, atol=1e-6)
    dot = torch.zeros(1, 1, 9, 9)
    dot[..., 4, 4] = 1
    row = defences.blur(dot, 1.0)[0, 0, 4]
    assert row[5] / row[4] == pytest.approx(math.exp(-0.5), rel=1e-5)
    assert torch.equal(defences.blur(flat, 0), flat)


def test_an_attack_through_a_defence_survives_it() -> None:
    """A network that is asked about four bits: without knowing it a small step is rounded away."""
    model, epsilon = LINEAR, 12 / 255

    def defended(x: Tensor) -> Tensor:
        return model(defences.bit_depth(x, 4))

    x = picture(102 / 255, 51 / 255)
    y = defended(x).argmax(1)
    loss = defences.through(cross_entropy(model, y), lambda pixels: defences.bit_depth(pixels, 4))
    assert torch.allclose(loss(x), cross_entropy(defended, y)(x))
    done = pgd(loss, x, epsilon, steps=10, step_size=epsilon / 4)
    assert logits_of(defended)(done.exact).argmax(1).item() != y.item()


def test_the_expectation_is_the_mean_and_chance_moves_the_picture() -> None:
    def loss(x: Tensor) -> Tensor:
        return x.flatten(1).sum(1)

    twice = defences.expected(loss, [lambda x: x, lambda x: 3 * x])
    assert twice(picture(0.1, 0.2)).item() == pytest.approx(0.6)
    generator, x = torch.Generator().manual_seed(0), photo()
    moved = [defence(x) for defence in defences.by_chance(generator, 6)]
    assert len({tuple(each.flatten().tolist()) for each in moved}) > 3
    assert all(each.shape == x.shape for each in moved)
