"""FGSM and PGD against numbers computed by hand, and the gradient against finite differences."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.balls import BALLS, L2, LINF
from attacks.classification import attack, cross_entropy, fooled
from attacks.gradient import fgsm, gradient, pgd
from attacks.perturbation import Perturbation, to_8bit
from tests.attacks.small import LINEAR, MEET, Linear, Small, X, picture, small_pictures

ZERO, ONE, TWO = torch.tensor([0]), torch.tensor([1]), torch.tensor([2])


def test_the_loss_is_minus_log_p() -> None:
    z = (281.5 / 255, 250 / 255, -960 / 255)
    total = sum(map(math.exp, z))
    for y in range(3):
        J, _ = gradient(cross_entropy(LINEAR, torch.tensor([y])), X)
        assert J.item() == pytest.approx(-math.log(math.exp(z[y]) / total), rel=1e-6)


def test_the_gradient_is_the_weights_weighted_by_the_probabilities() -> None:
    z = (281.5 / 255, 250 / 255, -960 / 255)
    p = [math.exp(value) / sum(map(math.exp, z)) for value in z]
    _, grad = gradient(cross_entropy(LINEAR, ZERO), X)
    assert grad.flatten().tolist() == pytest.approx([2 * p[1] - 5 * p[2], -3 * p[1] - 3 * p[2]], rel=1e-5)


@pytest.mark.parametrize(
    ("y", "targeted", "expected"),
    [(0, False, (103, 47)), (1, True, (103, 47)), (2, True, (97, 47)), (2, False, (103, 53)), (0, True, (97, 53))],
)
@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_trap_14_every_sign_by_hand(method: str, y: int, targeted: bool, expected: tuple[int, int]) -> None:
    more = {"steps": 3, "step_size": 1 / 255} if method == "pgd" else {}
    done = attack(LINEAR, X, torch.tensor([y]), 3 / 255, method=method, targeted=targeted, **more)
    assert (done.exact * 255).flatten().tolist() == pytest.approx(expected, abs=1e-4)
    assert (done.adversarial * 255).flatten().tolist() == pytest.approx(expected, abs=1e-4)


def test_fgsm_in_l2_goes_along_the_gradient() -> None:
    model = Linear([[0.0, 0.0], [3.0, -4.0]], [0.0, 0.0])  # ∇J_0 = p_1 (3, −4), of length 5 p_1
    done = fgsm(cross_entropy(model, ZERO), X, 10 / 255, ball=L2)
    assert (done.exact * 255).flatten().tolist() == pytest.approx((106, 42), abs=1e-4)
    assert done.l2.item() * 255 == pytest.approx(10, abs=1e-4) and done.norm == "l2"
    back = fgsm(cross_entropy(model, ONE), X, 10 / 255, ball=L2, targeted=True)
    assert (back.exact * 255).flatten().tolist() == pytest.approx((106, 42), abs=1e-4)


def test_pgd_stops_at_the_edge_of_the_ball_where_fgsm_ends() -> None:
    loss = cross_entropy(LINEAR, ZERO)
    one = fgsm(loss, X, 5 / 255).exact
    assert torch.allclose(pgd(loss, X, 5 / 255, steps=4, step_size=2 / 255).exact, one, atol=1e-7)
    short = pgd(loss, X, 5 / 255, steps=2, step_size=2 / 255).exact
    assert (short * 255).flatten().tolist() == pytest.approx((104, 46), abs=1e-4)


def test_pgd_follows_the_gradient_where_it_turns() -> None:
    """Uphill on −(x − 0.5)², whose top is at 0.5."""

    def loss(x: Tensor) -> Tensor:
        return -(x - 0.5).pow(2).flatten(1).sum(1)

    done = pgd(loss, picture(0.44, 0.9), 0.1, steps=5, step_size=0.04)
    # 0.44 → 0.48 → 0.52 → 0.48 → 0.52 → 0.48, and 0.9 → 0.86 → 0.82 → 0.80 (the ball) and no further
    assert done.exact.flatten().tolist() == pytest.approx((0.48, 0.8), abs=1e-6)
    assert [round(J.item(), 4) for J in done.history[:3]] == [-0.1636, -0.13, -0.1028]


@pytest.mark.parametrize(("method", "steps"), [("fgsm", 1), ("pgd", 7)])
def test_the_history_is_the_loss_before_every_step(method: str, steps: int) -> None:
    model, x = Small(), small_pictures(4)
    y = model(x).argmax(1)
    more = {"steps": 7, "step_size": 1 / 255} if method == "pgd" else {}
    model.seen.clear()
    history = attack(model, x, y, 4 / 255, method=method, **more).history
    losses = [F.cross_entropy(model(asked), y, reduction="none") for asked in model.seen[:steps]]
    assert len(history) == steps and torch.allclose(torch.stack(history), torch.stack(losses), atol=1e-5)


@pytest.mark.parametrize(("steps", "hit"), [(6, False), (7, True)])
def test_it_flips_at_the_step_computed_by_hand(steps: int, hit: bool) -> None:
    assert 6 / 255 < MEET < 7 / 255
    done = attack(LINEAR, X, ZERO, steps / 255)
    assert fooled(LINEAR, done, ZERO).item() is hit


class Smooth(nn.Module):
    """A network of doubles without corners."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(1)
        self.first = torch.randn(6, 3, 2, 2, generator=random, dtype=torch.float64)
        self.second = torch.randn(4, 6 * 9, generator=random, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.first).tanh().flatten(1) @ self.second.T


@pytest.mark.parametrize("y", [0, 3])
def test_the_gradient_agrees_with_finite_differences(y: int) -> None:
    model, labels, h = Smooth(), torch.tensor([y, 3 - y]), 1e-6
    x = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    J, grad = gradient(cross_entropy(model, labels), x)

    def loss(asked: Tensor) -> Tensor:
        return F.cross_entropy(model(asked), labels, reduction="none")

    assert grad.dtype == torch.float64 and torch.allclose(J.double(), loss(x), rtol=1e-6)
    for place in range(48):
        bump = torch.zeros(48, dtype=torch.float64)
        bump[place] = h
        difference = (loss(x + bump.view(1, 3, 4, 4)) - loss(x - bump.view(1, 3, 4, 4))) / (2 * h)
        assert torch.allclose(grad.flatten(1)[:, place], difference, atol=1e-8)


@pytest.mark.parametrize("ball", ["linf", "l2"])
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_trap_16_a_batch_of_sixteen_is_sixteen_single_attacks(method: str, targeted: bool, ball: str) -> None:
    model, x = Small(), small_pictures(16)
    y = (model(x).argmax(1) + targeted) % 5
    epsilon = {"linf": 4 / 255, "l2": 0.3}[ball]
    more = {"steps": 5, "step_size": epsilon / 3} if method == "pgd" else {}
    options = {"method": method, "targeted": targeted, "ball": BALLS[ball], **more}
    together = attack(model, x, y, epsilon, **options)
    alone = [attack(model, x[k : k + 1], y[k : k + 1], epsilon, **options) for k in range(16)]
    assert torch.allclose(together.exact, torch.cat([one.exact for one in alone]), atol=1e-6)
    history = torch.cat([torch.stack(one.history) for one in alone], dim=1)
    assert torch.allclose(torch.stack(together.history), history, atol=1e-5)


def test_trap_16_the_gradient_of_a_picture_knows_nothing_of_its_neighbours() -> None:
    model, x = Small(), small_pictures(16)
    y = model(x).argmax(1)
    _, together = gradient(cross_entropy(model, y), x)
    alone = [gradient(cross_entropy(model, y[k : k + 1]), x[k : k + 1])[1] for k in range(16)]
    assert torch.allclose(together, torch.cat(alone), rtol=1e-4, atol=1e-8)


# ---------------------------------------------------------------- what is said of a perturbation


def perturbed(*values: float) -> Perturbation:
    return Perturbation(picture(0.0, 100 / 255, 1.0, 0.2), picture(*values), 5 / 255, "linf", ())


def test_the_numbers_of_a_perturbation_by_hand() -> None:
    done = perturbed(3 / 255, 96 / 255, 1.0, 0.2)
    assert (done.eta * 255).flatten().tolist() == pytest.approx((3, -4, 0, 0), abs=1e-4)
    assert done.linf.item() * 255 == pytest.approx(4, abs=1e-4) and done.l2.item() * 255 == pytest.approx(5, abs=1e-4)
    assert done.psnr.item() == pytest.approx(10 * math.log10(4 * 255**2 / 25), abs=1e-3)


def test_nothing_changed_is_infinite_psnr_and_ssim_one() -> None:
    x = small_pictures(2)
    done = Perturbation(x, x, 0.0, "linf", ())
    assert done.psnr.tolist() == [math.inf, math.inf] and done.ssim.tolist() == pytest.approx([1, 1])
    noisy = Perturbation(x, (x + 0.2 * torch.randn(x.shape, generator=torch.manual_seed(0))).clamp(0, 1), 1.0, "l2", ())
    assert (noisy.ssim < 0.97).all() and (noisy.psnr < 25).all()


def test_rounding_goes_to_the_nearest_step_and_leaves_steps_alone() -> None:
    assert (to_8bit(picture(0.4 / 255, 0.6 / 255, 99.6 / 255, 1.0)) * 255).flatten().tolist() == pytest.approx(
        (0, 1, 100, 255)
    )
    grid = torch.arange(256)[None, None, None] / 255
    assert torch.equal(to_8bit(grid), grid) and torch.equal(to_8bit(to_8bit(grid + 1e-4)), to_8bit(grid + 1e-4))


def test_an_unknown_method_is_refused_with_the_names() -> None:
    with pytest.raises(ValueError, match=r"no attack called 'cw'.*fgsm, pgd"):
        attack(LINEAR, X, ZERO, 1 / 255, method="cw")


def test_the_balls_are_called_by_their_names() -> None:
    assert {name: ball.name for name, ball in BALLS.items()} == {"linf": "linf", "l2": "l2"}
    assert BALLS["linf"] is LINF and BALLS["l2"] is L2
