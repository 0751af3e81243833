r"""Attacks on a classifier: its losses, the table of attacks, the one call `attack(model, x, y, epsilon)`, what "fooled" means."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attacks.apgd import apgd
from attacks.balls import BALLS, Ball, Pictures
from attacks.decision import hop_skip_jump
from attacks.gradient import Loss, Watch, fgsm, nobody, pgd
from attacks.nearest import Fooled, Margin, Margins, carlini_wagner, deepfool, smallest_epsilon
from attacks.perturbation import Perturbation, to_8bit
from attacks.shared import patch

Model = Callable[[Pictures], Float[Tensor, "batch classes"]]
Labels = Int[Tensor, " batch"]
SURE = 1e-5  # −log p(y) below which float32 leaves too little of 1 − p(y)

PARTS = 32  # of the largest ε tried: as near as the smallest one is found


def cross_entropy(model: Model, y: Labels | None) -> Loss:
    r"""The loss of the lecture, $J(\theta, x, y) = -\log p_\theta(y \mid x)$, as a function of the pictures alone.

    Without `y`, the class that the network itself names is taken for the truth.
    """
    answer = logits_of(model)

    def loss(x: Pictures) -> Float[Tensor, " batch"]:
        z = answer(x)
        return negative_log_likelihood(z, z.argmax(1) if y is None else y)

    return loss


def negative_log_likelihood(z: Float[Tensor, "batch classes"], y: Labels) -> Float[Tensor, " batch"]:
    r"""$J = -\log p(y)$ of each row of logits $z$; where the network is `SURE`, as $J = \log(1 + e^m)$ in double precision.

    $m = \log\sum_{k \ne y} e^{z_k} - z_y$ is the lead of the rivals over $y$. The softmax's gradient $p(y) - 1$ is rounded to zero
    where a network is sure of itself, and an attack goes astray or fails in silence; the other's is $\sigma(m)\,\nabla m$.
    """
    J = F.cross_entropy(z, y, reduction="none")
    sure = J.detach() < SURE
    return torch.where(sure, _from_the_lead(z, y), J) if sure.any() else J


def _from_the_lead(z: Float[Tensor, "batch classes"], y: Labels) -> Float[Tensor, " batch"]:
    wide, y = z.double(), y[:, None]
    rivals = wide.scatter(1, y, float("-inf")).logsumexp(1)
    return F.softplus(rivals - wide.gather(1, y)[:, 0]).to(z.dtype)


def margins(model: Model, y: Labels, rivals: int = 10) -> Margins:
    r"""$z_y - z_k$ for the likeliest `rivals` of each picture, chosen once: all above 0 while the answer is `y`."""
    answer = logits_of(model)
    chosen: list[Tensor] = []

    def of(x: Pictures) -> Float[Tensor, "batch rivals"]:
        z = answer(x)
        if not chosen:
            others = z.detach().scatter(1, y[:, None], float("-inf"))
            chosen.append(others.topk(min(rivals, z.shape[1] - 1)).indices)
        return z.gather(1, y[:, None]) - z.gather(1, chosen[0])

    return of


def margin(model: Model, y: Labels, *, targeted: bool = False) -> Margin:
    r"""$z_y - \max_{k \ne y} z_k$: above 0 while the answer is `y`; `targeted`: with the sign turned, above 0 until it is.

    Source: Carlini & Wagner 2017, $f_6$.
    """
    answer = logits_of(model)

    def of(x: Pictures) -> Float[Tensor, " batch"]:
        z = answer(x)
        lead = z.gather(1, y[:, None])[:, 0] - z.scatter(1, y[:, None], float("-inf")).amax(1)
        return -lead if targeted else lead

    return of


def wrong(model: Model, y: Labels, *, targeted: bool = False) -> Fooled:
    """True where a picture is answered otherwise than `y`; with `targeted` where it is answered `y`."""
    answer = logits_of(model)

    @torch.no_grad()
    def of(x: Pictures) -> Bool[Tensor, " batch"]:
        said = answer(x).argmax(1)
        return said == y if targeted else said != y

    return of


@dataclass(frozen=True)
class Order:
    """What an attack of the table is told; see `attack`."""

    model: Model
    x: Pictures
    y: Labels
    epsilon: float
    ball: Ball
    targeted: bool
    loss: Loss
    watch: Watch

    @property
    def how(self) -> dict[str, Any]:
        return {"ball": self.ball, "targeted": self.targeted, "watch": self.watch}

    @property
    def pace(self) -> dict[str, Any]:
        """Where no other steps are asked for."""
        return {"steps": 20, "step_size": self.epsilon / 4}


@dataclass(frozen=True)
class Attack:
    r"""A line of the table of attacks: who does it, and what it accepts.

    Attributes:
        title: what a person reads.
        craft: does it; takes the options of the function that it calls.
        norms: in which it can measure; the first where none is asked for.
        epsilon: the budget, or the most that is tried, or "", and it is left aside.
        targeted: it can be sent towards a class.
        steps: it takes as many as it is told, `repeats` times or so.
        gradient: it follows one.
        single: it takes one picture at a time.
        place: it paints one, and has to be told which.
    """

    title: str
    craft: Callable[..., Perturbation]
    norms: tuple[str, ...] = ("linf", "l2")
    epsilon: Literal["budget", "most", ""] = "budget"
    targeted: bool = True
    steps: bool = True
    repeats: int = 1
    gradient: bool = True
    single: bool = False
    place: bool = False


def _smallest(on: Order, **more: Any) -> Perturbation:
    """The smallest ε of PGD. Raises ValueError where even the largest does not fool."""

    def tried(epsilon: float) -> Perturbation:
        of = replace(on, epsilon=epsilon)
        return pgd(of.loss, of.x, epsilon, **(of.pace | of.how | more))

    fools = wrong(on.model, on.y, targeted=on.targeted)
    found = smallest_epsilon(tried, fools, most=on.epsilon, finest=on.epsilon / PARTS)
    if found is None:
        raise ValueError("Even the largest ε tried does not fool the network; give it more room or more steps.")
    return found


ATTACKS: dict[str, Attack] = {
    "fgsm": Attack("FGSM", lambda on, **more: fgsm(on.loss, on.x, on.epsilon, **on.how, **more), steps=False),
    "pgd": Attack("PGD", lambda on, **more: pgd(on.loss, on.x, on.epsilon, **(on.pace | on.how | more))),
    "momentum": Attack(  # μ of Dong 2018
        "Momentum", lambda on, **more: pgd(on.loss, on.x, on.epsilon, **(on.pace | on.how | {"momentum": 1.0} | more))
    ),
    "apgd": Attack("Auto-PGD", lambda on, **more: apgd(on.loss, on.x, on.epsilon, **({"steps": 20} | on.how | more))),
    "smallest": Attack("Smallest ε", _smallest, epsilon="most", repeats=PARTS.bit_length(), single=True),
    "deepfool": Attack(
        "DeepFool",
        lambda on, **more: deepfool(margins(on.model, on.y), on.x, norm=on.ball.name, watch=on.watch, **more),
        norms=("l2", "linf"),
        epsilon="",
        targeted=False,
    ),
    "carlini-wagner": Attack(
        "Carlini–Wagner",
        lambda on, **more: carlini_wagner(
            margin(on.model, on.y, targeted=on.targeted), on.x, watch=on.watch, **({"searches": 3} | more)
        ),
        norms=("l2",),
        epsilon="",
        repeats=3,
    ),
    "hop-skip-jump": Attack(
        "HopSkipJump",
        lambda on, **more: hop_skip_jump(wrong(on.model, on.y), on.x, watch=on.watch, **more),
        norms=("l2",),
        epsilon="",
        targeted=False,
        gradient=False,
        single=True,
    ),
    "patch": Attack(
        "Patch",
        lambda on, **more: patch(
            on.loss, on.x, targeted=on.targeted, watch=on.watch, **({"steps": 40, "step_size": 0.1} | more)
        ),
        norms=("linf",),
        epsilon="",
        place=True,
    ),
}


def attack(
    model: Model,
    x: Pictures,
    y: Labels,
    epsilon: float,
    *,
    method: str = "fgsm",
    targeted: bool = False,
    ball: Ball | None = None,
    loss: Loss | None = None,
    watch: Watch = nobody,
    **options: Any,
) -> Perturbation:
    """Attack a classifier; the door through which every page and command line goes.

    Args:
        model: pictures in [0, 1] to logits; its normalisation is inside it.
        y: the true classes, or with `targeted` the wanted ones.
        epsilon: see `Attack.epsilon`, in pixels.
        method: a name in `ATTACKS`; `options` are handed to the function behind it.
        ball: the norm; the attack's first where none is given.
        loss: what is followed; the cross-entropy of `y` where none is given. Margins and answers are the model's own.

    Raises ValueError, in plain words, for an unknown method and what it does not accept, for bad pixels or epsilon, for a model
    that gives probabilities, and where nothing that fools was found.
    """
    if method not in ATTACKS:
        raise ValueError(f"There is no attack called {method!r}; there are {', '.join(ATTACKS)}.")
    kind = ATTACKS[method]
    ball = ball or BALLS[kind.norms[0]]
    if ball.name not in kind.norms:
        raise ValueError(f"{kind.title} measures in another norm; choose {kind.norms[0]}.")
    if targeted and not kind.targeted:
        raise ValueError(f"{kind.title} looks for any other class; it cannot be given one.")
    if kind.single and len(x) != 1:
        raise ValueError(f"{kind.title} takes one picture at a time; these were {len(x)}.")
    return kind.craft(Order(model, x, y, epsilon, ball, targeted, loss or cross_entropy(model, y), watch), **options)


def logits_of(model: Model) -> Model:
    """The model as it is in use, not in training, and refused if it hands out probabilities.

    A softmax on a softmax hides the gradient. Raises ValueError, when asked, for such a model.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []  # found once, not at every step

    def answer(x: Pictures) -> Float[Tensor, "batch classes"]:
        with evaluation(modules):
            z = model(x)
        if (z >= 0).all() and (z.sum(1) - 1).abs().max() < 1e-4:
            raise ValueError("The model gives probabilities; an attack needs its logits, before the softmax.")
        return z

    return answer


@contextmanager
def evaluation(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Batch norm and dropout as in use, not as in training; every module's mode is put back at the end."""
    training = [module for module in modules if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def fooled(
    model: Model, perturbation: Perturbation, y: Labels, *, target: Labels | None = None
) -> Bool[Tensor, " batch"]:
    """True where the clean picture was classified as `y` and the 8-bit adversarial one is not (or is as another `target`)."""
    answer = logits_of(model)
    with torch.no_grad():
        before = answer(to_8bit(perturbation.clean)).argmax(1)
        after = answer(perturbation.adversarial).argmax(1)
    return (before == y) & (after != y if target is None else (after == target) & (target != y))
