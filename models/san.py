r"""Stacked attention: a question looks for its answer in the regions of a picture, and looks again, knowing what it saw.

The picture is a grid of feature vectors $f_I$, the question a vector $v_Q$. A look over the regions brings back what the question
is about, $\tilde v_I$; added to the question it makes a better question, $u = \tilde v_I + v_Q$, with which the network looks
again. The last $u$ decides. Yang 2016. Several questions can be asked of one picture at once.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.attention import Attention, Perceptron, attend
from models.words import PAD

Hand = Callable[[Attention, Tensor, int], Attention]  # what is laid on a look: its parts, the regions, the hop


class Answered(NamedTuple):
    r"""Questions about a batch of pictures, answered; everything that the page shows.

    Attributes:
        v_I: the regions.
        v_Q: the questions.
        looks: scores, weights $p_I$ and context $\tilde v_I$ of each hop.
        u: the questions after each hop.
        logits: how well each answer fits them, after each hop. The last decides.
    """

    v_I: Float[Tensor, "batch regions d"]
    v_Q: Float[Tensor, "batch questions d"]
    looks: tuple[Attention, ...]
    u: tuple[Float[Tensor, "batch questions d"], ...]
    logits: tuple[Float[Tensor, "batch questions answers"], ...]


class Dropout(NamedTuple):
    """The shares that are dropped while training: of the words, of the CNN's regions, of $v_I$ and $v_Q$, of what decides."""

    words: float = 0.0
    f_I: float = 0.0
    v: float = 0.0
    u: float = 0.0


class SAN(nn.Module):
    r"""The network of Yang 2016, section 3, with the LSTM as the reader of questions.

    Args:
        words, answers: how many it tells apart.
        channels: numbers of a region as the CNN gives it.
        hops: looks; none is a network that answers without having seen the picture.
        d_word: numbers a word.
        d: numbers of a region and of a question.
        d_a: hidden numbers of a look.
        dropout: what is dropped while training.
    """

    def __init__(
        self,
        words: int,
        answers: int,
        channels: int,
        hops: int = 2,
        d_word: int = 200,
        d: int = 256,
        d_a: int = 128,
        dropout: Dropout = Dropout(),  # noqa: B008 - it cannot be changed
    ):
        super().__init__()
        self.embedding = nn.Embedding(words, d_word)
        self.lstm = nn.LSTM(d_word, d, batch_first=True)
        self.W_I = nn.Linear(channels, d)
        self.scores = nn.ModuleList(Perceptron(d, d, d_a) for _ in range(hops))
        self.W_u = nn.Linear(d, answers)
        self.drop = nn.ModuleDict({name: nn.Dropout(share) for name, share in dropout._asdict().items()})
        nn.init.normal_(self.embedding.weight, std=0.1)

    def regions(self, f_I: Float[Tensor, "batch regions channels"]) -> Float[Tensor, "batch regions d"]:
        r"""$v_I = \tanh(W_I f_I + b_I)$: the regions in the space of the questions. Yang 2016, section 3.1."""
        return self.drop["v"](torch.tanh(self.W_I(self.drop["f_I"](f_I))))

    def question(self, words: Int[Tensor, "batch questions words"]) -> Float[Tensor, "batch questions d"]:
        r"""$v_Q = h_T$: the LSTM's state after a question's last word. Yang 2016, section 3.2.1.

        A question that is shorter than the others is followed by `PAD`; one without a word (there are fewer questions about this
        picture than about another) is a row of zeros.
        """
        asked = (words != PAD).any(-1)
        rows = words[asked]
        h, _ = self.lstm(self.drop["words"](self.embedding(rows)))
        h_T = self.drop["v"](h[torch.arange(len(rows)), (rows != PAD).sum(-1) - 1])
        return h_T.new_zeros(*words.shape[:2], h_T.shape[-1]).masked_scatter(asked.unsqueeze(-1), h_T)

    def look(self, hop: int, u: Float[Tensor, "batch questions d"], v_I: Float[Tensor, "batch regions d"]) -> Attention:
        r"""$h_A = \tanh(W_{I,A} v_I \oplus W_{Q,A} u)$, $p_I = \text{softmax}(w_P^\top h_A)$, $\tilde v_I = \sum_i p_i v_i$.

        Yang 2016, section 3.3, without the bias $b_A$: Bahdanau's perceptron, the query being the question, and keys and values
        the regions.
        """
        return attend(u, v_I, v_I, self.scores[hop])

    def decide(self, u: Float[Tensor, "batch questions d"]) -> Float[Tensor, "batch questions answers"]:
        r"""$W_u u + b_u$: how well each answer fits; $p_\text{ans}$ is the softmax of it. Yang 2016, section 3.3."""
        return self.W_u(self.drop["u"](u))

    def ask(
        self,
        v_I: Float[Tensor, "batch regions d"],
        v_Q: Float[Tensor, "batch questions d"],
        hand: Hand = lambda look, _regions, _hop: look,
    ) -> Answered:
        r"""$u^0 = v_Q$, $u^k = \tilde v_I^k + u^{k-1}$. Yang 2016, section 3.3.

        The answer after an earlier hop is what the same last layer makes of that hop's $u$. A `hand` may change every look.
        """
        looks, u = list[Attention](), [v_Q]
        for hop in range(len(self.scores)):
            looks.append(hand(self.look(hop, u[-1], v_I), v_I, hop))
            u.append(looks[-1].context + u[-1])
        seen = tuple(u[1:] or u)
        return Answered(v_I, v_Q, tuple(looks), seen, tuple(self.decide(each) for each in seen))

    def forward(
        self, f_I: Float[Tensor, "batch regions channels"], words: Int[Tensor, "batch questions words"]
    ) -> Answered:
        """Answer questions about each picture, from its grid and the questions' words."""
        return self.ask(self.regions(f_I), self.question(words))
