"""What every attack within a budget promises, whatever the norm, the method and the aim. The others: `test_every_attack.py`."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attacks.axis import gradient_axis
from attacks.balls import BALLS
from attacks.classification import ATTACKS, attack, cross_entropy, evaluation
from attacks.perturbation import Perturbation
from tests.attacks.small import Constant, Small, small_pictures

TABLE = [
    pytest.param(method, ball, targeted, id=f"{method}-{ball}-{'targeted' if targeted else 'untargeted'}")
    for method, kind in ATTACKS.items()
    if kind.epsilon == "budget"
    for ball in kind.norms
    for targeted in (False, True)
]
every_attack = pytest.mark.parametrize(("method", "ball", "targeted"), TABLE)
EPSILONS = {"linf": 6 / 255, "l2": 0.4}


def run(
    model: nn.Module, x: Tensor, method: str, ball: str, targeted: bool, *, epsilon: float | None = None, **options: Any
) -> Perturbation:
    """The attack of that line of the table, steps long enough to leave the ball if nobody brings them back."""
    epsilon = EPSILONS[ball] if epsilon is None else epsilon
    y = torch.arange(len(x)) % 3
    pace = {"steps": 6, "step_size": epsilon / 2}
    more = {"pgd": pace, "momentum": pace, "apgd": {"steps": 6}}.get(method, {})
    return attack(model, x, y, epsilon, method=method, targeted=targeted, ball=BALLS[ball], **more, **options)


def size(ball: str, eta: Tensor) -> Tensor:
    return eta.flatten(1).abs().amax(1) if ball == "linf" else eta.flatten(1).norm(dim=1)


@every_attack
def test_the_result_is_inside_the_ball_and_uses_it(method: str, ball: str, targeted: bool) -> None:
    x = small_pictures(6)
    done = run(Small(), x, method, ball, targeted)
    moved = size(ball, done.exact - x)
    assert (moved <= EPSILONS[ball] + 1e-6).all() and (moved > 0.7 * EPSILONS[ball]).all()
    assert done.exact.min() >= 0 and done.exact.max() <= 1
    assert torch.equal(done.clean, x) and done.epsilon == EPSILONS[ball] and done.norm == ball


@every_attack
def test_trap_01_epsilon_is_in_pixels_whatever_the_normalisation(method: str, ball: str, targeted: bool) -> None:
    class Normalised(Small):
        def forward(self, x: Tensor) -> Tensor:
            mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.01, 5.0])
            return super().forward((x - mean[:, None, None]) / std[:, None, None])

    x = 0.25 + 0.5 * small_pictures(6)  # far from black and white: nothing is clipped
    eta = run(Normalised(), x, method, ball, targeted).exact - x
    whole = (
        0.99 if (method, ball) == ("apgd", "l2") else 1.0
    )  # between two points of a round ball lies one a little inside
    assert (size(ball, eta) <= EPSILONS[ball] + 1e-3 / 255).all() and (
        size(ball, eta) >= whole * EPSILONS[ball] - 1e-3 / 255
    ).all()
    if ball == "linf":  # in every channel, by the same
        assert (eta.abs().amax((0, 2, 3)) * 255).tolist() == pytest.approx([6, 6, 6], abs=1e-3)


@every_attack
def test_trap_13_after_every_step_it_is_inside(method: str, ball: str, targeted: bool) -> None:
    for start in [{}] if method == "fgsm" else [{}, {"seed": 3}]:
        model, x = Small(), small_pictures(6)
        done = run(model, x, method, ball, targeted, **start)
        visited = [*model.seen, done.exact]
        assert len(visited) == {"fgsm": 2, "pgd": 7, "momentum": 7, "apgd": 8}[method]
        for pictures in visited:
            assert (size(ball, pictures - x) <= EPSILONS[ball] + 1e-6).all()
            assert pictures.min() >= 0 and pictures.max() <= 1
        assert torch.equal(visited[0], x) is (not start)


@pytest.mark.parametrize("ball", BALLS)
def test_trap_13_the_random_start_is_decided_by_the_seed_alone(ball: str) -> None:
    x = small_pictures(6)
    first, again, other = (run(Small(), x, "pgd", ball, False, seed=seed).exact for seed in (1, 1, 2))
    state = torch.random.get_rng_state()
    assert torch.equal(first, again) and not torch.equal(first, other)
    run(Small(), x, "pgd", ball, False, seed=1)
    assert torch.equal(state, torch.random.get_rng_state())  # nobody else's dice are thrown


@every_attack
def test_trap_02_epsilon_zero_changes_nothing(method: str, ball: str, targeted: bool) -> None:
    model, x = Small(), small_pictures(6)
    done = run(model, x, method, ball, targeted, epsilon=0.0)
    assert torch.equal(done.exact, x) and torch.equal(done.adversarial, x)
    assert torch.equal(model(done.adversarial), model(x))
    assert (done.linf == 0).all() and (done.l2 == 0).all()


@every_attack
def test_trap_05_a_pixel_just_outside_is_tolerated_and_comes_back_inside(
    method: str, ball: str, targeted: bool
) -> None:
    x = small_pictures(6)
    off = x.clone()
    off[0, 0, 0, 0], off[0, 0, 0, 1] = -2.98e-8, 1 + 1.2e-7
    done = run(Small(), off, method, ball, targeted)
    assert done.exact.min() >= 0 and done.exact.max() <= 1
    assert (size(ball, done.exact - off) <= EPSILONS[ball] + 1e-6).all()


@pytest.fixture
def trained() -> Iterator[Small]:
    """A network in the middle of its training: mixed modes, gradients on its weights."""
    model = Small().train()
    model.features[3].eval()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.25)
    yield model
    for parameter in model.parameters():
        assert parameter.requires_grad


def remembered(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, bool], list[Tensor]]:
    modes = {name: module.training for name, module in model.named_modules()}
    return copy.deepcopy(model.state_dict()), modes, [parameter.grad.clone() for parameter in model.parameters()]


def assert_untouched(model: nn.Module, before: tuple[dict[str, Tensor], dict[str, bool], list[Tensor]]) -> None:
    state, modes, grads = before
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(p.grad, grad) for p, grad in zip(model.parameters(), grads, strict=True))


@every_attack
def test_trap_06_and_07_the_network_stays_as_it_was(trained: Small, method: str, ball: str, targeted: bool) -> None:
    before = remembered(trained)
    run(trained, small_pictures(6), method, ball, targeted)
    assert_untouched(trained, before)


@every_attack
def test_trap_06_the_result_is_the_same_in_every_mode(trained: Small, method: str, ball: str, targeted: bool) -> None:
    x = small_pictures(6)
    expected = run(Small().eval(), x, method, ball, targeted)
    assert torch.equal(run(trained, x, method, ball, targeted).exact, expected.exact)
    assert torch.equal(run(trained.train(), x, method, ball, targeted).exact, expected.exact)


def test_trap_06_and_07_hold_for_the_axis_too(trained: Small) -> None:
    x, before = small_pictures(1), remembered(trained)
    axis = gradient_axis(trained, x, 0)
    assert_untouched(trained, before)
    assert torch.equal(axis.d, gradient_axis(Small().eval(), x, 0).d)


def test_trap_06_the_modes_come_back_even_after_an_error(trained: Small) -> None:
    before = remembered(trained)

    def halfway() -> None:
        with evaluation(trained.modules()):
            assert not any(module.training for module in trained.modules())
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        halfway()
    assert_untouched(trained, before)


@every_attack
def test_trap_07_the_result_carries_no_graph(method: str, ball: str, targeted: bool) -> None:
    done = run(Small(), small_pictures(6), method, ball, targeted)
    for tensor in (done.exact, done.adversarial, done.eta, done.linf, *done.history):
        assert not tensor.requires_grad


@every_attack
def test_trap_07_not_even_when_the_picture_asks_for_one(method: str, ball: str, targeted: bool) -> None:
    x = small_pictures(6).requires_grad_()
    done = run(Small(), x, method, ball, targeted)
    assert not done.exact.requires_grad and not done.adversarial.requires_grad
    assert x.requires_grad and x.grad is None


@every_attack
def test_trap_08_it_works_under_no_grad(method: str, ball: str, targeted: bool) -> None:
    x = small_pictures(6)
    expected = run(Small(), x, method, ball, targeted)
    with torch.no_grad():
        done = run(Small(), x, method, ball, targeted)
    assert torch.equal(done.exact, expected.exact)
    assert torch.is_grad_enabled()


@every_attack
def test_it_works_on_frozen_weights_too(method: str, ball: str, targeted: bool) -> None:
    x = small_pictures(6)
    frozen = run(Small().requires_grad_(False), x, method, ball, targeted)
    assert torch.equal(frozen.exact, run(Small(), x, method, ball, targeted).exact)


@every_attack
def test_the_pictures_given_are_not_written_to(method: str, ball: str, targeted: bool) -> None:
    x = small_pictures(6)
    run(Small(), x, method, ball, targeted)
    assert torch.equal(x, small_pictures(6))


@every_attack
def test_trap_09_a_constant_network_gives_no_direction(method: str, ball: str, targeted: bool) -> None:
    x = small_pictures(6)
    done = run(Constant(), x, method, ball, targeted)
    assert torch.equal(done.exact, x) and torch.equal(done.adversarial, x)


@every_attack
def test_trap_09_a_network_sure_of_itself_can_be_attacked_within_the_ball(
    method: str, ball: str, targeted: bool
) -> None:
    """p = 1 − e^−60 is 1 even in float64, but not the gradient: J = log(1 + e^−lead) falls by e^−60 with the lead."""
    x = small_pictures(1)

    class Sure(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            score = x.flatten(1).mean(1)
            return torch.stack([0 * score, 60 + score] if targeted else [60 + score, 0 * score], 1)

    done = run(Sure(), x, method, ball, targeted)
    moved = size(ball, done.exact - x)
    assert 0.5 * EPSILONS[ball] < moved.item() <= EPSILONS[ball] + 1e-6


@every_attack
def test_trap_10_probabilities_are_refused(method: str, ball: str, targeted: bool) -> None:
    model = nn.Sequential(Small(), nn.Softmax(1))
    with pytest.raises(ValueError, match="gives probabilities; an attack needs its logits"):
        run(model, small_pictures(6), method, ball, targeted)


def test_trap_10_probabilities_are_refused_by_the_axis_too() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        gradient_axis(nn.Sequential(Small(), nn.Softmax(1)).eval(), small_pictures(1), 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_trap_10_logits_that_are_all_positive_are_no_probabilities(dtype: torch.dtype) -> None:
    class Positive(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).abs() + 1

    done = run(Positive().to(dtype), small_pictures(6).to(dtype), "fgsm", "linf", False)
    assert (done.linf > 0).all() and done.exact.dtype == dtype


def plain(text: str) -> bool:
    """One sentence, as a page would show it."""
    return text.endswith(".") and "\n" not in text and not re.search("Error|Tensor|tensor", text)


@every_attack
@pytest.mark.parametrize("epsilon", [-1 / 255, float("nan"), float("inf"), float("-inf")])
def test_a_bad_epsilon_is_refused(method: str, ball: str, targeted: bool, epsilon: float) -> None:
    with pytest.raises(ValueError, match="Epsilon is a size in pixels") as caught:
        run(Small(), small_pictures(6), method, ball, targeted, epsilon=epsilon)
    assert plain(str(caught.value)) and str(epsilon) in str(caught.value)


@every_attack
@pytest.mark.parametrize("spoiled", ["normalised", "bytes", "one NaN", "infinite", "a little dark"])
def test_bad_pixels_are_refused(method: str, ball: str, targeted: bool, spoiled: str) -> None:
    x = small_pictures(6)
    if spoiled in ("normalised", "bytes"):
        x = (x - 0.5) / 0.5 if spoiled == "normalised" else x * 255
    else:
        x[3, 1, 2, 2] = {"one NaN": float("nan"), "infinite": float("inf"), "a little dark": -1e-3}[spoiled]
    with pytest.raises(ValueError, match=r"Pixels must lie in \[0, 1\]") as caught:
        run(Small(), x, method, ball, targeted)
    assert plain(str(caught.value))


def test_without_y_the_loss_is_that_of_the_networks_own_answer() -> None:
    model, x = Small(), small_pictures(6)
    given, own = cross_entropy(model, model(x).argmax(1))(x), cross_entropy(model, None)(x)
    assert torch.equal(given, own) and not torch.equal(own, cross_entropy(model, torch.arange(6) % 3)(x))
