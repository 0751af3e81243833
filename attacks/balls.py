r"""A norm, as an attack needs it: where to start in its ball, which way is steepest, and the way back in.

Every function takes a batch of perturbations $\eta$ and treats each picture on its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Pictures = Float[Tensor, "batch channels height width"]


def _length(eta: Pictures) -> Float[Tensor, "batch 1 1 1"]:
    return eta.flatten(1).norm(dim=1)[:, None, None, None]


def linf_optimize_linear(gradient: Pictures, epsilon: float) -> Pictures:
    r"""$\arg\max_{\|\eta\|_\infty \le \epsilon} \eta^\top g = \epsilon\,\mathrm{sign}(g)$ (Goodfellow 2014); sign(0) = 0."""
    return epsilon * gradient.sign()


def linf_project(eta: Pictures, epsilon: float) -> Pictures:
    r"""The nearest $\eta$ with $\|\eta\|_\infty \le \epsilon$."""
    return eta.clamp(-epsilon, epsilon)


def linf_random_start(like: Pictures, epsilon: float, generator: torch.Generator) -> Pictures:
    r"""Uniform in the ball $\|\eta\|_\infty \le \epsilon$."""
    return (2 * torch.rand(like.shape, generator=generator) - 1) * epsilon


def l2_optimize_linear(gradient: Pictures, epsilon: float) -> Pictures:
    r"""$\arg\max_{\|\eta\|_2 \le \epsilon} \eta^\top g = \epsilon\, g / \|g\|_2$; zero where the gradient is zero."""
    tiny = torch.finfo(gradient.dtype).tiny
    g = gradient / gradient.abs().amax((1, 2, 3), keepdim=True).clamp_min(tiny)  # or the squares of a small one vanish
    return epsilon * g / _length(g).clamp_min(tiny)


def l2_project(eta: Pictures, epsilon: float) -> Pictures:
    r"""The nearest $\eta$ with $\|\eta\|_2 \le \epsilon$."""
    return eta * (epsilon / _length(eta).clamp_min(torch.finfo(eta.dtype).tiny)).clamp_max(1.0)


def l2_random_start(like: Pictures, epsilon: float, generator: torch.Generator) -> Pictures:
    r"""Uniform in the ball $\|\eta\|_2 \le \epsilon$: a random direction, a radius $\epsilon u^{1/n}$ with u in [0, 1]."""
    eta = torch.randn(like.shape, generator=generator)
    radius = torch.rand((len(like), 1, 1, 1), generator=generator) ** (1 / like[0].numel())
    return epsilon * radius * eta / _length(eta)


@dataclass(frozen=True)
class Ball:
    """The three things that tell one norm from another."""

    name: str
    optimize_linear: Callable[[Pictures, float], Pictures]
    project: Callable[[Pictures, float], Pictures]
    random_start: Callable[[Pictures, float, torch.Generator], Pictures]


LINF = Ball("linf", linf_optimize_linear, linf_project, linf_random_start)
L2 = Ball("l2", l2_optimize_linear, l2_project, l2_random_start)
BALLS = {ball.name: ball for ball in (LINF, L2)}
