"""An attack that goes on until its aim is reached: looked at now and then, on the picture that a file would hold."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from attacks.balls import Pictures
from attacks.gradient import Loss, Step, Watch, nobody, pgd
from attacks.perturbation import Perturbation, to_8bit

EVERY = 10  # steps between two looks at the rounded picture
SHARE = 8  # so many steps cross the budget


@dataclass(frozen=True)
class Pursuit:
    """What came of it: the pictures where it ended, after how many `steps`, and whether the aim was `reached` there."""

    perturbation: Perturbation
    steps: int
    reached: bool


class _ReachedError(Exception):
    """The aim is reached at `x`: `pgd` need not go on."""

    def __init__(self, x: Pictures):
        self.x = x


def pursue(
    loss: Loss,
    x: Pictures,
    epsilon: float,
    *,
    steps: int,
    reached: Callable[[Pictures], bool],
    targeted: bool = True,
    every: int = EVERY,
    share: int = SHARE,
    watch: Watch = nobody,
) -> Pursuit:
    r"""`attacks.gradient.pgd` with steps of $\epsilon /$ `share` that ends where `reached` says so of the 8-bit pictures.

    That is asked after every `every` steps and after the last. Units, errors as `pgd`; a `watch` may raise to stop.
    """
    history = list[Tensor]()

    def look(step: Step) -> None:
        history.append(step.J)
        watch(step)
        if len(history) % every == 0 and len(history) < steps and reached(to_8bit(step.x)):
            raise _ReachedError(step.x)

    try:
        done = pgd(loss, x, epsilon, steps=steps, step_size=epsilon / share, targeted=targeted, watch=look)
    except _ReachedError as end:
        return Pursuit(Perturbation(x, end.x, epsilon, "linf", tuple(history)), len(history), True)
    return Pursuit(done, steps, reached(done.adversarial))
