r"""Attacks that follow the gradient of the loss with respect to the picture.

An attack knows no network, only `loss(x) -> (batch,)`. It asks for the gradient of the picture alone, opens its own
`enable_grad`, and leaves the network's weights, gradients, modes and statistics as they were.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from attacks.balls import LINF, Ball, Pictures
from attacks.perturbation import Perturbation

Loss = Callable[[Pictures], Float[Tensor, " batch"]]


def gradient(loss: Loss, x: Pictures) -> tuple[Float[Tensor, " batch"], Pictures]:
    r"""$J(x)$ and $\nabla_x J(x)$ of each picture of a batch, both detached."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        J = loss(x)
        (grad,) = torch.autograd.grad(J.sum(), x)
    return J.detach(), grad


def fgsm(loss: Loss, x: Pictures, epsilon: float, *, ball: Ball = LINF, targeted: bool = False) -> Perturbation:
    r"""Fast gradient sign method: one step of size $\epsilon$ in the direction that raises the loss most.

    $$\tilde x = \mathrm{clip}_{[0,1]}(x + \eta), \qquad \eta = \epsilon\,\mathrm{sign}(\nabla_x J(\theta, x, y))$$

    With `targeted`, `loss` is that of the class wanted, and the step goes down instead of up.

    Source: Goodfellow, Shlens & Szegedy 2014, *Explaining and Harnessing Adversarial Examples*, section 3.
    Units: pixels in [0, 1], epsilon in pixels. Raises ValueError for pixels or an epsilon out of range.
    """
    x = checked(x, epsilon)
    J, grad = gradient(loss, x)
    eta = ball.optimize_linear(-grad if targeted else grad, epsilon)
    return Perturbation(x, (x + eta).clamp(0, 1), epsilon, ball.name, history=(J,))


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
) -> Perturbation:
    r"""Projected gradient descent: small steps of `fgsm`, each brought back into the ball and into [0, 1].

    $$x^{t+1} = \mathrm{clip}_{[0,1]}\big(x + \Pi_\epsilon(x^t + a\,\mathrm{sign}(\nabla_x J(\theta, x^t, y)) - x)\big)$$

    Starts at $x$, or with a `seed` at a random point of the ball.

    Source: Madry et al. 2018, *Towards Deep Learning Models Resistant to Adversarial Attacks*, section 2.1.
    Units and errors as `fgsm`.
    """
    x_t = x = checked(x, epsilon)
    if seed is not None:
        x_t = (x + ball.random_start(x, epsilon, torch.Generator().manual_seed(seed))).clamp(0, 1)
    history = []
    for _ in range(steps):
        J, grad = gradient(loss, x_t)
        step = ball.optimize_linear(-grad if targeted else grad, step_size)
        x_t = (x + ball.project(x_t + step - x, epsilon)).clamp(0, 1)
        history.append(J)
    return Perturbation(x, x_t, epsilon, ball.name, tuple(history))


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
