r"""Domain-adversarial networks: features that serve the main task and do not give away where the input is from.

Three parts: the shared layers $\theta_f$, the head of the main task $\theta_y$, the judge of the adverse task $\theta_d$. The
judge learns to name the domain; a layer that turns its gradient round makes the shared layers learn the opposite.

Source: Ganin et al. 2016, *Domain-Adversarial Training of Neural Networks*, JMLR 17(59).
"""

import math
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

GAMMA = 10.0
SIDE = 28  # pixels of a digit
READ = 3 * 384  # numbers of three layers of all-MiniLM-L6-v2


def lambda_p(p: float, gamma: float = GAMMA) -> float:
    r"""$\lambda_p = \dfrac{2}{1 + \exp(-\gamma \cdot p)} - 1$: how much the judge matters when the part $p$ is done.

    From 0 at $p = 0$ to almost 1 at $p = 1$: as long as the features are noise, so is the judge's gradient. $\gamma$ says how soon.
    Raises ValueError unless $0 \le p \le 1$.

    Source: Ganin et al. 2016, equation 14.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is the part of the training that is done, from 0 to 1, not {p:g}.")
    return 2 / (1 + math.exp(-gamma * p)) - 1


class GradientReversal(torch.autograd.Function):
    r"""$R_\lambda(f) = f$ on the way forward, $\dfrac{dR_\lambda}{df} = -\lambda I$ on the way back.

    What lies behind it (the judge) gets its own gradient as it is; what lies before it (the features) gets it turned round.

    Source: Ganin et al. 2016, equations 11 and 12.
    """

    @staticmethod
    def forward(ctx: Any, f: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return f.view_as(f)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return -ctx.strength * gradient, None


def reverse(f: Float[Tensor, "batch features"], strength: float) -> Float[Tensor, "batch features"]:
    r"""`f`, whose gradient will be $-\lambda$ times what comes back. Args: strength: $\lambda$."""
    reversed_f: Tensor = GradientReversal.apply(f, strength)  # type: ignore[no-untyped-call]
    return reversed_f


class Losses(NamedTuple):
    r"""$L_y$ of the main task and $L_d$ of the judge, means over the batch in nats."""

    y: Float[Tensor, ""]
    d: Float[Tensor, ""]


class DomainAdversarial(nn.Module):
    r"""$f = G_f(x; \theta_f)$, and of it the class $G_y(f; \theta_y)$ and the domain $G_d(R_\lambda(f); \theta_d)$, as logits.

    Args:
        features: $G_f$, the shared layers: inputs to (batch, features).
        label: $G_y$, the main task: features to logits of classes.
        judge: $G_d$, the adverse task: features to logits of domains.

    Source: Ganin et al. 2016, figure 1.
    """

    def __init__(self, features: nn.Module, label: nn.Module, judge: nn.Module):
        super().__init__()
        self.features, self.label, self.judge = features, label, judge

    def forward(self, x: Float[Tensor, "batch *inputs"]) -> Float[Tensor, "batch classes"]:
        """The main task alone, which is all that is left after training: logits of the classes."""
        logits: Tensor = self.label(self.features(x))
        return logits

    def losses(
        self,
        x: Float[Tensor, "batch *inputs"],
        y: Int[Tensor, " labelled"],
        d: Int[Tensor, " batch"],
        strength: float,
    ) -> Losses:
        r"""$L_y$ of the labelled examples, which come first, and $L_d$ of all.

        Their sum has $\partial L_y/\partial\theta_f - \lambda\,\partial L_d/\partial\theta_f$ as its gradient of the shared layers.

        Args:
            y: classes of the first examples of `x`; the rest has none that are known.
            d: domains.
            strength: $\lambda$. At 0 the judge learns and the features do not feel it: training on the source alone.
        """
        f = self.features(x)
        if strength == 0:  # nothing comes back from the judge: save the way
            f = torch.cat([f[: len(y)], f[len(y) :].detach()])
        return Losses(F.cross_entropy(self.label(f[: len(y)]), y), F.cross_entropy(self.judge(reverse(f, strength)), d))


def rules(
    network: DomainAdversarial,
    x: Float[Tensor, "batch *inputs"],
    y: Int[Tensor, " labelled"],
    d: Int[Tensor, " batch"],
    strength: float,
    rate: float,
) -> dict[str, Tensor]:
    r"""The three update rules of the lecture, spelled out: every parameter after one step, by name. Nothing is changed.

    $$\theta_f \leftarrow \theta_f-\mu\Big(\frac{\partial L_y}{\partial\theta_f}-\lambda\frac{\partial L_d}{\partial\theta_f}\Big)$$

    $$\theta_y \leftarrow \theta_y - \mu \frac{\partial L_y}{\partial \theta_y}$$

    $$\theta_d \leftarrow \theta_d - \mu \frac{\partial L_d}{\partial \theta_d}$$

    Two ways back through the shared layers, one for each loss. `descend` takes one, through `GradientReversal`, and gets the same.

    Args: strength: $\lambda$; rate: $\mu$.

    Source: Ganin et al. 2016, equations 4 to 6.
    """
    f = network.features(x)
    L_y = F.cross_entropy(network.label(f[: len(y)]), y)
    L_d = F.cross_entropy(network.judge(f), d)
    after = {}
    for name, theta in network.named_parameters():
        dL_y, dL_d = (
            torch.autograd.grad(loss, theta, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
            for loss in (L_y, L_d)
        )
        part = name.partition(".")[0]
        step = {"features": dL_y - strength * dL_d, "label": dL_y, "judge": dL_d}[part]
        after[name] = (theta - rate * step).detach()
    return after


class Pull(NamedTuple):
    r"""How strongly the losses pull at a part: $\|\partial L_y\|$, $\|\partial L_d\|$, and the length of its step, over $\mu$."""

    y: float
    d: float
    step: float


def pulls(
    network: DomainAdversarial,
    x: Float[Tensor, "batch *inputs"],
    y: Int[Tensor, " labelled"],
    d: Int[Tensor, " batch"],
    strength: float,
) -> dict[str, Pull]:
    r"""For each part the lengths of both gradients and of the step that `rules` makes of them, by name: features, label, judge."""
    main, adverse, both = (
        _steps(network, x, y, d, weights) for weights in ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0), (1.0, -strength, 1.0))
    )
    return {part: Pull(main[part], adverse[part], both[part]) for part in main}


def _steps(
    network: DomainAdversarial, x: Tensor, y: Tensor, d: Tensor, weights: tuple[float, float, float]
) -> dict[str, float]:
    """The length of the gradient of each part. Args: weights: of L_y, of L_d for the features, of L_d for the judge."""
    w_y, w_features, w_judge = weights
    f = network.features(x)
    L_y = F.cross_entropy(network.label(f[: len(y)]), y)
    L_d = F.cross_entropy(network.judge(f), d)
    totals = {"features": w_y * L_y + w_features * L_d, "label": w_y * L_y, "judge": w_judge * L_d}
    lengths = {}
    for part, total in totals.items():
        gradients = torch.autograd.grad(total, list(getattr(network, part).parameters()), retain_graph=True)
        lengths[part] = float(torch.cat([g.flatten() for g in gradients]).norm())
    return lengths


def descend(
    network: DomainAdversarial,
    optimizer: torch.optim.Optimizer,
    x: Float[Tensor, "batch *inputs"],
    y: Int[Tensor, " labelled"],
    d: Int[Tensor, " batch"],
    strength: float,
) -> Losses:
    r"""One step of all three parts at once: the gradient of $L_y + L_d$, of which the layer in between has turned a part round.

    With plain gradient descent as the optimizer this is `rules`. The judge's own step is not weighed by $\lambda$.
    """
    optimizer.zero_grad()
    losses = network.losses(x, y, d, strength)
    (losses.y + losses.d).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return losses


def shallow(inputs: int, hidden: int, classes: int, domains: int = 2, scale: float = 1.0) -> DomainAdversarial:
    r"""Ganin's network with one hidden layer: $f = \mathrm{sigm}(W x + b)$, and both heads linear.

    Args: scale: of the first weights, for those who want to see a bad beginning.

    Source: Ganin et al. 2016, section 4.1.
    """
    shared, label, judge = nn.Linear(inputs, hidden), nn.Linear(hidden, classes), nn.Linear(hidden, domains)
    for layer in (shared, label, judge):
        nn.init.xavier_uniform_(layer.weight, gain=scale)
        nn.init.zeros_(layer.bias)
    return DomainAdversarial(nn.Sequential(shared, nn.Sigmoid()), label, judge)


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with ReLUs between: `perceptron(512, 100, 10)` has one hidden layer of 100."""
    layers = [layer for n, m in pairwise(widths) for layer in (nn.Linear(n, m), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class Standardize(nn.Module):
    """Every picture with mean 0 and standard deviation 1 over its pixels; an even one becomes 0."""

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        return F.layer_norm(x, x.shape[1:], eps=1e-4)


def digits() -> DomainAdversarial:
    r"""Ganin's network for digits in colour, 3 × 28 × 28, pixels in [0, 1]: two convolutions of 5 × 5, heads of 100.

    With 24 and 32 maps instead of 32 and 48, for speed. Ours are the normalisations within each example, which need no statistics
    of a batch: so training on the source alone ($\lambda = 0$) cannot learn of the target by them, and an example's answer does
    not depend on its neighbours.

    Source: Ganin et al. 2016, figure 4a.
    """
    features = nn.Sequential(
        Standardize(),
        nn.Conv2d(3, 24, 5),
        nn.MaxPool2d(2),
        nn.GroupNorm(8, 24),
        nn.ReLU(),
        nn.Conv2d(24, 32, 5),
        nn.MaxPool2d(2),
        nn.GroupNorm(8, 32),
        nn.ReLU(),
        nn.Flatten(),
    )
    network = DomainAdversarial(features, perceptron(512, 100, 100, 10), perceptron(512, 100, 2))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def frames(classes: int, domains: int, read: int = READ, hidden: int = 192) -> DomainAdversarial:
    """The frame that a word calls up, from an encoder's states of it: one shared layer, a linear head, a judge."""
    features = nn.Sequential(nn.LayerNorm(read, elementwise_affine=False), nn.Linear(read, hidden), nn.ReLU())
    return DomainAdversarial(features, nn.Linear(hidden, classes), perceptron(hidden, 64, domains))
