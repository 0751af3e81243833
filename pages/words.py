"""Words under attack (B1): one word is replaced, and the network changes its mind; where it looked, before and after."""

import streamlit as st

import ui.words_under_attack as words
from ui import lecture
from ui.looks import closer
from ui.navigation import WORDS
from ui.words_under_attack import Choice, Shown


def choose() -> Choice | None:
    """What is attacked, the text, the target, and the limits that keep the sentence what it was; then the search with its bar."""
    lecture.words_for_bad_link({**words.LINK, "look": lambda name: name in words.LOOKS})
    return words.choose()


def figure(choice: Choice) -> Shown:
    """Both sentences, and where the network looked."""
    return words.figure(choice)


def notes(_choice: Choice, shown: Shown) -> None:
    """How far the looks moved, and one of the closer looks."""
    st.markdown(words.moved_sentence(shown))
    closer(shown, words.LOOKS)


def numbers(_choice: Choice, shown: Shown) -> lecture.Numbers:
    return lecture.Numbers("What was kept of each round.", words.numbers_table(shown))


def downloads(_choice: Choice, shown: Shown) -> list[lecture.Download]:
    return words.downloads(shown)


lecture.page(
    WORDS,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
