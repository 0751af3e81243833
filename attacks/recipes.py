r"""Every attack of this package on one picture of a classifier, by name: what is asked, in values that can be kept as a key."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attacks.apgd import apgd
from attacks.balls import BALLS
from attacks.classification import Model, cross_entropy, logits_of, margin, margins
from attacks.decision import hop_skip_jump
from attacks.defences import DEFENCES, Defence, by_chance, expected, through
from attacks.gradient import Loss, Watch, fgsm, nobody, pgd
from attacks.nearest import carlini_wagner, deepfool, smallest_epsilon
from attacks.perturbation import STEPS, Perturbation
from attacks.shared import patch

Picture = Float[Tensor, "1 channels height width"]

BUDGET = ("FGSM", "PGD", "Momentum", "Auto-PGD")  # the worst within a budget
NEAREST = ("Smallest ε", "DeepFool", "Carlini–Wagner", "HopSkipJump")  # the nearest mistake, of no budget
PATCH = "Patch"
NORMS = {"Carlini–Wagner": ("l2",), "HopSkipJump": ("l2",), PATCH: ("linf",)}  # of the others both
UNTARGETED = ("DeepFool", "HopSkipJump")
MOMENTUM = 1.0  # Dong 2018
SHIFTS = 4  # by chance, of an expectation


@dataclass(frozen=True)
class Recipe:
    r"""What is done to a picture.

    Attributes:
        method: of `BUDGET`, `NEAREST` or `PATCH`. The attacks with a step size take a quarter of $\epsilon$.
        epsilon: the budget in pixels, of the ball `norm`; of "Smallest ε" the most that is tried.
        steps: of the attack; Carlini–Wagner does so many for each of three $c$.
        target: the class wanted, None for any other than the answer.
        defences: (name in `DEFENCES`, its setting), one after the other, that the attack knows.
        by_chance: the attack expects a shift of up to four pixels, too (EOT).
        place: of a patch: top, left, height and width in pixels.
    """

    method: str = "PGD"
    norm: str = "linf"
    epsilon: float = 1 / STEPS
    steps: int = 20
    target: int | None = None
    defences: tuple[tuple[str, float], ...] = ()
    by_chance: bool = False
    place: tuple[int, int, int, int] = (0, 0, 0, 0)


def defended(defences: tuple[tuple[str, float], ...]) -> Defence:
    """These defences, one after the other."""

    def all_of(x: Tensor) -> Tensor:
        for name, setting in defences:
            x = DEFENCES[name](x, setting)
        return x

    return all_of


def loss_of(recipe: Recipe, model: Model, followed: Tensor) -> Loss:
    """The cross-entropy that an attack follows: through the defences it knows, over the shifts it expects."""
    loss = cross_entropy(model, followed)
    if recipe.defences:
        loss = through(loss, defended(recipe.defences))
    if recipe.by_chance:
        loss = expected(loss, by_chance(torch.Generator().manual_seed(0), SHIFTS))
    return loss


def carry_out(recipe: Recipe, model: Model, x: Picture, y: Tensor, watch: Watch = nobody) -> Perturbation:
    """The attack of a recipe on one picture; `y`: its true class, (1,).

    Raises ValueError, in plain words, for an attack that has no such norm or no target, and where nothing that fools was found.
    """
    if recipe.norm not in NORMS.get(recipe.method, tuple(BALLS)):
        raise ValueError(f"{recipe.method} measures in another norm; choose {NORMS[recipe.method][0]}.")
    if recipe.target is not None and recipe.method in UNTARGETED:
        raise ValueError(f"{recipe.method} looks for any other class; it cannot be given one.")
    followed, targeted = (y, False) if recipe.target is None else (torch.tensor([recipe.target]), True)
    loss, ball, step_size = loss_of(recipe, model, followed), BALLS[recipe.norm], recipe.epsilon / 4
    fools = partial(_fools, logits_of(model), y, recipe.target)
    walk = partial(pgd, loss, x, steps=recipe.steps, ball=ball, targeted=targeted, watch=watch)
    attacks: dict[str, Callable[[], Perturbation | None]] = {
        "FGSM": lambda: fgsm(loss, x, recipe.epsilon, ball=ball, targeted=targeted, watch=watch),
        "PGD": lambda: walk(recipe.epsilon, step_size=step_size),
        "Momentum": lambda: walk(recipe.epsilon, step_size=step_size, momentum=MOMENTUM),
        "Auto-PGD": lambda: apgd(
            loss, x, recipe.epsilon, steps=recipe.steps, ball=ball, targeted=targeted, watch=watch
        ),
        "Smallest ε": lambda: smallest_epsilon(
            lambda epsilon: walk(epsilon, step_size=epsilon / 4), fools, most=recipe.epsilon, finest=recipe.epsilon / 32
        ),
        "DeepFool": lambda: deepfool(margins(model, y), x, norm=recipe.norm, steps=recipe.steps, watch=watch),
        "Carlini–Wagner": lambda: carlini_wagner(
            margin(model, followed, targeted=targeted), x, steps=recipe.steps, searches=3, watch=watch
        ),
        "HopSkipJump": lambda: hop_skip_jump(fools, x, steps=recipe.steps, watch=watch),
        PATCH: lambda: patch(
            loss, x, _place(recipe, x), steps=recipe.steps, step_size=0.1, targeted=targeted, watch=watch
        ),
    }
    found = attacks[recipe.method]()
    if found is None:
        raise ValueError("Even the largest ε tried does not fool the network; give it more room or more steps.")
    return found


def _fools(answer: Model, y: Tensor, target: int | None, x: Tensor) -> Bool[Tensor, " batch"]:
    with torch.no_grad():
        said = answer(x).argmax(1)
    return said != y if target is None else said == target


def _place(recipe: Recipe, x: Picture) -> Bool[Tensor, "height width"]:
    top, left, height, width = recipe.place
    m = torch.zeros(x.shape[-2:], dtype=torch.bool)
    m[top : top + height, left : left + width] = True
    return m
