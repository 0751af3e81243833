"""The page "Translate": its controls, its link, and what it says of a translation. The closer looks are in `looks`."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from models import attention, zoo
from models.seq2seq import NONE, Seq2Seq
from models.translation import sentence
from ui import cached, stepping
from ui.cached.sentences import Sentence
from ui.components.touching import changed
from ui.lecture import as_it_is
from ui.stepping import BEAM, Shown

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
MANY = 2  # unknown words, from which on a sentence is called foreign
SCORE_HELP = (
    "How relevant is a source word to the word to be written? Models trained alike, which differ in this formula only."
)
HUB_HELP = "Any encoder–decoder of transformers with cross-attention, as safetensors. Its weights are fetched when first asked for."


def title(score: str) -> str:
    return TITLES[score]


LINK = {"model": lambda name: name in TITLES.values(), **stepping.LINK}


def title_of(sentence: Sentence) -> str:
    """The model's name, for a title."""
    return sentence.hub or TITLES[sentence.score]


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.sentences.trace(Sentence(EXAMPLES[0], "perceptron"))


def ask() -> Sentence:
    """The controls: sentence, model, way of decoding."""
    left, middle, right = st.columns([2.6, 1.4, 1.5])
    with left:
        text = stepping.ask_text("English sentence", EXAMPLES[0], "Type an English sentence, then press Enter")
    with middle:
        score = st.selectbox(
            "Score", [*zoo.TRANSLATORS, HUB], format_func=title, key="model", bind="query-params", help=SCORE_HELP
        )
    with right:
        way = stepping.ask_way()
    stepping.offer(EXAMPLES)
    name = ""
    if score == HUB:
        name = st.text_input(
            "Name on the hub, or a folder on the server",
            "Helsinki-NLP/opus-mt-en-fr",
            key="hub",
            bind="query-params",
            help=HUB_HELP,
        )
    sampling, seed = (0.0, 0) if score == HUB else stepping.ask_sampling(way)
    return Sentence(text, "" if score == HUB else score, name, 5 if way == BEAM else 1, sampling, seed)


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
