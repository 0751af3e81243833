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
from models.captioning import COLUMNS, LONGEST, ROWS, PictureWriter
from models.decoder import search, writable
from models.hub_answering import HubAnswerer
from models.hub_captioning import HubCaptioner
from models.reading import NEVER, CaptchaReader, texts
from models.words import BEGIN, END, SPECIAL

Pictures = Float[Tensor, "batch 3 height width"]
Words = tuple[str, ...]  # what is said, without ⟨end⟩
NOTHING = "Type what it shall say: there is nothing to aim at yet."


class Told(NamedTuple):
    r"""What a network makes of pictures when it is given what it says.

    Attributes:
        logits: of what is said at each step, the end included; $-\infty$ for what is never said.
        maps: $\alpha_{ti}$ of each look. A captioner and a reader look once a word; an answerer once a hop, or once a layer.
            Regions are the grid's, row by row; after them what a transformer can look at and is no region of the picture.
    """

    logits: Float[Tensor, "batch steps words"]
    maps: Float[Tensor, "batch looks regions"]


class Subject(ABC):
    """Whom an attack is about."""

    @property
    @abstractmethod
    def grid(self) -> tuple[int, int]:
        """Rows and columns of its maps."""

    @property
    def others(self) -> tuple[str, ...]:
        """What it can look at that is no region of the picture."""
        return ()

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

    def looks(self, words: Words) -> list[str]:
        """What each look is for, while `words` are said: a word and the end."""
        return [f"{t} {word}" for t, word in enumerate((*words, SPECIAL[END]), 1)]

    def keyword(self, text: str) -> Words:
        """A single word that shall be said somewhere. Raises ValueError, in plain words, for what is none."""
        words = self.words(text)
        if len(words) != 1:
            raise ValueError(f"To this network “{text.strip()}” is {len(words)} words: type a single one.")
        return words

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

    @property
    def grid(self) -> tuple[int, int]:
        return ROWS, COLUMNS

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
            raise ValueError(NOTHING)
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

    @property
    def grid(self) -> tuple[int, int]:
        return self.model.cells

    def looks(self, words: Words) -> list[str]:  # noqa: ARG002 - it looks before it answers
        return [f"hop {t + 1}" for t in range(len(self.model.network.scores))]

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

    @property
    def grid(self) -> tuple[int, int]:
        return self.model.grid

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


@dataclass(frozen=True)
class HubCaptions(Subject):
    """A captioner of transformers that writes with a `beam`. Words are its tokens; a map is the mean of all heads of all layers."""

    model: HubCaptioner
    beam: int

    @property
    def grid(self) -> tuple[int, int]:
        return self.model.grid

    @property
    def others(self) -> tuple[str, ...]:
        return self.model.others

    def told(self, x: Pictures, words: Words) -> Told:
        numbers = (self.model.start, *self.numbers(words))
        return Told(*self.model.teach(self.model.features(x), torch.tensor([numbers[:-1]]).expand(len(x), -1)))

    def numbers(self, words: Words) -> tuple[int, ...]:
        end = sorted(self.model.ends)[:1] if len(words) < self.model.longest else ()  # what is cut short has none
        return (*self.model.numbers(words), *end)

    @torch.no_grad()
    def says(self, x: Pictures) -> list[Words]:
        return [
            self.model.tokens(self.model.found(seen[None], self.beam)[0, 1:].tolist())
            for seen in self.model.features(x)
        ]

    def words(self, text: str) -> Words:
        return self._cut(text.strip())

    def _cut(self, text: str) -> Words:
        if not text.strip():
            raise ValueError(NOTHING)
        words = self.model.tokens(self.model.cut(text))
        if len(words) > self.model.longest - 1:
            raise ValueError(
                f"This has {len(words)} tokens; at most {self.model.longest - 1} can be written. Shorten it."
            )
        return words

    def keyword(self, text: str) -> Words:
        words = self._cut(f" {text.strip()}")  # as it stands within a sentence
        if len(words) != 1:
            raise ValueError(f"To this network “{text.strip()}” is {len(words)} tokens: type a word that is one.")
        return words

    def text(self, words: Words) -> str:
        return self.model.joined(words)

    def looks(self, words: Words) -> list[str]:
        numbers = self.numbers(words)
        with self.model.lock:
            return [f"{t} {self.model.show(number).strip()}" for t, number in enumerate(numbers, 1)]


@dataclass(frozen=True)
class HubAnswers(Subject):
    """An answerer of transformers that is asked one question. A map is the mean of a layer's heads."""

    model: HubAnswerer
    question: str

    @property
    def grid(self) -> tuple[int, int]:
        return self.model.grid

    @property
    def others(self) -> tuple[str, ...]:
        return self.model.others(self.model.read(self.question))

    def told(self, x: Pictures, words: Words) -> Told:
        question, answer = self.model.read(self.question), self.numbers(words)
        return Told(*self.model.teach(self.model.features(x), question, answer))

    def numbers(self, words: Words) -> tuple[int, ...]:
        return self.model.numbers(words[0])

    @torch.no_grad()
    def says(self, x: Pictures) -> list[Words]:
        question, features = self.model.read(self.question), self.model.features(x)
        states = [self.model.see(seen[None], question).states[-1] for seen in features]
        return [(self.model.decide([state])[-1][0][0],) for state in states]

    def words(self, text: str) -> Words:
        if not text.strip():
            raise ValueError(NOTHING)
        return (self.model.answer_named(text),)

    def text(self, words: Words) -> str:
        return words[0]

    def looks(self, words: Words) -> list[str]:  # noqa: ARG002 - it looks before it answers
        return [f"layer {layer + 1}" for layer in range(self.model.layers)]


def said_by(target: Sequence[str]) -> Words:
    """What a trace's target says, without its end."""
    return tuple(word for word in target if word != SPECIAL[END])
