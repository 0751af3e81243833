"""Headline (A4): the first sentence of an article, its headline word by word, each word written or copied."""

import streamlit as st

import ui.headline as words
from ui import cached, lecture, stepping
from ui.cached.sentences import Sentence
from ui.looks import closer
from ui.navigation import HEADLINE
from ui.stepping import Shown


def choose() -> Sentence | None:
    """The sentence, the way of decoding and the length; None, with a word, if there is nothing to write about."""
    good = {**words.LINK, "look": lambda name: name in words.LOOKS}
    return stepping.asked(words.ask, good, "Writing …")


def figure(sentence: Sentence) -> Shown | None:
    """The alignment. What was touched is written anew before it is drawn."""
    return stepping.stepped(sentence, cached.sentences.trace(sentence), label="headline")


def notes(_sentence: Sentence, shown: Shown) -> None:
    """The headline in words, and one of the closer looks."""
    st.markdown(words.about(shown))
    closer(shown, words.LOOKS)


def numbers(_sentence: Sentence, shown: Shown) -> lecture.Numbers:
    return stepping.numbers(shown)


def downloads(_sentence: Sentence, shown: Shown) -> list[lecture.Download]:
    return stepping.downloads(shown, "headline")


lecture.page(
    HEADLINE,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
