"""The epsilon axis: by hand on a linear network, against single attacks on the real one."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from attacks.axis import (
    COARSE,
    FINE,
    Axis,
    LogitView,
    along,
    ask,
    close_up,
    first_real_epsilon,
    gradient_axis,
    linear_until,
    logit_view,
    logit_weights,
    noise_answers,
    noise_axis,
    refine,
)
from attacks.classification import cross_entropy
from attacks.gradient import fgsm
from models.classifier import Classifier
from tests.attacks.small import LINEAR, Constant, Linear, Small, X, picture, small_pictures


@pytest.fixture(scope="module")
def by_hand() -> Axis:
    """At step n: x = (100 + n, 50 − n), z = (281.5 − n, 250 + 4 n, −960 − 3 n), all in 255ths."""
    return gradient_axis(LINEAR, X, 0)


@pytest.fixture(scope="module")
def cat(photographs: Tensor) -> Tensor:
    return photographs[1:2]


@pytest.fixture(scope="module")
def fine(lite0: Classifier, cat: Tensor) -> Axis:
    return gradient_axis(lite0, cat)


def made(logits: list[list[float]], y: int, target: int | None = None) -> Axis:
    """An axis with these answers, from nowhere."""
    x = torch.zeros(1, 1, 1, 2)
    return Axis(x, x, tuple(range(len(logits))), torch.tensor(logits), y, target, x)


# ---------------------------------------------------------------- the linear network, by hand


def test_the_logits_and_answers_of_every_step(by_hand: Axis) -> None:
    expected = torch.tensor([[281.5 - n, 250 + 4 * n, -960 - 3 * n] for n in FINE]) / 255
    assert by_hand.steps == FINE == tuple(range(33))
    assert by_hand.d.flatten().tolist() == [1, -1]
    assert torch.allclose(by_hand.logits, expected, atol=1e-5)
    assert torch.allclose(by_hand.probabilities, expected.softmax(1), atol=1e-6)
    assert by_hand.answers == [0] * 7 + [1] * 26
    assert by_hand.fooled == [False] * 7 + [True] * 26
    assert by_hand.first_fooled == 7 and by_hand.clean_right


def test_the_loss_and_its_linear_prediction(by_hand: Axis) -> None:
    def loss(n: int) -> float:
        z = ((281.5 - n) / 255, (250 + 4 * n) / 255, (-960 - 3 * n) / 255)
        return math.log(sum(map(math.exp, z))) - z[0]

    assert by_hand.loss.tolist() == pytest.approx([loss(n) for n in FINE], abs=1e-6)
    _, p1, p2 = by_hand.probabilities[0].tolist()
    slope = (2 * p1 - 5 * p2) + (3 * p1 + 3 * p2)  # ‖∇J‖₁
    assert by_hand.linear_loss.tolist() == pytest.approx([loss(0) + n / 255 * slope for n in FINE], abs=1e-6)


def test_a_targeted_axis_lowers_the_loss_of_its_target() -> None:
    axis = gradient_axis(LINEAR, X, 0, target=2, steps=COARSE)
    assert axis.d.flatten().tolist() == [-1, -1] and axis.target == 2 and axis.y == 0
    z = torch.tensor([[281.5 - 3 * n, 250 - 2 * n, -960 + 5 * n] for n in COARSE]) / 255
    assert torch.allclose(axis.logits, z, atol=1e-5)
    assert torch.allclose(axis.loss, z.logsumexp(1) - z[:, 2], atol=1e-5) and (axis.loss.diff() < 0).all()
    p0, p1, _ = axis.probabilities[0].tolist()
    slope = -(5 * p0 + 7 * p1) - 3 * p0  # −‖∇J_2‖₁
    assert (axis.linear_loss - axis.loss[0]).tolist() == pytest.approx([n / 255 * slope for n in COARSE], abs=1e-5)


@pytest.mark.parametrize(("steps", "width"), [(FINE, 1), (COARSE, 4)])
def test_the_first_real_epsilon_is_where_the_two_classes_meet(steps: tuple[int, ...], width: int) -> None:
    epsilon = first_real_epsilon(LINEAR, gradient_axis(LINEAR, X, 0, steps=steps))
    assert epsilon is not None
    assert 6.3 - 1e-4 <= epsilon * 255 <= 6.3 + width * 2**-8 + 1e-4
    finer = first_real_epsilon(LINEAR, gradient_axis(LINEAR, X, 0), halvings=12)
    assert finer is not None and finer * 255 == pytest.approx(6.3, abs=2**-12 + 1e-4)


def test_the_first_real_epsilon_towards_a_target() -> None:
    axis = gradient_axis(LINEAR, X, 0, target=1)
    epsilon = first_real_epsilon(LINEAR, axis)
    assert axis.first_fooled == 7 and epsilon is not None and epsilon * 255 == pytest.approx(6.3, abs=2**-8 + 1e-4)


def test_without_a_fooling_step_there_is_no_first_epsilon() -> None:
    for axis in (gradient_axis(LINEAR, X, 0, steps=(0, 1, 6)), gradient_axis(LINEAR, X, 0, target=0)):
        assert axis.first_fooled is None and first_real_epsilon(LINEAR, axis) is None


@pytest.mark.parametrize("n", [1, 7, 32])
@pytest.mark.parametrize(("k", "gain", "most"), [(0, -1, 3), (1, 4, 4), (2, -3, 5)])
def test_the_logit_of_a_linear_network_moves_by_w_eta(by_hand: Axis, n: int, k: int, gain: int, most: int) -> None:
    view = logit_view(logit_weights(LINEAR, by_hand, k), by_hand, n)
    assert view.k == k and view.clean == pytest.approx((281.5, 250, -960)[k] / 255, abs=1e-5)
    assert view.w_eta == pytest.approx(gain * n / 255, abs=1e-6)
    assert view.bound == pytest.approx(most * n / 255, abs=1e-6)
    assert view.predicted == pytest.approx(view.clean + gain * n / 255, abs=1e-6)
    assert view.attacked == pytest.approx(view.predicted, abs=1e-5)


def test_the_weights_of_a_logit_are_its_gradient_and_cost_one_backward_pass(by_hand: Axis) -> None:
    weights = logit_weights(LINEAR, by_hand, 2)
    assert (
        weights.k == 2 and weights.w.flatten().tolist() == [-4, -1] and weights.z == pytest.approx(-960 / 255, abs=1e-5)
    )
    model, x = Small(), small_pictures(1)
    axis = gradient_axis(model, x, 0, steps=COARSE)
    model.seen.clear()
    one = logit_weights(model, axis, 3)
    for n in COARSE:
        logit_view(one, axis, n)
    assert [len(pictures) for pictures in model.seen] == [1] and not one.w.requires_grad


def test_w_eta_is_that_of_the_clipped_picture() -> None:
    axis = gradient_axis(LINEAR, picture(253 / 255, 3 / 255), 0)
    assert axis.d.flatten().tolist() == [1, -1]
    view = logit_view(logit_weights(LINEAR, axis, 1), axis, 10)  # (+2, −3) of (+10, −10): 3 · 2 + 3
    assert view.w_eta * 255 == pytest.approx(9, abs=1e-3) and view.bound * 255 == pytest.approx(40, abs=1e-3)
    assert view.predicted == pytest.approx(view.attacked, abs=1e-5)


def test_the_sum_of_a_logit_view() -> None:
    assert LogitView(k=3, clean=2.0, w_eta=-0.5, attacked=1.4, bound=0.7).predicted == 1.5


def test_a_close_up_is_not_rounded(by_hand: Axis) -> None:
    near = close_up(LINEAR, by_hand)
    assert near.steps == tuple(part / 16 for part in range(17))
    expected = torch.tensor([[281.5 - n, 250 + 4 * n, -960 - 3 * n] for n in near.steps]) / 255
    assert torch.allclose(near.logits, expected, atol=1e-6)
    assert torch.allclose(near.logits[-1], by_hand.logits[1], atol=1e-6)
    assert torch.allclose(near.linear_loss[-1], by_hand.linear_loss[1])
    assert len(close_up(LINEAR, by_hand, parts=4).steps) == 5


class Curved(nn.Module):
    """J_0(x) = 0.2 + 0.1 u + curve u², with u the sum of all steps that the pixels are away from (100, 50)."""

    def __init__(self, curve: float) -> None:
        super().__init__()
        self.curve = curve

    def forward(self, x: Tensor) -> Tensor:
        u = ((x - X).flatten(1) * 255).sum(1)
        J = 0.2 + 0.1 * u + self.curve * u**2
        return torch.stack([-J, (-torch.expm1(-J)).log()], 1)  # p_0 = e^−J


def test_a_linear_loss_is_linear_to_the_last_step() -> None:
    axis = gradient_axis(Curved(0.0), X, 0)
    assert axis.loss.tolist() == pytest.approx([0.2 + 0.1 * 2 * n for n in FINE], rel=1e-4)
    assert torch.allclose(axis.linear_loss, axis.loss, rtol=1e-4) and linear_until(axis) == 32
    lost = Linear([[1.0, 2.0], [3.0, -1.0]], [-40.0, 40.0])  # J_0 = z_1 − z_0 where p_0 = 0
    assert linear_until(gradient_axis(lost, X, 0)) == 32


@pytest.mark.parametrize(("curve", "last"), [(0.001, 5), (0.0004, 12)])
def test_a_curved_loss_is_linear_until_it_is_off_by_a_tenth(curve: float, last: int) -> None:
    """With u = 2 n the prediction is 0.1 u and the error curve · u²: a tenth of it at n = 0.005/curve, 5 or 12.5."""
    axis = gradient_axis(Curved(curve), X, 0)
    assert linear_until(axis, tolerance=0.1 + 1e-3) == last
    assert linear_until(axis, tolerance=0.2 + 1e-3) == 2 * last + (curve < 0.001)
    assert linear_until(axis, tolerance=1e-4) == 0
    assert linear_until(gradient_axis(Curved(curve), X, 0, steps=COARSE), tolerance=0.1 + 1e-3) == {5: 4, 12: 8}[last]


# ---------------------------------------------------------------- reading an axis


def test_the_rival_is_the_likeliest_class_but_y() -> None:
    axis = made([[3.0, 1.0, 2.0], [1.0, 0.0, 2.0], [1.0, 5.0, 2.0]], y=0)
    assert [axis.rival(n) for n in range(3)] == [2, 2, 1]
    assert [replace(axis, y=2).rival(n) for n in range(3)] == [0, 0, 1]
    assert [replace(axis, target=1).rival(n) for n in range(3)] == [1, 1, 1]


def test_what_counts() -> None:
    untargeted = made([[1.0, 0.0, 0.0]], y=0)
    assert [untargeted.counts(answer) for answer in range(3)] == [False, True, True]
    assert [replace(untargeted, target=2).counts(answer) for answer in range(3)] == [False, False, True]
    assert [replace(untargeted, target=0).counts(answer) for answer in range(3)] == [False, False, False]


def test_the_first_fooled_is_the_first_even_if_later_ones_are_right_again() -> None:
    axis = made([[2.0, 1.0], [2.0, 1.0], [1.0, 2.0], [2.0, 1.0]], y=0)
    assert axis.fooled == [False, False, True, False] and axis.first_fooled == 2
    targeted = made([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0]], y=0, target=2)
    assert targeted.fooled == [False, False, True] and targeted.first_fooled == 2
    wrong = made([[1.0, 2.0], [2.0, 1.0]], y=0)
    assert not wrong.clean_right and wrong.first_fooled is None


def test_along_moves_by_epsilon_and_stays_a_picture() -> None:
    pictures = along(picture(0.1, 0.9), picture(-1.0, 1.0), torch.tensor([0.0, 0.05, 0.2]))
    assert pictures.flatten(1).tolist() == [pytest.approx(row) for row in ([0.1, 0.9], [0.05, 0.95], [0.0, 1.0])]


# ---------------------------------------------------------------- against single attacks


@pytest.mark.parametrize("target", [None, 2])
def test_every_whole_step_is_the_picture_of_fgsm_bit_for_bit(target: int | None) -> None:
    model, x = Small(), small_pictures(1)
    axis = gradient_axis(model, x, 0, target=target)
    asked = model.seen[-1]
    loss = cross_entropy(model, torch.tensor([0 if target is None else target]))
    for row, n in enumerate(FINE):
        single = fgsm(loss, x, n / 255, targeted=target is not None).adversarial
        assert torch.equal(axis.perturbation(n).adversarial, single)
        assert torch.equal(asked[row : row + 1], single)
        assert torch.allclose(axis.logits[row], model(single)[0], atol=1e-5)


def test_every_step_of_the_real_network_is_fgsm(lite0: Classifier, cat: Tensor, fine: Axis) -> None:
    loss = cross_entropy(lite0, torch.tensor([fine.y]))
    for n in (1, 32):
        single = fgsm(loss, cat, n / 255).adversarial
        assert torch.equal(fine.perturbation(n).adversarial, single)
        with torch.no_grad():
            assert torch.allclose(lite0(single)[0], fine.logits[n], atol=1e-4)


@pytest.mark.parametrize("n", [0, 1, 7, 32])
def test_a_perturbation_has_exactly_its_budget(fine: Axis, n: int) -> None:
    done = fine.perturbation(n)
    assert done.linf.item() == pytest.approx(n / 255, abs=1e-6) and done.epsilon == n / 255 and done.norm == "linf"
    assert torch.equal(done.clean, fine.x) and torch.equal(done.history[0], fine.loss[:1])
    assert (fine.perturbation(0).adversarial == fine.x).all()


def test_refining_gives_what_asking_everything_would_have_given(lite0: Classifier, cat: Tensor, fine: Axis) -> None:
    refined = refine(lite0, gradient_axis(lite0, cat, steps=COARSE))
    assert refined.steps == FINE and torch.equal(refined.d, fine.d)
    assert torch.allclose(refined.logits, fine.logits, atol=1e-4)


def test_refining_asks_only_what_is_not_known() -> None:
    model = Small()
    coarse = gradient_axis(model, small_pictures(1), 0, steps=COARSE)
    model.seen.clear()
    refined = refine(model, coarse)
    assert [len(pictures) for pictures in model.seen] == [26]
    assert [refined.steps.index(n) for n in COARSE] == list(COARSE)
    assert torch.equal(refined.logits[list(COARSE)], coarse.logits)
    assert torch.equal(refine(model, refined).logits, refined.logits) and len(model.seen) == 1
    back = refine(model, refined, COARSE)
    assert back.steps == COARSE and torch.equal(back.logits, coarse.logits)


def test_the_first_real_epsilon_of_a_photograph(lite0: Classifier, fine: Axis) -> None:
    first, epsilon = fine.first_fooled, first_real_epsilon(lite0, fine)
    assert first is not None and epsilon is not None
    assert (first - 1) / 255 < epsilon <= first / 255
    with torch.no_grad():
        on, before = (
            lite0(along(fine.x, fine.d, torch.tensor([value]))).argmax().item()
            for value in (epsilon, epsilon - 2**-8 / 255)
        )
    assert on != fine.y == before


def test_the_close_up_of_a_photograph_begins_along_the_gradient(lite0: Classifier, fine: Axis) -> None:
    near = close_up(lite0, fine, parts=4)
    assert torch.allclose(near.logits[[0, -1]], fine.logits[:2], atol=1e-4)
    assert near.loss[1] > near.loss[0]
    rise, predicted = (near.loss - near.loss[0])[1], (near.linear_loss - near.loss[0])[1]
    assert 0.3 < rise / predicted < 3


def test_the_logits_of_a_photograph_are_summed_up_as_they_are(lite0: Classifier, fine: Axis) -> None:
    rival = fine.rival(4)
    view = logit_view(logit_weights(lite0, fine, rival), fine, 4)
    assert view.clean == pytest.approx(fine.logits[0, rival].item(), abs=1e-4)
    assert view.attacked == fine.logits[4, rival].item()
    assert abs(view.w_eta) <= view.bound + 1e-4 and view.predicted == view.clean + view.w_eta


def test_asking_is_done_without_a_graph(by_hand: Axis) -> None:
    weights = nn.Parameter(torch.ones(1))
    logits = ask(lambda x: weights * LINEAR(x), by_hand.x, by_hand.d, (0, 1.0, 2))
    assert not logits.requires_grad and not by_hand.grad.requires_grad


# ---------------------------------------------------------------- noise


def test_noise_is_plus_or_minus_one_and_decided_by_the_seed() -> None:
    model, x = Small(), small_pictures(1)
    axis = gradient_axis(model, x, 0)
    noise, again, other = (noise_axis(model, axis, seed) for seed in (5, 5, 6))
    assert torch.equal(noise.d, again.d) and torch.equal(noise.logits, again.logits)
    assert not torch.equal(noise.d, other.d)
    assert set(noise.d.flatten().tolist()) == {-1.0, 1.0} and noise.d.mean().abs() < 0.3
    assert (noise.y, noise.target, noise.steps) == (axis.y, axis.target, FINE) and torch.equal(noise.x, x)


def test_noise_has_the_budget_of_the_attack() -> None:
    model, x = Small(), small_pictures(1)
    noise = noise_axis(model, gradient_axis(model, x, 0), 5)
    for n in FINE:
        assert noise.perturbation(n).linf.item() * 255 == pytest.approx(n, abs=1e-4)
    expected = (x * 255 + 9 * noise.d).clamp(0, 255).round()
    assert torch.equal((model.seen[-1][9:10] * 255).round(), expected)


def test_noise_on_the_linear_network_by_hand(by_hand: Axis) -> None:
    noise = noise_axis(LINEAR, by_hand, 0, steps=(0, 10))
    a, b = noise.d.flatten().tolist()
    assert noise.logits[1].tolist() == pytest.approx(
        [(281.5 + 10 * a + 20 * b) / 255, (250 + 30 * a - 10 * b) / 255, (-960 - 40 * a - 10 * b) / 255], abs=1e-5
    )


def test_noise_answers_are_those_of_pictures_with_the_exact_budget() -> None:
    model, x = Small(), small_pictures(1)
    axis = gradient_axis(model, x, 0)
    answers = noise_answers(model, axis, 8, draws=12, seed=3)
    asked = model.seen[-1]
    assert asked.shape == (12, 3, 8, 8) and len({tuple(one.flatten().tolist()) for one in asked}) == 12
    steps = ((asked - x) * 255).abs()
    inside = (x.expand_as(asked) > 8.5 / 255) & (x.expand_as(asked) < 246.5 / 255)
    assert steps[inside].tolist() == pytest.approx([8] * int(inside.sum()), abs=1e-3) and steps.max() < 8.001
    assert asked.min() >= 0 and asked.max() <= 1
    assert torch.equal(answers, model(asked).argmax(1))
    assert torch.equal(answers, noise_answers(model, axis, 8, draws=12, seed=3))
    noise_answers(model, axis, 8, draws=12, seed=4)
    assert not torch.equal(model.seen[-1], asked)


def test_a_constant_network_gives_a_flat_axis() -> None:
    axis = gradient_axis(Constant(), small_pictures(1))
    assert axis.answers == [1] * 33 and linear_until(axis) == 32 and axis.rival(0) == 2
    assert noise_answers(Constant(), axis, 8, draws=3, seed=0).tolist() == [1, 1, 1]
