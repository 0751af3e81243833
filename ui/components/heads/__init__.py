"""All layers and heads at a glance: a small map of weights each, and one of them chosen, by click or by arrow keys.

The maps travel once, a byte a weight (256 shades: enough to look at, and a quarter of the size); the exact numbers are in the
large map of the head that is chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from jaxtyping import Float

from ui.components.packing import files, pack

HTML, CSS, JS = files("heads")

_component = st.components.v2.component("heads", html=HTML, css=CSS, js=JS)


@dataclass(frozen=True)
class Maps:
    """What is drawn: `rows` × `columns` maps.

    Attributes:
        weights: from 0 to 1.
        rows, columns: their names; `corner` says what they count.
        captions: a sentence for each map.
        hidden: which maps a filter hides.
        cut: weights below it are left blank.
        symbol: what the shades are.
    """

    weights: Float[np.ndarray, "maps target source"]
    rows: Sequence[str]
    columns: Sequence[str]
    corner: str
    captions: Sequence[str]
    hidden: Sequence[bool]
    cut: float
    symbol: str


def overview(maps: Maps, of: str, start: int, key: str = "heads") -> int:
    """Show the maps; the number of the one chosen. `of` tells when `start` is to be chosen anew: when it is another."""
    result = _component(
        key=key,
        data=packed(maps, of, start),
        default={"cell": {"of": of, "cell": start}},
        on_cell_change=lambda: None,
    )
    return valid_cell(result.cell, of, len(maps.captions), start)


def packed(maps: Maps, of: str, start: int) -> bytes:
    """All the browser needs: a header, and a byte a weight."""
    head = {
        "of": of,
        "cell": start,
        "rows": maps.rows,
        "columns": maps.columns,
        "corner": maps.corner,
        "captions": maps.captions,
        "hidden": [int(hides) for hides in maps.hidden],
        "targets": maps.weights.shape[1],
        "sources": maps.weights.shape[2],
        "symbol": maps.symbol,
    }
    return pack(head, shades(maps.weights, maps.cut).tobytes())


def shades(weights: Float[np.ndarray, "*maps"], cut: float = 0.0) -> np.ndarray:
    """A byte a weight: 0 for none or less than `cut`, 255 for all."""
    return np.rint(255 * np.clip(np.where(weights < cut, 0, weights), 0, 1)).astype(np.uint8)


def valid_cell(value: object, of: str, cells: int, otherwise: int) -> int:
    """The browser's word is only its word: a map that there is, of those shown; otherwise the one that was to be chosen."""
    cell = value.get("cell") if isinstance(value, Mapping) and value.get("of") == of else None
    return cell if isinstance(cell, int) and not isinstance(cell, bool) and 0 <= cell < cells else otherwise
