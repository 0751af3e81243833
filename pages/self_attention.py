"""Self-attention (A10): which words made a classifier decide, look by look."""

import streamlit as st

import ui.self_attention as words
from ui import cached, lecture, stepping
from ui.cached.sentences import Sentence
from ui.looks import closer
from ui.navigation import SELF_ATTENTION
from ui.stepping import Shown


def choose() -> Sentence | None:
    """The task and the text; None, with a word, if there is nothing to decide on."""
    good = {**words.LINK, "look": lambda name: name in words.LOOKS}
    return stepping.asked(words.ask, good, "Reading …")


def figure(sentence: Sentence) -> Shown | None:
    """The alignment. What was touched is decided anew before it is drawn."""
    return stepping.stepped(sentence, cached.sentences.trace(sentence), label="looks", outcome="class", reading=True)


def notes(_sentence: Sentence, shown: Shown) -> None:
    """The decision in words, and one of the closer looks."""
    st.markdown(words.about(shown))
    closer(shown, words.LOOKS)


def numbers(_sentence: Sentence, shown: Shown) -> lecture.Numbers:
    return stepping.numbers(shown)


def downloads(sentence: Sentence, shown: Shown) -> list[lecture.Download]:
    return stepping.downloads(shown, words.title_of(sentence))


lecture.page(
    SELF_ATTENTION,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
