"""The closer looks of the page "Memory": how far back, a step in numbers, all kinds side by side, the doubts, the models."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from figures import memory as figures
from models import zoo
from models.card import read_card
from models.faithful import verdict
from models.key_value import ATTENTION, KEY_VALUE, PLAIN, PREDICT, MemoryModel
from models.key_value_terms import context_terms, h_star_terms, label, logit_terms, score_terms, state_terms
from models.looking_back import Unlooked, back, by_distance, perplexity_of_given, within
from models.terms import Terms, exp_terms, weight_terms
from models.trace import Trace
from models.words import spaced
from ui import cached, computation, stepping
from ui.lecture import as_it_is
from ui.looks import draw_doubts
from ui.memory import TITLES, given, in_window, kinds, model, row_sentence
from ui.stepping import Shown

LINES = {  # what the five lines are made of, by kind
    ATTENTION: ("h_t: all of the state that looks", "h_i: all of each state before", "h_i: the same again"),
    KEY_VALUE: (
        "k_t: the key half of the state that looks",
        "k_i: the key half of each state before",
        "v_i: the value half",
    ),
    PREDICT: (
        "k_t: the key third of the state that looks",
        "k_i: the key third of each state before",
        "v_i: the value third",
    ),
}
PREDICTS = {
    PLAIN: "h_t: all of the state",
    ATTENTION: "h_t: all of the state",
    KEY_VALUE: "v_t: the value half of the state",
    PREDICT: "p_t: the third that is neither found nor read",
}
FINDING = 5  # states: "mainly utilizes a memory of the five most recent output representations" (Daniluk 2017)
ENOUGH = 1.005  # times the perplexity at the trained L


def how_far(shown: Shown) -> None:
    """The mean weight by distance, of this text and of the test books; and what looking further back is worth."""
    kind, asked = shown.sentence.score, shown.sentence.L
    recorded = zoo.recorded("memory")
    books = recorded.get("distance", {}).get(kind)
    if kind == PLAIN:
        st.info(
            "The plain model does not look back. Choose another to see how far it looks; below, what that is worth."
        )
    else:
        mean, rows = by_distance(shown.trace, asked)
        curves = {f"this text, L = {asked}": mean.tolist()} if rows else {}
        if books:
            curves[f"the test books, L = {recorded['L']}"] = books["weights"]
        st.markdown(_how_far(mean, rows, asked, books))
        st.plotly_chart(figures.distances(curves), key="distances", alt="Mean weight by distance back")
    if recorded:
        st.markdown(f"**What is looking back worth?** {_worth(recorded, kind)}")
        st.plotly_chart(
            figures.by_L(recorded["by_L"], asked),
            key="by_L",
            alt="Perplexity on the test books by the states looked back at",
        )
        st.caption(f"{recorded['about']} Recorded by `{recorded['command']}`.")


def _how_far(mean: np.ndarray, rows: int, asked: int, books: Mapping[str, Any] | None) -> str:
    if rows:
        said = (
            f"Over {rows} steps of this text half of the weight lies on the last {within(mean, 0.5)} of {asked} states, nine "
            f"tenths on the last {within(mean, 0.9)}"
        )
    else:
        said = "This text has no step yet that looks back"
    if books:
        said += (
            f"; over the test books half on the last {books['half']}, nine tenths on the last {books['nine_tenths']} of "
            f"{len(books['weights'])} (a row's entropy is {books['entropy']:.2f} of {np.log2(len(books['weights'])):.2f} bits)"
        )
    return f"{said}. Daniluk 2017 found that their models mainly used the {FINDING} states before."


def _worth(recorded: Mapping[str, Any], kind: str) -> str:
    """From which L on more hardly helps."""
    trained = recorded["L"]
    points = dict(recorded["by_L"].get(kind, []))
    if kind == PLAIN or not points:
        return "The plain model's perplexity is the same for every L."
    least = min(back for back, ppl in points.items() if ppl <= ENOUGH * points[trained])
    return (
        f"On the test books {kind} has perplexity {points[0]:.1f} when it may look at nothing, {points[1]:.1f} with the state just "
        f"before, {points[trained]:.1f} with the {trained} it learned with; from L = {least} on it is within "
        f"{100 * (ENOUGH - 1):.1f} % of that. (It learned with {trained}: one trained without any would make more of its state.)"
    )


def numbers_of_step(shown: Shown) -> None:
    """The computation of the step in view, each table from the one before it; a click on a cell shows its products."""
    trace, t, kind = shown.trace, shown.seen.step, shown.sentence.score
    network = model(shown.sentence).network
    near = in_window(shown)
    st.markdown(
        f"Step {t + 1}, after “{as_it_is(trace.source[t])}”, is followed by “{as_it_is(trace.target[t])}”. {row_sentence(shown)} "
        f"What predicts is x_t = {PREDICTS[kind]}. Click a cell to see its products."
    )
    looked = bool(near.trace.source)
    if looked:
        st.dataframe(_five_lines(near, network), hide_index=True)
    left, right = st.columns(2)
    with left:
        if looked:
            st.markdown("**scores wᵀtanh(W_Y k_i + W_h k_t) → exp → sum → α**")
            if t in shown.seen.touch.weights:
                st.caption("This row was forced: its α are yours, not the softmax of the scores.")
            table = stepping.five_numbers(near)
            table["source"] = [f"{word} · {len(table) - i} back" for i, word in enumerate(near.trace.source)]
            computation.ask_terms(table, f"scores_{t}", lambda row, column: _of_score(near, shown, row, column))
        _next_word(shown)
    with right:
        st.markdown(r"**h, r = Σ α v, h\* = tanh(W_r r + W_x x)**" if looked else r"**h, h\* = tanh(W_x x)**")
        columns = {
            "h": trace.values["h"][t],
            **({"r": trace.values["c"][t]} if looked else {}),
            "h*": trace.values["h_star"][t],
        }
        table = pd.DataFrame({name: pd.Series(value) for name, value in columns.items()})
        table.insert(
            0, "number of h", [label(network, i) if i < len(columns["h"]) else str(i) for i in range(len(table))]
        )
        computation.ask_terms(table, f"vectors_{t}", lambda i, column: _of_vector(shown, i, column))


def _five_lines(near: Shown, network: MemoryModel) -> pd.DataFrame:
    trace, t = near.trace, near.seen.step
    h = trace.values["h"][max(0, t - near.sentence.L) : t]
    V = h[:, : 2 * network.d][:, -network.d :]
    words = dict(zip(("Q", "K", "V"), LINES[near.sentence.score], strict=True))
    what = {**words, "weights": "α_t = softmax(wᵀtanh(W_Y K + W_h Q))", "output": "r_t = Σ α_ti V_i"}
    Q = trace.values["h"][t, : network.d]
    return computation.five_lines(Q, h[:, : network.d], V, trace.weights[0, t], trace.values["c"][t], what)


def _of_score(near: Shown, shown: Shown, row: int, column: str) -> Terms | None:
    """The products of a cell in the table of scores; None where a hand decided it."""
    t, touch = shown.seen.step, near.seen.touch
    if column.startswith("score"):
        return score_terms(model(shown.sentence).network, shown.trace, t, max(0, t - shown.sentence.L) + row)
    if row in touch.forbidden or (column == "α" and t in touch.weights):
        return None
    allowed = [i not in touch.forbidden for i in range(len(near.trace.source))]
    if column == "α":
        return weight_terms(near.trace, t, row, allowed)
    return exp_terms(near.trace, t, row, allowed) if column.startswith("exp") else None


def _of_vector(shown: Shown, i: int, column: str) -> Terms | None:
    trace, t = shown.trace, shown.seen.step
    storyteller = model(shown.sentence)
    network = storyteller.network
    if column == "h":
        return (
            state_terms(network, trace, storyteller.numbers(trace.source), t, i)
            if i < len(trace.values["h"][t])
            else None
        )
    if column == "r":
        return context_terms(network, trace, t, i) if i < network.d else None
    if column == "h*":
        return h_star_terms(network, trace, t, i) if i < len(trace.values["h_star"][t]) else None
    return None


def _next_word(shown: Shown) -> None:
    """Logits, and what they are divided by."""
    trace, t = shown.trace, shown.seen.step
    storyteller = model(shown.sentence)
    st.markdown("**p(word) = exp(logit − log Σ exp), logits E h\\* + b**")
    words = [word for word, _ in trace.candidates[t]]
    found = storyteller.numbers(words)[0].tolist()
    logits = [
        logit_terms(storyteller.network, trace, t, number, word) for number, word in zip(found, words, strict=True)
    ]
    table = pd.DataFrame({"word": words, "logit": [each.value for each in logits]})
    p = np.array([p for _, p in trace.candidates[t]])
    table = table.assign(**{"log Σ exp": table["logit"] - np.log(p), "p": p})
    computation.ask_terms(table, f"words_{t}", lambda row, _column: logits[row])


def side_by_side(shown: Shown) -> None:
    """The same beginning under all kinds that ship."""
    asked = replace(shown.sentence, sampling=0.0, seed=0)
    with st.spinner("All models read and write …"):
        found = {kind: cached.sentences.trace(replace(asked, score=kind)) for kind in kinds()}
    first = given(asked)
    st.markdown(
        f"The same {first} words, L = {asked.L}, and {asked.length} more words written greedily by each of {len(found)} models, "
        "untouched. Trained alike: same books, order and updates, as many parameters."
    )
    st.dataframe(_beside(found, first), hide_index=True)
    maps = {kind: (trace.target, back(trace, asked.L)) for kind, trace in found.items() if trace.weights.shape[2]}
    if maps:
        st.plotly_chart(figures.looks(maps), key="looks", alt="Where each step of each model looks, by distance")


def _beside(found: Mapping[str, Trace], first: int) -> pd.DataFrame:
    """A row a kind: what it makes of the words given, what it writes, what it was measured to do."""
    rows = []
    for kind, trace in found.items():
        foreseen, _ = perplexity_of_given(trace, first)
        rows.append(
            {
                "model": kind,
                "perplexity, test books": read_card(f"memory-{kind}").metrics["ppl"],
                "of the words given": foreseen,
                "next word": ", ".join(f"{word} {100 * p:.1f} %" for word, p in trace.candidates[first - 1][:3]),
                "it goes on": "".join(spaced(trace.target[first - 1 : -1])),
            }
        )
    return pd.DataFrame(rows)


def doubts(shown: Shown) -> None:
    """Is the look of this step an explanation? Did it matter at all?"""
    trace, t, kind = shown.untouched, shown.seen.step, shown.sentence.score
    if shown.trace is not trace:
        st.caption("The checks are made on the untouched story.")
    if t == 0:
        st.info("The first word has none before it: go on a step.")
        return
    if not np.isfinite(trace.log_p[t]):
        st.info(
            f"“{as_it_is(trace.target[t])}” is not known to the model, so there is no p to see change: go on a step."
        )
        return
    with st.spinner("Deciding anew with other weights and other words …"):
        found, without = cached.sentences.look_back(shown.sentence, t, trace)
    if without is None:
        said = (
            f"The {kind} model has no look that could be doubted. What its last {len(found.source)} words do is drawn: how far log "
            f"p of “{as_it_is(found.decided)}” falls without each, all read anew, and the gradient."
        )
    else:
        likeliest = found.weights.likeliest if found.weights else ""
        said = f"{_without_look(without, likeliest)} {as_it_is(verdict(found))}"
    draw_doubts(found, said)


def _without_look(found: Unlooked, word: str) -> str:
    """What the look added to what the state knew."""
    still = (
        f"would still write “{as_it_is(word)}”"
        if found.kept
        else f"would write “{as_it_is(found.word)}” instead of “{as_it_is(word)}”"
    )
    return f"**Without its look** (r = 0) the step {still}: a total-variation distance of {found.tv:.3f}."


TABLE = {
    "ppl": "perplexity, test books",
    "ppl_ptb": "perplexity, Penn Treebank",
    "ppl_wikipedia": "perplexity, Wikipedia (Daniluk 2017)",
    "parameters": "parameters",
    "width": "numbers a part of the state",
    "words": "words read in training",
    "updates": "updates",
    "minutes": "minutes of training",
}


def _order(table: pd.DataFrame, name: str) -> str:
    """The kinds from the best to the worst."""
    ppl, name_of = table[name].dropna().sort_values(), TABLE[name][0].upper() + TABLE[name][1:]
    return f"{name_of}: {' < '.join(f'{kind} {value:.1f}' for kind, value in ppl.items())}."


def model_notes(_shown: Shown) -> None:
    """All kinds beside one another, as recorded, and their cards."""
    recorded = zoo.recorded("memory")
    if recorded:
        st.markdown(f"**Does looking back help?** The same budget for all; recorded by `{recorded['command']}`.")
        table = pd.DataFrame(recorded["table"]).set_index("kind")
        st.markdown(" ".join(_order(table, name) for name in ("ppl", "ppl_ptb", "ppl_wikipedia") if name in table))
        st.dataframe(table.rename(columns=TABLE).T)
        st.caption(recorded["about"])
    for kind in kinds():
        with st.expander(TITLES[kind], icon=":material/badge:"):
            st.table(pd.DataFrame(read_card(f"memory-{kind}").rows(), columns=["", " "]).set_index(""))


LOOKS: dict[str, Callable[[Shown], None]] = {
    "How far back": how_far,
    "This step": numbers_of_step,
    "Side by side": side_by_side,
    "Is it true?": doubts,
    "The models": model_notes,
}
