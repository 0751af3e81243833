"""The page "Memory": its controls, and what it says of a story and of how far back its model looked."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from models import zoo
from models.attention import key_value
from models.key_value import ATTENTION, KEY_VALUE, PLAIN, PREDICT, L, MemoryModel
from models.language_model import LONGEST, LanguageModel
from models.looking_back import perplexity_of_given
from models.trace import Trace
from ui import address, cached, computation, controls, stepping
from ui.cached.sentences import Sentence
from ui.components.touching import changed
from ui.lecture import Numbers, as_it_is
from ui.stepping import GREEDY, SAMPLE, Shown

EXAMPLES = (
    "Once upon a time there was a little girl who lived in a small house near the forest. One day her mother said to her,",
    "The king had three sons. The first was strong, the second was clever, and the third",
    '"Good morning," said the fox. "And where are you going so early?"',
    "The old ship sailed to the island, and the captain told the men that they would find gold there. When they came to the shore,",
    "The cat sat on the",
)
MORE, MOST = 15, 100  # words to write on
FURTHEST = 20  # states to look back at
WAYS = (GREEDY, SAMPLE)
TITLES = {
    PLAIN: "plain · decides from its state",
    ATTENTION: "attention · looks back at h",
    KEY_VALUE: "key-value · [k; v] = h",
    PREDICT: "key-value-predict · [k; v; p] = h",
}


def kinds() -> tuple[str, ...]:
    """Those that ship."""
    return zoo.language_models()


LINK = {
    stepping.STEP: stepping.LINK[stepping.STEP],
    "way": lambda name: name in WAYS,
    "model": lambda name: name in [TITLES[kind] for kind in kinds()],
    "L": lambda text: text.isdecimal() and 1 <= int(text) <= FURTHEST,
    "words": lambda text: text.isdecimal() and int(text) <= MOST,
}


def usual() -> str:
    """The kind to begin with: key-value, as on the slide, if it ships."""
    return KEY_VALUE if KEY_VALUE in kinds() else kinds()[-1]


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.sentences.trace(Sentence(EXAMPLES[0], usual(), length=MORE, L=L))


def ask() -> Sentence:
    """The controls: the beginning of the story, the kind of model, how far back, how far on, and how."""
    left, right = st.columns([2.6, 1.6])
    with left:
        text = stepping.ask_text("Beginning of a story", EXAMPLES[0], "Type the beginning of a story in English")
    with right:
        kind = st.selectbox(
            "Model",
            kinds(),
            index=kinds().index(usual()),
            format_func=TITLES.__getitem__,
            key="model",
            bind="query-params",
            help="Trained alike, as many parameters. What a state is split into: a key by which it is found, a value that is "
            "read, and what predicts.",
        )
    stepping.offer(EXAMPLES)
    first, second, third = st.columns([1.6, 1, 1])
    with first:
        L_asked = st.slider(
            "L, states to look back at",
            1,
            FURTHEST,
            L,
            key="L",
            bind="query-params",
            disabled=kind == PLAIN,
            help=f"The models learned with L = {L}. The plain one does not look back.",
        )
    with second:
        more = controls.number("Words to write on", 0, MOST, MORE, "words")
    with third:
        way = stepping.ask_way(WAYS)
    sampling, seed = stepping.ask_sampling(way)
    return Sentence(text, kind, sampling=sampling, seed=seed, length=more, L=L_asked)


def model(sentence: Sentence) -> LanguageModel:
    return cached.sentences.language_model(sentence.score)


def given(sentence: Sentence) -> int:
    """How many words of the text the visitor gave."""
    return len(model(sentence).read(sentence.text)[0])


def grown(sentence: Sentence) -> Sentence:
    """The sentence, longer where a word was picked after its last one: the story goes on from there."""
    first = given(sentence) - 1
    words = stepping.touch_of_text(cached.sentences.trace(sentence), first + 1).words
    length = sentence.length
    while first + length in words and first + length + 1 < LONGEST:
        length += 1
    return replace(sentence, length=length)


def go_on(sentence: Sentence) -> None:
    """The button that writes one more word."""
    full = given(sentence) + sentence.length >= LONGEST or sentence.length >= MOST
    st.button(
        "One more word",
        key="one_more",
        icon=":material/add:",
        shortcut="n",
        on_click=_one_more,
        args=(sentence.length + 1,),
        disabled=full,
        help="That is as much as is written at once."
        if full
        else "Or click a likely word of the last step: the story goes on from it.",
    )


def _one_more(length: int) -> None:
    address.put(words=min(length, MOST))


def about(shown: Shown) -> str:
    """How well the model foresaw what was given, what it wrote, and what was touched."""
    trace, first = shown.trace, given(shown.sentence)
    foreseen, known = perplexity_of_given(trace, first)
    foresight = f", perplexity {foreseen:.1f} over the {known} known words after the first" if known else ""
    said = (
        f"{first} words were given{foresight}; it wrote {len(trace.target) - first} (bold) and would go on with "
        f"“{as_it_is(trace.target[-1])}”."
    )
    unknown = [word for word in trace.source[:first] if word not in model(shown.sentence).known.numbers]
    if unknown:
        said += (
            f" Not known to it: {', '.join(as_it_is(word) for word in dict.fromkeys(unknown))}; it read ⟨unk⟩ there."
        )
    if shown.trace is not shown.untouched:
        words = len(changed(shown.untouched.target, trace.target))
        said += f" Touched: {words} of {len(trace.target)} words are not those of the untouched story."
    return said


def in_window(shown: Shown) -> Shown:
    """The same with only the words that the step in view can look at, the oldest first."""
    t = shown.seen.step
    first = max(0, t - shown.sentence.L)
    trace, touch = shown.trace, shown.seen.touch
    columns = slice(first, t if trace.weights.shape[2] else first)
    narrow = Trace(
        **{
            **vars(trace),
            "source": trace.source[columns],
            "scores": trace.scores[:, :, columns],
            "weights": trace.weights[:, :, columns],
        }
    )
    forbidden = frozenset(i - first for i in touch.forbidden if first <= i < t)
    return replace(shown, trace=narrow, seen=replace(shown.seen, touch=replace(touch, forbidden=forbidden)))


def row_sentence(shown: Shown) -> str:
    """Sum and entropy of the row in view, or why there is none."""
    if shown.sentence.score == PLAIN:
        return "This model has no attention: no scores, no weights; all it knows of the text is in h."
    if shown.seen.step == 0:
        return "The first word has none before it to look at: r = 0."
    return computation.row_sentence(in_window(shown).trace, shown.seen.step)


def numbers(shown: Shown) -> Numbers:
    """The row in view as the formula's columns."""
    t, near = shown.seen.step, in_window(shown)
    caption = f"Step {t + 1}, “{as_it_is(shown.trace.target[t])}”. {row_sentence(shown)}"
    return Numbers(caption, stepping.five_numbers(near) if near.trace.source else pd.DataFrame())


def title_of(sentence: Sentence) -> str:
    return f"{sentence.score}, L = {sentence.L}"


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (key_value, MemoryModel.look_back, MemoryModel.decide, MemoryModel.logits, LanguageModel.tell)
