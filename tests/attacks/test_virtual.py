"""Virtual adversarial directions: traps 22 and 23 of attack-traps.md, against exact answers where there are any."""

import pytest
import torch
from torch import Tensor, nn

from attacks.virtual import (
    answer_and_lds,
    cross_entropy_at_r_adv,
    directions,
    hessian,
    kl,
    lds,
    power_iteration,
    r_vadv,
    repeatable,
    unit,
)
from tests.attacks.small import LINEAR, Small, small_pictures


class Plane(nn.Module):
    """Points of a plane to three classes, curved."""

    def __init__(self, seed: int = 0, classes: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, classes))

    def forward(self, x: Tensor) -> Tensor:
        return 3 * self.layers(x)


def points(count: int = 200, seed: int = 1) -> Tensor:
    return 4 * torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) - 2


def cosine(network: nn.Module, x: Tensor, d: Tensor) -> Tensor:
    """|cos| of each direction with the first eigenvector of the exact Hessian."""
    return (d.flatten(1) * torch.linalg.eigh(hessian(network, x)).eigenvectors[:, :, -1]).sum(1).abs()


def test_the_divergence_is_the_definition_in_its_order() -> None:
    q, p = torch.tensor([[0.2, 0.8]]), torch.tensor([[0.5, 0.5]])
    by_hand = 0.2 * torch.tensor(0.2 / 0.5).log() + 0.8 * torch.tensor(0.8 / 0.5).log()
    assert kl(q.log(), p.log()).item() == pytest.approx(by_hand.item(), abs=1e-6)
    assert kl(p.log(), q.log()).item() != pytest.approx(by_hand.item(), abs=1e-2)
    sure = kl(torch.tensor([[300.0, -300.0]]), torch.tensor([[-300.0, 300.0]]))
    assert sure.item() == pytest.approx(600), "no probability is rounded to 0 and its logarithm taken"


def test_the_hessian_is_that_of_the_divergence() -> None:
    network, x = Plane().double(), points(5).double()
    for i in range(5):
        q = network(x[i : i + 1]).detach()
        exact = torch.autograd.functional.hessian(
            lambda r, i=i, q=q: kl(q, network(x[i : i + 1] + r)).sum(), torch.zeros(2).double()
        )
        torch.testing.assert_close(hessian(network, x[i : i + 1])[0], exact, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_power_iteration_finds_the_first_eigenvector_on_a_plane(seed: int) -> None:
    network, x = Plane(seed), points()
    by_k = [cosine(network, x, d).mean().item() for d in directions(network, x, K=3, xi=1e-2, seed=0)]
    assert by_k[3] >= 0.98 and by_k[3] > by_k[0] + 0.2
    assert by_k == sorted(by_k)


def test_of_two_classes_one_iteration_is_enough() -> None:
    network, x = Plane(classes=2).double(), points().double()
    assert cosine(network, x, directions(network, x, K=1, xi=1e-4, seed=0)[1]).min() > 0.999


def test_xi_too_small_for_float32_and_too_large_for_a_bowl_are_worse() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10))
        x = torch.rand(16, 300)
    at = {
        xi: cosine(network, x, directions(network, x, K=3, xi=xi, seed=0)[3]).mean().item() for xi in (1e-6, 1e-1, 10.0)
    }
    assert at[1e-1] > at[1e-6] + 0.15 and at[1e-1] > at[10.0] + 0.15
    exact = cosine(network.double(), x.double(), directions(network, x.double(), K=3, xi=1e-6, seed=0)[3]).mean().item()
    assert exact > at[1e-6] + 0.15, "it is float32 that does not see so small a step"


def test_r_is_as_long_as_epsilon_and_worse_than_chance() -> None:
    network, x = Plane(), points()
    r = r_vadv(network, x, 0.3, K=2, xi=1e-2, seed=0)
    torch.testing.assert_close(r.norm(dim=1), torch.full((200,), 0.3))
    chance = 0.3 * directions(network, x, K=0, seed=1)[0]
    assert lds(network, x, r).mean() > 1.5 * lds(network, x, chance).mean()
    assert not r.requires_grad


def test_a_picture_alone_is_as_in_a_batch() -> None:
    network, x = Small().double(), small_pictures(4).double()
    q, d = network(x).detach(), unit(torch.ones_like(x))
    together = power_iteration(network, x, q, d)
    for i in range(4):
        one = power_iteration(network, x[i : i + 1], q[i : i + 1], d[i : i + 1])
        torch.testing.assert_close(one, together[i : i + 1])
    assert together.shape == x.shape


def test_a_constant_network_has_no_worst_direction_and_no_lds() -> None:
    network = Plane()
    nn.init.zeros_(network.layers[2].weight)
    r = r_vadv(network, points(), 0.3, K=3, seed=0)
    assert not r.any(), "not nan, and not a direction made of nothing"
    assert not lds(network, points(), r).any() and not lds(network, points(), torch.ones(200, 2)).any()


def test_lds_is_never_below_zero() -> None:
    network, x = Plane(), points(1000)
    for size in (1e-7, 1e-4, 1e-2, 1.0):
        r = size * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
        assert lds(network, x, r).min() >= 0


def test_the_gradient_flows_through_the_perturbed_answer_alone() -> None:
    """Against the definition with q a constant: the same; against one with q free: another."""
    network, x, r = Plane(), points(50), 0.3 * torch.ones(50, 2)
    q = network(x).detach()
    weights = list(network.parameters())
    ours = torch.autograd.grad(lds(network, x, r).sum(), weights)
    held = torch.autograd.grad(kl(q, network(x + r)).sum(), weights)
    free = torch.autograd.grad(kl(network(x), network(x + r)).sum(), weights)
    torch.testing.assert_close(ours, held)
    assert (ours[0] - free[0]).norm() > 0.1 * ours[0].norm()
    z, smoothness = answer_and_lds(network, x, 0.3)
    assert z.requires_grad and torch.autograd.grad(smoothness.sum(), z, allow_unused=True)[0] is None


@pytest.mark.parametrize("training", [True, False])
def test_gradients_statistics_and_modes_are_left_alone(training: bool) -> None:
    network, x = Small().train(training), small_pictures(6)
    network.head.eval()  # a mode of its own
    network(x).sum().backward()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    grads = [p.grad.clone() for p in network.parameters()]
    modes = [m.training for m in network.modules()]
    with torch.no_grad():
        r = r_vadv(network, x, 0.5, K=2)
        assert r.abs().sum() > 0, "it opens enable_grad by itself"
    lds(network, x, r).sum()
    hessian(network, x[:1])
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(torch.equal(p.grad, g) for p, g in zip(network.parameters(), grads, strict=True))
    assert [m.training for m in network.modules()] == modes
    assert all(m.track_running_stats for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_statistics_are_restored_if_the_network_breaks() -> None:
    network = Small().train()
    with pytest.raises(RuntimeError), repeatable(network) as p:
        p(torch.rand(2, 1, 8, 8))
    assert network.features[1].track_running_stats


def test_dropout_drops_the_same_in_both_passes() -> None:
    network, x = Small().train(), small_pictures(6)
    assert not torch.equal(network(x), network(x)), "the network is noisy"
    assert not lds(network, x, torch.zeros_like(x)).any(), "without a change there is no divergence"
    torch.manual_seed(3)
    first = torch.rand(3)
    torch.manual_seed(3)
    with repeatable(network, seed=7) as p:
        p(x)
    assert torch.equal(torch.rand(3), first), "and what is drawn afterwards is not touched"


def test_a_training_step_moves_the_statistics_once() -> None:
    network, x = Small().train(), small_pictures(6)
    once = Small().train()
    once(x)
    answer_and_lds(network, x, 0.5, K=3)
    assert network.features[1].num_batches_tracked == 1
    torch.testing.assert_close(network.features[1].running_mean, once.features[1].running_mean)


def test_the_adversarial_loss_of_a_label_is_at_the_steepest_step() -> None:
    network, x, y = Plane(), points(50), torch.arange(50) % 3
    at = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(-network(at).log_softmax(1)[torch.arange(50), y].sum(), at)
    by_hand = -network(x + 0.3 * g / g.norm(dim=1, keepdim=True)).log_softmax(1)[torch.arange(50), y]
    found = cross_entropy_at_r_adv(network, x, y, 0.3)
    torch.testing.assert_close(found, by_hand)
    assert found.mean() > -network(x).log_softmax(1)[torch.arange(50), y].mean() + 0.1
    weights = list(network.parameters())
    for ours, held in zip(
        torch.autograd.grad(found.sum(), weights), torch.autograd.grad(by_hand.sum(), weights), strict=True
    ):
        torch.testing.assert_close(ours, held)


def test_the_adversarial_loss_leaves_statistics_and_gradients_alone() -> None:
    network, x = Small().train(), small_pictures(6)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    cross_entropy_at_r_adv(network, x, torch.zeros(6, dtype=torch.int64), 0.5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_a_linear_network_by_hand() -> None:
    """Of LINEAR's classes 0 and 1 the third is far behind: H ≈ p₀p₁ (W₀ − W₁)(W₀ − W₁)ᵀ, so d = ±(−2, 3)/√13."""
    x = torch.tensor([[[[100 / 255, 50 / 255]]]])
    d = r_vadv(LINEAR, x, 1.0, K=3, xi=1e-2, seed=0).flatten()
    assert abs(float(d @ torch.tensor([-2.0, 3.0])) / 13**0.5) == pytest.approx(1, abs=0.01)
