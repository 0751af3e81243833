"""Adversarial training (B3): a network that learns from pictures made to fool it, as it learns, and what that is worth."""

import ui.harden as words
from ui import lecture
from ui.navigation import HARDEN


def choose() -> words.Choice | None:
    """Which part, and its controls."""
    lecture.words_for_bad_link(words.LINK)
    return words.choose()


def figure(choice: words.Choice) -> words.Shown | None:
    """A network while it trains, the recorded runs, or a digit before all networks."""
    return words.DRAWN[choice.part](choice)


def notes(_choice: words.Choice, shown: words.Shown) -> None:
    shown.notes()


def numbers(_choice: words.Choice, shown: words.Shown) -> lecture.Numbers:
    return lecture.Numbers(shown.caption, shown.table)


def downloads(_choice: words.Choice, shown: words.Shown) -> list[lecture.Download]:
    return words.downloads(shown)


lecture.page(
    HARDEN,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
