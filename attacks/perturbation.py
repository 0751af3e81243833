r"""Perturbation: what an attack did to a picture, in pixels.

Pixels are in $[0, 1]$ and $\epsilon$ is in pixels: $\epsilon = 1/255$ moves a pixel by one step of an 8-bit picture.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from skimage.metrics import structural_similarity
from torch import Tensor

STEPS = 255  # an 8-bit picture has the values 0/255 … 255/255


def to_8bit(x: Float[Tensor, "*batch channels height width"]) -> Float[Tensor, "*batch channels height width"]:
    """Round every value to the nearest k/255: the picture as a PNG file holds it. A rounded picture stays as it is."""
    return (x * STEPS).round() / STEPS


@dataclass(frozen=True)
class Perturbation:
    r"""The clean pictures, the adversarial ones and the budget.

    `exact` is what the formula gives; `adversarial` is that rounded to 8 bits, the picture that can be shown, saved and
    asked about. Every number below is measured on the rounded one.

    Attributes:
        clean: $x$, pixels in [0, 1].
        exact: $\tilde x$ before rounding, pixels in [0, 1].
        epsilon: the budget in pixels, e.g. 4/255.
        norm: the name of the ball that the budget is the radius of, "linf" or "l2".
        history: the loss of each picture before each step of the attack, one tensor (batch,) a step.
    """

    clean: Float[Tensor, "batch channels height width"]
    exact: Float[Tensor, "batch channels height width"]
    epsilon: float
    norm: str
    history: tuple[Float[Tensor, " batch"], ...]

    @property
    def adversarial(self) -> Float[Tensor, "batch channels height width"]:
        return to_8bit(self.exact)

    @property
    def eta(self) -> Float[Tensor, "batch channels height width"]:
        r"""$\eta = \tilde x - x$ of the rounded picture."""
        return self.adversarial - self.clean

    @property
    def linf(self) -> Float[Tensor, " batch"]:
        r"""$\|\eta\|_\infty$, in pixels."""
        return self.eta.abs().flatten(1).amax(1)

    @property
    def l2(self) -> Float[Tensor, " batch"]:
        r"""$\|\eta\|_2$, in pixels."""
        return self.eta.flatten(1).norm(dim=1)

    @property
    def psnr(self) -> Float[Tensor, " batch"]:
        r"""Peak signal-to-noise ratio $-10\log_{10}\mathrm{mean}(\eta^2)$ in dB; infinite where nothing changed."""
        return -10 * self.eta.pow(2).flatten(1).mean(1).log10()

    @property
    def ssim(self) -> Float[Tensor, " batch"]:
        """Structural similarity (Wang 2004, scikit-image's defaults), 1 for equal pictures."""
        pairs = zip(self.clean.numpy(), self.adversarial.numpy(), strict=True)
        return torch.tensor([structural_similarity(x, z, channel_axis=0, data_range=1.0) for x, z in pairs])
