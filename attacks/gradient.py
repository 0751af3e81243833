r"""Attacks that follow the gradient of the loss with respect to the picture.

An attack knows no network, only `loss(x) -> (batch,)`. It asks for the gradient of the picture alone, opens its own
`enable_grad`, and leaves the network's weights, gradients, modes and statistics as they were.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from attacks.balls import LINF, Ball, Pictures
from attacks.perturbation import Perturbation

Loss = Callable[[Pictures], Float[Tensor, " batch"]]


def gradient(
    loss: Loss, x: Float[Tensor, "batch *shape"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch *shape"]]:
    r"""$J(x)$ and $\nabla_x J(x)$ of each picture, or sentence of vectors, of a batch, both detached."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        J = loss(x)
        (grad,) = torch.autograd.grad(J.sum(), x)
    return J.detach(), grad


class Step(NamedTuple):
    r"""A step that an attack has just done: to watch it, and to see that there was something to follow.

    Attributes:
        t: its number, from 0.
        x: the pictures after it, not rounded.
        J: the loss before it.
        length: $\|\nabla_x J\|_2$ before it. Where it is 0 the attack is blind; that says nothing of the network's strength.
        proposed: where the step would have led, before it was brought back into the ball and into [0, 1]; None of an attack
            that knows no ball.
    """

    t: int
    x: Pictures
    J: Float[Tensor, " batch"]
    length: Float[Tensor, " batch"]
    proposed: Pictures | None = None


Watch = Callable[[Step], None]  # called after every step; it may raise to stop


def nobody(_step: Step) -> None:
    """Nobody watches."""


def fgsm(
    loss: Loss, x: Pictures, epsilon: float, *, ball: Ball = LINF, targeted: bool = False, watch: Watch = nobody
) -> Perturbation:
    r"""Fast gradient sign method: one step of size $\epsilon$ in the direction that raises the loss most; `pgd` with one step.

    $$\tilde x = \mathrm{clip}_{[0,1]}(x + \eta), \qquad \eta = \epsilon\,\mathrm{sign}(\nabla_x J(\theta, x, y))$$

    With `targeted`, `loss` is that of the class wanted, and the step goes down instead of up.

    Source: Goodfellow, Shlens & Szegedy 2014, *Explaining and Harnessing Adversarial Examples*, section 3.
    Units: pixels in [0, 1], epsilon in pixels. Raises ValueError for pixels or an epsilon out of range.
    """
    return pgd(loss, x, epsilon, steps=1, step_size=epsilon, ball=ball, targeted=targeted, watch=watch)


def pgd(
    loss: Loss,
    x: Pictures,
    epsilon: float,
    *,
    steps: int,
    step_size: float,
    ball: Ball = LINF,
    targeted: bool = False,
    seed: int | None = None,
    restarts: int = 1,
    momentum: float = 0.0,
    watch: Watch = nobody,
) -> Perturbation:
    r"""Projected gradient descent: small steps of `fgsm`, each brought back into the ball and into [0, 1].

    $$x^{t+1} = \mathrm{clip}_{[0,1]}\big(x + \Pi_\epsilon(x^t + a\,\mathrm{sign}(\nabla_x J(\theta, x^t, y)) - x)\big)$$

    Starts at $x$, or with a `seed` at a random point of the ball. Without one it is BIM (Kurakin 2016). With `momentum` $\mu$ the
    step follows $g^{t+1} = \mu g^t + \nabla J / \|\nabla J\|_1$ instead (Dong 2018). With `restarts` each picture keeps the best
    of so many runs; all but the first start at random.

    Source: Madry et al. 2018, *Towards Deep Learning Models Resistant to Adversarial Attacks*, section 2.1.
    Units and errors as `fgsm`.
    """
    x, worse = checked(x, epsilon), -1 if targeted else 1
    best, highest, history = x, None, list[Tensor]()
    for run in range(restarts):
        x_t, g = x, torch.zeros_like(x)
        if seed is not None or run:
            generator = torch.Generator().manual_seed((seed or 0) + run)
            x_t = (x + ball.random_start(x, epsilon, generator)).clamp(0, 1)
        history = []
        for t in range(steps):
            J, grad = gradient(loss, x_t)
            g = grad if not momentum else momentum * g + grad / size(grad, 1)
            step = ball.optimize_linear(worse * g, step_size)
            proposed = x_t + step
            x_t = (x + ball.project(proposed - x, epsilon)).clamp(0, 1)
            history.append(J)
            watch(Step(run * steps + t, x_t, J, torch.linalg.vector_norm(grad, dim=(1, 2, 3)), proposed))
        if restarts > 1:
            with torch.no_grad():
                reached = worse * loss(x_t)
            higher = reached > highest if highest is not None else torch.ones_like(reached, dtype=torch.bool)
            highest = reached if highest is None else reached.maximum(highest)
            x_t = torch.where(higher[:, None, None, None], x_t, best)
        best = x_t
    return Perturbation(x, best, epsilon, ball.name, tuple(history))


def size(g: Pictures, p: float) -> Float[Tensor, "batch 1 1 1"]:
    r"""$\|g\|_p$ of each picture, never 0: to divide by."""
    return g.flatten(1).norm(p=p, dim=1).clamp_min(torch.finfo(g.dtype).tiny)[:, None, None, None]


def noise(x: Pictures, epsilon: float, *, ball: Ball = LINF, seed: int = 0) -> Perturbation:
    r"""The control: a random $\eta$ as large as an attack's; of $L_\infty$ a corner of the ball, $\pm\epsilon$ everywhere.

    Source: Goodfellow 2014, section 7. Units and errors as `fgsm`.
    """
    x = checked(x, epsilon)
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=x.dtype)
    return Perturbation(x, (x + ball.optimize_linear(direction, epsilon)).clamp(0, 1), epsilon, ball.name, ())


def checked(x: Pictures, epsilon: float) -> Pictures:
    """The pictures, detached. Raises ValueError for pixels outside [0, 1] (a tolerance of 1e-6 for float32's edge), and for
    an epsilon that is negative or no number."""
    low, high = x.detach().aminmax()
    if not (low >= -1e-6 and high <= 1 + 1e-6):
        raise ValueError(
            f"Pixels must lie in [0, 1], these go from {low:.4g} to {high:.4g}: normalise inside the model."
        )
    if not 0 <= epsilon < float("inf"):
        raise ValueError(f"Epsilon is a size in pixels, 0 or more; it was {epsilon}.")
    return x.detach()
