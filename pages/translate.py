"""Translate (A1, A2, A3, A8, A9): step through an alignment word by word, touch it, race the scores, doubt it."""

import streamlit as st

import ui.translate as words
from figures import faithful as doubts
from figures import translate as figures
from models import zoo
from models.faithful import verdict
from ui import cached, lecture
from ui.cached import Sentence
from ui.components.alignment import alignment
from ui.navigation import TRANSLATE
from ui.translate import Shown


def choose() -> Sentence | None:
    """The sentence, the model and the way of decoding; None, with a word, if there is nothing to translate."""
    lecture.words_for_bad_link(words.LINK)
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


def notes(sentence: Sentence, shown: Shown) -> None:
    """The translation in words, and one of five closer looks."""
    st.markdown(words.about(shown))
    look = st.segmented_control(
        "Look closer", words.LOOKS, default=words.LOOKS[0], required=True, key="look", bind="query-params"
    )
    if look == words.LOOKS[1]:
        words.beam_notes(shown, figures.tree)
    elif look == words.LOOKS[2]:
        words.race_notes(sentence, figures.race)
    elif look == words.LOOKS[3]:
        words.doubt_notes(shown, verdict, doubts)
    elif look == words.LOOKS[4]:
        words.model_notes(figures.by_length)
    else:
        words.numbers_of_step(shown)


def numbers(_sentence: Sentence, shown: Shown) -> lecture.Numbers:
    return lecture.Numbers(words.numbers_caption(shown), words.five_numbers(shown))


def downloads(_sentence: Sentence, shown: Shown) -> list[lecture.Download]:
    return words.downloads(shown)


lecture.page(
    TRANSLATE,
    controls=choose,
    figure=figure,
    notes=notes,
    code=words.code(),
    numbers=numbers,
    downloads=downloads,
)
