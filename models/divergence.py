r"""How far what is made is from what is real, in a plane: densities on a grid, their divergences, and modes that are covered.

GAN Lab's live metric counts only a third of the real points: its densities sum to 0.336, and the divergence of a perfect copy is
negative. Here a density sums to 1, points outside the grid included; KL(p, p) = 0,
KL ≥ 0 and JS ≤ 1 bit.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

CELLS, REACH = 24, 1.2  # the grid covers [−1.2, 1.2]² with 24 × 24 cells
WITHIN = 3.0  # standard deviations from the centre of a mode that still belong to it
ENOUGH = 0.1  # of its fair share: so many points of a mode make it covered

Points = Float[Tensor, "points 2"]
Density = Float[Tensor, " cells"]


def density(x: Points, cells: int = CELLS, reach: float = REACH, pseudo: float = 0.0) -> Density:
    r"""The share of points in each cell of a grid over $[-reach, reach]^2$, and as the last number that of all the others.

    Args: pseudo: a count that every cell begins with, so that no cell is empty.
    """
    column, row = ((x + reach) / (2 * reach) * cells).floor().nan_to_num(-1).clamp(-1, cells).long().T
    inside = (column >= 0) & (column < cells) & (row >= 0) & (row < cells)
    counts = torch.bincount(torch.where(inside, row * cells + column, cells * cells), minlength=cells * cells + 1)
    weighed = counts.double() + pseudo
    return (weighed / weighed.sum()).float()


def kl(p: Density, q: Density) -> float:
    r"""$KL(p \| q) = \sum_i p_i \log_2 (p_i / q_i)$, in bits; infinite where $q$ is 0 and $p$ is not."""
    some = p > 0
    p, q = p.double(), q.double()
    return float((p[some] * (p[some] / q[some]).log2()).sum().clamp_min(0))


def js(p: Density, q: Density) -> float:
    r"""$JS(p, q) = \frac12 KL(p \| m) + \frac12 KL(q \| m)$ with $m = \frac12 (p + q)$: 0 for equals, 1 bit for strangers."""
    m = (p.double() + q.double()) / 2
    return (kl(p, m) + kl(q, m)) / 2


def nearest_mode(
    x: Points, centres: Float[Tensor, "modes 2"], sd: float
) -> tuple[Int[Tensor, " points"], Bool[Tensor, " points"]]:
    """The mode nearest to each point, and whether the point is within three standard deviations of its centre."""
    distance, mode = torch.cdist(x, centres).min(1)
    return mode, distance <= WITHIN * sd


def covered(x: Points, centres: Float[Tensor, "modes 2"], sd: float) -> tuple[int, float]:
    """How many modes have at least a tenth of their fair share of the points, and the share of points that are near any mode."""
    mode, near = nearest_mode(x, centres, sd)
    counts = torch.bincount(mode[near], minlength=len(centres))
    return int((counts >= ENOUGH * len(x) / len(centres)).sum()), float(near.double().mean())
