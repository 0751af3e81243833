"""Heads (A12): a real transformer, all layers and heads at a glance, one of them large, and what is left without it."""

import streamlit as st

import ui.heads as words
from models import zoo
from ui import cached, lecture, take_home
from ui.heads import Choice, Shown, looks
from ui.navigation import HEADS


def choose() -> Choice | None:
    """The sentences, the model and what to show; None, with a word, if there is nothing to read."""
    lecture.words_for_bad_link({**words.LINK, "look": lambda name: name in looks.LOOKS})
    choice = words.ask()
    try:
        with st.spinner("Reading …"):
            cached.heads.heads(choice.reading)
    except (ValueError, zoo.WeightsUnavailableError) as error:
        st.warning(lecture.as_it_is(str(error)), icon=":material/edit_note:")
        return None
    return choice


def figure(choice: Choice) -> Shown | None:
    """All heads, and the large map of the one chosen."""
    return words.draw(choice)


def notes(choice: Choice, shown: Shown) -> None:
    """The row in view in words, and one of the closer looks."""
    st.markdown(words.about(choice, shown))
    looks.closer(choice, shown)


def numbers(_choice: Choice, shown: Shown) -> lecture.Numbers:
    return lecture.Numbers(words.numbers_caption(shown), words.row_numbers(shown))


def downloads(choice: Choice, shown: Shown) -> list[lecture.Download]:
    title = f"{choice.reading.a} {choice.reading.b} · {shown.one.heads[0]}"
    return [
        lecture.Download("All heads (PNG)", lambda: words.picture(shown, "png"), "heads.png", "image/png"),
        lecture.Download("All heads (SVG)", lambda: words.picture(shown, "svg"), "heads.svg", "image/svg+xml"),
        *take_home.downloads(shown.one, shown.step, title, vars(choice.reading)),
    ]


lecture.page(
    HEADS,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
