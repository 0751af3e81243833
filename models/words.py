"""Words and their numbers: how a sentence becomes the integers that a network reads, and back."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer

Language = Literal["en", "fr"]
PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3
TREEBANK = re.compile(
    r"""\w+?(?=n't\b) | n't\b | '(?:s|m|d|ll|re|ve)\b   # do n't, it 's
      | \w+'(?!(?:s|m|d|ll|re|ve|t)\b)\w+               # o'clock
      | \w+(?:[-.,/]\w+)*                              # well-known, 3.5, 10,000
      | \.{2,} | -{2,} | [^\w\s]""",
    re.VERBOSE,
)
CLOSING = re.compile(r"[.,;:!?)\]]+|n't|'\w+")  # no blank before these
SPECIAL = ("⟨pad⟩", "⟨unk⟩", "⟨begin⟩", "⟨end⟩")


@dataclass(frozen=True)
class Vocabulary:
    """The words a network knows, in the order of their numbers; the first four are `SPECIAL`."""

    words: tuple[str, ...]

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """A number a token; `UNKNOWN` for words that are not known, and for typed look-alikes of the special ones."""
        numbers = (self.numbers.get(token, UNKNOWN) for token in tokens)
        return [number if number > END else UNKNOWN for number in numbers]

    @staticmethod
    def count(sentences: Iterable[Sequence[str]], at_least: int) -> "Vocabulary":
        """The words that occur `at_least` so often, the most frequent first (ties: by alphabet)."""
        counts = Counter(token for sentence in sentences for token in sentence)
        kept = sorted(
            (word for word, count in counts.items() if count >= at_least), key=lambda word: (-counts[word], word)
        )
        return Vocabulary((*SPECIAL, *kept))

    def with_words_of(self, other: "Vocabulary") -> "Vocabulary":
        """Both, ours first."""
        return Vocabulary((*self.words, *(word for word in other.words if word not in self.numbers)))

    @staticmethod
    def read(path: Path) -> "Vocabulary":
        """From a text file, one word a line. Raises OSError."""
        return Vocabulary((*SPECIAL, *path.read_text(encoding="utf-8").split("\n")[:-1]))

    def write(self, path: Path) -> None:
        path.write_text("".join(f"{word}\n" for word in self.words[len(SPECIAL) :]), encoding="utf-8")


def tokenize(text: str, language: Language) -> list[str]:
    """Lower-case tokens in the way of Moses: punctuation apart, an article with its apostrophe (« l' », « homme »)."""
    normal = _normalizer(language).normalize(" ".join(text.lower().split()))
    return _tokenizer(language).tokenize(normal, escape=False)


def detokenize(tokens: Sequence[str], language: Language) -> str:
    """The sentence as one would write it (still in lower case)."""
    return _detokenizer(language).detokenize(list(tokens), unescape=False)


def treebank(text: str) -> list[str]:
    """Lower-case English tokens in the way of the Penn Treebank, from which most English data sets come: "do n't", "it 's"."""
    return TREEBANK.findall(text.lower().replace("’", "'"))


def untreebank(tokens: Sequence[str]) -> str:
    """The sentence as one would write it (still in lower case)."""
    text = " ".join({"-lrb-": "(", "-rrb-": ")", "``": '"', "''": '"'}.get(token, token) for token in tokens)
    text = re.sub(r" (n't|'(?:s|m|d|ll|re|ve)?)(?= |$)", r"\1", text)
    return re.sub(r"([($]) ", r"\1", re.sub(r" ([.,;:!?%)])", r"\1", text))


def spaced(tokens: Sequence[str]) -> list[str]:
    """Each token with what stands before it in a text: nothing, a blank, or a new line after ⟨end⟩, which is written ¶.

    A straight quotation mark opens and closes by turns within a paragraph.
    """
    pieces, before, inside = list[str](), "", set[str]()
    for token in tokens:
        space, after = before, " "
        if token == SPECIAL[END]:
            token, after = "¶", "\n"
            inside.clear()
        elif token in ("'", '"'):
            space, after = ("", " ") if token in inside else (before, "")
            inside ^= {token}
        elif CLOSING.fullmatch(token):
            space = before.strip(" ")
        elif token in ("(", "["):
            after = ""
        pieces.append(space + token)
        before = after
    return pieces


def unpunctuated(text: str) -> list[str]:
    """Lower-case words without punctuation, as captions are measured: "A tri-colored dog ." is a, tricolored, dog."""
    return re.sub(r"[^\w\s]|_", "", text.lower()).split()


@cache
def _normalizer(language: Language) -> MosesPunctNormalizer:
    return MosesPunctNormalizer(language)


@cache
def _tokenizer(language: Language) -> MosesTokenizer:
    return MosesTokenizer(language)


@cache
def _detokenizer(language: Language) -> MosesDetokenizer:
    return MosesDetokenizer(language)
