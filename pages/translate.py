"""Translate (A1, A2, A3, A8, A9): step through an alignment word by word, touch it, race the scores, doubt it."""

import streamlit as st

import ui.translate as words
from models import zoo
from ui import cached, lecture, take_home
from ui.cached import Sentence
from ui.components.alignment import alignment
from ui.navigation import TRANSLATE
from ui.translate import Shown, looks


def choose() -> Sentence | None:
    """The sentence, the model and the way of decoding; None, with a word, if there is nothing to translate."""
    lecture.words_for_bad_link({**words.LINK, "look": lambda name: name in looks.LOOKS})
    sentence = words.ask()
    try:
        with st.spinner("Translating …"):
            cached.trace(sentence)
    except (ValueError, zoo.WeightsUnavailableError) as error:
        st.warning(str(error), icon=":material/edit_note:")
        return None
    return sentence


def figure(sentence: Sentence) -> Shown | None:
    """The alignment. What was touched is decoded anew before it is drawn."""
    untouched = words.one_head(cached.trace(sentence))
    touch = words.touch_before(untouched)
    touched = None
    if not touch.nothing() and not sentence.hub:
        try:
            touched = cached.trace(sentence, words.touch_text(touch), touch)
        except ValueError as error:
            st.warning(str(error), icon=":material/edit_note:")
    seen = alignment(untouched, touched, touch, step=words.step_in_link(), editable=not sentence.hub)
    words.put_in_link(seen)
    return Shown(sentence, untouched, touched or untouched, seen) if seen.painted else None


def notes(_sentence: Sentence, shown: Shown) -> None:
    """The translation in words, and one of five closer looks."""
    st.markdown(words.about(shown))
    looks.closer(shown)


def numbers(_sentence: Sentence, shown: Shown) -> lecture.Numbers:
    return lecture.Numbers(words.numbers_caption(shown), words.five_numbers(shown))


def downloads(sentence: Sentence, shown: Shown) -> list[lecture.Download]:
    asked = {**vars(sentence), "touch": words.touch_text(shown.seen.touch)}
    return take_home.downloads(shown.trace, shown.seen.step, f"{sentence.text} · {words.title_of(sentence)}", asked)


lecture.page(
    TRANSLATE,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
