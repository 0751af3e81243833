"""A digit that somebody drew, brought into the form that MNIST's digits have."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SIDE, BOX = 28, 20


def centred(ink: Float[Tensor, "height width"]) -> Float[Tensor, "1 1 28 28"]:
    """The ink (0 to 1) scaled so that its longer side has 20 pixels, its centre of mass in the middle of 28 × 28.

    Source: LeCun 1998, section III.A, on how MNIST was made. Raises ValueError for an empty sheet.
    """
    rows, columns = (ink > 0.1).any(1).nonzero()[:, 0], (ink > 0.1).any(0).nonzero()[:, 0]
    if not len(rows):
        raise ValueError("The sheet is empty: draw a digit on it.")
    found = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(found.shape)
    size = [max(1, round(side * scale)) for side in found.shape]
    small = F.interpolate(found[None, None], size, mode="bilinear", antialias=True).clamp(0, 1)
    mass = small / small.sum()
    centre = [
        float((mass.sum(across) * torch.arange(side).view(shape)).sum())
        for side, across, shape in ((size[0], 3, (1, 1, -1)), (size[1], 2, (1, 1, -1)))
    ]
    top, left = (min(max(round((SIDE - 1) / 2 - at), 0), SIDE - side) for at, side in zip(centre, size, strict=True))
    return F.pad(small, (left, SIDE - size[1] - left, top, SIDE - size[0] - top))
