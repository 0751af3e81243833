r"""Generative adversarial networks: one network makes, the other judges, and each learns from the other's gradient.

The generator $G$ turns noise $z \sim U[-1, 1]^d$ into a point, a picture or a sound; the judge $D$ says how likely it takes what it
sees for real. Four sizes of the same two: points of a plane, digits of 8 × 8 and of 28 × 28 pixels, drum hits.

$$\min_G \max_D V(D, G) = E_x[\log D(x)] + E_z[\log(1 - D(G(z)))]$$

Sources: Goodfellow et al. 2014, *Generative Adversarial Nets*, eq. 1; Radford et al. 2015 (DCGAN: strided convolutions, batch
normalisation, z uniform); Gulrajani et al. 2017 (WGAN-GP). No batch normalisation in the judge: statistics of a batch that is all
real or all made would tell them apart by themselves, and the gradient penalty has a meaning only for one example at a time.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LEAK = 0.2

Made = Float[Tensor, "batch *shape"]
Logits = Float[Tensor, " batch"]
MadeLogits = Float[Tensor, " made"]
Scalar = Float[Tensor, ""]


class GAN(nn.Module):
    """A generator and its judge.

    Args:
        generator: (batch, noise) → what it makes, (batch, …).
        judge: (batch, …) → (batch, 1), the logit of "real" ($D = \\sigma$ of it), or a critic's score.
        noise: $d$, the numbers that the generator begins with.
        seed: of the first weights.
    """

    def __init__(self, generator: nn.Module, judge: nn.Module, noise: int, seed: int = 0):
        super().__init__()
        self.generator, self.judge, self.noise = generator, judge, noise
        first_weights(self, seed)

    def make(self, z: Float[Tensor, "batch noise"]) -> Made:
        """$G(z)$."""
        return self.generator(z)

    def logits(self, x: Made) -> Logits:
        r"""The judge's logit: $D(x) = \sigma(\cdot)$."""
        return self.judge(x)[:, 0]

    def draw_noise(self, n: int, chance: torch.Generator) -> Float[Tensor, "n noise"]:
        """$z \\sim U[-1, 1]^d$."""
        return 2 * torch.rand(n, self.noise, generator=chance) - 1


def first_weights(network: nn.Module, seed: int) -> None:
    """Every layer's weights as He 2015 draws them, its biases 0, from a generator of their own."""
    chance = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=chance)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def points(seed: int = 0) -> GAN:
    """For points of a plane: z has two numbers too, so that one sees how the generator bends the square of z into its shape."""
    return GAN(layers((2, 64, 64, 2)), layers((2, 64, 64, 1), LEAK), 2, seed)


def small_digits(seed: int = 0) -> GAN:
    """For scikit-learn's digits: (batch, 1, 8, 8), values in [0, 1]."""
    generator = nn.Sequential(layers((16, 64, 64, 64)), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
    return GAN(generator, nn.Sequential(Centred(), nn.Flatten(), layers((64, 64, 64, 1), LEAK)), 16, seed)


def digits(seed: int = 0) -> GAN:
    """For MNIST: (batch, 1, 28, 28), values in [0, 1]."""
    return pictures(28, 64, seed)


def drums(seed: int = 0) -> GAN:
    """For drum hits: (batch, 1, 32 bands, 32 moments), loudness in [0, 1]."""
    return pictures(32, 32, seed, 16)


def pictures(side: int, noise: int, seed: int, channels: int = 32) -> GAN:
    """Two strided convolutions each, as DCGAN's, narrower: (batch, 1, side, side), values in [0, 1]; `side` in fours."""
    c, small = channels, side // 4
    generator = nn.Sequential(
        nn.Linear(noise, 2 * c * small**2, bias=False),
        nn.Unflatten(1, (2 * c, small, small)),
        nn.BatchNorm2d(2 * c),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * c, c, 4, 2, 1, bias=False),
        nn.BatchNorm2d(c),
        nn.ReLU(),
        nn.ConvTranspose2d(c, 1, 4, 2, 1),
        nn.Sigmoid(),
    )
    judge = nn.Sequential(
        Centred(),
        nn.Conv2d(1, c, 4, 2, 1),
        nn.LeakyReLU(LEAK),
        nn.Conv2d(c, 2 * c, 4, 2, 1),
        nn.LeakyReLU(LEAK),
        nn.Flatten(),
        nn.Linear(2 * c * small**2, 1),
    )
    return GAN(generator, judge, noise, seed)


SIZES: dict[str, Callable[[int], GAN]] = {
    "points": points,
    "small_digits": small_digits,
    "digits": digits,
    "drums": drums,
}


class Centred(nn.Module):
    """Values in [0, 1] → [−1, 1]."""

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return 2 * x - 1


def layers(widths: Sequence[int], leak: float = 0.0) -> nn.Sequential:
    """Linear layers with (leaky) ReLU between them."""
    made: list[nn.Module] = []
    for n, m in pairwise(widths):
        made += [nn.Linear(n, m), nn.LeakyReLU(leak)]
    return nn.Sequential(*made[:-1])


def value(real: Logits, fake: MadeLogits) -> Scalar:
    r"""$V(D, G) = E_x[\log D(x)] + E_z[\log(1 - D(G(z)))]$, in nats; $-2 \log 2 \approx -1.386$ where the judge cannot tell.

    With the best judge there is, it is $2\,JS - 2 \log 2$ (Goodfellow 2014, theorem 1). $1 - \sigma(l) = \sigma(-l)$.

    Args: real, fake: the judge's logits of real and made examples.
    """
    return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()


def judge_loss(real: Logits, fake: MadeLogits, smoothing: float = 0.0) -> Scalar:
    r"""What the judge makes small: $-E_x[(1 - s)\log D(x) + s \log(1 - D(x))] - E_z[\log(1 - D(G(z)))]$.

    With $s = 0$ it is $-V(D, G)$. With one-sided label smoothing (Salimans 2016) the judge shall be sure of what is real only to
    $1 - s$, so that it never grows so sure that it has no gradient left to give.
    """
    sure = (1 - smoothing) * F.logsigmoid(real) + smoothing * F.logsigmoid(-real)
    return -sure.mean() - F.logsigmoid(-fake).mean()


def generator_loss(fake: Logits, saturating: bool = False) -> Scalar:
    r"""What the generator makes small: $-E_z[\log D(G(z))]$, or, saturating, the formula's own $E_z[\log(1 - D(G(z)))]$.

    Both want the same; but where the judge is sure ($D(G(z)) \to 0$) the gradient of the second is gone (Goodfellow 2014, sec. 3).
    """
    return F.logsigmoid(-fake).mean() if saturating else -F.logsigmoid(fake).mean()


def critic_loss(real: Logits, fake: MadeLogits) -> Scalar:
    """WGAN (Arjovsky 2017): $E_z[D(G(z))] - E_x[D(x)]$, minus the estimate of the earth mover's distance."""
    return fake.mean() - real.mean()


def gradient_penalty(
    judge: Callable[[Tensor], Tensor], real: Made, fake: Made, share: Float[Tensor, " batch"], weight: float = 10.0
) -> Scalar:
    r"""$\lambda\,E_{\hat x}[(\|\nabla_{\hat x} D(\hat x)\|_2 - 1)^2]$ with $\hat x = u x + (1 - u) G(z)$: slope 1 between them.

    Source: Gulrajani et al. 2017, *Improved Training of Wasserstein GANs*, eq. 3; λ = 10.

    Args: share: $u$ of each pair; weight: λ.
    """
    u = share.reshape(-1, *[1] * (real.dim() - 1))
    between = (u * real + (1 - u) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(judge(between).sum(), between, create_graph=True)
    return weight * (gradient.flatten(1).norm(dim=1) - 1).square().mean()
