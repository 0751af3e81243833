"""What components share whose steps are walked and touched: where the visitor is, and what of the browser's word is believed."""

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import streamlit as st

from models.writer import Touch

TEMPERATURES = (0.05, 20.0)
LIGHT, DARK = (  # what Streamlit tells a component of its theme, for the file that steps alone
    f"--st-text-color: {text}; --st-background-color: {ground}; --st-secondary-background-color: {second};"
    for text, ground, second in (("#22252c", "#ffffff", "#f0f2f6"), ("#fafafa", "#0e1117", "#262730"))
)


@dataclass(frozen=True)
class Seen:
    """Where the visitor is: the step, what was touched, and whether the browser has drawn the figure."""

    step: int
    touch: Touch
    painted: bool = False


def mounted(
    component: Any,
    data: bytes,
    of: str,
    touch: Touch,
    step: int,
    size: tuple[int, int],
    key: str,
    *,
    grows: bool = False,
) -> Seen:
    """Draw a component that is stepped and touched; what it tells is believed as far as it fits.

    Args: of: what is looked at, so that word of something else is not heeded; step: where it begins; size: how many steps
        there are, and things to look at; grows: the text may have been shorter.
    """
    result = component(
        key=key,
        data=data,
        default={"step": {"of": of, "step": step}, "touch": {"of": of, **as_plain(touch)}, "painted": False},
        on_step_change=lambda: None,
        on_touch_change=lambda: None,
        on_painted_change=lambda: st.session_state.update({f"{key}_painted": True}),
    )
    steps, sources = size
    return Seen(
        valid_step(result.step, of, steps, step),
        valid_touch(result.touch, of, sources, grows=grows),
        bool(st.session_state.get(f"{key}_painted", False)),
    )


def last_touch(of: str, sources: int, key: str, *, grows: bool = False) -> Touch:
    """What the visitor last did to this source: known before the component is drawn again with the new decoding."""
    told = st.session_state.get(key) or {}
    return valid_touch(told.get("touch"), of, sources, grows=grows)


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


def valid_step(value: object, of: str, steps: int, otherwise: int = 0) -> int:
    """The browser's word is only its word: a step that there is, of this source; `otherwise` where it should begin."""
    step = value.get("step") if isinstance(value, Mapping) and value.get("of") == of else otherwise
    return min(max(step, 0), steps - 1) if isinstance(step, int) and not isinstance(step, bool) else 0


def valid_touch(value: object, of: str, sources: int, *, grows: bool = False) -> Touch:
    """What of it can be done to this source with so many things to look at; the rest is dropped.

    Args: grows: a row may be of a time when the text was shorter: it has no weight on what came later.
    """
    if not isinstance(value, Mapping) or value.get("of") != of:
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


def changed(before: Sequence[str], after: Sequence[str]) -> list[int]:
    """The steps of `after` whose words are no part of the longest run of words it shares with `before`."""
    same = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    kept = {block.b + i for block in same for i in range(block.size)}
    return [t for t in range(len(after)) if t not in kept]


def visible(words: Sequence[str]) -> list[str]:
    """The words without the space that belongs to some; a token that is nothing but space is shown as ␣."""
    return [word.strip() or "␣" for word in words]


def offline(parts: tuple[str, str, str], title: str, *blocks: bytes) -> bytes:
    """One HTML file that steps without a server or a network: the component's HTML, CSS and script, its data inside."""
    markup, css, script = parts
    script = script.replace("export default function", "function render", 1)
    data = ", ".join(f'"{base64.b64encode(block).decode()}"' for block in blocks)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title>
<style>
:root {{ --st-font: system-ui, sans-serif; {LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {DARK} }} }}
body {{ background: var(--st-background-color); color: var(--st-text-color); font-family: var(--st-font); margin: 1rem 1.5rem; }}
{css}</style></head>
<body><h1>{html.escape(title)}</h1><div id="here">{markup}</div>
<script type="module">
{script}
const parentElement = document.getElementById("here");
for (const text of [{data}]) {{
  const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  render({{ data, parentElement, setStateValue() {{}} }});
}}
</script></body></html>
""".encode()
