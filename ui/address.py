"""The link to a page's state, where a widget cannot keep its own place in it: its value may be changed by a button, too."""

import streamlit as st

HELD = "in_address"


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
