"""Memory (A11): a language model that shows how far back it looks, word by word."""

import streamlit as st

import ui.memory as words
from ui import cached, lecture, stepping
from ui.cached.sentences import Sentence
from ui.looks import closer
from ui.memory import looks
from ui.navigation import MEMORY
from ui.stepping import Shown


def choose() -> Sentence | None:
    """The beginning of a story, the model, how far it looks back and how it goes on; None, with a word, if nothing can be read."""
    good = {**words.LINK, "look": lambda name: name in looks.LOOKS}
    return stepping.asked(words.ask, good, "Reading and writing …")


def figure(sentence: Sentence) -> Shown | None:
    """The story and the looks. What was touched is written anew before it is drawn."""
    sentence, given = words.grown(sentence), words.given(sentence)
    words.go_on(sentence)
    return stepping.stepped(
        sentence, cached.sentences.trace(sentence), begin=given - 1, given=given, label="story", reading=True
    )


def notes(_sentence: Sentence, shown: Shown) -> None:
    """What is to be said of the story, and one of the closer looks."""
    st.markdown(words.about(shown))
    closer(shown, looks.LOOKS)


def numbers(_sentence: Sentence, shown: Shown) -> lecture.Numbers:
    return words.numbers(shown)


def downloads(_sentence: Sentence, shown: Shown) -> list[lecture.Download]:
    return stepping.downloads(shown, words.title_of(shown.sentence))


lecture.page(
    MEMORY,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
