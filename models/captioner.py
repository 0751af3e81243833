r"""Show, Attend and Tell: a photograph described word by word, each word with the regions it looked at.

A CNN leaves one annotation vector $a_i$ a region. Before each word the decoder's state $h_{t-1}$ scores the regions, the weights
$\alpha_{ti}$ make the context, a gate $\beta_t$ says how much of it counts, $\hat z_t$, and an LSTM moves on to $h_t$, which with
$\hat z_t$ and the word before decides the word. Xu 2015, soft attention (sections 3.1 and 4.2).

The decoder differs from the translators' in one thing: what it saw becomes part of its state, so a changed look changes all that
follows, not only by the word.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.attention import Attention, Perceptron, additive, attend
from models.decoder import Decoder, Hand, Memory, State, Step, untouched
from models.grid import CHANNELS
from models.words import BEGIN, PAD, UNKNOWN


class Captioner(Decoder):
    r"""The decoder of Xu 2015. What it reads are the features of `models.grid.Grid`.

    Args:
        words: the size of the vocabulary.
        D: numbers of a region as the CNN leaves them; they are brought to `d`, for a CNN that is not trained with it.
        d: numbers of an annotation $a_i$.
        d_a: hidden numbers of the score.
        m: numbers of a word's embedding $E y_t$.
        n: numbers of $h_t$ and of the LSTM's memory $c_t$.
        dropout: the share dropped of the annotations, of the embedding and of what decides the word while training.
    """

    barred = (PAD, BEGIN, UNKNOWN)

    def __init__(
        self,
        words: int,
        D: int = CHANNELS,
        d: int = 384,
        d_a: int = 256,
        m: int = 256,
        n: int = 512,
        dropout: float = 0.4,
    ):
        super().__init__()
        self.annotation = nn.Linear(D, d)
        self.f_init_h, self.f_init_c = nn.Linear(d, n), nn.Linear(d, n)
        self.f_att = Perceptron(n, d, d_a)
        self.f_beta = nn.Linear(n, 1)
        self.E = nn.Embedding(words, m)
        self.T = nn.Linear(m + n + d, 4 * n)
        self.L_h, self.L_z = nn.Linear(n, m), nn.Linear(d, m)
        self.L_o = nn.Linear(m, words)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.E.weight, std=0.1)

    def remember(self, source: Float[Tensor, "batch regions D"]) -> Memory:
        r"""The annotations $a_i$, and what the score makes of them, $U_a a_i$: once a picture."""
        a = self.dropout(torch.relu(self.annotation(source)))
        return {"a": a, "U_a": a @ self.f_att.U_a}

    def start(self, memory: Memory) -> State:
        r"""$h_0 = f_{init,h}(\frac{1}{L} \sum_i a_i)$, and $c_0$ alike: the mean of all regions. Xu 2015, section 3.1.2."""
        mean = memory["a"].mean(1)
        return torch.tanh(self.f_init_h(mean)), torch.tanh(self.f_init_c(mean))

    def look(self, h: Float[Tensor, "batch n"], memory: Memory) -> Attention:
        r"""$e_{ti} = f_{att}(a_i, h_{t-1})$, $\alpha_t = \text{softmax}(e_t)$, $\sum_i \alpha_{ti} a_i$. Xu 2015, eqs. 4, 5, 13."""
        return attend(h.unsqueeze(1), memory["U_a"], memory["a"], self.score)

    def score(
        self, h: Float[Tensor, "batch target n"], UK: Float[Tensor, "batch regions d_a"]
    ) -> Float[Tensor, "batch target regions"]:
        r"""$f_{att}$, `models.attention.perceptron`: $v_a^\top \tanh(W_a h_{t-1} + U_a a_i)$."""
        return additive(h, UK, self.f_att.W_a, self.f_att.v_a)

    def gate(self, h: Float[Tensor, "batch n"]) -> Float[Tensor, "batch 1"]:
        r"""$\beta_t = \sigma(f_\beta(h_{t-1}))$: how much of what is seen counts for this word. Xu 2015, section 4.2.1."""
        return torch.sigmoid(self.f_beta(h))

    def lstm(
        self, Ey: Float[Tensor, "batch m"], z: Float[Tensor, "batch d"], h: Float[Tensor, "batch n"], c: Tensor
    ) -> tuple[Float[Tensor, "batch n"], Float[Tensor, "batch n"]]:
        r"""$(i, f, o, g) = T [E y_{t-1}; h_{t-1}; \hat z_t]$, $c_t = f c_{t-1} + i g$, $h_t = o \tanh c_t$. Xu 2015, eqs. 1–3."""
        i, f, o, g = self.T(torch.cat([Ey, h, z], dim=-1)).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def deep_output(
        self, Ey: Float[Tensor, "*batch m"], h: Float[Tensor, "*batch n"], z: Float[Tensor, "*batch d"]
    ) -> Float[Tensor, "*batch m"]:
        r"""$E y_{t-1} + L_h h_t + L_z \hat z_t$. Xu 2015, eq. 7."""
        return Ey + self.L_h(h) + self.L_z(z)

    def logits(self, deep: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch words"]:
        r"""$L_o$ of the deep output: how well each word fits; $p(y_t) = \text{softmax}$ of it. Xu 2015, eq. 7."""
        return self.L_o(self.dropout(deep))

    def move(
        self, Ey: Float[Tensor, "batch m"], state: State, memory: Memory, hand: Hand = untouched
    ) -> tuple[State, Attention, dict[str, Tensor]]:
        r"""One step without its words: look, gate, move on. $h_t$, $c_t$; the attention; every number by its symbol."""
        h, c = state
        read = hand(self.look(h, memory), memory["a"])
        beta = self.gate(h)
        z = beta * read.context.squeeze(1)
        h_t, c_t = self.lstm(Ey, z, h, c)
        return (h_t, c_t), read, {"asked": h, "beta": beta, "z": z, "h": h_t, "cell": c_t}

    def step(self, words: Int[Tensor, "batch 1"], state: State, memory: Memory, hand: Hand = untouched) -> Step:
        Ey = self.dropout(self.E(words.squeeze(1)))
        state, read, values = self.move(Ey, state, memory, hand)
        deep = self.deep_output(Ey, values["h"], values["z"])
        values = {name: value.unsqueeze(1) for name, value in {**values, "deep": deep}.items()}
        return Step(state, read, self.logits(deep), {"c": read.context, **values})

    def teach(
        self, memory: Memory, words: Int[Tensor, "batch target"]
    ) -> tuple[Float[Tensor, "batch target m"], Float[Tensor, "batch target regions"]]:
        r"""The deep output after each of `words` (which begin with `BEGIN`) and the weights $\alpha_{ti}$ that led there.

        Sentences come the longest first, filled up with `PAD`: what has ended is not computed, and its numbers are 0.
        """
        state, Ey = self.start(memory), self.dropout(self.E(words))
        deep, alpha, longer = list[Tensor](), list[Tensor](), (words != PAD).sum(0).tolist()
        for t, alive in enumerate(longer):
            state = tuple(part[:alive] for part in state)
            state, read, made = self.move(Ey[:alive, t], state, {name: kept[:alive] for name, kept in memory.items()})
            out = self.deep_output(Ey[:alive, t], made["h"], made["z"])
            for steps, now in ((deep, out), (alpha, read.weights.squeeze(1))):
                steps.append(nn.functional.pad(now, (0, 0, 0, len(words) - alive)))
        return torch.stack(deep, 1), torch.stack(alpha, 1)

    def forward(
        self, source: Float[Tensor, "batch regions D"], words: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target words"]:
        """The logits of the word after each of `words`; sentences as `teach` wants them."""
        return self.logits(self.teach(self.remember(source), words)[0])


def doubly_stochastic(alpha: Float[Tensor, "batch target regions"]) -> Float[Tensor, " batch"]:
    r"""$\sum_i (1 - \sum_t \alpha_{ti})^2$: small if the words together look at every region alike. Xu 2015, eq. 14."""
    return (1 - alpha.sum(1)).square().sum(-1)
