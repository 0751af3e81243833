r"""Stepping through an alignment: words, lines, matrix and the next word's distribution, drawn in the browser from one `Trace`.

The server sends the weights and scores once (float32: what is shown is what the network computed). Stepping, hovering, pinning
and cutting ask nobody. A touch (a dragged weight, a forbidden word, a forced word) comes back as `Seen.touch`, is decoded
anew by the server, and the new trace is shown beside the untouched one.
"""

import streamlit as st

from models.trace import Trace
from models.writer import Touch
from ui.components.packing import files, pack
from ui.components.touching import Seen, as_plain, changed, mounted, offline, visible

HTML, CSS, JS = files("alignment", "stepping")

_component = st.components.v2.component("alignment", html=HTML, css=CSS, js=JS)


def alignment(
    untouched: Trace,
    touched: Trace | None,
    touch: Touch,
    *,
    step: int,
    editable: bool = True,
    symbol: str = "α",
    label: str = "translation",
    outcome: str = "word",
    reading: bool = False,
    key: str = "alignment",
) -> Seen:
    """Show the untouched trace and, if there is one, the touched one beside it.

    Args: step: where it begins; symbol: what the weights are called; label: what is written;
        outcome: what the candidates are; reading: show the source as a text, too, each word as dark as its weight.
    """
    data = packed(
        untouched,
        touched,
        touch,
        step=step,
        editable=editable,
        symbol=symbol,
        label=label,
        outcome=outcome,
        reading=reading,
    )
    steps, sources = len((touched or untouched).target), len(untouched.source)
    return mounted(_component, data, sentence_of(untouched), touch, step, steps, sources, key)


def packed(
    untouched: Trace,
    touched: Trace | None,
    touch: Touch,
    *,
    step: int = 0,
    editable: bool = True,
    symbol: str = "α",
    label: str = "translation",
    outcome: str = "word",
    reading: bool = False,
) -> bytes:
    """All the browser needs: a header and, for each trace, weights and scores of its first head."""
    traces = [untouched, *([touched] if touched else [])]
    head = {
        "of": sentence_of(untouched),
        "source": visible(untouched.source),
        "labels": ["untouched", "touched"] if touched else [label],
        "step": min(step, len(traces[-1].target) - 1),
        "editable": editable,
        "symbol": symbol,
        "outcome": outcome,
        "writes": outcome == "word",
        "reading": reading,
        "touch": as_plain(touch),
        "traces": [
            {
                "target": visible(trace.target),
                "columns": trace.weights.shape[2],
                "candidates": [[[word, round(p, 6)] for word, p in step] for step in trace.candidates],
                "notes": {str(t): note for t, note in trace.notes.items()},
                "changed": changed(untouched.target, trace.target),
            }
            for trace in traces
        ],
    }
    arrays = [part[0].astype("<f4").tobytes() for trace in traces for part in (trace.weights, trace.scores)]
    return pack(head, *arrays)


def standalone(trace: Trace, title: str) -> bytes:
    """One HTML file that steps through the alignment without a server or a network."""
    return offline((HTML, CSS, JS), title, packed(trace, None, Touch(), editable=False))


def sentence_of(trace: Trace) -> str:
    """What tells the browser and the server that they speak of the same sentence."""
    return " ".join(trace.source)
