"""Scores and heads (A2, A8, A9): Q, K and V by hand, why √d_k, and what an additive score costs."""

import ui.scores as words
from ui import lecture
from ui.navigation import SCORES


def choose() -> words.Choice:
    """Which part, and its controls."""
    lecture.words_for_bad_link(words.LINK)
    return words.choose()


def figure(choice: words.Choice) -> words.Shown:
    """The tables to edit and every step below them, the curves over d, or the measurement."""
    return words.DRAWN[choice.part](choice)


def notes(_choice: words.Choice, shown: words.Shown) -> None:
    shown.notes()


def numbers(_choice: words.Choice, shown: words.Shown) -> lecture.Numbers:
    return shown.numbers()


def downloads(_choice: words.Choice, shown: words.Shown) -> list[lecture.Download]:
    return shown.downloads()


lecture.page(
    SCORES,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
