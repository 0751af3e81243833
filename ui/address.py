"""Controls that a button may change, too, and the link to a page's state, where their widgets cannot keep their own place."""

import re
from collections.abc import Mapping
from typing import Any

import streamlit as st

HELD, TIMES = "in_address", "times_put"


def begin() -> None:
    """A page begins: what another one held is forgotten."""
    st.session_state[HELD] = {}


def hold(key: str, value: str) -> None:
    """From now on `key=value` is in the link of this page."""
    st.session_state.setdefault(HELD, {})[key] = value
    keep()


def keep() -> None:
    """What is held goes into the link again: a fragment gets the link that the browser had when it asked, perhaps an older one."""
    for key, value in st.session_state.get(HELD, {}).items():
        if st.query_params.get(key) != value:
            st.query_params[key] = value


def widget(key: str) -> str:
    """The key of the widget that shows the control `key`: another one each time it was changed from elsewhere.

    Whatever a browser sends it says with all of its widgets' values; of a widget that it has not yet seen changed, the old one.
    As the changed widget is another, that is not heard. The one before would stand below it until the run has ended: it is hidden.
    """
    n = _times().get(key, 0)
    if n:
        gone = re.sub(r"[^a-zA-Z0-9_-]", "-", _named(key, n - 1))  # as Streamlit writes a key in a class
        st.html(f"<style>.st-key-{gone} {{ display: none; }}</style>")
    return _named(key, n)


def _named(key: str, n: int) -> str:
    return f"{key} {n}" if n else key


def put(**values: Any) -> None:
    """From now on these controls hold these values."""
    for key, value in values.items():
        n = _times()[key] = _times().get(key, 0) + 1
        st.session_state[_named(key, n)] = value


def forget(key: str) -> None:
    """From now on this control holds what it would on a page just opened, whatever the link said."""
    _times()[key] = _times().get(key, 0) + 1
    st.session_state.get(HELD, {}).pop(key, None)
    st.query_params.pop(key, None)


def drawn() -> dict[str, int]:
    """Of the controls drawn so far on this page, how often each was put."""
    return {key: _times().get(key, 0) for key in st.session_state.get(HELD, {})}


def follow(above: Mapping[str, int]) -> None:
    """In a fragment: all of the page runs again where one of the controls above it was put after they were drawn.

    A button cannot say so itself: it is up again where the run of its click was broken off by another message of the browser.
    """
    if any(_times().get(key, 0) != n for key, n in above.items()):
        st.rerun()


def _times() -> dict[str, int]:
    times: dict[str, int] = st.session_state.setdefault(TIMES, {})
    return times
