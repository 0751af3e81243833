"""Translate (A1, A2, A3, A8, A9): step through an alignment word by word, touch it, race the scores, doubt it."""

import streamlit as st

import ui.translate as words
from ui import cached, lecture, stepping
from ui.cached.sentences import Sentence
from ui.looks import closer
from ui.navigation import TRANSLATE
from ui.stepping import Shown
from ui.translate import looks


def choose() -> Sentence | None:
    """The sentence, the model and the way of decoding; None, with a word, if there is nothing to translate."""
    good = {**words.LINK, "look": lambda name: name in looks.LOOKS}
    return stepping.asked(words.ask, good, "Translating …")


def figure(sentence: Sentence) -> Shown | None:
    """The alignment. What was touched is decoded anew before it is drawn."""
    return stepping.stepped(sentence, stepping.one_head(cached.sentences.trace(sentence)), editable=not sentence.hub)


def notes(_sentence: Sentence, shown: Shown) -> None:
    """The translation in words, and one of five closer looks."""
    st.markdown(words.about(shown))
    closer(shown, looks.LOOKS)


def numbers(_sentence: Sentence, shown: Shown) -> lecture.Numbers:
    return stepping.numbers(shown)


def downloads(sentence: Sentence, shown: Shown) -> list[lecture.Download]:
    return stepping.downloads(shown, words.title_of(sentence))


lecture.page(
    TRANSLATE,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
