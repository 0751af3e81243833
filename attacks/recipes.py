r"""An attack of the table on one picture of a classifier, as values that can be kept as a key; and what it knows of defences."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attacks.balls import BALLS
from attacks.classification import ATTACKS, Attack, Model, attack, cross_entropy
from attacks.defences import DEFENCES, Defence, by_chance, expected, through
from attacks.gradient import Loss, Watch, nobody
from attacks.perturbation import STEPS, Perturbation

Picture = Float[Tensor, "1 channels height width"]

SHIFTS = 4  # by chance, of an expectation


@dataclass(frozen=True)
class Recipe:
    r"""What is done to a picture.

    Attributes:
        method: a name in `ATTACKS`. The attacks with a step size take a quarter of $\epsilon$.
        epsilon: in pixels, of the ball `norm`; see `Attack.epsilon`.
        steps: of the attack, if it takes any; Carlini–Wagner does so many for each of three $c$.
        target: the class wanted, None for any other than the true one.
        defences: (name in `DEFENCES`, its setting), one after the other, that the attack knows.
        by_chance: the attack expects a shift of up to four pixels, too (EOT).
        place: of a patch: top, left, height and width in pixels.
    """

    method: str = "pgd"
    norm: str = "linf"
    epsilon: float = 1 / STEPS
    steps: int = 20
    target: int | None = None
    defences: tuple[tuple[str, float], ...] = ()
    by_chance: bool = False
    place: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def attack(self) -> Attack:
        return ATTACKS[self.method]

    @property
    def expected_steps(self) -> int:
        """About how many there will be, for a bar."""
        return self.attack.repeats * self.steps if self.attack.steps else 1


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
    """The attack of a recipe on one picture; `y`: its true class, (1,). Raises what `attack` does."""
    followed = y if recipe.target is None else torch.tensor([recipe.target])
    options: dict[str, Any] = {"steps": recipe.steps} if recipe.attack.steps else {}
    if recipe.attack.place:
        options["place"] = _place(recipe, x)
    return attack(
        model,
        x,
        followed,
        recipe.epsilon,
        method=recipe.method,
        targeted=recipe.target is not None,
        ball=BALLS[recipe.norm],
        loss=loss_of(recipe, model, followed),
        watch=watch,
        **options,
    )


def _place(recipe: Recipe, x: Picture) -> Bool[Tensor, "height width"]:
    top, left, height, width = recipe.place
    m = torch.zeros(x.shape[-2:], dtype=torch.bool)
    m[top : top + height, left : left + width] = True
    return m
