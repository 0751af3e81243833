r"""A network so small that it is trained while one watches: for points of a plane and for pictures of 8 × 8 pixels.

Points are pictures, too: one channel, one row, a column a coordinate, in [0, 1]. So all attacks work on them as on photos.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

HIDDEN = (64, 64)


class MLP(nn.Module):
    r"""$z = W_3\,\mathrm{relu}(W_2\,\mathrm{relu}(W_1 (2x - 1) + b_1) + b_2) + b_3$: pixels in [0, 1] in, logits out.

    Args:
        inputs: numbers of a picture, channels · height · width.
        hidden: the widths of the layers between.
        seed: of the first weights, drawn as He 2015 does; the biases begin at 0.
    """

    def __init__(self, inputs: int, classes: int, hidden: Sequence[int] = HIDDEN, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)  # of its own: another visitor's network draws at the same time
        self.layers = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise((inputs, *hidden, classes)))
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        h = 2 * x.flatten(1) - 1
        *between, last = self.layers
        for layer in between:
            h = layer(h).relu()
        return last(h)
