"""The ways to get an attack wrong, tried on all that keep to no budget and on what is built from the others.

Those within a budget are in `test_invariants.py`. The product's table of attacks, small networks, the numbers of the project's list
of traps.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks import defences
from attacks.apgd import apgd
from attacks.balls import BALLS, L2, LINF, Ball
from attacks.classification import ATTACKS, attack, cross_entropy, fooled, margin, margins, wrong
from attacks.decision import hop_skip_jump
from attacks.gradient import Step, Watch, nobody, noise, pgd
from attacks.nearest import carlini_wagner, deepfool
from attacks.perturbation import Perturbation, to_8bit
from attacks.shared import patch, universal
from tests.attacks.small import LINEAR, MEET, Constant, Linear, Small, Times, X, picture, small_pictures

ZERO, ONE = torch.tensor([0]), torch.tensor([1])
SIZE = {"linf": 6 / 255, "l2": 0.4}
PLACE = torch.zeros(8, 8, dtype=torch.bool)
PLACE[2:5, 3:6] = True


def start(x: Tensor) -> Tensor:
    """The negative of a picture: `Small` answers it otherwise."""
    return 1 - x


def of_restarts(ball: Ball):
    return lambda model, x, y, e, watch: pgd(
        cross_entropy(model, y), x, e, steps=3, step_size=e / 2, ball=ball, restarts=3, watch=watch
    )


def of_universal(ball: Ball):
    return lambda model, x, y, e, watch: universal(
        lambda rows: cross_entropy(model, y[rows]), x, e, epochs=3, step_size=e / 2, ball=ball, watch=watch
    )


def of_noise(ball: Ball):
    return lambda _model, x, _y, e, _watch: noise(x, e, ball=ball)


def of_defended(ball: Ball):
    def run(model: nn.Module, x: Tensor, y: Tensor, e: float, watch: Watch) -> Perturbation:
        loss = cross_entropy(model, y)
        for defence in (defences.blur, defences.jpeg, defences.bit_depth, defences.resize):
            loss = defences.through(loss, defence)
        return pgd(loss, x, e, steps=4, step_size=e / 2, ball=ball, watch=watch)

    return run


def of_expected(ball: Ball):
    def run(model: nn.Module, x: Tensor, y: Tensor, e: float, watch: Watch) -> Perturbation:
        shifts = defences.by_chance(torch.Generator().manual_seed(0), 3, 1)
        return pgd(
            defences.expected(cross_entropy(model, y), shifts), x, e, steps=4, step_size=e / 2, ball=ball, watch=watch
        )

    return run


def of_table(name: str, norm: str):
    more = {
        "smallest": {"steps": 4},
        "deepfool": {},
        "carlini-wagner": {"steps": 12, "rate": 0.1, "searches": 2},
        "hop-skip-jump": {"steps": 3, "asked": 25},
        "patch": {"steps": 6, "step_size": 0.2, "place": PLACE},
    }[name]

    def run(model: nn.Module, x: Tensor, y: Tensor, e: float, watch: Watch) -> Perturbation:
        most = 128 / 255 if ATTACKS[name].epsilon == "most" else e
        begin = {"start": start(x)} if name == "hop-skip-jump" else {}
        return attack(model, x, y, most, method=name, ball=BALLS[norm], watch=watch, **more, **begin)

    return run


@dataclass(frozen=True)
class Promise:
    """How it is called, and what it promises."""

    run: Callable[[nn.Module, Tensor, Tensor, float, Watch], Perturbation]
    norm: str = "linf"
    budget: bool = True  # keeps to an epsilon
    gradient: bool = True  # follows a gradient, so that a watcher is told its length
    single: bool = False  # takes one picture
    shares: bool = False  # one perturbation for all, or chance in common
    asks: bool = True  # the network, whatever it answers
    still: bool = True  # from the picture itself, by the sign or the length of the gradient there alone


def with_ball(name: str, of: Callable[[Ball], Callable[..., Perturbation]], **promises: bool) -> dict[str, Promise]:
    return {f"{name}-{ball.name}": Promise(of(ball), ball.name, **promises) for ball in (LINF, L2)}


TABLE = {
    **with_ball("restarts", of_restarts, shares=True, still=False),
    **with_ball("universal", of_universal, shares=True),
    **with_ball("noise", of_noise, gradient=False, shares=True, asks=False),
    **with_ball("defended", of_defended, still=False),
    **with_ball("expected", of_expected, shares=True, still=False),
    **{
        f"{name}-{norm}": Promise(
            of_table(name, norm),
            norm,
            budget=False,
            gradient=kind.gradient,
            single=kind.single,
            shares=kind.place,
            still=name in ("smallest", "deepfool"),
        )
        for name, kind in ATTACKS.items()
        if kind.epsilon != "budget"
        for norm in kind.norms
    },
}


def those(keep: Callable[[Promise], bool] = lambda _promise: True) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", [name for name, attack in TABLE.items() if keep(attack)])


every = those()
with_a_budget = those(lambda attack: attack.budget)
by_gradient = those(lambda attack: attack.gradient)
picture_by_picture = those(lambda attack: not attack.shares and not attack.single)


def pictures(name: str) -> Tensor:
    return small_pictures(1 if TABLE[name].single else 3)


def answers(x: Tensor) -> Tensor:
    return Small()(x).argmax(1)


def run(
    name: str, model: nn.Module, x: Tensor, epsilon: float | None = None, watch: Watch = nobody, y: Tensor | None = None
) -> Perturbation:
    epsilon = SIZE[TABLE[name].norm] if epsilon is None else epsilon
    return TABLE[name].run(model, x, answers(x) if y is None else y, epsilon, watch)


def size(norm: str, eta: Tensor) -> Tensor:
    return eta.flatten(1).norm(p=math.inf if norm == "linf" else 2, dim=1)


@with_a_budget
def test_trap_01_epsilon_is_in_pixels_whatever_the_normalisation(name: str) -> None:
    class Normalised(Small):
        def forward(self, x: Tensor) -> Tensor:
            mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.05, 2.0])
            return super().forward((x - mean[:, None, None]) / std[:, None, None])

    x, norm = 0.25 + 0.5 * small_pictures(3), TABLE[name].norm  # far from black and white: nothing is clipped
    done = run(name, Normalised(), x)
    moved = size(norm, done.exact - x)
    assert (moved <= SIZE[norm] + 1e-6).all() and (moved > 0.9 * SIZE[norm]).all()
    assert done.epsilon == SIZE[norm] and done.norm == norm
    if norm == "linf":
        assert ((done.exact - x).abs().amax((0, 2, 3)) * 255).tolist() == pytest.approx([6, 6, 6], abs=1e-3)


@with_a_budget
def test_trap_02_epsilon_zero_changes_nothing(name: str) -> None:
    x = pictures(name)
    done = run(name, Small(), x, 0.0)
    assert torch.equal(done.exact, x) and torch.equal(done.adversarial, x)
    assert (done.linf == 0).all()


@every
def test_traps_03_and_05_the_result_is_a_picture_and_its_numbers_are_those_of_the_file(name: str) -> None:
    x = pictures(name)
    done = run(name, Small(), x)
    assert done.exact.min() >= 0 and done.exact.max() <= 1 and torch.isfinite(done.exact).all()
    assert torch.equal(done.clean, x) and torch.equal(x, pictures(name))
    grid = (done.adversarial * 255).round()
    assert torch.equal(done.adversarial, grid / 255) and (grid / 255 - done.exact).abs().max() <= 0.5 / 255 + 1e-6
    assert torch.allclose(done.linf, (done.adversarial - x).flatten(1).abs().amax(1))
    if not TABLE[name].budget and not name.startswith(("patch", "smallest")):
        assert done.epsilon == pytest.approx(float(size(done.norm, done.exact - x).max()))


@those(lambda attack: attack.budget)
def test_trap_05_a_pixel_just_outside_is_tolerated_and_comes_back(name: str) -> None:
    off = small_pictures(3)
    off[0, 0, 0, 0], off[0, 0, 0, 1] = -2.98e-8, 1 + 1.2e-7
    done = run(name, Small(), off, y=answers(small_pictures(3)))
    assert done.exact.min() >= 0 and done.exact.max() <= 1


def remembered(model: nn.Module) -> tuple[dict[str, Tensor], list[bool], list[Tensor]]:
    modes = [module.training for module in model.modules()]
    return copy.deepcopy(model.state_dict()), modes, [parameter.grad.clone() for parameter in model.parameters()]


@every
def test_traps_06_and_07_the_network_stays_as_it_was_and_its_mode_does_not_matter(name: str) -> None:
    model, x = Small().train(), pictures(name)
    model.features[3].eval()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.25)
    state, modes, grads = remembered(model)
    done = run(name, model, x)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(torch.equal(p.grad, grad) for p, grad in zip(model.parameters(), grads, strict=True))
    assert torch.equal(done.exact, run(name, Small(), x).exact)


@every
def test_traps_07_and_08_it_works_under_no_grad_and_carries_no_graph(name: str) -> None:
    x = pictures(name).requires_grad_()
    done = run(name, Small(), x)
    assert not any(tensor.requires_grad for tensor in (done.clean, done.exact, done.adversarial, *done.history))
    with torch.no_grad():
        again = run(name, Small().requires_grad_(False), pictures(name))
    assert torch.equal(again.exact, done.exact) and torch.is_grad_enabled() and x.grad is None


@every
def test_nobody_elses_dice_are_thrown(name: str) -> None:
    x, state = pictures(name), torch.random.get_rng_state()
    first, again = (run(name, Small(), x).exact for _ in range(2))
    assert torch.equal(first, again) and torch.equal(state, torch.random.get_rng_state())


@by_gradient
def test_trap_09_a_zero_gradient_moves_nothing_and_a_watcher_sees_it(name: str) -> None:
    x, seen, y = pictures(name), list[Step](), torch.ones(len(pictures(name)), dtype=torch.long)
    if name.startswith("smallest"):
        with pytest.raises(ValueError, match="Even the largest ε tried does not fool"):
            run(name, Constant(), x, watch=seen.append, y=y)
    else:
        done = run(name, Constant(), x, watch=seen.append, y=y)
        assert torch.isfinite(done.exact).all()
        if not name.startswith(("patch", "restarts")):  # these begin at random
            assert torch.equal(done.exact, x)
    assert seen and all((step.length == 0).all() for step in seen)


@by_gradient
def test_trap_09_a_network_sure_of_itself_does_not_blind_it(name: str) -> None:
    x, seen = pictures(name), list[Step]()
    done = run(name, Times(Small(), 20), x, watch=seen.append)
    assert (seen[0].length > 0).all() and (done.exact != x).flatten(1).any(1).all()


@those(lambda attack: attack.asks)
def test_trap_10_probabilities_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="gives probabilities"):
        run(name, nn.Sequential(Small(), nn.Softmax(1)), pictures(name))


@those(lambda attack: attack.gradient and attack.still)
def test_trap_11_where_the_gradient_is_zero_nothing_moves(name: str) -> None:
    class Framed(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(F.pad(x[:, :, 2:-2, 2:-2], (2, 2, 2, 2)))

    x, middle = pictures(name), torch.zeros(8, 8, dtype=torch.bool)
    middle[2:-2, 2:-2] = True
    model = Framed()
    done = run(name, model, x, y=model(x).argmax(1))
    assert torch.equal(done.exact[..., ~middle], x[..., ~middle])
    assert (done.exact != x)[..., middle].float().mean() > 0.2


@with_a_budget
def test_trap_13_every_point_that_is_shown_is_inside(name: str) -> None:
    x, norm, seen = small_pictures(3), TABLE[name].norm, list[Step]()
    done = run(name, Small(), x, watch=seen.append)
    assert (size(norm, done.exact - x) <= SIZE[norm] + 1e-6).all()
    for step in seen:
        assert (size(norm, step.x - x[: len(step.x)]) <= SIZE[norm] + 1e-6).all()


@pytest.mark.parametrize("w", [(3.0, -4.0), (-4.0, 3.0)])
@pytest.mark.parametrize("ball", [LINF, L2], ids=["linf", "l2"])
def test_trap_14_towards_a_target_every_budget_attack_goes_the_same_exact_way(
    ball: Ball, w: tuple[float, float]
) -> None:
    """A flat network of two classes: the corner, or the point of the sphere, is known."""
    loss = cross_entropy(Linear([[0.0, 0.0], list(w)], [0.0, 0.0]), ONE)
    e = 10 / 255
    way = [math.copysign(1, each) if ball is LINF else each / 5 for each in w]
    expected = [100 + 10 * way[0], 50 + 10 * way[1]]
    attacks = (
        apgd(loss, X, e, steps=8, ball=ball, targeted=True),
        pgd(loss, X, e, steps=8, step_size=e / 4, ball=ball, targeted=True, momentum=1.0),
        universal(lambda _rows: loss, X, e, epochs=8, step_size=e / 4, ball=ball, targeted=True),
    )
    for done in attacks:
        assert (done.exact * 255).flatten().tolist() == pytest.approx(expected, abs=2e-3)


def test_trap_14_a_patch_towards_a_target_ends_at_the_colour_that_says_so() -> None:
    place = torch.tensor([[True, False]])
    model = Linear([[0.0, 0.0], [3.0, -4.0]], [0.0, 0.0])
    towards, away = (
        patch(cross_entropy(model, ONE), X, place, steps=12, step_size=0.1, targeted=targeted).exact.flatten()
        for targeted in (True, False)
    )
    assert towards.tolist() == pytest.approx([1.0, 50 / 255]) and away.tolist() == pytest.approx([0.0, 50 / 255])


@picture_by_picture
def test_trap_16_a_batch_is_its_pictures_one_by_one(name: str) -> None:
    x = small_pictures(3)
    together = run(name, Small(), x).exact
    alone = torch.cat([run(name, Small(), x[k : k + 1]).exact for k in range(3)])
    assert torch.allclose(together, alone, atol=2e-4 if name.startswith(("deepfool", "carlini")) else 1e-5)


@pytest.mark.parametrize("name", defences.DEFENCES)
def test_trap_16_a_defence_knows_nothing_of_the_neighbours(name: str) -> None:
    x = small_pictures(3)
    alone = torch.cat([defences.DEFENCES[name](x[k : k + 1]) for k in range(3)])
    assert torch.allclose(defences.DEFENCES[name](x), alone, atol=1e-6)
    assert torch.equal(x, small_pictures(3))


@those(lambda promise: not promise.budget and not promise.shares)
def test_traps_20_and_21_what_looks_for_a_mistake_finds_one_and_the_clean_one_was_right(name: str) -> None:
    model, x = Small(), pictures(name)
    done = run(name, model, x)
    assert (model(done.exact).argmax(1) != answers(x)).all()
    assert not fooled(model, done, (answers(x) + 1) % 5).any(), "the clean picture was wrong already"
    assert (done.l2 < (start(x) - x).flatten(1).norm(dim=1)).all()


# ---------------------------------------------------------------- nearest


class Digits(nn.Module):
    """Pictures most of whose pixels are black: a way to the boundary is clipped, and comes near it by ever smaller steps."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(3)
        self.first = torch.randn(32, 64, generator=random) / 2
        self.second = torch.randn(6, 32, generator=random)

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.first.T).relu() @ self.second.T


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_deepfool_is_across_even_where_float32_calls_it_a_tie(norm: str) -> None:
    model = Digits()
    x = torch.rand(300, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    x = (1.6 * x - 0.8).clamp(0, 1)
    y = model(x).argmax(1)
    done = deepfool(margins(model, y), x, norm=norm)
    assert (model(done.exact).argmax(1) != y).all()
    assert all(model(done.exact[k : k + 1]).argmax(1) != y[k] for k in range(300)), "in a batch of its own"
    assert (margins(model, y)(done.exact).amin(1) > -0.2).all(), "and not far across"


@pytest.mark.parametrize(("norm", "q"), [("l2", 2.0), ("linf", 1.0)])
def test_deepfool_chooses_the_nearest_of_several_flat_boundaries(norm: str, q: float) -> None:
    """The smallest margin belongs to class 1, the nearest boundary to class 2: closed form, $f_k / ‖w_k‖_q$."""
    model = Linear([[0.0, 0.0], [0.5, 0.0], [3.0, -4.0]], [0.0, -0.25, -0.62])
    f = torch.tensor([0.25 - 0.5 * 100 / 255, 0.62 - 3 * 100 / 255 + 4 * 50 / 255])
    w = torch.tensor([[0.5, 0.0], [3.0, -4.0]])
    distances = f / w.norm(p=q, dim=1)
    assert f[0] < f[1] and distances[1] < distances[0]
    done = deepfool(margins(model, ZERO), X, norm=norm)
    assert model(done.exact).argmax().item() == 2
    assert done.epsilon == pytest.approx(1.02 * float(distances[1]), rel=2e-3)
    way = w[1].sign() if norm == "linf" else w[1] / 5
    assert torch.allclose((done.exact - X).flatten(), done.epsilon * way, atol=1e-6)


def test_deepfool_leaves_what_is_answered_wrongly_already() -> None:
    assert torch.equal(deepfool(margins(LINEAR, ONE), X).exact, X)


def test_carlini_and_wagner_keep_the_nearest_of_each_picture() -> None:
    """Of two pictures at different distances, the closed form of both."""
    x = torch.cat([X, picture(90 / 255, 55 / 255)])
    gap = torch.tensor([31.5, 31.5 + 20 + 15]) / 255
    done = carlini_wagner(margin(LINEAR, torch.tensor([0, 0])), x, steps=100, searches=5)
    lengths = size("l2", done.exact - x)
    closed = gap / math.sqrt(13)
    assert (lengths >= closed - 1e-6).all() and (lengths < 1.08 * closed).all()


def test_the_watched_length_of_carlini_and_wagner_is_that_of_the_margin() -> None:
    seen = list[Step]()
    carlini_wagner(margin(LINEAR, ZERO), X, steps=2, searches=1, watch=seen.append)
    assert [float(step.length) for step in seen] == pytest.approx([math.sqrt(13)] * 2, rel=1e-5)
    assert float(seen[0].J) == pytest.approx(31.5 / 255, rel=1e-3)


# ---------------------------------------------------------------- decision


def test_hop_skip_jump_is_given_a_wrong_picture_or_says_so() -> None:
    with pytest.raises(ValueError, match="begins with a wrong one"):
        hop_skip_jump(wrong(LINEAR, ZERO), X, start=X)


def test_hop_skip_jump_stays_where_no_step_leads_to_a_mistake() -> None:
    """One single wrong picture, and no way on from it."""
    alone = picture(1.0, 0.0)

    def fools(x: Tensor) -> Tensor:
        return (x == alone).flatten(1).all(1)

    assert torch.equal(hop_skip_jump(fools, X, start=alone, steps=2, asked=10).exact, alone)


def test_rounding_is_the_last_thing_done() -> None:
    done = deepfool(margins(LINEAR, ZERO), X, norm="linf")
    assert torch.equal(done.adversarial, to_8bit(done.exact)) and done.linf.item() * 255 == pytest.approx(6, abs=1e-3)
    assert done.epsilon * 255 == pytest.approx(1.02 * MEET * 255, rel=1e-3)
    assert fooled(LINEAR, done, ZERO).tolist() == [False]  # 6.43 steps fool, the 6 that the file has do not
