"""The closer looks that every writer's page has: a step in numbers, the beam's tree, the doubts."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from figures import faithful as doubts
from figures import translate as figures
from models.faithful import verdict
from models.terms import (
    Terms,
    attention_vector_terms,
    context_terms,
    exp_terms,
    logit_terms,
    score_terms,
    state_terms,
    weight_terms,
)
from models.trace import Trace
from models.words import END, SPECIAL
from models.writer import Writer
from ui import cached, computation
from ui.lecture import as_it_is
from ui.stepping import BEAM, GREEDY, Shown

WORDS_AGREED = 40  # source words; the work grows with their cube


Distribution = Callable[[Shown, Writer, int], None]  # draws how the next word's probabilities come about


def softmax_of_logits(shown: Shown, model: Writer, t: int) -> None:
    """Logits, and what they are divided by."""
    trace = shown.trace
    st.markdown("**p(word) = exp(logit − log Σ exp), logits E a + b**")
    words = [word for word, _ in trace.candidates[t]]
    spelled = model.spelled(trace.source[:-1])
    numbers = [spelled.index(word) for word in words]
    logits = [logit_terms(model.network, trace, t, number, word) for number, word in zip(numbers, words, strict=True)]
    table = pd.DataFrame({"word": words, "logit": [each.value for each in logits]})
    p = np.array([p for _, p in trace.candidates[t]])
    table = table.assign(**{"log Σ exp": table["logit"] - np.log(p), "p": p})
    computation.ask_terms(table, f"words_{t}", lambda row, _column: logits[row])


def numbers_of_step(shown: Shown, distribution: Distribution = softmax_of_logits) -> None:
    """The computation of the step in view, each table from the one before it; a click on a cell shows its products."""
    trace, t, seen = shown.trace, shown.seen.step, shown.seen
    if "h" not in trace.values or shown.sentence.hub:
        st.info(
            "A model of a hub gives its weights and probabilities, not the lecture's h, c and a; choose one of ours for these."
        )
        return
    model = cached.writer(shown.sentence.score)
    st.markdown(
        f"Step {t + 1} writes “{as_it_is(trace.target[t])}”. {computation.row_sentence(trace, t)} Click a cell to see its products."
    )
    weights = trace.weights[0, t]
    if len(weights):
        h_bar = trace.values["h_bar"]
        st.dataframe(
            computation.five_lines(trace.values["h"][t], h_bar, h_bar, weights, trace.values["c"][t]), hide_index=True
        )
    left, right = st.columns(2)
    with left:
        if len(weights):
            st.markdown("**scores → exp → sum → α**")
            forced = t in seen.touch.weights
            if forced:
                st.caption("This row was forced: its α are yours, not the softmax of the scores.")
            computation.ask_terms(
                computation.per_source(trace, t, seen.touch),
                f"scores_{t}",
                lambda row, column: _of_score(shown, model, row, column),
            )
        distribution(shown, model, t)
    with right:
        st.markdown("**h, c = Σ α h̄, a = tanh(W_c[c; h])**")

        def products(i: int, column: str) -> Terms | None:
            if column == "h":
                return state_terms(model.network, trace, t, i)
            if column == "c" and len(weights):
                return context_terms(trace, t, i)
            if column == "a" and i < len(trace.values["a"][t]):
                return attention_vector_terms(model.network, trace, t, i)
            return None

        computation.ask_terms(computation.vectors(trace, t), f"vectors_{t}", products)


def _of_score(shown: Shown, model: Writer, s: int, column: str) -> Terms | None:
    """The products of a cell in the table of scores; None where a hand decided it."""
    trace, t, touch = shown.trace, shown.seen.step, shown.seen.touch
    if column.startswith("score"):
        return score_terms(model.network, trace, t, s)
    if s in touch.forbidden or (column == "α" and t in touch.weights):
        return None
    allowed = [other not in touch.forbidden for other in range(len(trace.source))]
    if column == "α":
        return weight_terms(trace, t, s, allowed)
    return exp_terms(trace, t, s, allowed) if column.startswith("exp") else None


def beam_notes(shown: Shown) -> None:
    """The tree of a beam search."""
    if shown.sentence.hub:
        st.info("The tree is drawn for our own models: choose one of the five scores.")
        return
    asked = replace(shown.sentence, beam=5, sampling=0.0, seed=0)
    greedy, beam = cached.trace(replace(asked, beam=1)), cached.trace(asked)
    text = cached.writer(shown.sentence.score).text
    show_tree(cached.beams(asked), 5, [(GREEDY, text(greedy), greedy), (BEAM, text(beam), beam)])


def show_tree(
    nodes: tuple[tuple[str, int, float], ...], beam: int, ways: list[tuple[str, str, Trace]], normalised: float = 1.0
) -> None:
    """The tree of a beam search, and what it wrote beside other ways of decoding.

    Args: ways: name, text and trace of each; normalised: the sentence with the best log p / length^normalised is chosen.
    """
    best = best_path(nodes, SPECIAL[END], normalised)
    length = "a word" if normalised == 1 else f"over length^{normalised:g}"
    st.markdown(
        f"A beam of {beam} keeps, at every step, the {beam} most probable beginnings: {len(nodes)} nodes were kept. The sentence "
        f"with the best log p {length} is orange; hover a node for its log p. "
        "Greedy decoding follows the best word of each step alone."
    )
    st.plotly_chart(
        figures.tree(nodes, best), key="tree", alt="The tree of a beam search over the words that are written"
    )
    rows = [
        {"way": way, "text": text, "log p": float(trace.log_p.sum()), "log p a word": float(trace.log_p.mean())}
        for way, text, trace in ways
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def best_path(nodes: tuple[tuple[str, int, float], ...], end: str, normalised: float = 1.0) -> list[int]:
    """The nodes of the sentence chosen: from the end with the best log p / length^normalised back to the root."""
    ends = [i for i, (word, _, _) in enumerate(nodes) if word == end]

    def path(i: int) -> list[int]:
        found = [i]
        while nodes[found[-1]][1] >= 0:
            found.append(nodes[found[-1]][1])
        return found

    return max((path(i) for i in ends), key=lambda way: nodes[way[0]][2] / len(way) ** normalised, default=[])


def doubt_notes(shown: Shown) -> None:
    """Is the attention of this step an explanation?"""
    if shown.sentence.hub:
        st.info("The checks need the model's insides: choose one of the five scores.")
        return
    trace, t = shown.untouched, min(shown.seen.step, len(shown.untouched.target) - 1)
    found = cached.examination(replace(shown.sentence, beam=1, sampling=0.0, seed=0), shown.sentence.beam, t, trace)
    if shown.trace is not trace:
        st.caption("The checks are made on the untouched translation.")
    st.markdown(f"{verdict(found)} {_over_all_steps(shown, trace)}")
    weights = found.weights
    st.plotly_chart(
        doubts.importances(
            found.source,
            None if weights is None else weights.alpha,
            None if weights is None else weights.moved,
            found.leave_one_out,
            found.gradient,
        ),
        key="importances",
        alt="Attention beside leave-one-out and gradient times input for each source word",
    )
    if weights is not None:
        kept, tv, words = (getattr(weights.shuffled.rewritten, name) for name in ("kept", "tv", "words"))
        flat = weights.uniform
        st.plotly_chart(
            doubts.shuffles(tv, kept, words, uniform=(float(flat.tv[0]), bool(flat.kept[0]), flat.words[0])),
            key="shuffles",
            alt="How far 100 shuffles of the weights move the distribution of the next word",
        )
    st.caption(
        "Weights say how the values were mixed, not why a word was chosen. A row that can be shuffled without effect explains "
        "nothing here (Jain & Wallace 2019); that other weights give the same word does not make the learned ones arbitrary "
        "(Wiegreffe & Pinter 2019). "
        "Only one seed was trained of each score: how the weights vary between seeds is not shown."
    )


def _over_all_steps(shown: Shown, trace: Trace) -> str:
    """Kendall's τ over the whole sentence, where that is quickly had."""
    if not trace.weights.shape[2]:
        return ""
    if len(trace.source) > WORDS_AGREED:
        return f"(The mean over all steps is computed for sentences of up to {WORDS_AGREED} words.)"
    with st.spinner("Comparing at every step …"):
        left_out, gradient = cached.agreement(
            replace(shown.sentence, beam=1, sampling=0.0, seed=0), shown.sentence.beam, trace
        )
    return (
        f"Over all {len(trace.target)} steps, the mean Kendall τ of attention is {left_out:.2f} with leave-one-out and "
        f"{gradient:.2f} with gradient × input (1: the same order, 0: none)."
    )


def closer(shown: Any, looks: Mapping[str, Callable[[Any], None]]) -> None:
    """One of the looks, chosen by the visitor."""
    names = list(looks)
    look = st.segmented_control("Look closer", names, default=names[0], required=True, key="look", bind="query-params")
    looks[look or names[0]](shown)
