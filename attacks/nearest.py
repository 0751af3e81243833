r"""How near is the next mistake? Attacks that look for the smallest $\eta$, not for the worst within a budget.

They follow a margin $f(x)$ of each picture: above 0 while the answer stands, 0 on the boundary. `attacks.classification.margin` is
that of a classifier; any other will do.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attacks.balls import BALLS, Pictures
from attacks.gradient import Step, Watch, checked, gradient, nobody, size
from attacks.perturbation import STEPS, Perturbation

Margins = Callable[[Pictures], Float[Tensor, "batch rivals"]]
Margin = Callable[[Pictures], Float[Tensor, " batch"]]
Fooled = Callable[[Pictures], Bool[Tensor, " batch"]]

OVERSHOOT = 0.02
ACROSS = 5e-5  # of a margin: beyond the boundary, also for float32 and in another batch


def deepfool(
    margins: Margins,
    x: Pictures,
    *,
    norm: str = "l2",
    steps: int = 50,
    overshoot: float = OVERSHOOT,
    watch: Watch = nobody,
) -> Perturbation:
    r"""Walk to the nearest boundary, as if the boundaries to all rivals were flat: $\eta = -\frac{f_k}{\|w_k\|_2^2} w_k$.

    $f_k$ is the margin over rival $k$ and $w_k$ its gradient; the rival is the one with the smallest $|f_k| / \|w_k\|_q$. Repeated
    until the margin is below −`ACROSS`, then a little further (`overshoot`). In $L_\infty$ $\eta = -\frac{f_k}{\|w_k\|_1}
    \mathrm{sign}(w_k)$.

    Source: Moosavi-Dezfooli, Fawzi & Frossard 2016, algorithm 2 and eqs. 9 to 12.
    Returns: `epsilon` is the largest size among the batch; each picture's own is `Perturbation.l2` or `.linf`.
    """
    x, q = checked(x, 0.0), {"l2": 2.0, "linf": 1.0}[norm]
    eta, history = torch.zeros_like(x), list[Tensor]()
    for t in range(steps):
        x_t = (x + (1 + overshoot) * eta).clamp(0, 1)
        f, w = _all_gradients(margins, x_t)
        nearest = f.amin(1)
        history.append(nearest)
        standing = nearest > -ACROSS
        if not standing.any():
            break
        lengths = w.flatten(2).norm(p=q, dim=2)
        k = (f.abs() / lengths.clamp_min(torch.finfo(x.dtype).tiny)).argmin(1)
        rows = torch.arange(len(x))
        f_k, w_k = f[rows, k].clamp_min(0)[:, None, None, None], w[rows, k]
        away = w_k.sign() / size(w_k, 1) if norm == "linf" else w_k / size(w_k, 2) / size(w_k, 2)
        eta = eta - (f_k + ACROSS) * away * standing[:, None, None, None]
        watch(Step(t, x_t, nearest, lengths[rows, k]))
    exact = (x + (1 + overshoot) * eta).clamp(0, 1)
    return _found(x, exact, norm, history)


def _all_gradients(
    margins: Margins, x: Pictures
) -> tuple[Float[Tensor, "batch rivals"], Float[Tensor, "batch rivals channels height width"]]:
    """The margins over all rivals and the gradient of each, a backward pass a rival."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        f = margins(x)
        w = [torch.autograd.grad(f[:, k].sum(), x, retain_graph=k + 1 < f.shape[1])[0] for k in range(f.shape[1])]
    return f.detach(), torch.stack(w, 1)


def carlini_wagner(
    margin: Margin,
    x: Pictures,
    *,
    steps: int = 100,
    rate: float = 0.01,
    c: float = 1.0,
    searches: int = 5,
    confidence: float = 0.0,
    watch: Watch = nobody,
) -> Perturbation:
    r"""The smallest $\eta$ in $L_2$ that an optimiser finds: $\min \|\eta\|_2^2 + c \max(f(x + \eta), -\kappa)$ by Adam.

    $x + \eta = \frac12 (\tanh w + 1)$ is always a picture. $c$ is searched for each picture: halved between the bounds once it
    fools, times ten while it does not. Keeps the smallest $\eta$ that fools with `confidence` $\kappa$; a picture that nothing
    fooled comes back as it was.

    Source: Carlini & Wagner 2017, *Towards Evaluating the Robustness of Neural Networks*, sections V and VI.A.
    """
    x = checked(x, 0.0)
    w_0 = torch.atanh((2 * x - 1) * (1 - 1e-6))
    best, smallest = x.clone(), torch.full((len(x),), torch.inf)
    weight = torch.full((len(x),), float(c))
    low, high = torch.zeros(len(x)), torch.full((len(x),), torch.inf)
    history = list[Tensor]()
    for search in range(searches):
        w = w_0.clone()
        optimizer = torch.optim.Adam([w], lr=rate)
        hit = torch.zeros(len(x), dtype=torch.bool)
        for t in range(steps):
            x_t = (w.tanh() + 1) / 2
            f, g = gradient(margin, x_t)
            distance = (x_t - x).flatten(1).square().sum(1)
            pull = (weight * (f >= -confidence))[:, None, None, None] * g
            w.grad = (2 * (x_t - x) + pull) * (1 - w.tanh().square()) / 2
            fools = f <= -confidence
            hit |= fools
            nearer = fools & (distance < smallest)
            best = torch.where(nearer[:, None, None, None], x_t, best)
            smallest = torch.where(nearer, distance, smallest)
            history.append(f)
            watch(Step(search * steps + t, x_t, f, g.flatten(1).norm(dim=1)))
            optimizer.step()
        high, low = torch.where(hit, weight.minimum(high), high), torch.where(hit, low, weight.maximum(low))
        weight = torch.where(high.isinf(), weight * 10, (low + high) / 2)
    return _found(x, best, "l2", history)


def smallest_epsilon(
    attack: Callable[[float], Perturbation],
    fools: Fooled,
    *,
    most: float = 32 / STEPS,
    finest: float = 1 / STEPS,
) -> Perturbation | None:
    r"""The smallest budget with which an attack fools one picture, by bisection; None if `most` does not.

    Any attack of a fixed $\epsilon$ will do: `attack(epsilon)`. Asked is the 8-bit picture that leaves the app. Bisection takes for
    granted that a larger budget never does worse; of attacks that are not perfect that is nearly so.

    Args: most: the largest budget tried; finest: two budgets this near are the same.
    """
    found = attack(most)
    if not bool(fools(found.adversarial)):
        return None
    low, high = 0.0, most
    while high - low > finest:
        middle = (low + high) / 2
        tried = attack(middle)
        if bool(fools(tried.adversarial)):
            found, high = tried, middle
        else:
            low = middle
    return found


def _found(x: Pictures, exact: Pictures, norm: str, history: list[Tensor]) -> Perturbation:
    lengths = (exact - x).flatten(1).norm(p=torch.inf if norm == "linf" else 2, dim=1)
    return Perturbation(x, exact, float(lengths.max()), BALLS[norm].name, tuple(history))
