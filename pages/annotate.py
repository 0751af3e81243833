"""What to label next (B2): distance to the decision boundary as the reason to ask for a label."""

import ui.annotate as words
from ui import lecture
from ui.navigation import ANNOTATE


def choose() -> words.Choice | None:
    """Which part, and its controls."""
    lecture.words_for_bad_link(words.LINK)
    return words.choose()


def figure(choice: words.Choice) -> words.Shown | None:
    """The curves, the plane, or the digit that a visitor labels. None while curves still grow."""
    return words.DRAWN[choice.part](choice)


def notes(_choice: words.Choice, shown: words.Shown) -> None:
    shown.notes()


def numbers(_choice: words.Choice, shown: words.Shown) -> lecture.Numbers:
    return lecture.Numbers(words.numbers_caption(shown), words.numbers(shown))


def downloads(_choice: words.Choice, shown: words.Shown) -> list[lecture.Download]:
    return words.downloads(shown)


lecture.page(
    ANNOTATE,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
