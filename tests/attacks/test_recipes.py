"""Every attack by its name, on networks small enough to be sure of; the slice of the loss; the alarm's source."""

import pytest
import torch
from torch import Tensor

from attacks.classification import ATTACKS, attack, cross_entropy, logits_of
from attacks.gradient import Step, fgsm, gradient, pgd
from attacks.recipes import Recipe, carry_out, defended, loss_of
from attacks.surface import slice_of_loss
from tests.attacks.small import Constant, Small, Times, small_pictures


def answer(model: Small, x: Tensor) -> Tensor:
    return logits_of(model)(x).argmax(1)


@pytest.mark.parametrize("method", [name for name, kind in ATTACKS.items() if kind.epsilon == "budget"])
@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 8 / 255), ("l2", 0.5)])
def test_an_attack_with_a_budget_keeps_it_and_raises_the_loss(method: str, norm: str, epsilon: float) -> None:
    model, x = Small(), small_pictures(1)
    y, steps = answer(model, x), list[Step]()
    done = carry_out(Recipe(method, norm, epsilon, 6), model, x, y, steps.append)
    eta = (done.exact - x).flatten()
    assert float(eta.norm(p=torch.inf if norm == "linf" else 2)) <= epsilon + 1e-6
    assert len(steps) == (1 if method == "fgsm" else 6)
    assert float(cross_entropy(model, y)(done.exact).detach()) > float(steps[0].J)


@pytest.mark.parametrize(
    "method", [name for name, kind in ATTACKS.items() if kind.epsilon != "budget" and not kind.place]
)
def test_an_attack_that_looks_for_the_nearest_mistake_finds_one(method: str) -> None:
    model, x = Small(), small_pictures(1, seed=2)
    y = answer(model, x)
    done = carry_out(Recipe(method, ATTACKS[method].norms[0], 1.0, 30), model, x, y)
    assert answer(model, done.exact) != y


def test_a_patch_paints_its_place_and_nothing_else() -> None:
    model, x = Small(), small_pictures(1)
    done = carry_out(Recipe("patch", steps=5, place=(2, 3, 4, 2)), model, x, answer(model, x))
    changed = (done.exact != x).any(1)[0]
    place = torch.zeros(8, 8, dtype=torch.bool)
    place[2:6, 3:5] = True
    assert torch.equal(changed, place)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe("carlini-wagner", "linf"), "another norm"),
        (Recipe("deepfool", target=1), "any other class"),
        (Recipe("smallest", epsilon=1e-6, steps=1), "Even the largest"),
        (Recipe("patch"), "no place"),
    ],
)
def test_what_cannot_be_done_is_said(recipe: Recipe, words: str) -> None:
    model, x = Small(), small_pictures(1)
    with pytest.raises(ValueError, match=words):
        carry_out(recipe, model, x, answer(model, x))


def test_what_the_table_does_not_accept_is_said_by_its_one_call() -> None:
    model, x = Small(), small_pictures(2)
    for name, kind in ATTACKS.items():
        if kind.single:
            with pytest.raises(ValueError, match="one picture at a time; these were 2"):
                attack(model, x, answer(model, x), 0.1, method=name)
        if not kind.targeted:
            with pytest.raises(ValueError, match="any other class"):
                attack(model, x, answer(model, x), 0.1, method=name, targeted=True)


@pytest.mark.parametrize("method", [name for name, kind in ATTACKS.items() if not kind.place])
def test_a_bar_knows_about_how_many_steps_there_will_be(method: str) -> None:
    model, x, steps = Small(), small_pictures(1), list[Step]()
    recipe = Recipe(method, ATTACKS[method].norms[0], 1.0, 8)
    carry_out(recipe, model, x, answer(model, x), steps.append)
    few = method == "deepfool"  # ends when it is across
    assert len(steps) <= recipe.expected_steps if few else len(steps) == recipe.expected_steps


def test_a_target_is_approached() -> None:
    model, x = Small(), small_pictures(1)
    y = answer(model, x)
    target = (int(y) + 1) % 5
    done = carry_out(Recipe("pgd", epsilon=16 / 255, target=target), model, x, y)
    before, after = (logits_of(model)(z).softmax(1)[0, target] for z in (x, done.exact))
    assert after > before


def test_an_attack_knows_the_defences_of_its_recipe_one_after_the_other() -> None:
    model, x = Small(), small_pictures(1)
    y, chosen = answer(model, x), (("blur", 1.0), ("bits", 3))
    loss = loss_of(Recipe(defences=chosen), model, y)
    assert torch.allclose(loss(x), cross_entropy(model, y)(defended(chosen)(x)))
    assert not torch.allclose(loss(x), cross_entropy(model, y)(x))
    assert gradient(loss, x)[1].abs().sum() > 0


def test_the_slice_is_the_loss_at_its_points() -> None:
    model, x = Small(), small_pictures(1)
    y, axis = answer(model, x), (-4 / 255, 0.0, 4 / 255)
    rows = list(slice_of_loss(model, x, y, axis, axis))
    loss = cross_entropy(model, y)
    assert len(rows) == 3
    assert float(rows[1][1]) == pytest.approx(float(loss(x)), rel=1e-5)
    assert float(rows[1][2]) == pytest.approx(float(loss(fgsm(loss, x, 4 / 255).exact)), rel=1e-5)
    assert float(rows[1][0]) < float(rows[1][1]) < float(rows[1][2])


def test_the_step_tells_what_the_ball_held_back() -> None:
    model, x = Small(), small_pictures(1).clamp(0.2, 0.8)
    steps = list[Step]()
    pgd(cross_entropy(model, answer(model, x)), x, 4 / 255, steps=2, step_size=3 / 255, watch=steps.append)
    moved = [float((step.proposed - step.x).abs().max()) for step in steps if step.proposed is not None]
    assert moved[0] == pytest.approx(0, abs=1e-6)
    assert moved[1] == pytest.approx(2 / 255, abs=1e-5)


def test_a_blind_attack_is_seen_and_a_sure_network_does_not_blind_it() -> None:
    """Trap 9: logits times 20 leave a gradient; a constant network leaves none, and every step says so."""
    x, blind, sure = small_pictures(1), list[Step](), list[Step]()
    carry_out(Recipe(steps=3), Constant(), x, torch.tensor([1]), blind.append)
    model = Times(Small(), 20)
    carry_out(Recipe(steps=3, epsilon=8 / 255), model, x, model(x).argmax(1), sure.append)
    assert [float(step.length) for step in blind] == [0, 0, 0]
    assert all(float(step.length) > 0 for step in sure)
