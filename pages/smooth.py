"""Smooth without labels (B4): virtual adversarial training."""

import ui.smooth as words
from ui import lecture
from ui.navigation import SMOOTH


def choose() -> words.Choice:
    """The data, and how it learns."""
    lecture.words_for_bad_link(words.LINK)
    return words.choose()


def figure(choice: words.Choice) -> words.Moment | None:
    """With and without it, side by side, while they learn."""
    return words.live(choice)


def notes(choice: words.Choice, moment: words.Moment) -> None:
    words.notes(choice, moment)


def numbers(choice: words.Choice, moment: words.Moment) -> lecture.Numbers:
    return lecture.Numbers(words.numbers_caption(choice, moment), words.numbers(choice, moment))


def downloads(_choice: words.Choice, moment: words.Moment) -> list[lecture.Download]:
    return words.downloads(moment)


lecture.page(
    SMOOTH,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.CODE,
    numbers=numbers,
    downloads=downloads,
)
