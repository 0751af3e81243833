"""Reading the data sets. Each function takes the folder that holds them all, and says which files it wants."""

import gzip
import hashlib
from pathlib import Path

from models.words import Language, tokenize

Pair = tuple[list[str], list[str]]  # the tokens of a sentence and of its translation


def lines(path: Path) -> list[str]:
    """The lines of a gzipped text, without their ends. Raises OSError."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line in file]


def multi30k(data: Path, split: str) -> list[Pair]:
    """English and French tokens. Wants `DIR/multi30k/SPLIT.en.gz` and `.fr.gz`, one sentence a line, as many lines in both."""
    sides = [lines(data / "multi30k" / f"{split}.{language}.gz") for language in ("en", "fr")]
    return [(tokenize(en, "en"), tokenize(fr, "fr")) for en, fr in zip(*sides, strict=True)]


def tatoeba(data: Path, held_out: bool = False) -> list[Pair]:
    """English and French tokens. Wants `DIR/tatoeba/fra.txt.gz`: two columns, English and French, parted by a tab.

    One English sentence in a hundred (by its hash, with all its translations) is held out.
    """
    rows = [line.split("\t")[:2] for line in lines(data / "tatoeba" / "fra.txt.gz")]
    return [(tokenize(en, "en"), tokenize(fr, "fr")) for en, fr in rows if _one_in_hundred(en) == held_out]


def _one_in_hundred(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] * 256 + hashlib.sha256(text.encode()).digest()[1] < 655


def sentences(path: Path, language: Language) -> list[list[str]]:
    """The tokens of a gzipped text, one sentence a line."""
    return [tokenize(line, language) for line in lines(path)]
