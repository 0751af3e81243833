r"""A photograph as a grid of regions: what a captioner or a question answerer attends over.

The CNN is EfficientNet-Lite0, frozen; its last convolution leaves a vector of 1,280 numbers for each cell of 32 × 32 pixels: 7 × 7
regions of a picture of 224 × 224. Everything is differentiable torch code, so an attack gets the gradient at the pixels.
"""

import math

import torch
from jaxtyping import Float
from timm.models import EfficientNet
from torch import Tensor, nn

from models.classifier import Classifier

CELL = 32  # pixels on the side of a region
CHANNELS = 1280  # numbers of a region
SMALL_CELL, SMALL_CHANNELS = 8, 64  # the same of `SmallGrid`


class Grid(nn.Module):
    r"""Pixels in [0, 1] to annotation vectors $a_1 \dots a_R$, row by row from the top left. Xu 2015, section 3.1.1.

    Args: classifier: EfficientNet-Lite0 as `zoo.load` gives it; its normalisation and its frozen weights are used.
    """

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch regions channels"]:
        """One vector a cell. Height and width should be multiples of `CELL`; there are (height/32)·(width/32) regions."""
        normal = (x - self.classifier.mean) / self.classifier.std
        network = self.classifier.network
        assert isinstance(network, EfficientNet)
        features = network.forward_features(normal.contiguous(memory_format=torch.channels_last))
        return features.flatten(2).mT


class Even(nn.Module):
    r"""$\sqrt{20}\, f_i / \lVert f_i \rVert$: regions that differ in direction alone, so that a bright one counts no more."""

    def forward(self, f_I: Float[Tensor, "batch regions channels"]) -> Float[Tensor, "batch regions channels"]:
        return nn.functional.normalize(f_I, dim=-1) * math.sqrt(20)


class SmallGrid(nn.Module):
    r"""A small CNN for drawings of 64 × 64 pixels, trained together with what looks at it: 8 × 8 regions.

    Args: channels: numbers of a region.
    """

    def __init__(self, channels: int = SMALL_CHANNELS):
        super().__init__()
        self.cnn = nn.Sequential(
            *_convolution(3, 32, side=5, stride=2),
            *_convolution(32, 64, stride=2),
            *_convolution(64, channels, stride=2),
            *_convolution(channels, channels),
            *_convolution(channels, channels),
        )

    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch regions channels"]:
        """One vector a cell of 8 × 8 pixels, row by row from the top left."""
        return self.cnn(2 * x - 1).flatten(2).mT


def _convolution(before: int, after: int, side: int = 3, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, side, stride, side // 2, bias=False)
    return [conv, nn.BatchNorm2d(after), nn.ReLU()]


def squash(
    x: Float[Tensor, "batch 3 height width"], height: int, width: int, how: str = "bilinear"
) -> Float[Tensor, "batch 3 h w"]:
    """The whole picture at another size, its sides' ratio not kept; smooth (antialiased), differentiable, within [0, 1].

    Args: how: "bilinear" or "bicubic".
    """
    if x.shape[-2:] == (height, width):
        return x
    return nn.functional.interpolate(x, (height, width), mode=how, antialias=True).clamp(0, 1)
