"""Step by step (B1, B2): any attack on a classifier, watched as it walks; then a closer look at what it made."""

import streamlit as st

import ui.fooling as words
from ui import lecture
from ui.fooling import Asked, Shown, looks
from ui.navigation import ATTACKS


def choose() -> Asked | None:
    """Which picture, network and target; which attack, norm, ε and steps. The attack is seen while it is done."""
    lecture.words_for_bad_link({**words.LINK, "look": lambda name: name in looks.LOOKS})
    return words.ask()


def figure(asked: Asked) -> Shown:
    """The picture after each step, with loss and gradient."""
    return words.stepped(asked)


def notes(asked: Asked, shown: Shown) -> None:
    """What came of it, the alarm, the way to the other page, and one of the closer looks."""
    st.markdown(words.outcome(shown))
    if words.alarm(shown.walk):
        st.error(words.alarm(shown.walk), icon=":material/warning:")
    words.back_to_fool(asked)
    looks.closer_look(shown)


def numbers(_asked: Asked, shown: Shown) -> lecture.Numbers:
    return words.numbers(shown)


def downloads(_asked: Asked, shown: Shown) -> list[lecture.Download]:
    return words.downloads(shown)


lecture.page(
    ATTACKS,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
