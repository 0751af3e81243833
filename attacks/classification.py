r"""Attacks on a classifier: the loss, the one call `attack(model, x, y, epsilon)`, and what "fooled" means."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attacks.apgd import apgd
from attacks.balls import Pictures
from attacks.gradient import Loss, fgsm, pgd
from attacks.nearest import Margin, Margins
from attacks.perturbation import Perturbation, to_8bit

Model = Callable[[Pictures], Float[Tensor, "batch classes"]]
Labels = Int[Tensor, " batch"]
SURE = 1e-5  # −log p(y) below which float32 leaves too little of 1 − p(y)

ATTACKS: dict[str, Callable[..., Perturbation]] = {"fgsm": fgsm, "pgd": pgd, "apgd": apgd}


def cross_entropy(model: Model, y: Labels | None) -> Loss:
    r"""The loss of the lecture, $J(\theta, x, y) = -\log p_\theta(y \mid x)$, as a function of the pictures alone.

    Without `y`, the class that the network itself names is taken for the truth.
    """
    answer = logits_of(model)

    def loss(x: Pictures) -> Float[Tensor, " batch"]:
        z = answer(x)
        return negative_log_likelihood(z, z.argmax(1) if y is None else y)

    return loss


def negative_log_likelihood(z: Float[Tensor, "batch classes"], y: Labels) -> Float[Tensor, " batch"]:
    r"""$J = -\log p(y)$ of each row of logits $z$; where the network is `SURE`, as $J = \log(1 + e^m)$ in double precision.

    $m = \log\sum_{k \ne y} e^{z_k} - z_y$ is the lead of the rivals over $y$. The softmax's gradient $p(y) - 1$ is rounded to zero
    where a network is sure of itself, and an attack goes astray or fails in silence; the other's is $\sigma(m)\,\nabla m$.
    """
    J = F.cross_entropy(z, y, reduction="none")
    sure = J.detach() < SURE
    return torch.where(sure, _from_the_lead(z, y), J) if sure.any() else J


def _from_the_lead(z: Float[Tensor, "batch classes"], y: Labels) -> Float[Tensor, " batch"]:
    wide, y = z.double(), y[:, None]
    rivals = wide.scatter(1, y, float("-inf")).logsumexp(1)
    return F.softplus(rivals - wide.gather(1, y)[:, 0]).to(z.dtype)


def margins(model: Model, y: Labels, rivals: int = 10) -> Margins:
    r"""$z_y - z_k$ for the likeliest `rivals` of each picture, chosen once: all above 0 while the answer is `y`."""
    answer = logits_of(model)
    chosen: list[Tensor] = []

    def of(x: Pictures) -> Float[Tensor, "batch rivals"]:
        z = answer(x)
        if not chosen:
            others = z.detach().scatter(1, y[:, None], float("-inf"))
            chosen.append(others.topk(min(rivals, z.shape[1] - 1)).indices)
        return z.gather(1, y[:, None]) - z.gather(1, chosen[0])

    return of


def margin(model: Model, y: Labels, *, targeted: bool = False) -> Margin:
    r"""$z_y - \max_{k \ne y} z_k$: above 0 while the answer is `y`; `targeted`: with the sign turned, above 0 until it is.

    Source: Carlini & Wagner 2017, $f_6$.
    """
    answer = logits_of(model)

    def of(x: Pictures) -> Float[Tensor, " batch"]:
        z = answer(x)
        lead = z.gather(1, y[:, None])[:, 0] - z.scatter(1, y[:, None], float("-inf")).amax(1)
        return -lead if targeted else lead

    return of


def attack(
    model: Model,
    x: Pictures,
    y: Labels,
    epsilon: float,
    *,
    method: str = "fgsm",
    targeted: bool = False,
    **options: Any,
) -> Perturbation:
    """Attack a classifier within `epsilon` pixels of `x`; the door through which every page and command line goes.

    Args:
        model: pictures in [0, 1] to logits; its normalisation is inside it.
        y: the true classes, or with `targeted` the wanted ones.
        method: a name in `ATTACKS`; `options` are handed to it.

    Raises ValueError for an unknown method, bad pixels or epsilon, and for a model that gives probabilities.
    """
    if method not in ATTACKS:
        raise ValueError(f"There is no attack called {method!r}; there are {', '.join(ATTACKS)}.")
    return ATTACKS[method](cross_entropy(model, y), x, epsilon, targeted=targeted, **options)


def logits_of(model: Model) -> Model:
    """The model as it is in use, not in training, and refused if it hands out probabilities.

    A softmax on a softmax hides the gradient. Raises ValueError, when asked, for such a model.
    """

    def answer(x: Pictures) -> Float[Tensor, "batch classes"]:
        with evaluation(model):
            z = model(x)
        if (z >= 0).all() and (z.sum(1) - 1).abs().max() < 1e-4:
            raise ValueError("The model gives probabilities; an attack needs its logits, before the softmax.")
        return z

    return answer


@contextmanager
def evaluation(model: Model) -> Iterator[None]:
    """Batch norm and dropout as in use, not as in training; every module's mode is put back at the end."""
    training = [module for module in model.modules() if module.training] if isinstance(model, nn.Module) else []
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def fooled(
    model: Model, perturbation: Perturbation, y: Labels, *, target: Labels | None = None
) -> Bool[Tensor, " batch"]:
    """True where the clean picture was classified as `y` and the 8-bit adversarial one is not (or is as another `target`)."""
    answer = logits_of(model)
    with torch.no_grad():
        before = answer(to_8bit(perturbation.clean)).argmax(1)
        after = answer(perturbation.adversarial).argmax(1)
    return (before == y) & (after != y if target is None else (after == target) & (target != y))
