"""Reading the data sets. Each function takes the folder that holds them all, and says which files it wants."""

import gzip
import hashlib
from pathlib import Path

from models.words import tokenize

Pair = tuple[list[str], list[str]]  # the tokens of a sentence and of its translation


def lines(path: Path) -> list[str]:
    """The lines of a gzipped text, without their ends. Raises OSError, or ValueError for a file that breaks off."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return [line.strip() for line in file]
    except EOFError as error:
        raise ValueError(f"{path} breaks off: fetch it again.") from error


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
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:2]) < 2**16 // 100
