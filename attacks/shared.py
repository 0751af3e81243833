r"""Perturbations that are not made for one picture: one $\eta$ for many (universal), or a patch for a place in any (printable)."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attacks.balls import LINF, Ball, Pictures
from attacks.gradient import Loss, Step, Watch, checked, gradient, nobody
from attacks.perturbation import Perturbation

Picture = Float[Tensor, "1 channels height width"]
BATCH = 8


def universal(
    loss_of: Callable[[Tensor], Loss],
    x: Pictures,
    epsilon: float,
    *,
    epochs: int = 5,
    step_size: float,
    ball: Ball = LINF,
    targeted: bool = False,
    seed: int = 0,
    watch: Watch = nobody,
) -> Perturbation:
    r"""One $\eta$ that raises the mean loss of many pictures: stochastic `pgd` on $\frac1n \sum_i J(x_i + \eta)$.

    Args:
        loss_of: the loss of the pictures of these rows of `x`.
        epochs: passes over the pictures, `BATCH` at a time in random order.

    Source: Moosavi-Dezfooli 2017, *Universal adversarial perturbations*, by the gradient as in Shafahi 2020, algorithm 2.
    Returns: the pictures with the same $\eta$ added to each (clipped to [0, 1]); its own is what was added before clipping.
    """
    x, generator = checked(x, epsilon), torch.Generator().manual_seed(seed)
    eta, history = torch.zeros_like(x[:1]), list[Tensor]()
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(BATCH):
            J, grad = gradient(loss_of(rows), (x[rows] + eta).clamp(0, 1))
            g = grad.mean(0, keepdim=True)
            step = ball.optimize_linear(-g if targeted else g, step_size)
            eta = ball.project(eta + step, epsilon)
            history.append(J.mean().expand(len(x)))
            watch(Step(len(history) - 1, x[:1] + eta, J.mean()[None], g.flatten(1).norm(dim=1)))
    return Perturbation(x, (x + eta).clamp(0, 1), epsilon, ball.name, tuple(history))


def patch(
    loss: Loss,
    x: Pictures,
    place: Bool[Tensor, "height width"],
    *,
    steps: int,
    step_size: float,
    targeted: bool = False,
    seed: int = 0,
    watch: Watch = nobody,
) -> Perturbation:
    r"""Paint one place of the pictures freely, the rest not at all: $x' = x \odot (1 - m) + p \odot m$, any $p$ in [0, 1].

    Begins with random colours and follows the sign of the gradient. For a patch that also works elsewhere, in another light or
    turned, give a `loss` that is an expectation over such changes (`attacks.defences.expected`).

    Args: place: $m$, True where the patch is.

    Source: Brown 2017, *Adversarial Patch*. Raises ValueError for a place that is empty.
    """
    x, m = checked(x, 0.0), place.to(x.dtype)
    if not bool(place.any()):
        raise ValueError("The patch has no place: mark one in the picture.")
    p = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed), dtype=x.dtype)
    history = list[Tensor]()
    for t in range(steps):
        J, grad = gradient(loss, x * (1 - m) + p * m)
        p = (p + (-1 if targeted else 1) * step_size * grad.sign()).clamp(0, 1)
        history.append(J)
        watch(Step(t, x * (1 - m) + p * m, J, (grad * m).flatten(1).norm(dim=1)))
    return Perturbation(x, x * (1 - m) + p * m, 1.0, "linf", tuple(history))
