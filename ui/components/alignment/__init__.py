r"""Stepping through an alignment: words, lines, matrix and the next word's distribution, drawn in the browser from one `Trace`.

The server sends the weights and scores once (float32: what is shown is what the network computed). Stepping, hovering, pinning
and cutting ask nobody. A touch (a dragged weight, a forbidden word, a forced word) comes back as `Seen.touch`, is decoded
anew by the server, and the new trace is shown beside the untouched one.
"""

from typing import Any

import streamlit as st

from models.trace import Trace
from models.words import spaced
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
    given: int = 0,
    key: str = "alignment",
) -> Seen:
    """Show the untouched trace and, if there is one, the touched one beside it.

    Args: step: where it begins; symbol: what the weights are called; label: what is written;
        outcome: what the candidates are; reading: show the source as a text, too, each word as dark as its weight;
        given: of a model that looks back at its own text, how many of its words were given: only what has a score can be
        looked at, and the text may grow while it is touched.
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
        given=given,
    )
    of, size = sentence_of(untouched, given), (len((touched or untouched).target), len(untouched.source))
    return mounted(_component, data, of, touch, step, size, key, grows=given > 0)


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
    given: int = 0,
) -> bytes:
    """All the browser needs: a header and, for each trace, weights and scores of its first head."""
    traces = [untouched, *([touched] if touched else [])]
    head = {
        "of": sentence_of(untouched, given),
        "labels": ["untouched", "touched"] if touched else [label],
        "step": min(step, len(traces[-1].target) - 1),
        "editable": editable,
        "symbol": symbol,
        "outcome": outcome,
        "writes": outcome == "word",
        "reading": reading,
        "given": given,
        "touch": as_plain(touch),
        "traces": [
            {
                "source": visible(trace.source),
                "target": visible(trace.target),
                "columns": trace.weights.shape[2],
                "candidates": [[[word, round(p, 6)] for word, p in step] for step in trace.candidates],
                "notes": {str(t): note for t, note in trace.notes.items()},
                "changed": changed(untouched.target, trace.target),
                **({"text": as_text(trace, given)} if reading else {}),
            }
            for trace in traces
        ],
    }
    arrays = [part[0].astype("<f4").tobytes() for trace in traces for part in (trace.weights, trace.scores)]
    return pack(head, *arrays)


def as_text(trace: Trace, given: int) -> list[str]:
    """The source as a text to read, each word with the space before it; one's own text with the word that is next."""
    if given:
        return spaced((*trace.source, trace.target[-1]))
    return [f" {word}" for word in visible(trace.source)]


def standalone(trace: Trace, title: str, **drawn: Any) -> bytes:
    """One HTML file that steps through the alignment without a server or a network. Args: drawn: how, for `packed`."""
    return offline((HTML, CSS, JS), title, packed(trace, None, Touch(), **{**drawn, "editable": False}))


def sentence_of(trace: Trace, given: int = 0) -> str:
    """What tells the browser and the server that they speak of the same sentence: of one's own text what was given."""
    return " ".join(trace.source[: given or None])
