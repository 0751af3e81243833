r"""Language models that remember: a look back at the last $L$ states, and what a state is split into for it.

An LSTM reads the text, $h_t$. **plain** decides from $h_t$ alone. **attention** looks at the states before,
$h_{t-L} \dots h_{t-1}$. **key-value** splits every state, $[k_t; v_t] = h_t$: found by its key, read by its value.
**key-value-predict** splits it in three, $[k_t; v_t; p_t] = h_t$, so that what predicts the next word need not also be found or
read later. Daniluk 2017, sections 2.2 to 2.4.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.attention import Attention, key_value

PLAIN, ATTENTION, KEY_VALUE, PREDICT = KINDS = ("plain", "attention", "key-value", "key-value-predict")
PARTS = {PLAIN: 1, ATTENTION: 1, KEY_VALUE: 2, PREDICT: 3}
WIDTHS = {PLAIN: 512, ATTENTION: 416, KEY_VALUE: 244, PREDICT: 169}  # numbers a part: as many parameters for all four
L = 10  # states that the models were trained to look back at


class Memory(NamedTuple):
    """What a model carries from one piece of a text to the next: the states it may look back at, and the LSTM's own."""

    before: Float[Tensor, "batch before parts_d"]
    h: Float[Tensor, "1 batch parts_d"]
    c: Float[Tensor, "1 batch parts_d"]

    def detached(self) -> "Memory":
        return Memory(*(part.detach() for part in self))


class Read(NamedTuple):
    r"""A piece of a text, read: a state a word, what it looked at, and $h^*_t$, which decides the next word."""

    h: Float[Tensor, "batch time parts_d"]
    attention: Attention | None
    h_star: Float[Tensor, "batch time d_word"]
    memory: Memory


class MemoryModel(nn.Module):
    """One language model of the four.

    Args:
        kind: a name in `KINDS`.
        words: how many it knows.
        d_word: numbers a word; $h^*_t$ too, because the embedding is also the output layer.
        d: numbers a key, a value, a prediction.
        dropout: the share dropped of the embedding, of $h_t$ and of $h^*_t$ while training.
    """

    def __init__(self, kind: str, words: int, d_word: int = 200, d: int | None = None, dropout: float = 0.4):
        super().__init__()
        self.kind, self.d = kind, d or WIDTHS[kind]
        self.embedding = nn.Embedding(words, d_word)
        self.lstm = nn.LSTM(d_word, PARTS[kind] * self.d, batch_first=True)
        if kind != PLAIN:
            bound = self.d**-0.5
            self.W_Y, self.W_h = (nn.Parameter(torch.empty(self.d, self.d).uniform_(-bound, bound)) for _ in range(2))
            self.w = nn.Parameter(torch.empty(self.d).uniform_(-bound, bound))
            self.W_r = nn.Linear(self.d, d_word, bias=False)
        self.W_x = nn.Linear(self.d, d_word)
        self.b = nn.Parameter(torch.zeros(words))
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def begin(self, batch: int = 1) -> Memory:
        """Nothing read yet."""
        nothing = self.b.new_zeros(1, batch, self.lstm.hidden_size)
        return Memory(nothing[0].unsqueeze(1)[:, :0], nothing, nothing)

    def forward(self, words: Int[Tensor, "batch time"], memory: Memory, L: int = L) -> Read:
        """Read on from `memory`, each word looking at the `L` states before it."""
        h, (h_end, c_end) = self.lstm(self.dropout(self.embedding(words)), (memory.h, memory.c))
        h = self.dropout(h)
        seen = torch.cat([memory.before.to(h.dtype), h], dim=1)
        attention = self.look_back(seen, words.shape[1], L)
        h_star = self.decide(h, attention)
        return Read(h, attention, h_star, Memory(seen[:, max(0, seen.shape[1] - L) :], h_end, c_end))

    def look_back(self, seen: Float[Tensor, "batch seen parts_d"], time: int, L: int) -> Attention | None:
        r"""What each of the last `time` states sees of the $L$ before it, a column each. None without attention."""
        if self.kind == PLAIN:
            return None
        parts = key_value(seen[..., : 2 * self.d], self.d, self.W_Y, self.W_h, self.w, L)
        return Attention(*(part[:, -time:] for part in parts))

    def values(self, h: Float[Tensor, "batch time parts_d"]) -> Float[Tensor, "batch time d"]:
        """$v_t$: the part of a state that is read; all of it where states are not split."""
        return h[..., : 2 * self.d][..., -self.d :]

    def decide(
        self, h: Float[Tensor, "batch time parts_d"], attention: Attention | None
    ) -> Float[Tensor, "batch time d_word"]:
        r"""$h^*_t = \tanh(W^r r_t + W^x x_t)$; $x_t$ is $h_t$, $v_t$ or $p_t$: the state's last part. Daniluk, eqs. 4, 8, 11."""
        x_t = self.W_x(h[..., -self.d :])
        return torch.tanh(x_t if attention is None else self.W_r(attention.context) + x_t)

    def logits(self, h_star: Float[Tensor, "*batch d_word"]) -> Float[Tensor, "*batch words"]:
        r"""$E\, h^*_t + b$; the next word's $p(w_{t+1}) = \text{softmax}$ of it."""
        return nn.functional.linear(h_star, self.embedding.weight, self.b)
