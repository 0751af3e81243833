"""Pictures of the same z at every recorded moment, scrubbed in the browser: the server sends the film once and is not asked again.

Below each picture a bar says how far the judge takes it for real, beside them how many of each class a classifier counts.
"""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from ui.components.packing import files, pack

HTML, CSS, JS = files("film")

_component = st.components.v2.component("film", html=HTML, css=CSS, js=JS)


def film(
    picture: bytes,
    steps: Sequence[int],
    opinion: np.ndarray,
    counts: Sequence[Sequence[int]],
    words: Sequence[str],
    *,
    side: int,
    columns: int,
    alt: str,
    key: str = "film",
) -> None:
    """Show it, at first its last moment.

    Args:
        picture: a file that browsers read, grey: a row of squares a moment.
        steps: of the moments; opinion: (moments, squares), D of each; counts: of each class, at each moment.
        words: what is said of each moment; side: of a square, in its pixels; columns: squares side by side on the page.
    """
    _component(key=key, data=packed(picture, steps, opinion, counts, words, side=side, columns=columns, alt=alt))


def packed(
    picture: bytes,
    steps: Sequence[int],
    opinion: np.ndarray,
    counts: Sequence[Sequence[int]],
    words: Sequence[str],
    *,
    side: int,
    columns: int,
    alt: str,
) -> bytes:
    """All that the browser needs."""
    head = {
        "steps": list(steps),
        "opinion": opinion.tolist(),
        "counts": [list(each) for each in counts],
        "words": list(words),
        "side": side,
        "columns": columns,
        "alt": alt,
    }
    return pack(head, picture)
