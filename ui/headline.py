"""The page "Headline": its controls, and what it says of a headline."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from models import attention
from models.card import read_card
from models.decoder import unrepeated
from models.pointer import HeadlineWriter, Pointer, article
from models.terms import generate_terms, mixture_terms
from models.words import END, SPECIAL
from models.writer import Writer
from ui import cached, computation, looks, stepping
from ui.cached.sentences import Sentence
from ui.computation import exact
from ui.lecture import as_it_is
from ui.stepping import BEAM, Shown

NAME = "headline"
EXAMPLES = (
    "Russian Defense Minister Ivanov called Sunday for the creation of a joint front for combating global terrorism.",
    "Metro-Goldwyn-Mayer reported a third-quarter net loss of dlrs 16 million due mainly to the effect of accounting rules "
    "adopted this year.",
    "Starting from July 1, the island province of Hainan in southern China will implement strict market access control on all "
    "incoming livestock and animal products to prevent the possible spread of epidemic diseases.",
    "Australian wine exports hit a record 52.1 million liters worth 260 million dollars (143 million US) in September, the "
    "government statistics office reported on Monday.",
    "At least 41 people died when flooding hit the city of Zzyzx in northern Freedonia on Friday, police said.",
)  # Rush 2015's figure; the lecture's three; a place that there is not
LENGTHS = (0, *range(4, 17))
LINK = {**stepping.LINK, "length": lambda text: text.isdecimal() and int(text) in LENGTHS}


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.sentences.trace(Sentence(EXAMPLES[0], NAME))


def ask() -> Sentence:
    """The controls: the sentence, the way of decoding, the length."""
    left, middle, right = st.columns([2.6, 1.5, 1.2])
    with left:
        text = stepping.ask_text(
            "First sentence of an article", EXAMPLES[0], "Paste the first sentence of an article in English"
        )
    with middle:
        way = stepping.ask_way()
    with right:
        length = st.selectbox(
            "Words",
            LENGTHS,
            format_func=_length,
            key="length",
            bind="query-params",
            help="So many, neither more nor less.",
        )
    stepping.offer(EXAMPLES)
    sampling, seed = stepping.ask_sampling(way)
    return Sentence(text, NAME, "", 5 if way == BEAM else 1, sampling, seed, length)


def _length(words: int) -> str:
    return str(words) if words else "as it comes"


def about(shown: Shown) -> str:
    """The headline, and how much of it was copied."""
    trace = shown.trace
    written = cached.sentences.writer(NAME).text(trace)
    copied = [t for t, note in trace.notes.items() if "copied" in note]
    words = len(trace.target) - (trace.target[-1] == SPECIAL[END])
    said = (
        f"**{as_it_is(written)}** · log p = {trace.log_p.sum():.3f}, perplexity a word {trace.perplexity():.2f}; "
        f"{len(copied)} of {words} words (\\*) were rather copied than written."
    )
    if article(shown.sentence.text) != shown.sentence.text.lower().split():
        said += (
            " The model reads lower-case words and every digit as #, as Gigaword has them: what it read stands above."
        )
    if shown.trace is not shown.untouched:
        said += " Touched."
    return said


def mixture(shown: Shown, model: Writer, t: int) -> None:
    """The two ways to a word: written by the vocabulary's softmax, copied by the attention."""
    assert isinstance(model, HeadlineWriter)
    trace, tokens = shown.trace, shown.trace.source[:-1]
    st.markdown(
        "**P(w) = p_gen P_vocab(w) + (1 − p_gen) Σα over its copies**, here "
        f"p_gen = {trace.values['p_gen'][t]:.6f}. What is never written (⟨unk⟩, a pair of words a second time) is taken out of p."
    )
    source, spelled = model.numbers(tokens), model.spelled(tokens)
    words = [word for word, _ in trace.candidates[t]]
    terms = [mixture_terms(model.network, trace, source, t, spelled.index(word), word) for word in words]
    table = pd.DataFrame(
        {
            "word": words,
            "p_gen P_vocab": [each.products[0] for each in terms],
            "(1 − p_gen) Σα": [each.products[1] for each in terms],
            "P": [each.value for each in terms],
            "p": [p for _, p in trace.candidates[t]],
        }
    )
    computation.ask_terms(table, f"words_{t}", lambda row, _column: terms[row])
    with st.expander("p_gen, from its products"):
        computation.show_terms(generate_terms(model.network, trace, t))


def by_word(shown: Shown) -> None:
    """For every word of the headline: written or copied, and from where."""
    trace = shown.trace
    st.markdown(
        "**Written or copied?** The shares of each word's probability that come from either, and where it points most."
    )
    p_gen, P_vocab, pointed = (trace.values[name].astype(np.float64) for name in ("p_gen", "P_vocab", "copied"))
    most = trace.weights[0].argmax(-1)
    total = p_gen * P_vocab + (1 - p_gen) * pointed
    table = pd.DataFrame(
        {
            "word": trace.target,
            "p_gen": p_gen,
            "P_vocab": P_vocab,
            "Σα of its copies": pointed,
            "copied, % of P": 100 * (1 - p_gen) * pointed / total,
            "looks most at": [f"{s + 1} {trace.source[s]}" for s in most],
            "α there": trace.weights[0].max(-1),
        }
    )
    st.dataframe(table, hide_index=True, column_config=exact(table))


def model_notes(_shown: Shown) -> None:
    """The card, and the figures beside the published ones and the baseline's."""
    card = read_card(NAME)
    st.markdown(
        f"**How good is it?** F1 in %: {card.measured_on}. Rush 2015 learned from 3.8 million pairs, this one from fifty thousand."
    )
    names = ("rouge1", "rouge2", "rougeL")
    st.dataframe(
        pd.DataFrame(
            {
                "": ["this model, 5 beams", "this model, greedy", "the lead", "ABS (Rush 2015)"],
                **{
                    name: [
                        card.metrics[name],
                        card.metrics[f"{name}_greedy"],
                        card.metrics[f"{name}_lead"],
                        card.published[name],
                    ]
                    for name in names
                },
            }
        ),
        hide_index=True,
    )
    st.table(pd.DataFrame(card.rows(), columns=["", " "]).set_index(""))


LOOKS: dict[str, Callable[[Shown], None]] = {
    "Written or copied?": by_word,
    "This step": partial(looks.numbers_of_step, distribution=mixture),
    "Beam tree": looks.beam_notes,
    "Is it true?": looks.doubt_notes,
    "The model": model_notes,
}


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (
        attention.perceptron,
        attention.attend,
        Pointer.generate_log_odds,
        Pointer.next_word,
        unrepeated,
    )
