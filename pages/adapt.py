"""Adapt (B6): a judge against the domain, its gradient turned round, carries a task over to where no labels are."""

import ui.adapt as words
from ui import lecture
from ui.navigation import ADAPT


def choose() -> words.Choice:
    """Which part, and its controls."""
    lecture.words_for_bad_link(words.LINK)
    return words.choose()


def figure(choice: words.Choice) -> words.Shown | None:
    """The moons while they learn, a digit on a photograph, or the tables."""
    return words.DRAWN[choice.part](choice)


def notes(_choice: words.Choice, shown: words.Shown) -> None:
    words.notes(shown)


def numbers(_choice: words.Choice, shown: words.Shown) -> lecture.Numbers:
    return words.numbers(shown)


def downloads(_choice: words.Choice, shown: words.Shown) -> list[lecture.Download]:
    return words.downloads(shown)


lecture.page(
    ADAPT,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
