"""Attention under attack (B1): a change too small to see; the caption changes, or the look, or one without the other."""

import streamlit as st

import ui.sway as words
from models.zoo import WeightsUnavailableError
from ui import lecture
from ui.lecture import as_it_is
from ui.looks import closer
from ui.navigation import SWAY
from ui.sway import Asked, Shown


def choose() -> Asked | None:
    """Who looks at which picture, what is wanted, and with how much. The attack is seen while it is done."""
    lecture.words_for_bad_link({**words.LINK, "look": lambda name: name in words.LOOKS})
    try:
        return words.ask()
    except (ValueError, WeightsUnavailableError) as error:
        st.warning(as_it_is(str(error)), icon=":material/edit_note:")
        return None


def notes(_asked: Asked, shown: Shown) -> None:
    """What came of it, and one of the closer looks."""
    st.markdown(words.outcome(shown))
    closer(shown, words.LOOKS)


lecture.page(
    SWAY,
    controls=choose,
    figure=words.shown,
    notes=notes,
    code=words.code(),
    numbers=lambda _asked, shown: words.numbers(shown),
    downloads=lambda _asked, shown: words.downloads(shown),
)
