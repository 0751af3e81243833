"""An alignment to take home: the matrix of weights as PNG or SVG, the steps as GIF. Drawn by matplotlib, without a screen."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from figures.palette import ALARM, CALM

ONE_HUE = LinearSegmentedColormap.from_list("weights", ["#ffffff", CALM])
CELL = 0.3  # inches
MILLISECONDS, DPI = 900, 90  # a step of the animation, and its resolution


def file(
    weights: np.ndarray,
    source: Sequence[str],
    target: Sequence[str],
    kind: str,
    step: int | None = None,
    dpi: int = 160,
) -> bytes:
    """The matrix with its words and its colour scale.

    Args:
        weights: (target, source).
        kind: "png" or "svg".
        step: a row to frame.
    """
    memory = io.BytesIO()
    _draw(weights, source, target, step).savefig(memory, format=kind, dpi=dpi)
    return memory.getvalue()


def animation(weights: np.ndarray, source: Sequence[str], target: Sequence[str]) -> bytes:
    """A GIF with a frame a step: the rows appear as the words are written, the last one framed.

    The whole is drawn once; what is not written yet is covered.
    """
    figure = _draw(weights, source, target, None)
    figure.set_dpi(DPI)
    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=DPI)
    whole, place = Image.open(memory).convert("RGB"), figure.axes[0].transData.transform
    (left, _), (right, bottom) = place((-0.5, -0.5)), place((len(source) - 0.5, len(target) - 0.5))
    with_mark = whole.copy()
    ImageDraw.Draw(with_mark).rectangle((0, 0, 20, 20), fill=ALARM)
    colours, frames = with_mark.quantize(), []
    for step in range(len(target)):
        frame = whole.copy()
        pen = ImageDraw.Draw(frame)
        top, below = (whole.height - place((0, edge))[1] for edge in (step - 0.5, step + 0.5))
        pen.rectangle((0, below, right + 1, whole.height - bottom + 1), fill="white")
        pen.rectangle((left, top, right, below), outline=ALARM, width=2)
        frames.append(frame.quantize(palette=colours, dither=Image.Dither.NONE))
    memory = io.BytesIO()
    frames[0].save(memory, "GIF", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0)
    return memory.getvalue()


def _draw(weights: np.ndarray, source: Sequence[str], target: Sequence[str], step: int | None) -> Figure:
    rows, columns = weights.shape
    figure = Figure(figsize=(CELL * columns + 3, CELL * rows + 2), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(weights, cmap=ONE_HUE, vmin=0, vmax=1, aspect="equal")
    axes.set_xticks(range(columns), [_plain(word) for word in source], rotation=60, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(rows), [_plain(word) for word in target])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for edge in axes.spines.values():
        edge.set_visible(False)
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e8e8e8", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    if step is not None:
        axes.axhspan(step - 0.5, step + 0.5, fill=False, edgecolor=ALARM, linewidth=2)
    figure.colorbar(drawn, label="weight α", shrink=0.6)
    return figure


def _plain(word: str) -> str:
    """matplotlib reads text between dollar signs as mathematics."""
    return word.replace("$", r"\$")
