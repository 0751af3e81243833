r"""A text classifier that can be watched and touched: a text in, a `Trace` out, a row a look, every number of it recomputable.

All looks together make $M$, and $M$ decides; so a touched row moves the decision of the whole text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.attention import Attention
from models.card import Card
from models.structured import SelfAttentive
from models.trace import Trace
from models.words import UNKNOWN, Vocabulary, treebank
from models.writer import UNTOUCHED, Touch, touched

LONGEST = 400  # words


class Dropped(NamedTuple):
    """What is left of a decision when words are taken away one by one.

    Attributes:
        words: the positions, in the order in which they went.
        p: the probability of the class first chosen, before any and after each.
    """

    words: tuple[int, ...]
    p: Float[np.ndarray, " steps"]


@dataclass(frozen=True)
class TextClassifier:
    """A network with the words it reads and the names of its classes."""

    network: SelfAttentive
    known: Vocabulary
    classes: tuple[str, ...]
    card: Card

    def read(self, text: str) -> tuple[list[str], Int[Tensor, "1 source"]]:
        """The tokens of a text and their numbers. Raises ValueError, in plain words, for what cannot be read."""
        tokens = treebank(text)
        if not tokens:
            raise ValueError("Type a sentence: there is nothing to classify yet.")
        if len(tokens) > LONGEST:
            raise ValueError(
                f"This text has {len(tokens)} words; at most {LONGEST} can be read at once. Nothing was read: shorten it."
            )
        source = self.numbers(tokens)
        if (source == UNKNOWN).all():
            raise ValueError(
                "Not one word of this is known to the model, which reads English. Try an English sentence."
            )
        return tokens, source

    def numbers(self, tokens: Sequence[str]) -> Int[Tensor, "1 source"]:
        return torch.tensor([self.known.encode(tokens)])

    def classify(self, text: str, touch: Touch = UNTOUCHED) -> Trace:
        """Classify, and tell all: rows are looks, every row's candidates the classes."""
        return self.decided(*self.read(text), touch)

    @torch.no_grad()
    def decided(self, tokens: Sequence[str], source: Int[Tensor, "1 source"], touch: Touch = UNTOUCHED) -> Trace:
        """`classify` once the text is read."""
        H, attention = self.looks(source, touch)
        logits = self.network.decide(attention.context)[0]
        log_p = logits.log_softmax(-1)
        order = log_p.argsort(descending=True).tolist()
        r = attention.weights.shape[1]
        candidates = tuple((self.classes[k], float(log_p[k].exp())) for k in order)
        return Trace(
            source=tuple(tokens),
            target=tuple(f"look {i + 1}" for i in range(r)),
            heads=("attention",),
            scores=attention.scores.numpy(),
            weights=attention.weights.numpy(),
            log_p=np.full(r, float(log_p.max()), dtype=np.float32),
            candidates=(candidates,) * r,
            values={
                "h_bar": H[0].numpy(),
                "c": attention.context[0].numpy(),
                "logits": logits.numpy(),
                "word": source[0].numpy(),
            },
            notes={i: "forced" for i in touch.weights if i < r},
        )

    def looks(self, source: Int[Tensor, "1 source"], touch: Touch) -> tuple[Tensor, Attention]:
        """$H$ and the attention after a hand was laid on it, row by row."""
        H = self.network.encode(source)
        parts = self.network.looks(H)
        allowed = torch.tensor([position not in touch.forbidden for position in range(source.shape[1])])
        rows = [
            touched(Attention(*(part[:, i : i + 1] for part in parts)), H, allowed, touch, i)
            for i in range(parts.weights.shape[1])
        ]
        return H, Attention(*(torch.cat(part, dim=1) for part in zip(*rows, strict=True)))

    @torch.no_grad()
    def p(self, source: Int[Tensor, "batch source"]) -> Float[Tensor, "batch classes"]:
        """The probability of each class."""
        return self.network(source).logits.softmax(-1)

    @torch.no_grad()
    def drop(self, text: str, most: bool = True, count: int = 10) -> Dropped:
        """Take the word that all looks together attend to most (or least) out of the text, read it anew, and again."""
        tokens, source = self.read(text)
        left, gone = list(range(len(tokens))), list[int]()
        first = self.network(source)
        chosen = int(first.logits.argmax())
        p = [float(first.logits.softmax(-1)[0, chosen])]
        read = first
        for _ in range(min(count, len(tokens) - 1)):
            mean = read.attention.weights[0].mean(0)
            gone.append(left.pop(int(mean.argmax() if most else mean.argmin())))
            read = self.network(source[:, left])
            p.append(float(read.logits.softmax(-1)[0, chosen]))
        return Dropped(tuple(gone), np.array(p))
