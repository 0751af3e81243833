"""The aims of an attack on attention, on a network small enough to know the answer by hand."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from attacks.aims import EXACT, OTHER, SAME, THERE, WORD, Aim, reached, towards
from attacks.pursuit import pursue


class Told(NamedTuple):
    logits: Tensor
    maps: Tensor


def told(x: Tensor) -> Told:
    """Two steps of three words and two looks over four regions, linear in the pixels before the softmax."""
    flat = x.flatten(1)
    return Told(8 * flat[:, :6].reshape(-1, 2, 3), (8 * flat[:, 4:12]).reshape(-1, 2, 4).softmax(-1))


X = torch.linspace(0.2, 0.8, 12).reshape(1, 3, 2, 2)


def aim(goal: str, wanted: tuple[int, ...] = (0, 1), t: int = 0, region: tuple[int, ...] = (0,)) -> Aim:
    there = torch.zeros(4, dtype=torch.bool)
    there[list(region)] = True
    return Aim(goal, (2, 2), wanted, told(X).maps[0], t, there)


@pytest.mark.parametrize("goal", [OTHER, EXACT, WORD, THERE, SAME])
def test_following_the_gradient_lowers_every_loss(goal: str) -> None:
    loss = towards(aim(goal), told, told)
    found = pursue(loss, X, 0.3, steps=40, reached=lambda _: False).perturbation
    assert float(loss(found.exact)) < float(loss(X)) - 0.1


def test_the_look_goes_there_while_the_words_stay() -> None:
    wish = aim(THERE, t=1, region=(0, 1))
    found = pursue(towards(wish, told, told), X, 0.4, steps=60, reached=lambda _: False).perturbation.exact
    assert float(told(found).maps[0, 1, :2].sum()) > 0.6 > float(told(X).maps[0, 1, :2].sum())
    assert told(found).logits.argmax(-1).tolist() == [[2, 2]]


def test_other_words_and_the_same_looks() -> None:
    found = {}
    for goal in (OTHER, SAME):
        loss = towards(aim(goal), told, told)
        found[goal] = told(pursue(loss, X, 0.4, steps=60, reached=lambda _: False).perturbation.exact)
    moved = {goal: float((each.maps - told(X).maps).abs().sum()) for goal, each in found.items()}
    assert found[SAME].logits[0, 0].argmax() != 2
    assert moved[SAME] < 0.5 * moved[OTHER]


def test_what_counts_as_reached() -> None:
    looks = told(X).maps[0]
    far = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    now, other = ("a", "dog"), ("a", "cat")
    assert reached(aim(OTHER), other, now, now, looks) and not reached(aim(OTHER), now, now, now, looks)
    assert reached(aim(EXACT), other, now, other, looks) and not reached(aim(EXACT), ("cat",), now, other, looks)
    assert reached(aim(WORD), other, now, ("cat",), looks) and not reached(aim(WORD), now, now, ("cat",), looks)
    assert reached(aim(THERE), now, now, now, far) and not reached(aim(THERE), now, now, now, looks)
    assert not reached(aim(THERE), other, now, now, far)


def test_one_step_crosses_the_whole_budget() -> None:
    loss = towards(aim(OTHER), told, told)
    found = pursue(loss, X, 4 / 255, steps=1, share=1, reached=lambda _: False)
    assert float((found.perturbation.exact - X).abs().max()) == pytest.approx(4 / 255, abs=1e-6)
