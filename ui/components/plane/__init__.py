"""A plane where points are made: the real ones, the judge's field, the generator's bent square of z; or an empty one to draw on.

One moment is one message of about 16 kB. The canvas stays while moments follow each other, so nothing flickers. What a visitor
draws comes back in hundredths when the pointer is lifted.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from ui.components.packing import files, pack

HTML, CSS, JS = files("plane")
REACH = 1.2
MOST = 400  # points that can be drawn

Hundredths = tuple[tuple[int, int], ...]

_component = st.components.v2.component("plane", html=HTML, css=CSS, js=JS)


def plane(
    arrays: Mapping[str, np.ndarray],
    *,
    words: str,
    judged: str,
    alt: str,
    moment: int = 0,
    drawn: Hundredths | None = None,
    key: str = "plane",
) -> Hundredths:
    """Show it; what is drawn, in hundredths.

    Args:
        arrays: any of "field" (side, side) from 0 to 1, the lowest row first; "real", "made" (n, 2); "pull", an arrow for each of
            "made"; "warp" (n, n, 2).
        words: the line below; `judged`: what the field's number is called there while the pointer is over it.
        moment: the round, for whoever looks at the page by program.
        drawn: what is drawn already, on a plane that can be drawn on; None where it cannot.
    """
    result = _component(
        key=key,
        data=packed(arrays, words=words, judged=judged, alt=alt, moment=moment, drawn=drawn),
        default={"drawn": drawn},
        on_drawn_change=lambda: None,
    )
    return () if drawn is None else valid(result.drawn)


def packed(
    arrays: Mapping[str, np.ndarray], *, words: str, judged: str, alt: str, moment: int, drawn: Hundredths | None
) -> bytes:
    """All that the browser needs."""
    head = {
        "arrays": [(name, array.size) for name, array in arrays.items()],
        "side": arrays["field"].shape[0] if "field" in arrays else 0,
        "warp": arrays["warp"].shape[0] if "warp" in arrays else 0,
        "reach": REACH,
        "most": MOST,
        "words": words,
        "judged": judged,
        "alt": alt,
        "moment": moment,
        "drawn": drawn,
    }
    return pack(head, *(array.astype("<f4").tobytes() for array in arrays.values()))


def valid(value: object) -> Hundredths:
    """The browser's word is only its word: pairs of whole numbers from −100 to 100, not too many."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    whole = lambda v: isinstance(v, int) and not isinstance(v, bool) and -100 <= v <= 100  # noqa: E731
    pairs = [p for p in value if isinstance(p, Sequence) and len(p) == 2 and all(map(whole, p))]
    return tuple((p[0], p[1]) for p in pairs[:MOST])
