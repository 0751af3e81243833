"""What is done step by step while one watches: the picture after each step, a bar, and a way to stop it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import streamlit as st
from streamlit.errors import StreamlitAPIException

WIDEST = 320  # pixels of a picture on the page
PATIENCE = 0.3  # seconds between two looks at what is done behind a fragment
GONE = 10.0  # seconds without a look, after which nobody waits for it any more

Step = TypeVar("Step")
Told = TypeVar("Told", covariant=True)  # a step, as the work tells of it


class Work(Protocol[Told]):
    """Done once for all who ask. `done`: how many steps of it were; `go`: do it, or what is left of it, telling of each step."""

    @property
    def complete(self) -> bool: ...
    @property
    def done(self) -> int: ...
    def go(self, tell: Callable[[Told], None]) -> None: ...


class Sight(NamedTuple):
    """What is shown of a step: the share that is done, from 0 to 1, a sentence, and the picture after it if there is one."""

    share: float
    words: str
    pixels: np.ndarray | None = None


Seen = Callable[[Any], Sight]


def run(
    work: Work[Step],
    key: str,
    me: str,
    seen: Callable[[Step], Sight],
    *,
    first: str,
    again: str = "Do it from the beginning",
) -> None:
    """Do the work unless it is done, or this visitor stopped it; then it can be begun again. Not in a fragment: see `look_on`.

    Args: me: tells this work from another of the same `key`; first: what is said before the first step; again: on the button.
    """
    place = st.empty()  # always: what is below stays in its place when there is nothing more to do
    if not work.complete and st.session_state.get(f"{key}_stopped") != me:
        with place.container():
            draw = _draw(Sight(0.0, first), key, me)
            work.go(lambda step: draw(seen(step)))
        place.empty()
    _stopped(work, key, again)


def look_on(
    work: Work[Step],
    key: str,
    me: str,
    seen: Callable[[Step], Sight],
    *,
    first: str,
    again: str = "Do it from the beginning",
) -> None:
    """`run`, for a fragment, which hears a click only when it has run: the work is done in a thread, and the fragment looks on.

    While there is more to be done nothing after this is drawn.
    """
    place = st.empty()
    if not work.complete and st.session_state.get(f"{key}_stopped") != me:
        behind = st.session_state.get(f"{key}_behind")
        if behind is None or behind.me != me or behind.stop.is_set():
            if behind is not None:
                behind.stop.set()
            behind = st.session_state[f"{key}_behind"] = Behind(work, me, seen, Sight(0.0, first))
        with place.container():
            _draw(behind.sight, key, me)
        behind.look(PATIENCE)  # after the drawing: what is drawn just before a new run never gets to the browser
        if not work.complete:
            go_on()
        place.empty()
    _stopped(work, key, again)


class LeftError(Exception):
    """Nobody waits for it any more."""


@dataclass
class Behind:
    """Work in a thread of its own. `sight`: of its last step. It ends when `stop` is set, or when nobody has looked for `GONE`."""

    work: Work[Any]
    me: str
    seen: Seen
    sight: Sight
    stop: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.looked = time.monotonic()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def look(self, patience: float) -> None:
        """Wait for a moment. Raises what the work did."""
        self.looked = time.monotonic()
        self.thread.join(patience)
        if self.error is not None:
            self.stop.set()
            raise self.error

    def _work(self) -> None:
        try:
            self.work.go(self._tell)
        except LeftError:
            self.stop.set()
        except Exception as error:
            self.error = error

    def _tell(self, step: Any) -> None:
        if self.stop.is_set() or time.monotonic() - self.looked > GONE:
            raise LeftError
        self.sight = self.seen(step)


def go_on() -> None:
    """Run the fragment again, or the page where the page itself is what runs."""
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:
        st.rerun()


def _draw(sight: Sight, key: str, me: str) -> Callable[[Sight], None]:
    """Bar, Stop and picture, and what draws the next sight into them."""
    bar = st.progress(0.0)
    st.button("Stop", key=f"{key}_stop", icon=":material/stop:", on_click=_stop, args=(key, me))
    picture = st.empty()

    def draw(sight: Sight) -> None:
        bar.progress(min(sight.share, 1.0), sight.words)
        if sight.pixels is not None:
            picture.image(sight.pixels, width=WIDEST, output_format="PNG")

    draw(sight)
    return draw


def _stopped(work: Work[Any], key: str, again: str) -> None:
    if not work.complete:
        st.info(f"Stopped after {work.done} steps.", icon=":material/stop_circle:")
        st.button(again, key=f"{key}_again", on_click=_stop, args=(key, ""))


def _stop(key: str, me: str) -> None:
    st.session_state[f"{key}_stopped"] = me
    behind = st.session_state.get(f"{key}_behind")
    if behind is not None:
        behind.stop.set()
