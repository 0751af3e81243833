"""Ask (A7): a question about a picture; where the network looks for the answer, hop by hop, and what it answers."""

import streamlit as st

import ui.ask as words
from models import zoo
from ui import cached, lecture, regions
from ui.ask import Question
from ui.looks import closer
from ui.navigation import ASK
from ui.regions import Shown


def choose() -> Question | None:
    """The picture and the question; None, with a word, if there is nothing to answer."""
    lecture.words_for_bad_link({**words.LINK, "look": lambda name: name in words.LOOKS})
    asked = words.ask()
    if asked is None:
        return None
    try:
        with st.spinner("Looking …"):
            trace = cached.pictures.looked(asked.look, asked.picture)
    except (ValueError, zoo.WeightsUnavailableError) as error:
        st.warning(lecture.as_it_is(str(error)), icon=":material/edit_note:")
        return None
    words.remember(asked)
    return words.settled(asked, trace)


def figure(asked: Question) -> Shown | None:
    """The picture with a map a hop. What was touched is answered anew before it is drawn."""
    return regions.stepped(asked)


def notes(asked: Question, shown: Shown) -> None:
    """The answer in words, and one of the closer looks."""
    st.markdown(words.about(shown))
    st.caption(words.fitted(asked))
    closer(shown, words.LOOKS)


def numbers(_asked: Question, shown: Shown) -> lecture.Numbers:
    return regions.numbers(shown)


def downloads(asked: Question, shown: Shown) -> list[lecture.Download]:
    return regions.downloads(shown, words.title_of(asked))


lecture.page(
    ASK,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
