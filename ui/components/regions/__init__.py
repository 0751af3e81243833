r"""Stepping through what a model looked at in a picture: a map of weights a step over the picture's regions, drawn in the browser.

The picture travels once, lossless, in a message of its own; the weights of all steps once a decoding (float32: what is shown is
what the network computed). Stepping, smoothing, comparing and pointing ask nobody. A touch (a map painted, erased or moved, a
forbidden cell, a forced word) comes back as `Seen.touch`, is decoded anew by the server, and shown beside the untouched one.
"""

import io
from dataclasses import dataclass

import numpy as np
import streamlit as st
from jaxtyping import UInt8
from PIL import Image

from models.trace import Trace
from models.writer import Touch
from ui.components.packing import files, pack
from ui.components.touching import Seen, as_plain, changed, mounted, offline, visible

HTML, CSS, JS = files("regions", "stepping")
SHORTER = 448  # pixels on the shorter side that are shown at most: twice what the networks see

_component = st.components.v2.component("regions", html=HTML, css=CSS, js=JS)
_picture = st.components.v2.component(
    "regions_picture", js=JS
)  # draws nothing; the same script, so both have what it holds


@dataclass(frozen=True)
class Photo:
    """A picture on its way to the browser: a lossless file, `width` × `height` pixels; `digest` tells it from others."""

    digest: str
    file: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Manner:
    """How a page speaks of its steps.

    Attributes:
        unit: what a step is: "word", "letter", "hop".
        outcome: what its candidates are: "word", "letter", "answer".
        label: what is written, of a single trace.
        symbol: what the weights are called.
        writes: whether a step writes one of its candidates, so that another can be forced; if not, its best stands for it.
        path: whether the glimpse path is drawn from the beginning.
        first: the step (from 0) in view at the beginning.
        beside: the step (from 0) that is kept beside the one in view from the beginning.
    """

    unit: str = "word"
    outcome: str = "word"
    label: str = "caption"
    symbol: str = "α"
    writes: bool = True
    path: bool = False
    first: int = 0
    beside: int | None = None


def photo(pixels: UInt8[np.ndarray, "height width 3"], digest: str) -> Photo:
    """Pixels as a lossless WebP file; if the shorter side has more than `SHORTER`, made smaller before (bicubic, antialiased)."""
    image = Image.fromarray(pixels)
    scale = SHORTER / min(image.size)
    if scale < 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True, method=0)
    return Photo(digest, file.getvalue(), *image.size)


def regions(
    shot: Photo,
    untouched: Trace,
    touched: Trace | None,
    touch: Touch,
    manner: Manner,
    *,
    of: str,
    step: int,
    editable: bool = True,
    paintable: bool = True,
    key: str = "regions",
) -> Seen:
    """Show the picture with the untouched trace's maps and, if there is one, the touched one's.

    The traces' `values["grid"]` are the rows and columns of regions, which go row by row from the top left and cover the picture.
    What can be looked at beyond these (a transformer's state of the whole picture) is not drawn; its share is said.

    Args: of: what was asked of which picture; step: where it begins; editable: anything can be touched; paintable: the maps, too.
    """
    size = len((touched or untouched).target), len(untouched.source)
    with st.container(gap=None):
        _picture(key=f"{key}_picture", data=carried(shot))
        data = packed(shot, untouched, touched, touch, manner, of=of, step=step, editable=editable, paintable=paintable)
        return mounted(_component, data, of, touch, step, size, key)


def carried(shot: Photo) -> bytes:
    """The picture's own message: equal bytes are not sent again."""
    return pack({"picture": shot.digest}, shot.file)


def packed(
    shot: Photo,
    untouched: Trace,
    touched: Trace | None,
    touch: Touch,
    manner: Manner,
    *,
    of: str,
    step: int = 0,
    editable: bool = True,
    paintable: bool = True,
) -> bytes:
    """All else that the browser needs: a header and, for each trace, weights and scores of its first head."""
    traces = [untouched, *([touched] if touched else [])]
    rows, columns = grid(untouched)
    head = {
        "of": of,
        "digest": shot.digest,
        "size": [shot.width, shot.height],
        "grid": [rows, columns],
        "labels": ["untouched", "touched"] if touched else [manner.label],
        "step": min(step, len(traces[-1].target) - 1),
        "others": untouched.source[rows * columns :],
        "editable": editable,
        "paintable": editable and paintable,
        "symbol": manner.symbol,
        "unit": manner.unit,
        "outcome": manner.outcome,
        "writes": manner.writes,
        "path": manner.path,
        "beside": manner.beside,
        "touch": as_plain(touch),
        "traces": [
            {
                "target": visible(words_of(trace, manner)),
                "columns": trace.weights.shape[2],
                "candidates": [[[word, round(p, 6)] for word, p in each] for each in trace.candidates],
                "notes": {str(t): note for t, note in trace.notes.items()},
                "changed": changed(words_of(untouched, manner), words_of(trace, manner)),
            }
            for trace in traces
        ],
    }
    arrays = [part[0].astype("<f4").tobytes() for trace in traces for part in (trace.weights, trace.scores)]
    return pack(head, *arrays)


def words_of(trace: Trace, manner: Manner) -> tuple[str, ...]:
    """What stands for each step: what it wrote, or what would be decided after it."""
    return trace.target if manner.writes else tuple(best[0][0] for best in trace.candidates)


def grid(trace: Trace) -> tuple[int, int]:
    """Rows and columns of regions. Raises ValueError if there are fewer things to look at."""
    rows, columns = (int(number) for number in trace.values["grid"])
    if rows * columns > trace.weights.shape[2]:
        raise ValueError(f"{trace.weights.shape[2]} regions are no grid of {rows} rows and {columns} columns.")
    return rows, columns


def standalone(shot: Photo, trace: Trace, manner: Manner, title: str) -> bytes:
    """One HTML file that steps through the maps without a server or a network."""
    data = packed(shot, trace, None, Touch(), manner, of=title, editable=False)
    return offline((HTML, CSS, JS), title, data, carried(shot))
