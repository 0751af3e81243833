r"""An attack that needs no gradient, only answers: HopSkipJump walks along the boundary, feeling for its slope with noise.

Chen, Jordan & Wainwright 2020, *HopSkipJumpAttack: a query-efficient decision-based attack*.
"""

from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from attacks.gradient import Step, Watch, checked, nobody
from attacks.nearest import Fooled
from attacks.perturbation import Perturbation

Picture = Float[Tensor, "1 channels height width"]
AT_ONCE = 25  # pictures asked about together


def hop_skip_jump(
    fools: Fooled,
    x: Picture,
    *,
    start: Picture | None = None,
    steps: int = 20,
    asked: int = 100,
    seed: int = 0,
    watch: Watch = nobody,
) -> Perturbation:
    r"""The smallest $\eta$ in $L_2$ that answers alone can find, for one picture.

    A step: the direction away from the right answer is the mean of `asked`·√step random directions, each counted with the answer
    that a small step along it gets (eq. 9 and 16); then as far along it as the answer stays wrong (halving from
    $\|\eta\| / \sqrt t$); then back to the boundary by bisection on the line to $x$ (algorithm 1).

    Args:
        fools: True where a picture is answered wrongly.
        start: a wrong picture to begin with; without one, random noise that is answered wrongly.

    Raises ValueError where no such noise is found, or `start` is answered rightly. `history` holds $\|\eta\|_2$ before each step.
    """
    x, generator = checked(x, 0.0), torch.Generator().manual_seed(seed)
    wrong = wrong_noise(fools, x, generator) if start is None else checked(start, 0.0)
    if not bool(fools(wrong)):
        raise ValueError("The picture to begin with is answered rightly; HopSkipJump begins with a wrong one.")
    at = to_boundary(fools, x, wrong)
    n, history = x.numel(), []
    theta = 1 / (sqrt(n) * n)
    for t in range(1, steps + 1):
        distance = float((at - x).norm())
        history.append(torch.tensor([distance]))
        delta = 0.1 if t == 1 else sqrt(n) * theta * distance
        v = slope(fools, at, delta, int(asked * sqrt(t)), generator)
        length = distance / sqrt(t)
        while length > 1e-6 and not bool(fools((at + length * v).clamp(0, 1))):
            length /= 2
        if length > 1e-6:
            at = to_boundary(fools, x, (at + length * v).clamp(0, 1))
        watch(Step(t - 1, at, torch.tensor([distance]), torch.ones(1)))
    return Perturbation(x, at, float((at - x).norm()), "l2", tuple(history))


def wrong_noise(fools: Fooled, x: Picture, generator: torch.Generator) -> Picture:
    """Noise that is answered wrongly. Raises ValueError after a hundred tries."""
    for _ in range(100):
        tried = torch.rand(x.shape, generator=generator, dtype=x.dtype)
        if bool(fools(tried)):
            return tried
    raise ValueError("No random picture is answered otherwise, so there is nothing to begin with: give a start.")


def to_boundary(fools: Fooled, x: Picture, wrong: Picture, finest: float = 1e-4) -> Picture:
    """The point nearest to `x` on the line to a wrong picture that is still wrong, to `finest` of the line; by bisection."""
    low, high = 0.0, 1.0
    while high - low > finest:
        middle = (low + high) / 2
        if bool(fools(x + middle * (wrong - x))):
            high = middle
        else:
            low = middle
    return x + high * (wrong - x)


def slope(fools: Fooled, at: Picture, delta: float, asked: int, generator: torch.Generator) -> Picture:
    r"""The direction that leads into the wrong: $\sum_b (\phi(x + \delta u_b) - \bar\phi)\, u_b$ of length 1. Chen 2020, eq. 16."""
    total, phis = torch.zeros_like(at), []
    kept = []
    for begin in range(0, asked, AT_ONCE):
        u = torch.randn((min(AT_ONCE, asked - begin), *at.shape[1:]), generator=generator, dtype=at.dtype)
        u = u / u.flatten(1).norm(dim=1)[:, None, None, None]
        point = (at + delta * u).clamp(0, 1)
        kept.append((point - at) / delta)
        phis.append(2 * fools(point).to(at.dtype) - 1)
    phi = torch.cat(phis)
    counted = phi if phi.mean().abs() == 1 else phi - phi.mean()
    for u, weight in zip(kept, counted.split(AT_ONCE), strict=True):
        total += (weight[:, None, None, None] * u).sum(0, keepdim=True)
    return total / total.norm().clamp_min(torch.finfo(at.dtype).tiny)
