r"""What can be attacked word by word: the decision of a classifier, a translation, a word that a translation shall have.

Each knows its sentence and what an attack asks of a network: a loss of the words' vectors, whether it is fooled by these words, and
what it then says. The attacks themselves know none of it.
"""

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from torch import Tensor

from models.classification import TextClassifier
from models.decoder import search, writable
from models.encoder import Encoder
from models.trace import Trace
from models.translation import Translator
from models.words import BEGIN, END, PAD, SPECIAL, UNKNOWN, Vocabulary, detokenize, untreebank
from models.writer import UNTOUCHED

LETTERS = re.compile(r"[a-z]{2,}(-[a-z]+)*")
ENDINGS = re.compile(r"(?<=[a-z]{3})(?:ies|ied|ier|y|es|ed|ing|er|est|ly|s|d|e|r)$")


def stem(word: str) -> str:
    """What two forms of a word have in common, by their endings: "film", "films"; "amuse", "amused", "amusing"."""
    before, now = "", word
    while now != before:
        before, now = now, ENDINGS.sub("", now)
    return now


def stop_word(word: str) -> bool:
    """A word that says little by itself (the, of, very), or turns the meaning (not, never): scikit-learn's list of 318."""
    return word in ENGLISH_STOP_WORDS


def real(words: Sequence[str]) -> Bool[Tensor, " words"]:
    """Which of these may replace another: of letters, two at least, and no stop word; so no mark, no number, nothing special."""
    return torch.tensor([bool(LETTERS.fullmatch(word)) and not stop_word(word) for word in words])


@cache
def _lexicon(words: tuple[str, ...]) -> tuple[Bool[Tensor, " words"], tuple[str, ...]]:
    """`real`, and the stem of each."""
    return real(words), tuple(map(stem, words))


class Vetoes(NamedTuple):
    """How many words of a vocabulary may not replace another, by why, and how many may."""

    special: int
    no_word: int
    stop: int
    left: int


def vetoes(known: Vocabulary) -> Vetoes:
    """Counted of a whole vocabulary; that the word must be near, and not another form of the old one, comes on top."""
    words = known.words[len(SPECIAL) :]
    stop = sum(map(stop_word, words))
    left = int(real(words).sum())
    return Vetoes(len(SPECIAL), len(words) - stop - left, stop, left)


class Victim(ABC):
    r"""A sentence before a network.

    Attributes:
        known: the words that the network reads.
        E: their vectors.
        tokens, words: the sentence, and its numbers as the network reads them.
        targeted: whether `loss` is that of what is wanted, to be made small; else of what was said, to be made large.
        length: of how many words `loss` is the sum.
    """

    known: Vocabulary
    E: Float[Tensor, "vocabulary d"]
    tokens: Sequence[str]
    words: Int[Tensor, "1 source"]
    targeted: bool
    length: int = 1

    @abstractmethod
    def loss(self, x: Float[Tensor, "batch source d"]) -> Float[Tensor, " batch"]:
        """$J$ of these vectors, in nats."""

    @abstractmethod
    def says(self, words: Int[Tensor, "batch source"]) -> list[str]:
        """What the network makes of these words."""

    @abstractmethod
    def won(self, words: Int[Tensor, "batch source"]) -> Bool[Tensor, " batch"]:
        """Whether it is fooled by these words."""

    @abstractmethod
    def written(self, tokens: Sequence[str]) -> str:
        """A sentence as one would write it."""

    @abstractmethod
    def trace(self, words: Int[Tensor, "1 source"]) -> Trace:
        """What it looks at while it reads these words."""

    def allowed(self, near: float = -1.0) -> Bool[Tensor, "source vocabulary"]:
        r"""Which words may stand in which place: `real` ones, in the place of a known real one, and not another form of it.

        Nor one whose vector is not `near`: $\cos(e_{new}, e_{old})$, as Ebrahimi 2018, section 6.
        """
        may, stems = _lexicon(self.known.words)
        E = torch.nn.functional.normalize(self.E, dim=-1)
        rows = torch.zeros(self.words.shape[1], len(self.known), dtype=torch.bool)
        for place, number in enumerate(self.words[0].tolist()):
            if number > END and may[number]:
                other = torch.tensor([one != stems[number] for one in stems])
                rows[place] = may & other & (E @ E[number] >= near)
        return rows

    def similarities(self, encoder: Encoder, words: Int[Tensor, "batch source"]) -> Float[Tensor, " batch"]:
        """The cosine of the embeddings of these sentences to that of the one at the beginning."""
        return encoder.cosines(self.text(self.words[0].tolist()), [self.text(row) for row in words.tolist()])

    def p(self, J: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        r"""The probability that a loss stands for, of a sentence that of a word: $\exp(-J / n)$."""
        return (-J / self.length).exp()

    def spelled(self, words: Sequence[int]) -> list[str]:
        """The sentence with these numbers; words that stayed are spelled as they were, unknown ones too."""
        old = self.words[0].tolist()
        return [
            token if new == was else self.known.words[new]
            for token, was, new in zip(self.tokens, old, words, strict=False)
        ]

    def text(self, words: Sequence[int]) -> str:
        return self.written(self.spelled(words))


@dataclass(frozen=True)
class Decision(Victim):
    """The class of a text. `target` None: any other than `y`, the class that the network names or the true one."""

    classifier: TextClassifier
    tokens: Sequence[str]
    words: Int[Tensor, "1 source"]
    y: int
    target: int | None

    @property
    def known(self) -> Vocabulary:  # type: ignore[override]
        return self.classifier.known

    @property
    def E(self) -> Float[Tensor, "vocabulary d"]:  # type: ignore[override]
        return self.classifier.network.embedding.weight

    @property
    def targeted(self) -> bool:  # type: ignore[override]
        return self.target is not None

    def loss(self, x: Float[Tensor, "batch source d"]) -> Float[Tensor, " batch"]:
        r"""$-\log p(y \mid x)$, of the class that is left or, targeted, of the one wanted."""
        wanted = self.y if self.target is None else self.target
        return -self.classifier.network.logits_embedded(x).log_softmax(-1)[:, wanted]

    def answers(self, words: Int[Tensor, "batch source"]) -> Int[Tensor, " batch"]:
        return self.classifier.p(words).argmax(-1)

    def says(self, words: Int[Tensor, "batch source"]) -> list[str]:
        return [self.classifier.classes[answer] for answer in self.answers(words).tolist()]

    def won(self, words: Int[Tensor, "batch source"]) -> Bool[Tensor, " batch"]:
        answers = self.answers(words)
        return answers != self.y if self.target is None else answers == self.target

    def written(self, tokens: Sequence[str]) -> str:
        return untreebank(tokens)

    def trace(self, words: Int[Tensor, "1 source"]) -> Trace:
        return self.classifier.decided(self.spelled(words[0].tolist()), words)


@dataclass(frozen=True)
class Translation(Victim):
    """A translation. Without a `keyword` it shall lose a `share` of its words; with one, the French word shall be in it.

    Attributes: before: the numbers of the translation of the sentence as it was, with `END`.
    """

    translator: Translator
    tokens: Sequence[str]
    words: Int[Tensor, "1 source"]
    before: tuple[int, ...]
    keyword: int | None
    share: float = 0.5

    @property
    def known(self) -> Vocabulary:  # type: ignore[override]
        return self.translator.source_words

    @property
    def E(self) -> Float[Tensor, "vocabulary d"]:  # type: ignore[override]
        return self.translator.network.source_embedding.weight

    @property
    def targeted(self) -> bool:  # type: ignore[override]
        return self.keyword is not None

    @property
    def length(self) -> int:  # type: ignore[override]
        return len(self.before) if self.keyword is None else 1

    def loss(self, x: Float[Tensor, "batch source d"]) -> Float[Tensor, " batch"]:
        r"""$-\sum_t \log p(y_t \mid y_{<t}, x)$ of the old translation; or $-\max_t \log p(k \mid y_{<t}, x)$ of a keyword $k$.

        A keyword may come anywhere in the old translation: where it is most probable. As Cheng 2020, *Seq2Sick*, section 3.2, with
        log-probabilities in place of a margin.
        """
        network, y = self.translator.network, torch.tensor([self.before]).expand(len(x), -1)
        given = torch.cat([torch.full_like(y[:, :1], BEGIN), y[:, :-1]], 1)
        logits = network.logits(network.attention_vectors_embedded(x, given))
        log_p = writable(logits, network.barred).log_softmax(-1)
        if self.keyword is not None:
            return -log_p[:, :, self.keyword].amax(1)
        return -log_p.gather(2, y.unsqueeze(-1)).sum((1, 2))

    def translations(self, words: Int[Tensor, "batch source"]) -> list[list[int]]:
        """Greedily, without `END`."""
        beam = search(self.translator.network, words, 1, self.translator.longest(len(self.tokens)))
        return [[word for word in row if word not in (PAD, END)] for row in beam.words[:, :, 0].T.tolist()]

    def says(self, words: Int[Tensor, "batch source"]) -> list[str]:
        spelled = self.translator.target_words.words
        return [detokenize([spelled[word] for word in row], "fr") for row in self.translations(words)]

    def won(self, words: Int[Tensor, "batch source"]) -> Bool[Tensor, " batch"]:
        found = self.translations(words)
        if self.keyword is not None:
            return torch.tensor([self.keyword in row for row in found])
        return torch.tensor([lost(self.before[:-1], row) >= self.share for row in found])

    def own(self, words: Sequence[int]) -> list[str]:
        """Those of the new words of which the keyword is the translation, alone: with them it is no mistake."""
        new = [now for now, was in zip(words, self.words[0].tolist(), strict=True) if now != was]
        alone = self.translations(torch.tensor([[word, END] for word in new])) if new else []
        return [self.known.words[word] for word, row in zip(new, alone, strict=True) if self.keyword in row]

    def written(self, tokens: Sequence[str]) -> str:
        return detokenize(tokens, "en")

    def trace(self, words: Int[Tensor, "1 source"]) -> Trace:
        return self.translator.written(self.spelled(words[0].tolist()), words, UNTOUCHED, 1, 0)


def lost(before: Sequence[int], after: Sequence[int]) -> float:
    """The share of the words of a sentence that another does not have, each counted as often as it occurs."""
    return sum((Counter(before) - Counter(after)).values()) / max(1, len(before))


def decision(classifier: TextClassifier, text: str, y: int | None = None, target: int | None = None) -> Decision:
    """The class of a text; `y`: the true one if it is known. Raises ValueError for what cannot be read."""
    tokens, words = classifier.read(text)
    answer = int(classifier.p(words).argmax())
    if target == answer:
        raise ValueError(f"The network says “{classifier.classes[answer]}” of this text already: choose another class.")
    return Decision(classifier, tokens, words, answer if y is None else y, target)


def translation(translator: Translator, text: str, keyword: str = "", share: float = 0.5) -> Translation:
    """The translation of a sentence; `keyword`: a French word that it shall have. Raises ValueError for what cannot be read."""
    tokens, words = translator.read(text)
    wanted = translator.number(keyword, ()) if keyword.strip() else None
    if wanted is not None and wanted <= END:
        raise ValueError(f"{SPECIAL[UNKNOWN]} and its like are no words: type a French one.")
    found = Translation(translator, tokens, words, (END,), wanted, share)
    before = found.translations(words)[0]
    if wanted in before:
        raise ValueError(f"“{keyword}” is in the translation already: choose another word.")
    return Translation(translator, tokens, words, (*before, END), wanted, share)
