"""The closer looks that several pages have: a writer's step in numbers and its beam's tree, and the doubts about attention."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from figures import faithful as doubts
from figures import translate as figures
from models.faithful import Examination, verdict
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
from ui.cached.sentences import Sentence
from ui.lecture import as_it_is
from ui.stepping import BEAM, GREEDY, Shown

WORDS_AGREED = 40  # source words; the work grows with their cube
DRAWN = 48  # bars, at most, of a longer text


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
    model = cached.sentences.writer(shown.sentence.score)
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
    greedy, beam = cached.sentences.trace(replace(asked, beam=1)), cached.sentences.trace(asked)
    text = cached.sentences.writer(shown.sentence.score).text
    show_tree(cached.sentences.beams(asked), 5, [(GREEDY, text(greedy), greedy), (BEAM, text(beam), beam)])


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


def doubt_notes(shown: Shown, together: bool = False) -> None:
    """Is the attention of this step an explanation? Or, of all looks `together`, theirs?"""
    if shown.sentence.hub:
        st.info("The checks need the model's insides: choose one of the five scores.")
        return
    trace = shown.untouched
    t = 0 if together else min(shown.seen.step, len(trace.target) - 1)
    with st.spinner("Deciding anew with other weights and other words …"):
        found = cached.sentences.examination(_asked(shown), shown.sentence.beam, t, together, trace)
    if shown.trace is not trace:
        st.caption("The checks are made on the untouched text.")
    over_all = "" if together else _over_all_steps(shown, found)
    draw_doubts(found, f"{as_it_is(verdict(found))} {over_all}")


def draw_doubts(found: Examination, said: str) -> None:
    """What was found about the weights of one decision, of whatever network: in words, as Markdown, and in figures."""
    nouns, weights = found.nouns, found.weights
    st.markdown(said)
    rows, hidden = _drawn(found)
    if hidden:
        st.caption(
            f"Drawn are the {len(rows)} {nouns.part}s looked at most; the others have {hidden:.4f} of the weight."
        )
    st.plotly_chart(
        doubts.importances(
            [found.source[s] for s in rows],
            None if weights is None else weights.alpha[rows],
            None if weights is None else weights.moved[rows],
            found.leave_one_out[rows],
            found.gradient[rows],
            part=nouns.part,
        ),
        key="importances",
        alt=f"Attention beside leave-one-out and gradient times input for each source {nouns.part}",
    )
    if weights is not None:
        kept, tv, outcomes = (getattr(weights.shuffled.anew, name) for name in ("kept", "tv", "outcomes"))
        flat = weights.uniform
        uniform = float(flat.tv[0]), bool(flat.kept[0]), flat.outcomes[0]
        st.plotly_chart(
            doubts.shuffles(tv, kept, outcomes, uniform=uniform, outcome=nouns.outcome),
            key="shuffles",
            alt=f"How far {len(tv)} shuffles of the weights move the distribution of the {nouns.outcome}",
        )
    st.caption(
        f"Weights say how the values were mixed, not why a {nouns.outcome} was chosen. A row that can be shuffled without effect "
        f"explains nothing here (Jain & Wallace 2019); that other weights give the same {nouns.outcome} does not make the learned "
        "ones arbitrary (Wiegreffe & Pinter 2019). "
        "Of each model one seed is in the app: how the weights vary between seeds is not shown."
    )


def _asked(shown: Shown) -> Sentence:
    """The sentence as a key, whatever way of decoding."""
    return replace(shown.sentence, beam=1, sampling=0.0, seed=0)


def _drawn(found: Examination) -> tuple[list[int], float]:
    """The positions to draw, all of them or those with most weight, and the weight of the others."""
    if len(found.source) <= DRAWN or found.weights is None:
        return list(range(len(found.source))), 0.0
    alpha = found.weights.alpha.astype(np.float64)
    rows = sorted(np.argsort(-alpha, kind="stable")[:DRAWN].tolist())
    return rows, float(alpha.sum() - alpha[rows].sum())


def _over_all_steps(shown: Shown, found: Examination) -> str:
    """Kendall's τ over the whole sentence, where that is quickly had."""
    trace, row = shown.untouched, found.nouns.row
    if found.weights is None or len(trace.target) < 2:
        return ""
    if len(trace.source) > WORDS_AGREED:
        return f"(The mean over all {row}s is computed for sentences of up to {WORDS_AGREED} words.)"
    with st.spinner(f"Comparing at every {row} …"):
        left_out, gradient = cached.sentences.agreement(_asked(shown), shown.sentence.beam, trace)
    return (
        f"Over all {len(trace.target)} {row}s, the mean Kendall τ of attention is {left_out:.2f} with leave-one-out and "
        f"{gradient:.2f} with gradient × input (1: the same order, 0: none)."
    )


def closer(shown: Any, looks: Mapping[str, Callable[[Any], None]]) -> None:
    """One of the looks, chosen by the visitor."""
    names = list(looks)
    look = st.segmented_control("Look closer", names, default=names[0], required=True, key="look", bind="query-params")
    looks[look or names[0]](shown)
