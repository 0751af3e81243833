r"""Attention OCR: a picture of letters is read one glimpse a letter, until the reader says that nothing is left.

A small CNN makes a grid of regions from the picture; each has a vector of what is there and of where that is, $a_i$. A recurrent
decoder looks at the grid once a letter: its state $h_t$ scores the regions, the weights $\alpha_{ti}$ make the glimpse
$c_t = \sum_i \alpha_{ti} a_i$, and the glimpse with the state decides the letter. The glimpse goes back into the decoder, so it
knows where it has looked and moves on. A glimpse a letter and the recurrence over glimpses: Ba 2015 (Multiple object recognition
with visual attention), who cut a hard window out of the picture; the soft weights over the CNN's grid with the places appended:
Wojna 2017 (Attention-based extraction of structured information from street view imagery).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.attention import Attention, Perceptron, attend
from models.grid import squash

HEIGHT, WIDTH = 32, 96  # pixels: every picture is squashed to this
ROWS, COLUMNS = 4, 24  # regions
LUMA = (0.299, 0.587, 0.114)


class State(NamedTuple):
    """What the decoder holds between two letters: $h_t$, its memory cell $m_t$, and its last glimpse $c_t$."""

    h: Float[Tensor, "batch d"]
    m: Float[Tensor, "batch d"]
    c: Float[Tensor, "batch d_k"]


class Reader(nn.Module):
    """One reader. Everything that the page shows is returned by the methods, one a line of the paper.

    Args:
        letters: how many there are, with the special ones.
        d_letter: numbers a letter.
        d, d_a: numbers of the decoder's state, and of the perceptron that scores.
        channels: numbers of the CNN's layers; the last is what a region says.
        dropout: the share dropped of the regions and of the attention vector while training.
    """

    def __init__(
        self,
        letters: int,
        d_letter: int = 32,
        d: int = 256,
        d_a: int = 128,
        channels: tuple[int, int, int, int] = (32, 48, 96, 128),
        dropout: float = 0.1,
    ):
        super().__init__()
        first, second, third, last = channels
        d_k = last + ROWS + COLUMNS
        self.cnn = nn.Sequential(
            *convolution(1, first, side=5, stride=2),
            *convolution(first, second, pool=(2, 2)),
            *convolution(second, third),
            Residual(*convolution(third, third)),
            nn.MaxPool2d((2, 1)),
            *convolution(third, last),
            Residual(*convolution(last, last)),
        )
        self.letter_embedding = nn.Embedding(letters, d_letter)
        self.W_0 = nn.Linear(d_k, d)
        self.decoder = nn.LSTMCell(d_letter + d_k, d)
        self.score = Perceptron(d, d_k, d_a)
        self.W_c = nn.Linear(d_k + d, d)
        self.W_y = nn.Linear(d, letters)
        self.dropout = nn.Dropout(dropout)

    def regions(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch regions d_k"]:
        r"""$a_i = [f_i; e_{row}; e_{column}]$: what the CNN sees at a place, and the place one-hot. Wojna 2017, location awareness.

        The regions go row by row from the top left.
        """
        light = normal(lightness(squash(x, HEIGHT, WIDTH))).unsqueeze(1)
        f = self.cnn(light.contiguous(memory_format=torch.channels_last))
        return torch.cat([self.dropout(f.flatten(2).mT), places(f).expand(len(f), -1, -1)], dim=-1)

    def begin(self, a: Float[Tensor, "batch regions d_k"]) -> State:
        r"""$h_0 = \tanh(W_0\, \bar a)$, the mean of all regions; nothing remembered, nothing glimpsed."""
        h = torch.tanh(self.W_0(a.mean(1)))
        return State(h, torch.zeros_like(h), torch.zeros_like(a[:, 0]))

    def move(self, letters: Int[Tensor, " batch"], state: State) -> tuple[Tensor, Tensor]:
        r"""$h_t, m_t = \text{LSTM}([y_{t-1}; c_{t-1}], h_{t-1}, m_{t-1})$: where to look next. Wojna 2017."""
        x_t = torch.cat([self.letter_embedding(letters), state.c], dim=-1)
        return self.decoder(x_t, (state.h, state.m))

    def glimpse(self, h_t: Float[Tensor, "batch d"], a: Float[Tensor, "batch regions d_k"]) -> Attention:
        r"""$e_{ti} = v_a^\top \tanh(W_a h_t + U_a a_i)$, $\alpha_t = \text{softmax}(e_t)$, $c_t = \sum_i \alpha_{ti} a_i$.

        Wojna 2017, spatial attention.
        """
        return attend(h_t.unsqueeze(1), a, a, self.score)

    def attention_vector(self, c_t: Float[Tensor, "batch d_k"], h_t: Float[Tensor, "batch d"]) -> Tensor:
        r"""$\tilde a_t = \tanh(W_c [c_t; h_t])$. Luong 2015, eq. 5."""
        return torch.tanh(self.W_c(torch.cat([c_t, h_t], dim=-1)))

    def logits(self, a_t: Float[Tensor, "batch d"]) -> Float[Tensor, "batch letters"]:
        r"""$W_y\, \tilde a_t + b_y$: how well each letter fits; $p(y_t) = \text{softmax}$ of it."""
        return self.W_y(self.dropout(a_t))

    def teach(
        self, a: Float[Tensor, "batch regions d_k"], letters: Int[Tensor, "batch time"]
    ) -> tuple[Float[Tensor, "batch time letters"], Float[Tensor, "batch time regions"]]:
        r"""The logits of the letter after each of `letters`, which begin with `BEGIN`, and the weights $\alpha_{ti}$ of it."""
        state, logits, alpha = self.begin(a), list[Tensor](), list[Tensor]()
        for y in letters.unbind(1):
            h, m = self.move(y, state)
            read = self.glimpse(h, a)
            state = State(h, m, read.context.squeeze(1))
            logits.append(self.logits(self.attention_vector(state.c, h)))
            alpha.append(read.weights.squeeze(1))
        return torch.stack(logits, dim=1), torch.stack(alpha, dim=1)

    def forward(
        self, x: Float[Tensor, "batch 3 height width"], letters: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time letters"]:
        """The logits of the letter after each of `letters`, which begin with `BEGIN`."""
        return self.teach(self.regions(x), letters)[0]


class Residual(nn.Sequential):
    """$x + f(x)$. He 2015, eq. 1."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def convolution(
    before: int, after: int, side: int = 3, stride: int = 1, pool: tuple[int, int] = (1, 1)
) -> list[nn.Module]:
    """A convolution, the maximum of each `pool` of its outputs, batch norm and the positive part."""
    conv = nn.Conv2d(before, after, side, stride, side // 2, bias=False)
    pooled = [nn.MaxPool2d(pool)] if pool != (1, 1) else []
    return [conv, *pooled, nn.BatchNorm2d(after), nn.ReLU()]


def lightness(x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch height width"]:
    """What is left of a picture without its colours. ITU-R BT.601."""
    return torch.einsum("bchw,c->bhw", x, x.new_tensor(LUMA))


def normal(light: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch height width"]:
    """The same with mean 0 and standard deviation 1 over each picture (a blank one: all 0)."""
    light = light - light.mean((1, 2), keepdim=True)
    return light / (light.square().mean((1, 2), keepdim=True) + 1e-4).sqrt()


def places(f: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "regions places"]:
    """For each region of a grid its row and its column, one-hot: rows + columns numbers."""
    rows, columns = f.shape[2:]
    row = torch.eye(rows).repeat_interleave(columns, 0)
    return torch.cat([row, torch.eye(columns).repeat(rows, 1)], dim=-1).to(f)
