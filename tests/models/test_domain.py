"""The reversal by finite differences, λ_p, and the three rules: what the layer does in one way back is what the lecture writes in two."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.domain import DomainAdversarial, descend, digits, lambda_p, perceptron, reverse, rules, shallow

STEP = 1e-5


def batch(n: int = 6, inputs: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Half of it labelled."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2 * n, inputs, generator=generator, dtype=torch.float64)
    return x, torch.arange(n) % 2, torch.tensor([0] * n + [1] * n)


def network() -> DomainAdversarial:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return shallow(3, 5, 2).double()


def slope(loss: Callable[[], Tensor], theta: Tensor) -> Tensor:
    """The gradient by central differences, one number of `theta` at a time."""
    found = torch.zeros_like(theta)
    with torch.no_grad():
        for i in range(theta.numel()):
            flat = theta.view(-1)
            kept = float(flat[i])
            flat[i] = kept + STEP
            above = float(loss())
            flat[i] = kept - STEP
            below = float(loss())
            flat[i] = kept
            found.view(-1)[i] = (above - below) / (2 * STEP)
    return found


@pytest.mark.parametrize(("p", "value"), [(0, 0.0), (0.1, 0.4621), (0.5, 0.98661), (1, 0.99991)])
def test_lambda_rises_as_the_paper_says(p: float, value: float) -> None:
    assert lambda_p(p) == pytest.approx(value, abs=5e-6 if p != 0.1 else 5e-5)


def test_a_smaller_gamma_is_slower_and_p_is_a_part() -> None:
    assert lambda_p(1, 1) == pytest.approx(0.4621, abs=5e-5)
    for p in (-0.01, 1.01, math.nan):
        with pytest.raises(ValueError, match="from 0 to 1"):
            lambda_p(p)


def test_forward_the_layer_changes_nothing() -> None:
    f = torch.randn(4, 3)
    assert torch.equal(reverse(f, 0.7), f)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 6.0])
def test_the_features_feel_the_judge_turned_round_and_the_judge_does_not(strength: float) -> None:
    """Trap 24: by finite differences of L_d, ∂/∂θ_f is −λ times the true slope, ∂/∂θ_d is the true one."""
    net, (x, _, d) = network(), batch()

    def loss() -> Tensor:
        return F.cross_entropy(net.judge(net.features(x)), d)

    F.cross_entropy(net.judge(reverse(net.features(x), strength)), d).backward()
    for part, times in ((net.features, -strength), (net.judge, 1.0)):
        for theta in part.parameters():
            assert theta.grad is not None
            assert torch.allclose(theta.grad, times * slope(loss, theta.data), atol=1e-8)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_one_way_back_through_the_layer_is_the_three_rules(strength: float) -> None:
    net, (x, y, d) = network(), batch()
    expected = rules(net, x, y, d, strength, rate=0.1)
    before = copy.deepcopy(net.state_dict())
    descend(net, torch.optim.SGD(net.parameters(), 0.1), x, y, d, strength)
    for name, theta in net.named_parameters():
        assert torch.allclose(theta, expected[name], atol=1e-12), name
        assert not torch.equal(theta, before[name]), name


def test_the_rules_are_the_slopes_of_the_two_losses() -> None:
    net, (x, y, d) = network(), batch()
    after = rules(net, x, y, d, 0.5, rate=0.1)
    theta = net.features[0].weight  # type: ignore[index]

    def main() -> Tensor:
        return F.cross_entropy(net.label(net.features(x))[: len(y)], y)

    def adverse() -> Tensor:
        return F.cross_entropy(net.judge(net.features(x)), d)

    expected = theta - 0.1 * (slope(main, theta.data) - 0.5 * slope(adverse, theta.data))
    assert torch.allclose(after["features.0.weight"], expected, atol=1e-8)


def test_without_strength_nothing_of_the_target_or_the_judge_reaches_the_features() -> None:
    """Trap 25: training on the source alone is λ = 0, and is what it would be had there been no judge and no target."""
    net, (x, y, d) = network(), batch()
    alone = copy.deepcopy(net)
    descend(net, torch.optim.SGD(net.parameters(), 0.1), x, y, d, 0.0)
    parameters = [*alone.features.parameters(), *alone.label.parameters()]
    F.cross_entropy(alone(x[: len(y)]), y).backward()
    torch.optim.SGD(parameters, 0.1).step()
    for part in ("features", "label"):
        for ours, theirs in zip(getattr(net, part).parameters(), getattr(alone, part).parameters(), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-12)


def test_the_network_for_digits_answers_each_picture_by_itself() -> None:
    """No statistics of a batch: so none of the target's can leak into training on the source alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = digits()
    x = torch.rand(3, 3, 28, 28)
    with torch.no_grad():
        together = net(x)
        assert torch.allclose(together[:1], net(x[:1]), atol=1e-5)
    assert not [module for module in net.modules() if isinstance(module, nn.BatchNorm2d | nn.Dropout)]


def test_a_perceptron_has_relus_between_its_layers_only() -> None:
    assert [type(layer) for layer in perceptron(4, 3, 2)] == [nn.Linear, nn.ReLU, nn.Linear]
