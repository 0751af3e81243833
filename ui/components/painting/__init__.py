"""Cells of a grid over a picture, painted by mouse, finger or keyboard: a region of any shape, told when a stroke ends."""

import re
from collections.abc import Collection

import streamlit as st

from ui.components.packing import files, pack
from ui.components.regions import Photo

HTML, CSS, JS = files("painting")
TEXT = re.compile(r"(\d{1,3})x(\d{1,3})\.([0-9a-f]{1,1000})")

_component = st.components.v2.component("painting", html=HTML, css=CSS, js=JS)


def painting(
    shot: Photo, grid: tuple[int, int], begin: str, *, label: str, key: str, most: int = 420
) -> tuple[int, ...]:
    """Show the picture and what is painted on it. Returns the numbers of the painted cells, row by row from the top left.

    Args:
        grid: rows and columns; begin: what is painted at the beginning, as `as_text` puts it.
        label: what the picture is, for those who do not see it; most: pixels across.
    """
    key = f"{key}_{grid[0]}x{grid[1]}"
    if key not in st.session_state:  # newly mounted; later the browser knows better, and equal bytes are not sent again
        st.session_state[f"{key}_begin"] = as_text(from_text(begin, grid), grid)
    begin = st.session_state[f"{key}_begin"]
    head = {"grid": grid, "begin": begin, "label": label, "size": [shot.width, shot.height], "most": most}
    result = _component(
        key=key,
        data=pack({**head, "digest": shot.digest}, shot.file),
        default={"cells": begin},
        on_cells_change=lambda: None,
    )
    return from_text(result.cells, grid)


def as_text(cells: Collection[int], grid: tuple[int, int]) -> str:
    """Cells as a link holds them: the grid, and a hexadecimal number whose bit s, from the right, is cell s: `7x7.183`."""
    return f"{grid[0]}x{grid[1]}.{sum(1 << s for s in set(cells)):x}"


def from_text(text: object, grid: tuple[int, int]) -> tuple[int, ...]:
    """The cells of such a text; none if it is of another grid, or no such text."""
    found = TEXT.fullmatch(text) if isinstance(text, str) else None
    if not found or (int(found[1]), int(found[2])) != grid:
        return ()
    mask = int(found[3], 16)
    return tuple(s for s in range(grid[0] * grid[1]) if mask >> s & 1)
