"""A small CNN for handwritten digits, the same in every experiment that hardens, smooths or judges with it."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

PIXEL, CHANNELS, HIDDEN = 4, (32, 64), 128


class DigitClassifier(nn.Module):
    r"""Grey digits in, logits out.

    $$z = W_2\,\mathrm{relu}(W_1\,\mathrm{relu}(C_2 * \mathrm{relu}(C_1 * g(x)))), \qquad g_c(x) = \mathrm{relu}(u_c x + v_c)$$

    $g$ acts on each pixel alone and gives `PIXEL` numbers of it, so that $C_1 * g(x)$ can be any bent curve over the grey of a
    pixel: a line, or a threshold. $C_1$ and $C_2$ are convolutions of 5 × 5 pixels with a stride of 2. No normalisation and no
    dropout: the network is the same function in training and in use.

    Shapes: (batch, 1, 28, 28), pixels in [0, 1] → (batch, 10). Source: the plan of LeCun 1998, strides instead of pooling.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second = CHANNELS
        self.pixel = nn.Conv2d(1, PIXEL, 1)
        self.conv1 = nn.Conv2d(PIXEL, first, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(first, second, 5, stride=2, padding=2)
        self.hidden = nn.Linear(second * 7 * 7, HIDDEN)
        self.logits = nn.Linear(HIDDEN, 10)

    def forward(self, x: Float[Tensor, "batch 1 28 28"]) -> Float[Tensor, "batch 10"]:
        h = F.relu(self.conv1(F.relu(self.pixel(x))))
        h = F.relu(self.conv2(h))
        return self.logits(F.relu(self.hidden(h.flatten(1))))


@torch.no_grad()
def ink(network: DigitClassifier) -> Float[Tensor, "units 5 5"]:
    r"""$\sum_c C_1[k, c]\,(g_c(1) - g_c(0))$: what each pixel of a window does to unit $k$ when it turns from 0 to 1."""
    white, black = (network.pixel(torch.full((1, 1, 1, 1), v)).relu() for v in (1.0, 0.0))
    return torch.einsum("kcij,c->kij", network.conv1.weight, (white - black)[0, :, 0, 0])


@torch.no_grad()
def grey(network: DigitClassifier, v: Float[Tensor, " greys"]) -> Float[Tensor, "units greys"]:
    r"""$\sum_c C_1[k, c, i, j]\,(g_c(v) - g_c(0))$ at the pixel $i, j$ that moves unit $k$ most: how it answers to each grey.

    A straight line is a filter as in a picture of weights; a step is a threshold, that does not see a grey below it move.
    """
    seen = network.pixel(v[:, None, None, None]).relu()[:, :, 0, 0]
    strongest = ink(network).abs().flatten(1).argmax(1)
    weights = network.conv1.weight.flatten(2)[torch.arange(len(strongest)), :, strongest]
    return weights @ (seen - network.pixel(torch.zeros(1, 1, 1, 1)).relu()[:, :, 0, 0]).T
