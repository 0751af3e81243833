r"""A headline from the first sentence of an article: attention that may also copy.

Names are rare words, and headlines are full of them. So each step mixes two distributions: write a known word, by the softmax
over the vocabulary, or copy a word of the source, by the attention's own weights:
$P(w) = p_{gen} P_{vocab}(w) + (1 - p_{gen}) \sum_{s: w_s = w} \alpha_{ts}$. Encoder, decoder and score are those of `seq2seq`.
Task: Rush 2015; the mixture: See 2017, eqs. 8 and 9.

A word of the source that the vocabulary lacks gets a number beyond it, `words` + its first position in the source, so that it
can be copied too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.attention import Attention
from models.seq2seq import Seq2Seq
from models.trace import Trace
from models.words import BEGIN, END, PAD, SPECIAL, UNKNOWN, tokenize, untreebank
from models.writer import Decoded, Touch, Writer

LONGEST_SOURCE = 100  # tokens; the longest that it was trained on has 60
LONGEST_HEADLINE = 24
BRACKETS = {"(": "-lrb-", ")": "-rrb-"}


class Pointer(Seq2Seq):
    """One encoder–decoder that copies; source and target share one vocabulary and one embedding.

    Args: those of `Seq2Seq`.
    """

    no_repeat = 2
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
        beyond = max(source.shape[1], int(source.max()) + 1 - self.words)
        P = torch.cat([p_gen * P_vocab, P_vocab.new_zeros(*P_vocab.shape[:2], beyond)], dim=-1)
        copied = source.unsqueeze(1).expand(-1, h_t.shape[1], -1)
        return P.scatter_add(-1, copied, (1 - p_gen) * read.weights).log()


@dataclass(frozen=True)
class HeadlineWriter(Writer):
    """The first sentence of an article in, its headline out: lower-case words, every digit a #, as in Gigaword.

    `source_words` and `target_words` are the same.
    """

    network: Pointer

    def read(self, text: str) -> tuple[list[str], Int[Tensor, "1 source"]]:
        tokens = article(text)
        if not tokens:
            raise ValueError("Type or paste the first sentence of an article: there is nothing to write about yet.")
        if len(tokens) > LONGEST_SOURCE:
            raise ValueError(
                f"This text has {len(tokens)} words; at most {LONGEST_SOURCE} can be read at once. "
                "Nothing was written: give the first sentence alone."
            )
        if all(number == UNKNOWN for number in self.source_words.encode(tokens)):
            raise ValueError("Not one word of this is known to the model, which reads English news.")
        return tokens, self.numbers(tokens)

    def numbers(self, tokens: Sequence[str]) -> Int[Tensor, "1 source"]:
        """An unknown word gets a number beyond the vocabulary: its size + the position where the word stands first."""
        size, known = len(self.source_words), self.source_words.encode(tokens)
        return torch.tensor([extended(tokens, known, size)])

    def number(self, word: str, tokens: Sequence[str] = ()) -> int:
        if word == SPECIAL[END]:
            return END
        found = [word] if word in self.target_words.numbers or word in tokens else article(word)
        number = self.numbers([*tokens, *found])[0, -2] if len(found) == 1 else UNKNOWN
        if len(found) != 1 or number >= len(self.target_words) + len(tokens):
            words = f"{len(self.target_words):,} words and those of the sentence, one at a time"
            raise ValueError(f"The model can write {words}; “{word}” is neither.")
        return int(number)

    def spelled(self, tokens: Sequence[str]) -> tuple[str, ...]:
        return (*self.target_words.words, *tokens, SPECIAL[END])

    def longest(self, source: int) -> int:  # noqa: ARG002 - a headline is no longer for a long article
        return LONGEST_HEADLINE

    def text(self, trace: Trace) -> str:
        return untreebank([word for word in trace.target if word != SPECIAL[END]])

    @torch.no_grad()
    def _trace(
        self,
        tokens: Sequence[str],
        source: Tensor,
        decoded: Decoded,
        touch: Touch,
    ) -> Trace:
        """With what the mixture is made of: `p_gen`, and of the word written `P_vocab` and the weight on its copies, `copied`."""
        trace = super()._trace(tokens, source, decoded, touch)
        words = torch.from_numpy(trace.values["word"])
        h_t, c_t, a_t = (torch.from_numpy(trace.values[name])[None] for name in ("h", "c", "a"))
        before = torch.cat([words.new_tensor([BEGIN]), words[:-1]])[None]
        p_gen = torch.sigmoid(self.network.generate_log_odds(c_t, h_t, before))[0]
        P_vocab = self.network.logits(a_t)[0].softmax(-1)
        inside = words < self.network.words
        P_word = P_vocab.gather(1, self.network.known(words)[:, None])[:, 0] * inside
        copied = (torch.from_numpy(trace.weights[0]) * (source == words[:, None])).sum(-1)
        share = (1 - p_gen) * copied / (p_gen * P_word + (1 - p_gen) * copied).clamp_min(1e-12)
        notes = {
            t: f"“{word}” was copied: {share[t]:.2%} of its probability is pointing, {1 - share[t]:.2%} the vocabulary."
            for t, word in enumerate(trace.target)
            if share[t] > 1 / 2 and word != SPECIAL[END]
        }
        values = {"p_gen": p_gen, "P_vocab": P_word, "copied": copied}
        return replace(
            trace,
            values={**trace.values, **{name: value.numpy() for name, value in values.items()}},
            notes={**notes, **trace.notes},
        )


def article(text: str) -> list[str]:
    """The tokens of an English text as Gigaword has them: Moses' but "do n't", every digit a #, brackets -lrb-, quotes ``."""
    whole = re.sub(r" (n't|'(?:s|m|d|ll|re|ve))\b", r"\1", text.replace("#", "0"))  # a text that has been cut already
    tokens, quotes = list[str](), 0
    for token in tokenize(whole, "en"):
        if token == "'t" and tokens and tokens[-1].endswith("n"):
            tokens[-1:] = [tokens[-1][:-1], "n't"]
        elif token == '"':
            tokens.append(("``", "''")[quotes % 2])
            quotes += 1
        else:
            tokens.append(BRACKETS.get(token, re.sub(r"\d", "#", token)))
    return [token for token in tokens if token]


def extended(tokens: Sequence[str], numbers: Sequence[int], words: int) -> list[int]:
    """The numbers of a source with `END`: an unknown word gets `words` + the position where it stands first."""
    first = {token: position for position, token in reversed(list(enumerate(tokens)))}
    return [
        *(words + first[token] if number == UNKNOWN else number for token, number in zip(tokens, numbers, strict=True)),
        END,
    ]
