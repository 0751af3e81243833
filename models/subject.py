r"""Who looks at a picture and says something, as an attack needs to know it: pictures in, logits and maps out, differentiable.

What is said is given, so the computation is one straight line from the pixels to $\log p(y_t)$ and to $\alpha_t$, the picture's
squashing and the CNN in it. A word is a word of a caption, a letter of a captcha or the one answer to a question.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from models.answering import Answerer
from models.captioning import LONGEST, PictureWriter
from models.decoder import search, writable
from models.reading import NEVER, CaptchaReader, texts
from models.words import BEGIN, END, SPECIAL

Pictures = Float[Tensor, "batch 3 height width"]
Words = tuple[str, ...]  # what is said, without ⟨end⟩


class Told(NamedTuple):
    r"""What a network makes of pictures when it is given what it says.

    Attributes:
        logits: of what is said at each step, the end included; $-\infty$ for what is never said.
        maps: $\alpha_{ti}$ of each look. A captioner and a reader look once a word; an answerer once a hop.
    """

    logits: Float[Tensor, "batch steps words"]
    maps: Float[Tensor, "batch looks regions"]


class Subject(ABC):
    """Whom an attack is about."""

    @abstractmethod
    def told(self, x: Pictures, words: Words) -> Told:
        """Logits and maps while it is made to say `words`; a gradient gets to the pixels."""

    @abstractmethod
    def numbers(self, words: Words) -> tuple[int, ...]:
        """The number of each word, the end included. Raises ValueError, in plain words, for one that cannot be said."""

    @abstractmethod
    def says(self, x: Pictures) -> list[Words]:
        """What it says of each picture by itself."""

    @abstractmethod
    def words(self, text: str) -> Words:
        """A text that a person typed, as words that can be said. Raises ValueError, in plain words, for what cannot."""

    @abstractmethod
    def text(self, words: Words) -> str:
        """The words as one would write them."""

    def log_p(self, x: Pictures, words: Words) -> Float[Tensor, " batch"]:
        r"""$\log p(\text{words} \mid x)$, natural logarithm."""
        return self.log_p_of(self.told(x, words), words)

    def log_p_of(self, told: Told, words: Words) -> Float[Tensor, " batch"]:
        """`log_p`, of what was told while `words` were said."""
        log_p = told.logits.log_softmax(-1)
        return log_p[:, range(log_p.shape[1]), list(self.numbers(words))].sum(1)

    def given(self, x: Pictures, numbers: Sequence[int]) -> Tensor:
        """What a decoder is fed to write these numbers: `BEGIN`, then all but the last; a row a picture."""
        return torch.tensor([BEGIN, *numbers[:-1]]).expand(len(x), -1)


@dataclass(frozen=True)
class Captions(Subject):
    """A captioner that writes with a `beam`."""

    model: PictureWriter
    beam: int

    def told(self, x: Pictures, words: Words) -> Told:
        network = self.model.network
        memory = network.remember(self.model.features(x))
        deep, maps = network.teach(memory, self.given(x, self.numbers(words)))
        return Told(writable(network.logits(deep), network.barred), maps)

    def numbers(self, words: Words) -> tuple[int, ...]:
        return (*(self.model.number(word) for word in words), END)

    @torch.no_grad()
    def says(self, x: Pictures) -> list[Words]:
        network, spelled = self.model.network, self.model.target_words.words
        found = search(network, self.model.features(x), self.beam, LONGEST)
        best = (found.sentences(row, network.normalised)[0][0] for row in range(len(x)))
        return [tuple(spelled[word] for word in sentence) for sentence in best]

    def words(self, text: str) -> Words:
        words = tuple(text.lower().split())
        if not words:
            raise ValueError("Type what it shall say: there is nothing to aim at yet.")
        if len(words) > LONGEST - 1:
            raise ValueError(f"This has {len(words)} words; at most {LONGEST - 1} can be written. Shorten it.")
        self.numbers(words)
        return words

    def text(self, words: Words) -> str:
        return " ".join(words)


@dataclass(frozen=True)
class Answers(Subject):
    """An answerer that is asked one question."""

    model: Answerer
    question: str

    def told(self, x: Pictures, words: Words) -> Told:  # noqa: ARG002 - it looks before it answers
        _, question = self.model.read(self.question)
        answered = self.model.network(self.model.features(x), question.expand(len(x), -1, -1))
        maps = torch.cat([look.weights for look in answered.looks], dim=1)
        return Told(answered.logits[-1], maps)

    def numbers(self, words: Words) -> tuple[int, ...]:
        return tuple(self.model.number(word) for word in words)

    @torch.no_grad()
    def says(self, x: Pictures) -> list[Words]:
        return [(self.model.answers[int(k)],) for k in self.told(x, ()).logits[:, 0].argmax(-1)]

    def words(self, text: str) -> Words:
        self.numbers((text.strip(),))
        return (text.strip(),)

    def text(self, words: Words) -> str:
        return words[0]


@dataclass(frozen=True)
class Letters(Subject):
    """A reader of captchas."""

    model: CaptchaReader

    def told(self, x: Pictures, words: Words) -> Told:
        logits, maps = self.model.network.teach(self.model.features(x), self.given(x, self.numbers(words)))
        return Told(writable(logits, NEVER), maps)

    def numbers(self, words: Words) -> tuple[int, ...]:
        return (*(self.model.number(letter) for letter in words), END)

    def says(self, x: Pictures) -> list[Words]:
        return [tuple(text) for text in texts(self.model.network, self.model.known, x)]

    def words(self, text: str) -> Words:
        letters = tuple(text.strip().upper())
        if not letters:
            raise ValueError("Type what it shall read: there is nothing to aim at yet.")
        if len(letters) > 11:
            raise ValueError(f"This has {len(letters)} letters; at most 11 can be read. Shorten it.")
        self.numbers(letters)
        return letters

    def text(self, words: Words) -> str:
        return "".join(words)


def said_by(target: Sequence[str]) -> Words:
    """What a trace's target says, without its end."""
    return tuple(word for word in target if word != SPECIAL[END])
