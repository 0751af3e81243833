"""An attack while it runs: the picture after each step, a bar, and a way to stop it."""

import numpy as np
import streamlit as st

from ui.cached import Walk, Walked

WIDEST = 320  # pixels of a picture on the page


def run(walk: Walk, key: str, *, stoppable: bool = False) -> bool:
    """Do the attack unless it is done, or was stopped. Returns whether there is a step to be shown; says why if there is none.

    Args: stoppable: not in a fragment, where a button waits for the fragment's end.
    """
    me = f"{walk.network} {walk.recipe} {walk.x.sum()}"
    if not walk.complete and st.session_state.get(f"{key}_stopped") != me:
        _live(walk, key, me, stoppable)
    if walk.refusal:
        st.warning(walk.refusal, icon=":material/block:")
        return False
    if not walk.complete:
        st.info(f"Stopped after {len(walk.steps)} steps.", icon=":material/stop_circle:")
        st.button("Do it from the beginning", key=f"{key}_again", on_click=_forget, args=(key,))
    return bool(walk.steps)


def _live(walk: Walk, key: str, me: str, stoppable: bool) -> None:
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, f"{walk.recipe.attack.title}: the first step …")
        if stoppable:
            st.button("Stop", key=f"{key}_stop", icon=":material/stop:", on_click=_stop, args=(key, me))
        picture = st.empty()
        total = walk.recipe.expected_steps

        def tell(step: Walked) -> None:
            done = step.t + 1
            bar.progress(
                min(done / total, 1.0), f"{walk.recipe.attack.title}: step {done}, p(y) = {step.p[walk.y]:.3f}"
            )
            picture.image(step.pixels, width=WIDEST, output_format="PNG")

        walk.go(tell)
    place.empty()


def _stop(key: str, me: str) -> None:
    st.session_state[f"{key}_stopped"] = me


def _forget(key: str) -> None:
    st.session_state.pop(f"{key}_stopped", None)


def shown(pixels: np.ndarray, words: str) -> None:
    """A picture with its caption, lossless."""
    st.image(pixels, caption=words, width="stretch", output_format="PNG")
