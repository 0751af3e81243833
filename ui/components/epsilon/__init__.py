r"""The ε slider: original, η and adversarial side by side, composed in the browser for every frame of a drag.

The server sends the picture, the signs and the network's answers at every step once. After that the browser computes
$\mathrm{clip}(x + n\,\mathrm{sign})$ on bytes, exactly as the server does, and asks nobody. On release the server learns n.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from torch import Tensor

from attacks.axis import FINE, Axis
from models.picture import from_pixels
from ui.components.packing import files, pack

HTML, CSS, JS = files("epsilon")
TOP = 5  # bars before and after

_component = st.components.v2.component(
    "epsilon",
    html=HTML,
    css=CSS,
    js=JS,
)


@dataclass(frozen=True)
class Released:
    """What the visitor did: the step the slider was left at, and the pixel clicked (row, column), None before a click.

    `painted` is true once the browser has drawn the slider.
    """

    n: int
    pixel: tuple[int, int] | None
    painted: bool = False


def epsilon_slider(
    axis: Axis, categories: tuple[str, ...], verdicts: list[str], *, start: Released, key: str
) -> Released:
    """Show the slider, at first as `start` says; `verdicts` are the sentences for the steps of `axis`."""
    if key not in st.session_state:  # newly mounted; later the browser knows better, and equal bytes are not sent again
        st.session_state[f"{key}_start"] = Released(start.n, valid_pixel(start.pixel, axis.x.shape[-1]))
    start = st.session_state[f"{key}_start"]
    result = _component(
        key=key,
        data=pack(header(axis, categories, verdicts, start), from_pixels(axis.x).tobytes(), packed_signs(axis.d)),
        default={"n": start.n, "pixel": start.pixel, "painted": False},
        on_painted_change=lambda: st.session_state.update({f"{key}_painted": True}),
        on_n_change=lambda: None,
        on_pixel_change=lambda: None,
    )
    painted = st.session_state.get(f"{key}_painted", False)
    return Released(whole_step(result.n, start.n), valid_pixel(result.pixel, axis.x.shape[-1]), painted)


def header(axis: Axis, categories: tuple[str, ...], verdicts: list[str], start: Released) -> dict[str, Any]:
    """The answers by step, small enough to travel as JSON: 33 steps are about 10 kB."""
    likeliest, classes = axis.probabilities.topk(TOP)
    return {
        "size": axis.x.shape[-1],
        "n": start.n,
        "pixel": start.pixel,
        "last": FINE[-1],
        "complete": axis.steps == FINE,
        "steps": axis.steps,
        "truth": categories[axis.y],
        "target": None if axis.target is None else categories[axis.target],
        "bars": [
            [[categories[k], round(p, 5)] for k, p in zip(names, values, strict=True)]
            for names, values in zip(classes.tolist(), likeliest.tolist(), strict=True)
        ],
        "fooled": axis.fooled,
        "cleanRight": axis.clean_right,
        "verdicts": verdicts,
    }


def packed_signs(d: Tensor) -> bytes:
    """Signs −1, 0, 1 in two bits each, the lowest bits first, row by row, red, green and blue of each pixel."""
    two_bits = (d[0].permute(1, 2, 0) + 1).byte().numpy().ravel()
    four = np.pad(two_bits, (0, -len(two_bits) % 4)).reshape(-1, 4)
    return (four << np.array([0, 2, 4, 6], dtype=np.uint8)).sum(1, dtype=np.uint8).tobytes()


def whole_step(value: object, otherwise: int) -> int:
    """The browser's word is only its word: anything but a whole step on the axis falls back."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value in FINE else otherwise


def valid_pixel(value: object, size: int) -> tuple[int, int] | None:
    """(row, column) if both lie inside the picture."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(v, int) and 0 <= v < size for v in value):
        return value[0], value[1]
    return None
