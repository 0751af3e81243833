r"""How far a map has moved: between two maps of weights over the same grid of regions, in plain numbers."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog
from scipy.sparse import coo_array

LEAST = 1e-7  # of the weight: less is nothing
SLACK = 1e-8  # of what moves may be lost: the two sides are equal up to rounding only


def total_variation(
    before: Float[np.ndarray, "*looks regions"], after: Float[np.ndarray, "*looks regions"]
) -> np.ndarray:
    r"""$\frac12 \sum_i |\alpha_i - \alpha'_i|$: the share of the map that lies elsewhere, from 0 to 1. Where, does not count."""
    return np.asarray(np.abs(before.astype(np.float64) - after.astype(np.float64)).sum(-1) / 2)


def earth_movers(before: Float[np.ndarray, "rows columns"], after: Float[np.ndarray, "rows columns"]) -> float:
    r"""$\min_{f \ge 0} \sum_{ij} f_{ij} \lVert p_i - p_j \rVert_2$, $f$ carrying $\alpha$ over to $\alpha'$: the way
    that the weight went, in cells.

    Exact, by linear programming. What both maps have in common stays where it is, since the distance is a metric: only what
    is too much at $i$ goes to where it is too little, $j$. Source: Rubner 2000, *The earth mover's distance*, section 4.
    """
    alpha, beta = (part.astype(np.float64).ravel() / part.astype(np.float64).sum() for part in (before, after))
    surplus, want = np.clip(alpha - beta, 0, None), np.clip(beta - alpha, 0, None)
    origins, goals = np.flatnonzero(surplus > LEAST), np.flatnonzero(want > LEAST)
    if not len(origins) or not len(goals):
        return 0.0
    p = np.argwhere(np.ones(before.shape)).astype(np.float64)
    cost = np.linalg.norm(p[origins][:, None] - p[goals][None], axis=-1)
    n, m = cost.shape
    flows = np.arange(n * m)
    ends = np.stack([flows // m, n + flows % m])  # where each flow leaves and arrives: a row of the constraints each
    conserved = coo_array((np.ones(2 * n * m), (ends.ravel(), np.tile(flows, 2))), shape=(n + m, n * m)).tocsr()
    out, into = surplus[origins], want[goals]
    most, least = out / out.sum(), (1 - SLACK) * into / into.sum()
    sides = np.repeat([1.0, -1.0], [n, m])[:, None]  # what leaves is at most so much, what arrives at least
    bound = np.concatenate([most, -least])
    found = linprog(cost.ravel(), A_ub=conserved.multiply(sides).tocsr(), b_ub=bound, method="highs")
    return float(found.fun) * float(out.sum())
