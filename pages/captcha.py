"""Captcha (A6): read letter by letter, a glimpse each; draw one with a text and a noise of your own, or bring one."""

import streamlit as st

import ui.glimpses as words
from models import zoo
from ui import cached, lecture, regions
from ui.looks import closer
from ui.navigation import CAPTCHA
from ui.regions import Asked, Shown


def choose() -> Asked | None:
    """The picture; None, with a word, if there is nothing to read."""
    lecture.words_for_bad_link({**words.LINK, "look": lambda name: name in words.LOOKS})
    try:
        asked = words.ask()
        if asked is None:
            return None
        with st.spinner("Reading …"):
            cached.pictures.looked(asked.look, asked.picture)
    except (ValueError, zoo.WeightsUnavailableError) as error:
        st.warning(lecture.as_it_is(str(error)), icon=":material/edit_note:")
        return None
    return asked


def figure(asked: Asked) -> Shown | None:
    """The picture with a glimpse a letter. What was touched is read anew before it is drawn."""
    return regions.stepped(asked)


def notes(asked: Asked, shown: Shown) -> None:
    """What was read, and one of the closer looks."""
    st.markdown(words.about(shown))
    st.caption(words.fitted(asked.picture))
    closer(shown, words.LOOKS)


def numbers(_asked: Asked, shown: Shown) -> lecture.Numbers:
    return regions.numbers(shown)


def downloads(asked: Asked, shown: Shown) -> list[lecture.Download]:
    return regions.downloads(shown, words.title_of(asked))


lecture.page(
    CAPTCHA,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
