"""The closer looks of the page "Heads": this row, one pair of words in all heads, heads taken out, patterns, pairs, the model."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from figures import heads as figures
from models import encoder, zoo
from models.card import read_card
from ui import cached, computation
from ui.heads import CAUTION, Choice, Shown, numbers_caption, row_numbers
from ui.lecture import as_it_is


def row_look(_choice: Choice, shown: Shown) -> None:
    """The five lines of this row, and every number of it."""
    trace, head, t = shown.trace, shown.head, shown.t
    st.markdown(numbers_caption(shown))
    if "Q" not in trace.values:
        st.info("This network computes attention in a way of its own: it tells its weights, not how it came to them.")
        st.dataframe(row_numbers(shown), hide_index=True, column_config=computation.exact(row_numbers(shown)))
        return
    Q, K, V = trace.values["Q"][head, t], trace.values["K"][head], trace.values["V"][head]
    weights = trace.weights[head, t]
    lines = computation.five_lines(Q, K, V, weights, weights @ V).drop(columns="what")
    st.dataframe(lines, hide_index=True, column_config=computation.exact(lines))
    st.caption("Click a number of q·k to see the products that it is made of.")
    computation.ask_terms(
        row_numbers(shown),
        f"heads_row_{head}_{t}",
        lambda s, column: encoder.score_terms(trace, head, t, s) if column in ("q·k", "q·k / √d") else None,
    )


def pair_look(_choice: Choice, shown: Shown) -> None:
    """One weight, in every head: which of them takes this token to that one?"""
    trace, t = shown.trace, shown.t
    best = int(shown.columns[int(shown.one.weights[0, shown.step].argmax())])
    who = trace.target[t].strip()
    s = st.selectbox(
        f"How much does “{who}” look at",
        range(len(trace.source)),
        index=best,
        format_func=lambda s: f"{s + 1} {trace.source[s].strip()}",
        key=f"heads_pair_{t}_{best}",
    )
    values = trace.weights[:, t, s]
    top = np.argsort(-values)[:3]
    first, *others = (f"{trace.heads[number]} with {values[number]:.3f}" for number in top)
    st.markdown(
        f"“{as_it_is(who)}” → “{as_it_is(trace.source[s].strip())}”: most in **{first}**, then {', '.join(others)} "
        f"(layers and heads count from 1). The mean of all {len(values)} heads is {values.mean():.3f}."
    )
    _heat_map(values.reshape(shown.layers, -1), "α", shown, "heads_pair_map", most=1.0)
    st.caption(CAUTION)


def ablation_look(choice: Choice, shown: Shown) -> None:
    """Each head taken out in turn, and how far the sentence's embedding turns."""
    with st.spinner(f"Reading the sentence {len(shown.trace.heads)} times, each time without one head …"):
        try:
            cosines = cached.heads.ablations(choice.reading)
        except ValueError as error:
            st.info(str(error))
            return
    turned = 1 - cosines
    layer, head = np.unravel_index(int(turned.argmax()), turned.shape)
    here = (
        ""
        if shown.in_view is None
        else (
            f", and {cosines.reshape(-1)[shown.in_view]:.4f} without {shown.trace.heads[shown.in_view]}, the one in view"
        )
    )
    st.markdown(
        f"The sentence's embedding (mean of the last states, length 1) without a head, against the one with all: the cosine is "
        f"{cosines.min():.4f} without **layer {layer + 1} · head {head + 1}**, which matters most{here}. "
        f"The mean over all {cosines.size} is {cosines.mean():.4f}."
    )
    _heat_map(1000 * np.maximum(turned, 0), "1000 (1 − cos)", shown, "heads_ablation", digits=0)
    st.caption(
        "One head at a time, in this sentence only: what two heads do for each other is not seen (Michel 2019). After the "
        "last layer nothing comes that could make up for it."
    )


def pattern_look(_choice: Choice, shown: Shown) -> None:
    """What simple rule each head follows, and how far."""
    found = encoder.patterns(shown.trace)
    frame = pd.DataFrame(found, index=pd.Index(shown.trace.heads, name="head")).reset_index()
    st.markdown(
        "The part of each head's weight that follows a simple rule, a mean over its rows; “broad” is the entropy in parts of the "
        "largest possible, “sharp” the largest weight of a row. Click a column's name to sort."
    )
    columns = {name: st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1) for name in found}
    st.dataframe(frame.astype(dict.fromkeys(found, float)), hide_index=True, column_config=columns, height=420)


def across_look(choice: Choice, shown: Shown) -> None:
    """How much of each head's weight stays within a sentence, and how much goes to the other."""
    if not choice.reading.b.strip():
        st.info("Type a second sentence: then there is something to look across to.")
        return
    trace = shown.trace
    rows = {"A": 0, "B": 1}
    columns = {"A": 0, "B": 1, "[CLS] and [SEP]": encoder.NEITHER}
    here = {
        f"to {at}": [float(encoder.between(trace, rows[look], columns[at])[shown.head]) for look in rows]
        for at in columns
    }
    table = pd.DataFrame({"": [f"from {look}" for look in rows], **here})
    st.markdown(f"Where the words of each sentence look in **{trace.heads[shown.head]}**; a row sums to one.")
    st.dataframe(table, hide_index=True, column_config=computation.exact(table))
    across = (encoder.between(trace, 0, 1) + encoder.between(trace, 1, 0)) / 2
    best = int(across.argmax())
    st.markdown(
        f"Of all heads, **{trace.heads[best]}** looks across most: {100 * across[best]:.1f} % of the words' weight goes to the "
        f"other sentence; the mean over all heads is {100 * across.mean():.1f} %."
    )
    _heat_map(across.reshape(shown.layers, -1), "across", shown, "heads_across", most=1.0)
    cosine = cached.heads.cosine(choice.reading)
    st.markdown(f"Read each alone, as this model is meant to be used, the two embeddings have cosine **{cosine:.3f}**.")


def model_look(choice: Choice, _shown: Shown) -> None:
    """What the network is, and where it comes from."""
    model = cached.heads.encoder_of(choice.reading.hub)
    st.markdown(
        f"**{as_it_is(model.name)}**: {model.layers} layers × {model.heads} heads, "
        f"{sum(part.numel() for part in model.model.parameters()):,} parameters; at most {model.longest} tokens are read here."
    )
    if not choice.reading.hub:
        st.table(pd.DataFrame(read_card(zoo.MINILM).rows(), columns=["", " "]).set_index(""))


def _heat_map(
    values: np.ndarray, title: str, shown: Shown, key: str, *, most: float | None = None, digits: int = 2
) -> None:
    ink = figures.INK_ON_DARK if st.context.theme.type == "dark" else figures.INK
    st.plotly_chart(
        figures.layers_by_heads(values, title, shown.in_view, ink=ink, most=most, digits=digits),
        key=key,
        alt=f"{title} for each layer and head",
    )


LOOKS: dict[str, Callable[[Choice, Shown], None]] = {
    "This pair in all heads": pair_look,
    "This row": row_look,
    "Heads taken out": ablation_look,
    "Patterns": pattern_look,
    "Within and across": across_look,
    "The model": model_look,
}


def closer(choice: Choice, shown: Shown) -> None:
    """One of the looks, chosen by the visitor."""
    names = list(LOOKS)
    look = st.segmented_control("Look closer", names, default=names[0], required=True, key="look", bind="query-params")
    LOOKS[look or names[0]](choice, shown)
