r"""What may be done to a picture before the network sees it, in the hope that an attack does not survive; and how one does survive.

Each defence is a function of pictures in [0, 1] to pictures in [0, 1]. An attack that knows the defence follows the gradient
through it: of rounding and JPEG, which have none, the gradient of doing nothing is taken (BPDA, Athalye 2018); of a defence with
chance in it, the mean over several (EOT, Athalye 2018).
"""

import io
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from attacks.balls import Pictures
from attacks.gradient import Loss
from attacks.perturbation import STEPS

Defence = Callable[[Pictures], Pictures]


def straight_through(x: Pictures, done: Pictures) -> Pictures:
    """`done`, whose gradient is that of `x` untouched."""
    return x + (done - x).detach()


def jpeg(x: Pictures, quality: int = 75) -> Pictures:
    """Pictures after JPEG of this quality, 1 to 95. Raises ValueError for another."""
    if not 1 <= quality <= 95:
        raise ValueError(f"JPEG has qualities 1 to 95; it was {quality}.")
    return straight_through(x, torch.stack([_jpeg(each, quality) for each in x.detach()]).to(x.dtype))


def _jpeg(x: Float[Tensor, "channels height width"], quality: int) -> Float[Tensor, "channels height width"]:
    pixels = (x.clamp(0, 1) * STEPS).round().byte().permute(1, 2, 0).numpy()
    memory = io.BytesIO()
    Image.fromarray(pixels).save(memory, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(memory))).permute(2, 0, 1) / STEPS


def bit_depth(x: Pictures, bits: int = 4) -> Pictures:
    """Pictures with so many bits a value. Xu 2018, feature squeezing."""
    levels = 2**bits - 1
    return straight_through(x, (x * levels).round() / levels)


def blur(x: Pictures, sigma: float = 1.0) -> Pictures:
    """Gaussian blur of this standard deviation, in pixels; 0: none."""
    if sigma <= 0:
        return x
    reach = max(1, round(3 * sigma))
    at = torch.arange(-reach, reach + 1, dtype=x.dtype)
    weights = (-at.square() / (2 * sigma**2)).exp()
    weights = (weights / weights.sum()).expand(x.shape[1], 1, -1)
    padded = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    rows = F.conv2d(padded, weights.unsqueeze(2), groups=x.shape[1])
    return F.conv2d(rows, weights.unsqueeze(3), groups=x.shape[1])


def resize(x: Pictures, share: float = 0.5) -> Pictures:
    """Pictures made smaller by this share of the side, and as large as before again."""
    height, width = (max(1, round(side * share)) for side in x.shape[-2:])
    small = F.interpolate(x, (height, width), mode="bilinear", antialias=True)
    return F.interpolate(small, x.shape[-2:], mode="bilinear", antialias=True).clamp(0, 1)


def shifted(x: Pictures, generator: torch.Generator, most: int = 4) -> Pictures:
    """Pictures moved by up to `most` pixels each way, by chance; the edge is repeated."""
    down, right = torch.randint(0, 2 * most + 1, (2,), generator=generator).tolist()
    padded = F.pad(x, (most, most, most, most), mode="replicate")
    return padded[..., down : down + x.shape[-2], right : right + x.shape[-1]]


DEFENCES: dict[str, Callable[..., Pictures]] = {"jpeg": jpeg, "blur": blur, "resize": resize, "bits": bit_depth}


def through(loss: Loss, defence: Defence) -> Loss:
    """The loss of the defended network: an attack on it knows the defence."""
    return lambda x: loss(defence(x))


def expected(loss: Loss, defences: Sequence[Defence]) -> Loss:
    r"""$\mathbb{E}_t[J(t(x))]$, the mean over `defences`: an attack on it survives them all. Athalye 2018, EOT."""

    def mean(x: Pictures) -> Float[Tensor, " batch"]:
        return torch.stack([loss(defence(x)) for defence in defences]).mean(0)

    return mean


def by_chance(generator: torch.Generator, count: int, most: int = 4) -> list[Defence]:
    """So many `shifted`, each with its own chance at every call."""
    return [partial(shifted, generator=generator, most=most)] * count
