r"""Auto-PGD: projected gradient descent that finds its own step size.

It begins with steps as wide as the ball and halves them, picture by picture, whenever they no longer pay; then it goes on from the
best point so far. Croce & Hein 2020, *Reliable evaluation of adversarial robustness*, section 3.
"""

from math import ceil

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attacks.balls import LINF, Ball, Pictures
from attacks.gradient import Loss, Step, Watch, checked, gradient, nobody
from attacks.perturbation import Perturbation

ALPHA = 0.75  # how much of a step is new; the rest is the step before
RHO = 0.75  # the share of steps that must pay


def checkpoints(steps: int) -> list[int]:
    r"""The steps at which the step size is looked at: $w_j = \lceil p_j N \rceil$ with $p_0 = 0$, $p_1 = 0.22$, then closer."""
    p = [0.0, 0.22]
    while p[-1] < 1:
        p.append(p[-1] + max(p[-1] - p[-2] - 0.03, 0.06))
    return sorted({ceil(round(share * steps, 6)) for share in p[1:] if share <= 1})


def apgd(
    loss: Loss,
    x: Pictures,
    epsilon: float,
    *,
    steps: int,
    ball: Ball = LINF,
    targeted: bool = False,
    seed: int | None = None,
    watch: Watch = nobody,
) -> Perturbation:
    r"""Auto-PGD, steps with a memory, whose size $a$ is found on the way.

    $$z = \Pi(x^t + a\,\mathrm{sign}(\nabla J)), \qquad x^{t+1} = \Pi(x^t + \alpha (z - x^t) + (1 - \alpha)(x^t - x^{t-1}))$$

    Begins with $a = 2\epsilon$. At a checkpoint $a$ is halved where fewer than $\rho$ of the steps raised the loss, or where
    neither $a$ nor the best loss has changed since the last one. Returns the best point of each picture, not the last.

    Source: Croce & Hein 2020, algorithm 1. Units, errors and `seed` as `attacks.gradient.pgd`.
    """
    x, uphill = checked(x, epsilon), -1.0 if targeted else 1.0

    def inside(point: Pictures) -> Pictures:
        return (x + ball.project(point - x, epsilon)).clamp(0, 1)

    x_t = x
    if seed is not None:
        x_t = inside(x + ball.random_start(x, epsilon, torch.Generator().manual_seed(seed)))
    before = best = x_t
    J, grad = gradient(loss, x_t)
    height = highest = at_last = uphill * J
    best_grad, history = grad, [J]
    a = torch.full((len(x), 1, 1, 1), 2 * epsilon, dtype=x.dtype)
    rises, halved, last = torch.zeros(len(x)), torch.zeros(len(x), dtype=torch.bool), 0
    for t in range(steps):
        z = inside(x_t + a * ball.optimize_linear(uphill * grad, 1.0))
        x_t, before = (inside(x_t + ALPHA * (z - x_t) + (1 - ALPHA) * (x_t - before)) if t else z), x_t
        watch(Step(t, x_t, J, grad.flatten(1).norm(dim=1)))
        J, grad = gradient(loss, x_t)
        history.append(J)
        rises += uphill * J > height
        height = uphill * J
        better = height > highest
        best, best_grad = (torch.where(_each(better), new, old) for new, old in ((x_t, best), (grad, best_grad)))
        highest = highest.maximum(height)
        if t + 1 in checkpoints(steps):
            stuck = ~halved & (highest <= at_last)
            halved, at_last = (rises < RHO * (t + 1 - last)) | stuck, highest
            a = torch.where(_each(halved), a / 2, a)
            x_t, before = (torch.where(_each(halved), best, point) for point in (x_t, before))
            grad, height = torch.where(_each(halved), best_grad, grad), torch.where(halved, highest, height)
            rises, last = torch.zeros(len(x)), t + 1
    return Perturbation(x, best, epsilon, ball.name, tuple(history))


def _each(of_pictures: Bool[Tensor, " batch"] | Float[Tensor, " batch"]) -> Tensor:
    return of_pictures[:, None, None, None]
