"""Generate (B5): one network makes points, digits or sounds, the other judges them, and each learns from the other."""

import ui.generate as words
from ui import lecture
from ui.navigation import GENERATE


def choose() -> words.Choice | None:
    """Which part, and its controls."""
    lecture.words_for_bad_link(words.LINK)
    return words.choose()


def figure(choice: words.Choice) -> words.Shown | None:
    """A live run, or what was recorded."""
    return words.DRAWN[choice.part](choice)


def notes(_choice: words.Choice, shown: words.Shown) -> None:
    shown.notes()


def numbers(_choice: words.Choice, shown: words.Shown) -> lecture.Numbers:
    return lecture.Numbers(shown.caption, shown.table)


def downloads(_choice: words.Choice, shown: words.Shown) -> list[lecture.Download]:
    return list(shown.files)


lecture.page(
    GENERATE,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
