r"""The loss around a picture, on a slice of the space of pictures: one axis along the gradient's sign, the other at random."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from attacks.classification import Labels, Model, cross_entropy
from attacks.gradient import gradient

Picture = Float[Tensor, "1 channels height width"]


def slice_of_loss(
    model: Model, x: Picture, y: Labels, along: Sequence[float], across: Sequence[float], seed: int = 0
) -> Iterator[Float[Tensor, " along"]]:
    r"""$J(\mathrm{clip}_{[0,1]}(x + a\,\mathrm{sign}(\nabla_x J) + b\,r))$ for every $a$ of `along`, a row a $b$ of `across`.

    $r$ is −1 or 1 in every value by the toss of a coin, so both axes are $L_\infty$ sizes in pixels. The pictures are not rounded.

    Source: the plots of gradient masking, Tramèr 2018, *Ensemble Adversarial Training*, figure 2.
    """
    g = gradient(cross_entropy(model, y), x)[1].sign()
    r = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(seed)) * 2.0 - 1
    a = torch.tensor(along)[:, None, None, None]
    loss = cross_entropy(model, y.expand(len(a)))
    for b in across:
        with torch.no_grad():
            row = loss((x + a * g + b * r).clamp(0, 1))
        yield row
