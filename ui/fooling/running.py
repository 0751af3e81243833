"""An attack while it runs: the picture after each step, a bar, and a way to stop it."""

import numpy as np
import streamlit as st

from ui import running
from ui.cached.fool import Walk, Walked
from ui.running import Sight


def run(walk: Walk, key: str, *, fragment: bool = False) -> bool:
    """`running.run` an attack, or in a `fragment` `look_on`. Returns whether something came of it; says why if nothing did."""
    title = walk.recipe.attack.title

    def seen(step: Walked) -> Sight:
        words = f"{title}: step {walk.done}, p(y) = {step.p[walk.y]:.3f}"
        return Sight(walk.done / walk.recipe.expected_steps, words, step.pixels)

    watched = running.look_on if fragment else running.run
    watched(
        walk, key, f"{walk.network} {walk.recipe} {walk.x.sum()} {walk.y}", seen, first=f"{title}: the first step …"
    )
    if walk.refusal:
        st.warning(walk.refusal, icon=":material/block:")
    return not walk.refusal and (walk.complete or bool(walk.steps))


def shown(pixels: np.ndarray, words: str) -> None:
    """A picture with its caption, lossless."""
    st.image(pixels, caption=words, width="stretch", output_format="PNG")
