"""An attack while it runs: the picture after each step, a bar, and a way to stop it."""

import numpy as np
import streamlit as st

from ui import running
from ui.cached import Walk, Walked
from ui.running import Sight


def run(walk: Walk, key: str, *, stoppable: bool = False) -> bool:
    """`running.run` an attack. Returns whether there is a step to be shown; says why if there is none."""

    def seen(step: Walked) -> Sight:
        words = f"{walk.recipe.method}: step {walk.done}, p(y) = {step.p[walk.y]:.3f}"
        return Sight(walk.done / expected_steps(walk), words, step.pixels)

    me = f"{walk.network} {walk.recipe} {walk.x.sum()}"
    running.run(walk, key, me, seen, first=f"{walk.recipe.method}: the first step …", stoppable=stoppable)
    if walk.refusal:
        st.warning(walk.refusal, icon=":material/block:")
    return bool(walk.steps) and not walk.refusal


def expected_steps(walk: Walk) -> int:
    """About how many steps there will be, for the bar: three searches, or six halvings, of an attack that repeats its walk."""
    repeats = {"Carlini–Wagner": 3, "Smallest ε": 6}.get(walk.recipe.method, 1)
    return 1 if walk.recipe.method == "FGSM" else repeats * walk.recipe.steps


def shown(pixels: np.ndarray, words: str) -> None:
    """A picture with its caption, lossless."""
    st.image(pixels, caption=words, width="stretch", output_format="PNG")
