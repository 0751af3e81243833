r"""A classifier that shows which words made it decide: structured self-attention over a bidirectional LSTM.

$H$ holds a state a word. $r$ looks, $A = \text{softmax}(W_{s2} \tanh(W_{s1} H^\top))$, make a sentence embedding $M = A H$ of
$r$ rows, and a small perceptron decides from it. The penalty $\lVert A A^\top - I \rVert_F^2$ keeps the looks apart. With
$r = 1$ it is the slide's $v_a^\top \tanh(W_a h_i)$, and there is nothing to keep apart. Lin 2017.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.attention import Attention, StructuredSelfAttention, redundancy

PENALTY = 0.02
SMOOTHING = 0.05  # of the labels


class Classified(NamedTuple):
    """A batch of texts, classified; everything that the page shows."""

    H: Float[Tensor, "batch source d"]
    attention: Attention
    logits: Float[Tensor, "batch classes"]


class SelfAttentive(nn.Module):
    """The network of Lin 2017.

    Args:
        words, classes: how many it tells apart.
        r: looks.
        d_word: numbers a word.
        d: numbers a state (half of it for each direction).
        d_a: hidden numbers of the score.
        d_m: hidden numbers of the perceptron that decides.
        dropout: the share dropped of the embedding and of $M$ while training.
    """

    def __init__(
        self,
        words: int,
        classes: int,
        r: int,
        d_word: int = 200,
        d: int = 256,
        d_a: int = 128,
        d_m: int = 128,
        dropout: float = 0.4,
    ):
        super().__init__()
        self.embedding = nn.Embedding(words, d_word)
        self.encoder = nn.LSTM(d_word, d // 2, batch_first=True, bidirectional=True)
        self.looks = StructuredSelfAttention(d, d_a, r)
        self.W_m = nn.Linear(r * d, d_m)
        self.W_y = nn.Linear(d_m, classes)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def encode(self, source: Int[Tensor, "batch source"]) -> Float[Tensor, "batch source d"]:
        """$H$: a state for every word. No padding, please."""
        return self.encode_embedded(self.embedding(source))

    def encode_embedded(self, x: Float[Tensor, "batch source d_word"]) -> Float[Tensor, "batch source d"]:
        """`encode` from the words' embeddings on: what a gradient with respect to them needs."""
        H, _ = self.encoder(self.dropout(x))
        return H

    def decide(self, M: Float[Tensor, "batch r d"]) -> Float[Tensor, "batch classes"]:
        r"""$W_y\, \text{ReLU}(W_m M)$: how well each class fits."""
        return self.W_y(self.dropout(torch.relu(self.W_m(self.dropout(M.flatten(1))))))

    def logits_embedded(self, x: Float[Tensor, "batch source d_word"]) -> Float[Tensor, "batch classes"]:
        """How well each class fits, from the words' embeddings on."""
        return self.decide(self.looks(self.encode_embedded(x)).context)

    def forward(
        self, source: Int[Tensor, "batch source"], mask: Bool[Tensor, "batch source"] | None = None
    ) -> Classified:
        """Classify texts of one length; `mask` is False for words that may not be looked at."""
        H = self.encode(source)
        attention = self.looks(H, mask)
        return Classified(H, attention, self.decide(attention.context))


def loss(read: Classified, labels: Int[Tensor, " batch"], penalty: float = PENALTY) -> Float[Tensor, ""]:
    r"""What training makes small: $-\log p(\text{label})$, and, of several looks, $\lambda \lVert A A^\top - I \rVert_F^2$ as well.

    The `penalty` $\lambda$ is zero for one look: alone it would be punished for looking at more than one word. Means over the
    batch; the labels are smoothed by `SMOOTHING`. Lin 2017, eq. 8.
    """
    wrong = nn.functional.cross_entropy(read.logits.float(), labels, label_smoothing=SMOOTHING)
    A = read.attention.weights.float()
    return wrong + penalty * redundancy(A).mean() if A.shape[1] > 1 else wrong
