r"""Stepping through an alignment: words, lines, matrix and the next word's distribution, drawn in the browser from one `Trace`.

The server sends the weights and scores once (float32: what is shown is what the network computed). Stepping, hovering, pinning
and cutting ask nobody. A touch (a dragged weight, a forbidden word, a forced word) comes back as `Seen.touch`, is decoded
anew by the server, and the new trace is shown beside the untouched one.
"""

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import streamlit as st

from models.trace import Trace
from models.words import spaced
from models.writer import Touch
from ui.components.packing import files, pack

HTML, CSS, JS = files("alignment")
TEMPERATURES = (0.05, 20.0)
LIGHT, DARK = (  # what Streamlit tells a component of its theme, for the file that steps alone
    f"--st-text-color: {text}; --st-background-color: {ground}; --st-secondary-background-color: {second};"
    for text, ground, second in (("#22252c", "#ffffff", "#f0f2f6"), ("#fafafa", "#0e1117", "#262730"))
)

_component = st.components.v2.component("alignment", html=HTML, css=CSS, js=JS)


@dataclass(frozen=True)
class Seen:
    """Where the visitor is: the step, what was touched, and whether the browser has drawn the figure."""

    step: int
    touch: Touch
    painted: bool = False


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
    sentence = sentence_of(untouched, given)
    result = _component(
        key=key,
        data=packed(
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
        ),
        default={
            "step": {"of": sentence, "step": step},
            "touch": {"of": sentence, **as_plain(touch)},
            "painted": False,
        },
        on_step_change=lambda: None,
        on_touch_change=lambda: None,
        on_painted_change=lambda: st.session_state.update({f"{key}_painted": True}),
    )
    steps = len((touched or untouched).target)
    return Seen(
        valid_step(result.step, sentence, steps, step),
        valid_touch(result.touch, sentence, len(untouched.source), grows=given > 0),
        bool(st.session_state.get(f"{key}_painted", False)),
    )


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
        "sentence": sentence_of(untouched, given),
        "labels": ["untouched", "touched"] if touched else [label],
        "step": min(step, len(traces[-1].target) - 1),
        "editable": editable,
        "symbol": symbol,
        "outcome": outcome,
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


def visible(words: Sequence[str]) -> list[str]:
    """The words without the space that belongs to some; a token that is nothing but space is shown as ␣."""
    return [word.strip() or "␣" for word in words]


def changed(before: Sequence[str], after: Sequence[str]) -> list[int]:
    """The steps of `after` whose words are no part of the longest run of words it shares with `before`."""
    same = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    kept = {block.b + i for block in same for i in range(block.size)}
    return [t for t in range(len(after)) if t not in kept]


def standalone(trace: Trace, title: str, **drawn: Any) -> bytes:
    """One HTML file that steps through the alignment without a server or a network: the same component, its data inside.

    Args: drawn: how, for `packed`.
    """
    data = base64.b64encode(packed(trace, None, Touch(), **{**drawn, "editable": False})).decode()
    script = JS.replace("export default function", "function render", 1)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title>
<style>
:root {{ --st-font: system-ui, sans-serif; {LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {DARK} }} }}
body {{ background: var(--st-background-color); color: var(--st-text-color); font-family: var(--st-font); margin: 1rem 1.5rem; }}
{CSS}</style></head>
<body><h1>{html.escape(title)}</h1><div id="here">{HTML}</div>
<script type="module">
{script}
const data = Uint8Array.from(atob("{data}"), (letter) => letter.charCodeAt(0));
render({{ data, parentElement: document.getElementById("here"), setStateValue() {{}} }});
</script></body></html>
""".encode()


def as_plain(touch: Touch) -> dict[str, Any]:
    """A touch as the browser and the link know it; what is as usual is left out."""
    return {
        **(
            {"weights": {str(t): [round(w, 6) for w in row] for t, row in touch.weights.items()}}
            if touch.weights
            else {}
        ),
        **({"temperature": touch.temperature} if touch.temperature != 1 else {}),
        **({"forbidden": sorted(touch.forbidden)} if touch.forbidden else {}),
        **({"words": {str(t): word for t, word in touch.words.items()}} if touch.words else {}),
    }


def last_touch(sentence: Trace, given: int = 0, key: str = "alignment") -> Touch:
    """What the visitor last did to this sentence: known before the component is drawn again with the new decoding."""
    told = st.session_state.get(key) or {}
    return valid_touch(told.get("touch"), sentence_of(sentence, given), len(sentence.source), grows=given > 0)


def sentence_of(trace: Trace, given: int = 0) -> str:
    """What tells the browser and the server that they speak of the same sentence: of one's own text what was given."""
    return " ".join(trace.source[: given or None])


def valid_step(value: object, sentence: str, steps: int, otherwise: int = 0) -> int:
    """The browser's word is only its word: a step that there is, of this sentence; `otherwise` where it should begin."""
    step = value.get("step") if isinstance(value, Mapping) and value.get("of") == sentence else otherwise
    return min(max(step, 0), steps - 1) if isinstance(step, int) and not isinstance(step, bool) else 0


def valid_touch(value: object, sentence: str, sources: int, *, grows: bool = False) -> Touch:
    """What of it can be done to this sentence with so many source tokens; the rest is dropped.

    Args: grows: a row may be of a time when the text was shorter: it has no weight on what came later.
    """
    if not isinstance(value, Mapping) or value.get("of") != sentence:
        return Touch()
    weights = {t: row for t, told in _by_step(value.get("weights")) if (row := _row(told, sources, grows))}
    words = {t: word for t, word in _by_step(value.get("words")) if isinstance(word, str) and 0 < len(word) <= 60}
    forbidden = value.get("forbidden")
    banned = (
        frozenset(s for s in forbidden if type(s) is int and 0 <= s < sources)
        if isinstance(forbidden, list)
        else frozenset()
    )
    heat = value.get("temperature")
    usable = isinstance(heat, int | float) and math.isfinite(heat) and not isinstance(heat, bool)
    temperature = min(max(float(heat), TEMPERATURES[0]), TEMPERATURES[1]) if usable else 1.0  # type: ignore[arg-type]
    return Touch(weights, temperature, banned if len(banned) < sources else frozenset(), words)


def _by_step(value: object) -> list[tuple[int, Any]]:
    if not isinstance(value, Mapping):
        return []
    return [(int(t), each) for t, each in value.items() if str(t).isdecimal() and len(str(t)) < 4]


def _row(value: object, sources: int, grows: bool) -> tuple[float, ...]:
    """A row of weights that sums to one, made exact; empty if it is none."""
    if not isinstance(value, list | tuple) or not (len(value) == sources or (grows and len(value) < sources)):
        return ()
    told = [w if isinstance(w, int | float) else np.nan for w in value]
    row = np.pad(np.array(told, dtype=np.float64), (0, sources - len(told)))
    if not np.isfinite(row).all() or (row < 0).any() or abs(row.sum() - 1) > 1e-3:
        return ()
    return tuple((row / row.sum()).tolist())
