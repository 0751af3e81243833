r"""The whole ε axis of one picture: what a classifier says along $x + \epsilon d$.

One backward pass gives the direction $d = \mathrm{sign}(\nabla_x J)$; forward passes in one batch give the answers at
every whole step of an 8-bit picture. After that a slider costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attacks.classification import Model, cross_entropy, logits_of, negative_log_likelihood
from attacks.gradient import gradient
from attacks.perturbation import STEPS, Perturbation, to_8bit

Picture = Float[Tensor, "1 channels height width"]

COARSE = (0, 1, 2, 4, 8, 16, 32)
FINE = tuple(range(33))


def along(x: Picture, d: Picture, epsilons: Float[Tensor, " steps"]) -> Float[Tensor, "steps channels height width"]:
    r"""$\mathrm{clip}_{[0,1]}(x + \epsilon d)$ for every $\epsilon$, in pixels, not rounded."""
    return (x + epsilons[:, None, None, None] * d).clamp(0, 1)


@dataclass(frozen=True)
class Axis:
    r"""The answers of a classifier along one direction.

    Attributes:
        x: the clean picture, on the 8-bit grid.
        d: the direction, values −1, 0 and 1.
        steps: the steps $n$ that were asked, ascending from 0; $\epsilon = n/255$. Whole ones but in a close-up.
        logits: the network's answer to the picture at each step, rounded to 8 bits but in a close-up.
        y: the class whose loss $J$ was followed.
        target: the class wanted, None for an untargeted attack (then $J$ is that of `y`).
        grad: $\nabla_x J$ at the clean picture.
    """

    x: Picture
    d: Picture
    steps: tuple[float, ...]
    logits: Float[Tensor, "steps classes"]
    y: int
    target: int | None
    grad: Picture

    @cached_property
    def probabilities(self) -> Float[Tensor, "steps classes"]:
        return self.logits.softmax(1)

    @cached_property
    def answers(self) -> list[int]:
        """The class the network names at each step."""
        return self.logits.argmax(1).tolist()

    @cached_property
    def clean_right(self) -> bool:
        return self.answers[0] == self.y

    @cached_property
    def fooled(self) -> list[bool]:
        """At each step: the clean picture was right and the 8-bit picture there is wrong (or is taken for the target)."""
        return [self.clean_right and self.counts(answer) for answer in self.answers]

    @cached_property
    def first_fooled(self) -> float | None:
        """The first whole step that fools the network; None where no step asked does."""
        return next((n for n, hit in zip(self.steps, self.fooled, strict=True) if hit), None)

    def counts(self, answer: int) -> bool:
        """Whether this answer is what the attack was after."""
        return answer != self.y if self.target is None else answer == self.target != self.y

    def rival(self, n: float) -> int:
        """The class to watch at step `n`: the target, or the likeliest class but `y`."""
        if self.target is not None:
            return self.target
        first, second = self.logits[self.steps.index(n)].topk(2).indices.tolist()
        return second if first == self.y else first

    def perturbation(self, n: float) -> Perturbation:
        """The attack at step `n`, with what it did to the pixels."""
        exact = along(self.x, self.d, torch.tensor([n / STEPS]))
        return Perturbation(self.x, exact, n / STEPS, "linf", history=(self.loss[:1],))

    @cached_property
    def loss(self) -> Float[Tensor, " steps"]:
        r"""$J(x + \epsilon d)$: the loss of `y`, or of `target`."""
        followed = self.y if self.target is None else self.target
        return negative_log_likelihood(self.logits, torch.full((len(self.steps),), followed))

    @cached_property
    def linear_loss(self) -> Float[Tensor, " steps"]:
        r"""The lecture's prediction $J(x) + \epsilon\, d^\top \nabla_x J$, which is $J(x) \pm \epsilon \|\nabla_x J\|_1$."""
        return self.loss[0] + torch.tensor(self.steps) / STEPS * (self.d * self.grad).sum()


def gradient_axis(
    model: Model, x: Picture, y: int | None = None, target: int | None = None, steps: Sequence[float] = FINE
) -> Axis:
    r"""FGSM at every step: $d = \mathrm{sign}(\nabla_x J(\theta, x, y))$, or $-\mathrm{sign}(\nabla_x J(\theta, x, target))$.

    One backward pass and one batched forward pass. `x` lies on the 8-bit grid, in [0, 1]; `steps` ascend from 0, in 255ths.
    Without `y`, what the network says of the clean picture is taken for the truth.
    """
    if target is not None:
        _, grad = gradient(cross_entropy(model, torch.tensor([target])), x)
        d = -grad.sign()
    else:
        followed = None if y is None else torch.tensor([y])
        _, grad = gradient(cross_entropy(model, followed), x)
        d = grad.sign()
    logits = ask(model, x, d, steps)
    return Axis(x, d, tuple(steps), logits, int(logits[0].argmax()) if y is None else y, target, grad)


def noise_axis(model: Model, axis: Axis, seed: int, steps: Sequence[float] = FINE) -> Axis:
    r"""The same budget spent on a random direction: every value of $d$ is −1 or 1 by the toss of a coin."""
    d = torch.randint(0, 2, axis.x.shape, generator=torch.Generator().manual_seed(seed)) * 2.0 - 1
    return replace(axis, d=d, steps=tuple(steps), logits=ask(model, axis.x, d, steps))


def refine(model: Model, axis: Axis, steps: Sequence[float] = FINE) -> Axis:
    """The axis with every one of `steps` answered, asking only what was not asked before."""
    known = dict(zip(axis.steps, axis.logits, strict=True))
    missing = [n for n in steps if n not in known]
    if missing:
        known |= dict(zip(missing, ask(model, axis.x, axis.d, missing), strict=True))
    return replace(axis, steps=tuple(steps), logits=torch.stack([known[n] for n in steps]))


def close_up(model: Model, axis: Axis, parts: int = 16) -> Axis:
    """The first step cut into `parts`, with pictures that are not rounded: where a linear prediction can still be good."""
    steps = tuple(part / parts for part in range(parts + 1))
    with torch.no_grad():
        logits = logits_of(model)(along(axis.x, axis.d, torch.tensor(steps) / STEPS))
    return replace(axis, steps=steps, logits=logits)


@torch.no_grad()
def ask(model: Model, x: Picture, d: Picture, steps: Sequence[float]) -> Float[Tensor, "steps classes"]:
    """The logits of the 8-bit pictures at `steps`, in one batched forward pass."""
    return logits_of(model)(to_8bit(along(x, d, torch.tensor(steps) / STEPS)))


@torch.no_grad()
def first_real_epsilon(model: Model, axis: Axis, halvings: int = 8) -> float | None:
    r"""The $\epsilon$, in pixels, at which the answer first turns: bisection below the first whole step that fools.

    The pictures between two whole steps are not rounded, so this one is a number about the network, not about a file.
    It is exact to $2^{-halvings}$ of a step. None where no whole step fools.
    """
    if axis.first_fooled is None:
        return None
    step, ask_exactly = axis.steps.index(axis.first_fooled), logits_of(model)
    low, high = axis.steps[step - 1] / STEPS, axis.steps[step] / STEPS
    for _ in range(halvings):
        middle = (low + high) / 2
        answer = int(ask_exactly(along(axis.x, axis.d, torch.tensor([middle]))).argmax())
        low, high = (low, middle) if axis.counts(answer) else (middle, high)
    return high


def linear_until(axis: Axis, tolerance: float = 0.1) -> float:
    """The last step up to which the loss moved as predicted, to within `tolerance` of the predicted change."""
    off = (axis.loss - axis.linear_loss).abs() > tolerance * (axis.linear_loss - axis.loss[0]).abs()
    bent = [n for n, wrong in zip(axis.steps, off.tolist(), strict=True) if wrong and n > 0]
    return axis.steps[-1] if not bent else max(n for n in axis.steps if n < bent[0])


@dataclass(frozen=True)
class LogitWeights:
    r"""One logit as a linear function of the picture: $z_k(x + \eta) \approx z_k(x) + w^\top\eta$ with $w = \nabla_x z_k(x)$."""

    k: int
    z: float
    w: Picture


def logit_weights(model: Model, axis: Axis, k: int) -> LogitWeights:
    """The weights that class `k` has at the clean picture: one backward pass."""
    z, w = gradient(lambda x: logits_of(model)(x)[:, k], axis.x)
    return LogitWeights(k, float(z), w)


@dataclass(frozen=True)
class LogitView:
    r"""The lecture's $w^\top \tilde x = w^\top x + w^\top \eta$ for one logit, at one step.

    `clean` is $z_k(x)$, `w_eta` is $w^\top\eta$ of the 8-bit perturbation, `attacked` is the network's real
    $z_k(x + \eta)$, `bound` is $\epsilon\|w\|_1$: the most that a perturbation of this size could add to a linear network.
    """

    k: int
    clean: float
    w_eta: float
    attacked: float
    bound: float

    @property
    def predicted(self) -> float:
        return self.clean + self.w_eta


def logit_view(weights: LogitWeights, axis: Axis, n: int) -> LogitView:
    r"""How the logit moves at step `n`, by its weights and in truth."""
    w_eta = float((weights.w * axis.perturbation(n).eta).sum())
    attacked = float(axis.logits[axis.steps.index(n), weights.k])
    return LogitView(weights.k, weights.z, w_eta, attacked, n / STEPS * float(weights.w.abs().sum()))


@torch.no_grad()
def noise_answers(model: Model, axis: Axis, n: int, draws: int, seed: int) -> Int[Tensor, " draws"]:
    """What the network calls `draws` pictures with random ±n/255 noise instead of the attack's."""
    signs = torch.randint(0, 2, (draws, *axis.x.shape[1:]), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1
    return logits_of(model)(to_8bit((axis.x + n / STEPS * signs).clamp(0, 1))).argmax(1)
