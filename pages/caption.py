"""Caption (A5): a photo described word by word, each word with the regions it looked at; look elsewhere, and the words change."""

import streamlit as st

import ui.caption as words
from models import zoo
from ui import cached, lecture, regions
from ui.looks import closer
from ui.navigation import CAPTION
from ui.regions import Asked, Shown


def choose() -> Asked | None:
    """The picture and the way of decoding; None, with a word, if there is nothing to describe."""
    lecture.words_for_bad_link({**words.LINK, "look": lambda name: name in words.LOOKS})
    asked = words.ask()
    if asked is None:
        return None
    try:
        with st.spinner("Looking …"):
            cached.pictures.looked(asked.look, asked.picture)
    except (ValueError, zoo.WeightsUnavailableError) as error:
        st.warning(lecture.as_it_is(str(error)), icon=":material/edit_note:")
        return None
    return asked


def figure(asked: Asked) -> Shown | None:
    """The picture with a map a word. What was touched is written anew before it is drawn."""
    return regions.stepped(asked)


def notes(asked: Asked, shown: Shown) -> None:
    """The caption in words, and one of the closer looks."""
    st.markdown(words.about(shown))
    st.caption(words.fitted(asked))
    closer(shown, words.LOOKS)


def numbers(_asked: Asked, shown: Shown) -> lecture.Numbers:
    return regions.numbers(shown)


def downloads(asked: Asked, shown: Shown) -> list[lecture.Download]:
    return regions.downloads(shown, words.title_of(asked))


lecture.page(
    CAPTION,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
