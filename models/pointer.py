r"""A headline from the first sentence of an article: attention that may also copy.

Names are rare words, and headlines are full of them. So each step mixes two distributions: write a known word, by the softmax
over the vocabulary, or copy a word of the source, by the attention's own weights:
$P(w) = p_{gen} P_{vocab}(w) + (1 - p_{gen}) \sum_{s: w_s = w} \alpha_{ts}$. Encoder, decoder and score are those of `seq2seq`.
Task: Rush 2015; the mixture: See 2017, eqs. 8 and 9.

A word of the source that the vocabulary lacks gets a number beyond it, `words` + its first position in the source, so that it
can be copied too.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.attention import Attention
from models.seq2seq import Seq2Seq
from models.words import BEGIN, END, PAD, UNKNOWN


class Pointer(Seq2Seq):
    """One encoder–decoder that copies; source and target share one vocabulary and one embedding.

    Args: those of `Seq2Seq`.
    """

    barred = (PAD, BEGIN, UNKNOWN)  # an unknown word is copied, or another is written

    def __init__(self, words: int, score: str = "perceptron", d_word: int = 256, d: int = 512, dropout: float = 0.4):
        super().__init__(score, words, words, d_word, d, dropout)
        self.words = words
        del self.source_embedding
        self.w_p = nn.Linear(2 * d + d_word, 1)

    def known(self, numbers: Int[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
        """Numbers beyond the vocabulary as the unknown word that they are to the embedding."""
        return numbers.where(numbers < self.words, UNKNOWN)

    def embed(self, source: Int[Tensor, "batch source"]) -> Float[Tensor, "batch source d_word"]:
        return self.target_embedding(self.known(source))

    def states(
        self, words: Int[Tensor, "batch target"], h: Float[Tensor, "batch d"]
    ) -> tuple[Float[Tensor, "batch target d"], Float[Tensor, "batch d"]]:
        return super().states(self.known(words), h)

    def generate_log_odds(
        self,
        c_t: Float[Tensor, "batch target d"],
        h_t: Float[Tensor, "batch target d"],
        words: Int[Tensor, "batch target"],
    ) -> Float[Tensor, "batch target"]:
        r"""$\log \frac{p_{gen}}{1 - p_{gen}} = w_p \cdot [c_t; h_t; x_t] + b_p$, $x_t$ the word before. See 2017, eq. 8."""
        x_t = self.target_embedding(self.known(words))
        return self.w_p(torch.cat([c_t, h_t, x_t], dim=-1)).squeeze(-1)

    def next_word(
        self,
        read: Attention,
        h_t: Float[Tensor, "batch target d"],
        words: Int[Tensor, "batch target"],
        source: Int[Tensor, "batch source"],
    ) -> Float[Tensor, "batch target extended"]:
        r"""$\log P(w)$ for every known word and every source position's own number. See 2017, eq. 9."""
        p_gen = torch.sigmoid(self.generate_log_odds(read.context, h_t, words)).unsqueeze(-1)
        P_vocab = self.logits(self.attention_vector(read.context, h_t)).softmax(-1)
        P = torch.cat([p_gen * P_vocab, P_vocab.new_zeros(*P_vocab.shape[:2], source.shape[1])], dim=-1)
        copied = source.unsqueeze(1).expand(-1, h_t.shape[1], -1)
        return P.scatter_add(-1, copied, (1 - p_gen) * read.weights).log()


def extended(tokens: list[str], numbers: list[int], words: int) -> list[int]:
    """The numbers of a source with `END`: an unknown word gets `words` + the position where it stands first."""
    return [
        *(
            words + tokens.index(token) if number == UNKNOWN else number
            for token, number in zip(tokens, numbers, strict=True)
        ),
        END,
    ]
