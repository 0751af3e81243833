"""The page "Translate": its controls, its link, and what it says of a translation. The closer looks are in `looks`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from models import attention, zoo
from models.seq2seq import NONE, Seq2Seq
from models.trace import Trace
from models.translation import sentence
from models.writer import Touch
from ui import cached, computation
from ui.cached import Sentence
from ui.components.alignment import Seen, as_plain, changed, last_touch, sentence_of, valid_touch
from ui.lecture import as_it_is

EXAMPLES = (
    "A black dog and a white dog run along the beach.",
    "The agreement on the European Economic Area was signed in August 1992.",
    "A man in an orange hat is looking at something.",
    "Two young girls are sitting on a red bench in front of the old house.",
    "I don't know where she lives.",
    "Where is the library?",
    "A woman in a blue dress walks past a man who is selling flowers on a busy street corner.",
)
HUB = "from a hub or a folder"
TITLES = {
    "perceptron": "perceptron · vᵀtanh(W h + U h̄)",
    "general": "general · hᵀW h̄",
    "dot": "dot · hᵀh̄",
    "concat": "concat · W[h; h̄]",
    NONE: "none · one fixed vector",
    HUB: HUB,
}
GREEDY, BEAM, SAMPLE = "Greedy", "Beam of 5", "Sample"
WAYS = [GREEDY, BEAM, SAMPLE]
TEXT, STEP, TOUCH = "text", "step", "touch"
MEAN = "mean of all heads"
MANY = 2  # unknown words, from which on a sentence is called foreign
WIDEST = 1500  # characters of a text that is taken from a link
SCORE_HELP = (
    "How relevant is a source word to the word to be written? Models trained alike, which differ in this formula only."
)
HUB_HELP = "Any encoder–decoder of transformers with cross-attention, as safetensors. Its weights are fetched when first asked for."


def title(score: str) -> str:
    return TITLES[score]


LINK = {
    "model": lambda name: name in TITLES.values(),
    "way": lambda name: name in WAYS,
    STEP: lambda text: text.isdecimal() and len(text) < 4,
}


@dataclass(frozen=True)
class Shown:
    """What is on the screen: the sentence asked, its untouched trace, the one in view, and where the visitor is in it."""

    sentence: Sentence
    untouched: Trace
    trace: Trace
    seen: Seen


def title_of(sentence: Sentence) -> str:
    """The model's name, for a title."""
    return sentence.hub or TITLES[sentence.score]


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.trace(Sentence(EXAMPLES[0], "perceptron"))


def ask() -> Sentence:
    """The controls: sentence, model, way of decoding."""
    left, middle, right = st.columns([2.6, 1.4, 1.5])
    with left:
        text = _text()
    with middle:
        score = st.selectbox(
            "Score", [*zoo.TRANSLATORS, HUB], format_func=title, key="model", bind="query-params", help=SCORE_HELP
        )
    with right:
        way = (
            st.segmented_control("Decode", WAYS, default=GREEDY, required=True, key="way", bind="query-params")
            or GREEDY
        )
    st.pills("Examples", EXAMPLES, key="example", on_change=_pick, format_func=_short, label_visibility="collapsed")
    name = ""
    if score == HUB:
        name = st.text_input(
            "Name on the hub, or a folder on the server",
            "Helsinki-NLP/opus-mt-en-fr",
            key="hub",
            bind="query-params",
            help=HUB_HELP,
        )
    sampling, seed = 0.0, 0
    if way == SAMPLE and score != HUB:
        first, second = st.columns(2)
        sampling = first.slider("Temperature of the drawing", 0.1, 2.0, 1.0, 0.1, key="sampling", bind="query-params")
        seed = int(second.number_input("Seed", 0, 9999, 1, key="seed", bind="query-params"))
    return Sentence(text, "" if score == HUB else score, name, 5 if way == BEAM else 1, sampling, seed)


def _text() -> str:
    """The sentence typed, or the example picked: picking writes it into the field."""
    if "text" not in st.session_state:
        st.session_state["text"] = st.query_params.get(TEXT, EXAMPLES[0])[:WIDEST]
    text = st.text_input("English sentence", key="text", placeholder="Type an English sentence, then press Enter")
    if st.query_params.get(TEXT) != text[:WIDEST]:
        st.query_params[TEXT] = text[:WIDEST]
    return text


def _pick() -> None:
    if st.session_state["example"]:
        st.session_state["text"] = st.session_state["example"]
        st.session_state["example"] = None


def _short(example: str) -> str:
    words = example.split()
    return " ".join(words[:3]) + (" …" if len(words) > 3 else "")


def one_head(trace: Trace) -> Trace:
    """The head to look at, chosen by the visitor if there are several; the first has all of them averaged."""
    if len(trace.heads) == 1:
        return trace
    names = [MEAN, *trace.heads]
    chosen = st.selectbox("Layer and head", names, key="head", bind="query-params")
    return trace.mean() if chosen not in trace.heads else trace.only(trace.heads.index(chosen))


def touch_before(untouched: Trace) -> Touch:
    """What was touched up to now: told by the browser, or by the address when the page has just been opened."""
    if "alignment" in st.session_state:
        return last_touch(untouched)
    return touch_in_link(untouched)


def touch_in_link(trace: Trace) -> Touch:
    """The touch that the address names, as far as it fits the sentence."""
    try:
        told = json.loads(st.query_params.get(TOUCH, "{}"))
    except ValueError:
        return Touch()
    of = sentence_of(trace)
    return valid_touch({**told, "of": of} if isinstance(told, dict) else None, of, len(trace.source))


def step_in_link() -> int:
    text = st.query_params.get(STEP, "")
    return int(text) - 1 if LINK[STEP](text) and int(text) > 0 else 0


def put_in_link(seen: Seen) -> None:
    """The address follows step and touch, so that it can be sent."""
    for name, value in ((STEP, str(seen.step + 1)), (TOUCH, "" if seen.touch.nothing() else touch_text(seen.touch))):
        if value and st.query_params.get(name) != value:
            st.query_params[name] = value
        elif not value and name in st.query_params:
            del st.query_params[name]


def touch_text(touch: Touch) -> str:
    """A touch as text: the same for the same touch."""
    return json.dumps(as_plain(touch), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def about(shown: Shown) -> str:
    """The translation in a sentence, with what has to be said of it."""
    trace = shown.trace
    written = "".join(trace.target).split("⟨")[0].strip() if shown.sentence.hub else sentence(trace)
    said = f"**{as_it_is(written)}** · log p = {trace.log_p.sum():.3f}, perplexity a word {trace.perplexity():.2f}."
    copied = [t for t, note in trace.notes.items() if "copied" in note]
    if copied:
        said += f" {len(copied)} unknown word{'s' if len(copied) > 1 else ''} (\\*) copied from the source word most looked at."
    if len(copied) > MANY:
        said += " The model learned from photo captions and everyday sentences: this one is foreign to it."
    if shown.trace is not shown.untouched:
        new = len(changed(shown.untouched.target, trace.target))
        said += f" Touched: {new} of {len(trace.target)} words are not those of the untouched translation."
    return said


def numbers_caption(shown: Shown) -> str:
    """What the table in the tab Numbers holds."""
    t = shown.seen.step
    return f"Step {t + 1}, “{as_it_is(shown.trace.target[t])}”. {computation.row_sentence(shown.trace, t)}"


def five_numbers(shown: Shown) -> pd.DataFrame:
    """The row in view as the formula's columns."""
    return computation.per_source(shown.trace, shown.seen.step, shown.seen.touch)


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it: the score chosen, attend, softmax, the attention vector, the decision."""
    asked = st.session_state.get("model") or st.query_params.get("model") or "perceptron"
    score = next((name for name in attention.SCORES if asked in (name, TITLES.get(name))), "")
    return (
        *([getattr(attention, score)] if score else []),
        attention.attend,
        attention.softmax,
        Seq2Seq.attention_vector,
        Seq2Seq.logits,
    )
