"""What is kept of networks that read or write sentences."""

import time
from dataclasses import dataclass, replace

import streamlit as st

from models import hub, zoo
from models.cases import Looking, Writing
from models.classification import Dropped, TextClassifier
from models.faithful import Case, Examination, agreements, examine
from models.hub import HubTranslator
from models.language_model import LanguageModel
from models.looking_back import LookingBack, Unlooked, unlooked
from models.trace import Trace
from models.writer import Touch, Writer, beam_tree
from ui.turns import inference


@st.cache_resource(max_entries=6, show_spinner=False)
def writer(name: str) -> Writer:
    """The headline writer, or the translator with this score. Raises `zoo.WeightsUnavailableError`."""
    return zoo.writer(name)


@st.cache_resource(max_entries=4, show_spinner=False)
def text_classifier(name: str) -> TextClassifier:
    """The self-attentive classifier of this name. Raises `zoo.WeightsUnavailableError`."""
    return zoo.text_classifier(name)


@st.cache_resource(max_entries=4, show_spinner=False)
def language_model(kind: str) -> LanguageModel:
    """The language model of this kind. Raises `zoo.WeightsUnavailableError`."""
    return zoo.language_model(kind)


@st.cache_resource(max_entries=1, show_spinner=False)
def hub_translator(name: str) -> HubTranslator:
    """A translator of a hub or in a folder. Raises `zoo.WeightsUnavailableError`."""
    return hub.load(name)


@dataclass(frozen=True)
class Sentence:
    """What a visitor asks a writer, in values that can be kept as a key.

    `hub` is "" for our own models, and then `score` is the writer's name; a `length` of 0 leaves it to the model. Language models
    look back at `L` states, their `score` is their kind, and they go on for `length` words.
    """

    text: str
    score: str
    hub: str = ""
    beam: int = 1
    sampling: float = 0.0
    seed: int = 0
    length: int = 0
    L: int = 0


@st.cache_resource(max_entries=256, show_spinner=False)
def trace(sentence: Sentence, touch: str = "{}", _touch: Touch = Touch()) -> Trace:  # noqa: ARG001, B008 (a key; frozen)
    """What is written, or decided, touched by `_touch`, which the text `touch` tells apart. Raises ValueError, in plain words."""
    if sentence.hub:
        model = hub_translator(sentence.hub)
        with inference:
            return model.translate(sentence.text, sentence.beam)
    beam = sentence.beam if _touch.nothing() else 1
    if sentence.score in zoo.CLASSES:
        classifier = text_classifier(sentence.score)
        with inference:
            return classifier.classify(sentence.text, _touch)
    how = replace(_touch, sampling=sentence.sampling, seed=sentence.seed)
    if sentence.L:
        storyteller = language_model(sentence.score)
        with inference:
            return storyteller.tell(sentence.text, sentence.length, how, sentence.L)
    with inference:
        return writer(sentence.score).write(sentence.text, how, beam, sentence.length)


@st.cache_resource(max_entries=64, show_spinner=False)
def beams(sentence: Sentence) -> tuple[tuple[str, int, float], ...]:
    """The beam search of a sentence as a tree: each node's word, its parent's number (−1: none) and log p up to here."""
    model = writer(sentence.score)
    with inference:
        return beam_tree(
            model.beams(sentence.text, sentence.beam, sentence.length), model.spelled(model.read(sentence.text)[0])
        )


@st.cache_resource(max_entries=128, show_spinner=False)
def dropped(sentence: Sentence, most: bool) -> Dropped:
    """What is left of a decision when the words attended to most (or least) are taken out one by one."""
    model = text_classifier(sentence.score)
    with inference:
        return model.drop(sentence.text, most)


@st.cache_resource(max_entries=64, show_spinner=False)
def race(text: str) -> dict[str, tuple[Trace, float]]:
    """Each score's greedy translation of a text and the seconds it took, after one to warm up."""
    found = {}
    for score in zoo.TRANSLATORS:
        model = writer(score)
        with inference:
            model.write(text)
            started = time.perf_counter()
            found[score] = (model.write(text), time.perf_counter() - started)
    return found


@st.cache_resource(max_entries=128, show_spinner=False)
def examination(sentence: Sentence, beam: int, step: int, together: bool, _trace: Trace) -> Examination:  # noqa: ARG001 (a key)
    """Whether the attention of a step of an untouched text is to be believed; `beam` tells which text."""
    with inference:
        return examine(case(sentence, _trace, together), step)


@st.cache_resource(max_entries=128, show_spinner=False)
def agreement(sentence: Sentence, beam: int, _trace: Trace) -> tuple[float, float]:  # noqa: ARG001 (a key)
    """Mean Kendall τ of the weights with leave-one-out and with gradient × input over all steps of an untouched text."""
    with inference:
        return agreements(case(sentence, _trace)).means()


def case(sentence: Sentence, trace: Trace, together: bool = False) -> Case:
    """What is doubted of a trace: the steps of a writer, the looks of a classifier, or all of these `together`."""
    if sentence.score in zoo.CLASSES:
        return Looking(text_classifier(sentence.score), trace, together)
    return Writing(writer(sentence.score), trace)


@st.cache_resource(max_entries=128, show_spinner=False)
def look_back(sentence: Sentence, step: int, _trace: Trace) -> tuple[Examination, Unlooked | None]:
    """Whether the look of a step of an untouched text is to be believed, and what the step says without it."""
    case = LookingBack(language_model(sentence.score), _trace, step, sentence.L)
    with inference:
        return examine(case, 0), unlooked(case)
