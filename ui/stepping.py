"""What every page shares that steps through a trace: where the visitor is, what was touched, and the link that keeps both."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

import pandas as pd
import streamlit as st

from models.trace import Trace
from models.writer import Touch
from models.zoo import WeightsUnavailableError
from ui import address, cached, computation, controls, take_home
from ui.cached.sentences import Sentence
from ui.components.alignment import alignment, sentence_of
from ui.components.touching import Seen, as_plain, last_touch, valid_touch
from ui.lecture import Download, Numbers, as_it_is, words_for_bad_link

GREEDY, BEAM, SAMPLE = "Greedy", "Beam of 5", "Sample"
WAYS = [GREEDY, BEAM, SAMPLE]
MEAN = "mean of all heads"
TEXT, STEP, TOUCH = "text", "step", "touch"
WIDEST = 3000  # characters of a text that is taken from a link
LINK = {
    "way": lambda name: name in WAYS,
    STEP: lambda text: text.isdecimal() and len(text) < 4,
}


@dataclass(frozen=True)
class Shown:
    """What is on the screen: the sentence asked, its untouched trace, the one in view, where one is in it, and how it is drawn."""

    sentence: Sentence
    untouched: Trace
    trace: Trace
    seen: Seen
    drawn: Mapping[str, Any] = field(default_factory=dict)


def asked(ask: Callable[[], Sentence], good: Mapping[str, Callable[[str], bool]], doing: str) -> Sentence | None:
    """What the controls of a page ask for, its trace computed; None, with a word, if there is nothing that can be read.

    Args: ask: draws the controls; good: see `lecture.words_for_bad_link`; doing: what is said meanwhile.
    """
    words_for_bad_link(good)
    sentence = ask()
    try:
        with st.spinner(doing):
            cached.sentences.trace(sentence)
    except (ValueError, WeightsUnavailableError) as error:
        st.warning(str(error), icon=":material/edit_note:")
        return None
    return sentence


def ask_text(label: str, first: str, placeholder: str) -> str:
    """The text typed, or the example picked: picking writes it into the field."""
    return controls.text(label, first, TEXT, WIDEST, placeholder=placeholder)


def offer(examples: tuple[str, ...]) -> None:
    """Examples to pick from, below the field."""
    st.pills("Examples", examples, key="example", on_change=_pick, format_func=_short, label_visibility="collapsed")


def _pick() -> None:
    if st.session_state["example"]:
        address.put(**{TEXT: st.session_state["example"]})
        st.session_state["example"] = None


def _short(example: str) -> str:
    return shorten(example, 30, placeholder=" …")


def ask_way(ways: Sequence[str] = WAYS) -> str:
    """How the next word is decided on."""
    return st.segmented_control("Decode", ways, default=GREEDY, required=True, key="way", bind="query-params") or GREEDY


def ask_sampling(way: str) -> tuple[float, int]:
    """Temperature and seed of the drawing; (0, 0) where nothing is drawn."""
    if way != SAMPLE:
        return 0.0, 0
    first, second = st.columns(2)
    sampling = first.slider("Temperature of the drawing", 0.1, 2.0, 1.0, 0.1, key="sampling", bind="query-params")
    return sampling, int(second.number_input("Seed", 0, 9999, 1, key="seed", bind="query-params"))


def one_head(trace: Trace) -> Trace:
    """The head to look at, chosen by the visitor if there are several; the first has all of them averaged."""
    return of_head(trace, ask_head(trace))


def ask_head(trace: Trace) -> str:
    """The name of the head chosen."""
    if len(trace.heads) == 1:
        return trace.heads[0]
    return st.selectbox("Layer and head", [MEAN, *trace.heads], key="head", bind="query-params")


def of_head(trace: Trace, name: str) -> Trace:
    """The trace with the weights of one head, or with the mean of all."""
    return trace.only(trace.heads.index(name)) if name in trace.heads else trace.mean()


def stepped(
    sentence: Sentence, untouched: Trace, *, editable: bool = True, begin: int = 0, given: int = 0, **drawn: Any
) -> Shown | None:
    """The alignment. What was touched is decoded anew before it is drawn. None until the browser has painted it.

    Args: begin: the step where a text begins that has just been asked for; given, drawn: how, for `ui.components.alignment`.
    """
    touch = touch_of_text(untouched, given)
    touched = None
    if not touch.nothing() and editable:
        try:
            touched = cached.sentences.trace(sentence, touch_text(touch), touch)
        except ValueError as error:
            st.warning(str(error), icon=":material/edit_note:")
    drawn = {**drawn, "given": given}
    step = first_step(sentence_of(untouched, given), "alignment", begin)
    seen = alignment(untouched, touched, touch, step=step, editable=editable, **drawn)
    put_in_link(seen)
    return Shown(sentence, untouched, touched or untouched, seen, drawn) if seen.painted else None


def first_step(of: str, key: str, begin: int) -> int:
    """Where it begins: at the step in the address, or at `begin` if that step is of something else that was on this page before."""
    before = st.session_state.get(f"{key}_of")
    st.session_state[f"{key}_of"] = of
    return begin if key in st.session_state and before != of else step_in_link(begin)


def touch_of_text(untouched: Trace, given: int = 0) -> Touch:
    """`touch_before`, of a text in the alignment."""
    return touch_before(sentence_of(untouched, given), len(untouched.source), "alignment", grows=given > 0)


def touch_before(of: str, sources: int, key: str, *, grows: bool = False) -> Touch:
    """What was touched up to now: told by the browser, or by the address when the page has just been opened.

    Args: of: what is looked at; sources: how many things of it; key: of the component; grows: the text may have been shorter.
    """
    if key in st.session_state:
        return last_touch(of, sources, key, grows=grows)
    return touch_in_link(of, sources, grows=grows)


def touch_in_link(of: str, sources: int, *, grows: bool = False) -> Touch:
    """The touch that the address names, as far as it fits what is looked at."""
    try:
        told = json.loads(st.query_params.get(TOUCH, "{}"))
    except ValueError:
        return Touch()
    told = {**told, "of": of} if isinstance(told, dict) else None
    return valid_touch(told, of, sources, grows=grows)


def step_in_link(otherwise: int = 0) -> int:
    text = st.query_params.get(STEP, "")
    return int(text) - 1 if LINK[STEP](text) and int(text) > 0 else otherwise


def put_in_link(seen: Seen) -> None:
    """The address follows step and touch, so that it can be sent."""
    for name, value in ((STEP, str(seen.step + 1)), (TOUCH, "" if seen.touch.nothing() else touch_text(seen.touch))):
        if value and st.query_params.get(name) != value:
            st.query_params[name] = value
        elif not value and name in st.query_params:
            del st.query_params[name]


def touch_text(touch: Touch) -> str:
    """A touch as text: the same for the same touch."""
    return json.dumps(as_plain(touch), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def walked(label: str, names: Sequence[str], first: int, of: str, key: str) -> int:
    """Which of these is in view: by slider, by button, or by ← → Home End. The link keeps it.

    Args: first: where it begins; of: what they are of. In the link is a step of what was there when the page was opened.
    """
    last, me = len(names) - 1, f"{key} {of}"
    mine = address.widget(me)
    if mine not in st.session_state:
        opened = f"{key}_of" not in st.session_state
        st.session_state[mine] = min(max(step_in_link(first), 0), last) if opened else first
    st.session_state[f"{key}_of"] = of
    t = st.session_state[mine] = min(st.session_state[mine], last)
    if last:
        left, right = st.columns([1.2, 1], vertical_alignment="bottom")
        t = int(left.select_slider(label, range(len(names)), t, names.__getitem__, key=mine))
        with right:
            keys(key, me, t, last)
    address.hold(STEP, str(t + 1))
    return t


KEYS: tuple[tuple[str, str, Callable[[int, int], int]], ...] = (
    ("First", "Home", lambda _t, _last: 0),
    ("Back", "Left", lambda t, _last: t - 1),
    ("On", "Right", lambda t, _last: t + 1),
    ("Last", "End", lambda _t, last: last),
)


def keys(key: str, me: str, t: int, last: int) -> None:
    """Buttons, and ← → Home End, that move the control `me` from t to another of 0 … last."""
    with st.container(horizontal=True):
        for word, shortcut, to in KEYS:
            at = min(max(to(t, last), 0), last)
            st.button(word, key=f"{key}_{shortcut}", shortcut=shortcut, disabled=at == t, on_click=_move, args=(me, at))


def _move(me: str, at: int) -> None:
    address.put(**{me: at})


def numbers(shown: Shown) -> Numbers:
    """The row in view as the formula's columns."""
    t = shown.seen.step
    caption = f"Step {t + 1}, “{as_it_is(shown.trace.target[t])}”. {computation.row_sentence(shown.trace, t)}"
    return Numbers(caption, five_numbers(shown))


def five_numbers(shown: Shown) -> pd.DataFrame:
    """Score, exp, sum and weight of every word that can be looked at."""
    return computation.per_source(shown.trace, shown.seen.step, shown.seen.touch)


def downloads(shown: Shown, title: str) -> list[Download]:
    """Everything of the trace in view."""
    asked = {**vars(shown.sentence), "touch": touch_text(shown.seen.touch)}
    return take_home.downloads(shown.trace, shown.seen.step, f"{shown.sentence.text} · {title}", asked, **shown.drawn)
