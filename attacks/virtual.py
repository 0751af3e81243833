r"""Virtual adversarial training: how much an answer changes under the worst small change, with no label asked.

$$\mathrm{LDS}(x_*, \theta) = D[p(y|x_*, \hat\theta),\, p(y|x_* + r_{\mathrm{vadv}}, \theta)], \qquad
r_{\mathrm{vadv}} = \arg\max_{\|r\|_2 \le \epsilon} D[p(y|x_*, \hat\theta),\, p(y|x_* + r)]$$

$D$ is least, 0, at $r = 0$, so its gradient vanishes there and its Hessian $H$ decides: the worst direction is $H$'s first
eigenvector, found by power iteration without writing $H$ down. Source: Miyato et al. 2017, *Virtual Adversarial Training: A
Regularization Method for Supervised and Semi-Supervised Learning*.

Nothing here knows a network, only `logits(x)`. If it is a module in training, its batch norm keeps its statistics and its dropout
the same mask in every pass.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Inputs = Float[Tensor, "batch *shape"]
Logits = Callable[[Inputs], Float[Tensor, "batch classes"]]
XI = 1e-2  # in units of x


def kl(q: Float[Tensor, "batch classes"], p: Float[Tensor, "batch classes"]) -> Float[Tensor, " batch"]:
    r"""$D[q, p] = \sum_k q_k (\log q_k - \log p_k)$ of each row, from logits: in nats, 0 where they agree and above it elsewhere.

    In float32 its value is good to about 1e-6 (and may be so far below 0), its gradient is not cut off there.
    Source: Miyato 2017, section 3.2: the Kullback–Leibler divergence, in this order.
    """
    log_q, log_p = q.log_softmax(1), p.log_softmax(1)
    return (log_q.exp() * (log_q - log_p)).sum(1)


def unit(d: Inputs) -> Inputs:
    r"""$\bar d = d / \|d\|_2$ of each row; zero where $d$ is zero."""
    tiny = torch.finfo(d.dtype).tiny
    flat = d.flatten(1)
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(tiny)  # or the squares of a small one vanish
    return (flat / flat.norm(dim=1, keepdim=True).clamp_min(tiny)).view_as(d)


def power_iteration(logits: Logits, x: Inputs, q: Float[Tensor, "batch classes"], d: Inputs, xi: float = XI) -> Inputs:
    r"""One step towards the first eigenvector of $H = \nabla\nabla_r D\,|_{r=0}$, by one gradient.

    $$d \leftarrow \overline{H d}, \qquad H d \approx \tfrac{1}{\xi}\, \nabla_r D[p(y|x_*), p(y|x_* + r)]\,\big|_{r = \xi d}$$

    Args:
        q: the network's logits at `x`, no gradient in them.
        d: a unit direction each.
        xi: $\xi$, in units of x: so small that $D$ is still a bowl, so large that float32 sees it.

    Returns: the next unit direction; zero where the gradient is exactly zero. Source: Miyato 2017, equations 8–12.
    """
    with torch.enable_grad():
        r = (xi * d).detach().requires_grad_()
        (g,) = torch.autograd.grad(kl(q, logits(x + r)).sum(), r)
    return unit(g)


def directions(logits: Logits, x: Inputs, *, K: int = 1, xi: float = XI, seed: int | None = None) -> list[Inputs]:
    r"""A random unit direction for each $x$, and what each of $K$ power iterations makes of it: $K + 1$ in all.

    Args: seed: of the random directions; without one, torch's own generator draws.
    """
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    x = x.detach()
    found = [unit(torch.randn(x.shape, generator=generator, dtype=x.dtype))]
    with repeatable(logits) as p:
        with torch.no_grad():
            q = p(x)
        for _ in range(K):
            found.append(power_iteration(p, x, q, found[-1], xi))
    return found


def r_vadv(logits: Logits, x: Inputs, epsilon: float, *, K: int = 1, xi: float = XI, seed: int | None = None) -> Inputs:
    r"""$r_{\mathrm{vadv}} \approx \epsilon\, \bar d$ after $K$ power iterations: $\|r\|_2 = \epsilon$ each, in units of x.

    Source: Miyato 2017, equation 11. Zero where the network's answer is constant around x, for then no direction is worse.
    """
    return epsilon * directions(logits, x, K=K, xi=xi, seed=seed)[-1]


def lds(logits: Logits, x: Inputs, r: Inputs) -> Float[Tensor, " batch"]:
    r"""$\mathrm{LDS}(x_*, \theta) = D[p(y|x_*, \hat\theta),\, p(y|x_* + r, \theta)]$ of each row, in nats, never below 0.

    $\hat\theta$ is $\theta$ held still: the gradient flows through $p(y|x_* + r, \theta)$ alone.
    Source: Miyato 2017, equation 5 (there with $r_{\mathrm{vadv}}$).
    """
    with repeatable(logits) as p:
        with torch.no_grad():
            q = p(x)
        return kl(q, p(x + r)).clamp_min(0)


def answer_and_lds(
    logits: Logits, x: Inputs, epsilon: float, *, K: int = 1, xi: float = XI
) -> tuple[Float[Tensor, "batch classes"], Float[Tensor, " batch"]]:
    r"""What a step of training needs: the logits $z(x)$ and the $\mathrm{LDS}$ along $r_{\mathrm{vadv}}$, from one clean pass.

    The clean pass is as any of a training step and moves batch norm's statistics; the $K + 1$ others do not.
    The logits keep their gradient (for the labels' loss); in the LDS, they are $p(y|x_*, \hat\theta)$ and have none.
    """
    seed, d = a_seed(), unit(torch.randn_like(x))
    z = masked(logits, seed)(x)
    with repeatable(logits, seed) as p:
        for _ in range(K):
            d = power_iteration(p, x.detach(), z.detach(), d, xi)
        return z, kl(z.detach(), p(x + epsilon * d)).clamp_min(0)


def cross_entropy_at_r_adv(
    logits: Logits, x: Inputs, y: Int[Tensor, " batch"], epsilon: float
) -> Float[Tensor, " batch"]:
    r"""$-\log p(y|x + r_{\mathrm{adv}}, \theta)$ of each row, in nats, with $r_{\mathrm{adv}} = \epsilon\, \bar g$ and
    $g = -\nabla_x \log p(y|x, \hat\theta)$: the adversarial loss, which asks for the label.

    Source: Miyato 2017, *Adversarial Training Methods for Semi-Supervised Text Classification*, equations 2 and 5.
    """
    with repeatable(logits) as p:
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            (g,) = torch.autograd.grad(F.cross_entropy(p(at), y, reduction="sum"), at)
        return F.cross_entropy(p(x + epsilon * unit(g)), y, reduction="none")


def hessian(logits: Logits, x: Inputs) -> Float[Tensor, "batch n n"]:
    r"""$H = \nabla\nabla_r D\,|_{r=0} = J^\top (\mathrm{diag}(p) - p p^\top) J$ of each row: exact.

    $J = \partial z/\partial x$. $D$'s second derivative holds the network's own curvature only times $p(y|x + r) - p(y|x)$, which
    is 0 at $r = 0$. The rank is below the number of classes: of two classes one power iteration finds all there is.
    """
    with repeatable(logits) as answer, torch.enable_grad():
        x = x.detach().requires_grad_()
        z = answer(x)
        rows = [torch.autograd.grad(z[:, k].sum(), x, retain_graph=True)[0].flatten(1) for k in range(z.shape[1])]
        J, p = torch.stack(rows, 1), z.detach().softmax(1)
    return J.transpose(1, 2) @ (p.diag_embed() - p[:, :, None] * p[:, None]) @ J


@contextmanager
def repeatable(logits: Logits, seed: int | None = None) -> Iterator[Logits]:
    """The same network, so that each call is as the first: one dropout mask, and no statistic of batch norm moved.

    Modes stay as they are. Args: seed: of the mask; without one, torch's own generator draws it.
    """
    training = [m for m in logits.modules() if m.training] if isinstance(logits, nn.Module) else []
    counted = [m for m in training if isinstance(m, _BatchNorm) and m.track_running_stats]
    for m in counted:
        m.track_running_stats = False
    try:
        yield masked(logits, a_seed() if seed is None else seed) if training else logits
    finally:
        for m in counted:
            m.track_running_stats = True


def masked(logits: Logits, seed: int) -> Logits:
    """The same network with the same dropout mask at every call; what torch's generator draws afterwards does not change."""

    def answer(x: Inputs) -> Float[Tensor, "batch classes"]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return logits(x)

    return answer


def a_seed() -> int:
    return int(torch.randint(2**62, ()))
