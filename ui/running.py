"""What is done step by step while one watches: the picture after each step, a bar, and a way to stop it."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import streamlit as st

WIDEST = 320  # pixels of a picture on the page

Step = TypeVar("Step")
Step_co = TypeVar("Step_co", covariant=True)


class Work(Protocol[Step_co]):
    """Done once for all who ask. `done`: how many steps of it were; `go`: do it from the beginning, telling of each step."""

    @property
    def complete(self) -> bool: ...
    @property
    def done(self) -> int: ...
    def go(self, tell: Callable[[Step_co], None]) -> None: ...


class Sight(NamedTuple):
    """What is shown of a step: the share that is done, from 0 to 1, a sentence, and the picture after it."""

    share: float
    words: str
    pixels: np.ndarray


def run(
    work: Work[Step], key: str, me: str, seen: Callable[[Step], Sight], *, first: str, stoppable: bool = True
) -> None:
    """Do the work unless it is done, or this visitor stopped it; then it can be begun again.

    Args:
        me: tells this work from another of the same `key`; first: what is said before the first step.
        stoppable: not in a fragment, where a button waits for the fragment's end.
    """
    if not work.complete and st.session_state.get(f"{key}_stopped") != me:
        place = st.empty()
        with place.container():
            bar = st.progress(0.0, first)
            if stoppable:
                st.button("Stop", key=f"{key}_stop", icon=":material/stop:", on_click=_stop, args=(key, me))
            picture = st.empty()

            def tell(step: Step) -> None:
                share, words, pixels = seen(step)
                bar.progress(min(share, 1.0), words)
                picture.image(pixels, width=WIDEST, output_format="PNG")

            work.go(tell)
        place.empty()
    if not work.complete:
        st.info(f"Stopped after {work.done} steps.", icon=":material/stop_circle:")
        st.button("Do it from the beginning", key=f"{key}_again", on_click=_stop, args=(key, ""))


def _stop(key: str, me: str) -> None:
    st.session_state[f"{key}_stopped"] = me
