"""A sheet to draw a digit on, by mouse, pen or finger. The browser tells the ink when a stroke ends."""

import base64
import binascii
from typing import Any

import numpy as np
import streamlit as st
from jaxtyping import Float

from ui.components.packing import files

SIDE = 56  # pixels a side that travel: twice what the networks see
HTML, CSS, JS = files("sketch")

_component = st.components.v2.component("sketch", html=HTML, css=CSS, js=JS)


def sketch(*, key: str) -> Float[np.ndarray, "56 56"]:
    """What is drawn, 0 where there is nothing to 1 where there is ink. A sheet that is mounted again holds what it held."""
    before = st.session_state.get(f"{key}_held", "")
    result = _component(
        key=key, data={"side": SIDE, "ink": before}, default={"ink": before}, on_ink_change=lambda: None
    )
    drawn = valid_ink(result.ink)
    st.session_state[f"{key}_held"] = result.ink if drawn.any() else ""
    return drawn


def valid_ink(value: Any) -> Float[np.ndarray, "56 56"]:
    """The browser's word is only its word: base64 of one byte a pixel, or an empty sheet."""
    empty = np.zeros((SIDE, SIDE), np.float32)
    if not isinstance(value, str) or len(value) > 4 * SIDE * SIDE:
        return empty
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return empty
    if len(raw) != SIDE * SIDE:
        return empty
    return np.frombuffer(raw, np.uint8).reshape(SIDE, SIDE).astype(np.float32) / 255
