"""The lecture shell: every page is one call of `page`, and so has the same parts in the same order.

Title with lecture id and claim · controls · one main figure · Formula, Code, Numbers · downloads and the link to this
state. In presenter mode the type is large and everything but title, controls and figure is out of sight.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from ui import address
from ui.navigation import Page

Choice = TypeVar("Choice")
Shown = TypeVar("Shown")

PRESENTER_CSS = Path(__file__).parent / "presenter.css"


@dataclass(frozen=True)
class Numbers:
    """Live values for the thing clicked: what it is, in a sentence, and a table whose columns are the formula's symbols."""

    caption: str
    table: pd.DataFrame


@dataclass(frozen=True)
class Download:
    """A thing to take home; `data` is called when the button is pressed, not before."""

    label: str
    data: Callable[[], bytes]
    file_name: str
    mime: str


def page(
    about: Page,
    *,
    controls: Callable[[], Choice | None],
    figure: Callable[[Choice], Shown | None],
    notes: Callable[[Choice, Shown], None],
    code: Sequence[Callable[..., Any]],
    numbers: Callable[[Choice, Shown], Numbers],
    downloads: Callable[[Choice, Shown], list[Download]],
) -> None:
    """Draw a page of the lecture.

    Args:
        about: title, lecture id, claim.
        controls: draws the widgets and returns what was chosen, or None if there is nothing to show yet (and says why).
        figure: draws the one main figure; runs again, alone, when something in it is let go. Returns None while the
            browser has not painted it yet: what follows is heavier and waits.
        notes: draws what explains the figure.
        code: our functions that compute it; their docstrings are the formulas, their source the code.
        numbers, downloads: what the tables and buttons hold.
    """
    presenting = st.query_params.get("presenter") == "1"
    address.begin()
    _head(about, presenting)
    with st.expander("Controls", icon=":material/tune:") if presenting else st.container():
        choice = controls()
    if choice is not None:
        _body(choice, address.drawn(), presenting, figure, notes, code, numbers, downloads)


def _head(about: Page, presenting: bool) -> None:
    if presenting:
        st.html(PRESENTER_CSS)
    title, button = st.columns([5, 1], vertical_alignment="top")
    with title.container(gap=None):
        st.title(f"{about.title} :gray[· {about.lecture}]", anchor=False)
        st.markdown(about.claim)
    button.button(
        "Leave" if presenting else "Present",
        key="presenter_button",
        icon=":material/close_fullscreen:" if presenting else ":material/present_to_all:",
        help="Large type and nothing but the figure, for a projector",
        shortcut="p",
        on_click=_toggle_presenter,
        width="stretch",
    )


def _toggle_presenter() -> None:
    if st.query_params.get("presenter") == "1":
        del st.query_params["presenter"]
    else:
        st.query_params["presenter"] = "1"


@st.fragment
def _body(
    choice: Any,
    above: Mapping[str, int],
    presenting: bool,
    figure: Callable[[Any], Any],
    notes: Callable[[Any, Any], None],
    code: Sequence[Callable[..., Any]],
    numbers: Callable[[Any, Any], Numbers],
    downloads: Callable[[Any, Any], list[Download]],
) -> None:
    """All that runs again when the figure is touched; the controls above are left alone."""
    address.keep()
    address.follow(above)
    shown = figure(choice)
    if presenting or shown is None:
        return
    notes(choice, shown)
    _formula_code_numbers(code, numbers(choice, shown))
    _take_home(downloads(choice, shown))


def _formula_code_numbers(code: Sequence[Callable[..., Any]], live: Numbers) -> None:
    st.header("Formula · Code · Numbers", anchor=False)
    formula_tab, code_tab, numbers_tab = st.tabs(["Formula", "Code", "Numbers"])
    for function in code:
        formula_tab.markdown(f"`{function.__module__}.{function.__name__}`\n\n{inspect.getdoc(function)}")
        code_tab.markdown(f"`{function.__module__.replace('.', '/')}.py`")
        code_tab.code(inspect.getsource(function), language="python")
    numbers_tab.markdown(live.caption)
    numbers_tab.dataframe(live.table, hide_index=True)


def _take_home(downloads: Sequence[Download]) -> None:
    st.header("Take it home", anchor=False)
    with st.container(horizontal=True):
        for item in downloads:
            st.download_button(
                item.label, item.data, item.file_name, item.mime, on_click="ignore", icon=":material/download:"
            )
        with st.popover("Link to this state", icon=":material/link:"):
            st.markdown(
                "Opens this page with every control as it is now. A photo of your own does not travel in a link."
            )
            st.code(link(), language=None, wrap_lines=True)


def link() -> str:
    """The address of this page with every control in it."""
    page_address = (st.context.url or "").split("?")[0]
    return f"{page_address}?{urlencode(st.query_params.to_dict())}" if st.query_params else page_address


def as_it_is(text: str) -> str:
    """The text as it is: nothing of it is Markdown or HTML."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()<>#+-.!|~$:^&" else letter for letter in text)


def words_for_bad_link(good: Mapping[str, Callable[[str], bool]]) -> None:
    """Say which values of the link cannot be shown; the controls fall back by themselves. The words stay until closed.

    Args: good: for each parameter of the page, whether a value of it can be shown.
    """
    for name, is_good in good.items():
        value = st.query_params.get(name)
        if value is not None and not is_good(value):
            words = f"The link asks for {name} = “{value[:40]}”, which there is not; the usual value is shown."
            st.toast(words, icon=":material/link_off:", duration="infinite")
