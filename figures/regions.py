"""Maps over a picture to take home: one step, all steps, the steps as GIF. Drawn by matplotlib, always the raw grid."""

import io
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from figures.alignment import MILLISECONDS
from figures.palette import ALARM

STRENGTH = 0.6  # of the map over the picture
ACROSS = 5  # maps in a line


def one(
    picture: UInt8[np.ndarray, "height width 3"],
    maps: Float[np.ndarray, "steps rows columns"],
    words: Sequence[str],
    step: int,
    *,
    path: bool = False,
    dpi: int = 160,
) -> bytes:
    """A PNG of the picture under one step's map, with what is written at it underlined, and the scale.

    Args: path: draw the glimpse path up to the step, too.
    """
    height, width, _ = picture.shape
    tall = 4.6 if height > width else max(1.8, 6.2 * height / width)
    figure = Figure(figsize=(tall * width / height + 1.6, tall + 0.9), layout="constrained")
    axes = figure.subplots()
    drawn = _map(axes, picture, maps[step], float(maps[step].max()))
    if path:
        _path(axes, maps, step)
    axes.set_title(_underlined(words, step), fontsize=11, wrap=True, parse_math=False)
    scale = figure.colorbar(drawn, shrink=0.85)
    scale.set_label(f"weight α of “{words[step]}”", parse_math=False)
    assert scale.solids is not None
    scale.solids.set_alpha(1)
    return _png(figure, dpi)


def all_steps(
    picture: UInt8[np.ndarray, "height width 3"], maps: Float[np.ndarray, "steps rows columns"], words: Sequence[str]
) -> bytes:
    """A PNG of the picture once a step, each map on a scale of its own, whose largest weight is said."""
    height, width, _ = picture.shape
    lines = math.ceil(len(words) / ACROSS)
    figure = Figure(figsize=(2.2 * ACROSS, lines * (2.2 * height / width + 0.4)), layout="constrained")
    for t, axes in enumerate(figure.subplots(lines, ACROSS, squeeze=False).flat):
        if t < len(words):
            _map(axes, picture, maps[t], float(maps[t].max()))
            axes.set_title(f"{t + 1} {words[t]} · α ≤ {maps[t].max():.3f}", fontsize=8, parse_math=False)
        else:
            axes.set_axis_off()
    return _png(figure, 160)


def animation(
    picture: UInt8[np.ndarray, "height width 3"],
    maps: Float[np.ndarray, "steps rows columns"],
    words: Sequence[str],
    *,
    path: bool = False,
) -> bytes:
    """A GIF with a frame a step."""
    files = (one(picture, maps, words, step, path=path, dpi=90) for step in range(len(words)))
    frames = [Image.open(io.BytesIO(file)).convert("P", palette=Image.Palette.ADAPTIVE) for file in files]
    memory = io.BytesIO()
    frames[0].save(memory, "GIF", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0)
    return memory.getvalue()


def centres(maps: Float[np.ndarray, "steps rows columns"]) -> Float[np.ndarray, "steps 2"]:
    """Where each step looks on average: the weighted mean of the cells' centres (column, row), in cells from the top left."""
    rows, columns = maps.shape[1:]
    total = maps.sum((1, 2))
    across = (maps.sum(1) * (np.arange(columns) + 0.5)).sum(1) / total
    down = (maps.sum(2) * (np.arange(rows) + 0.5)).sum(1) / total
    return np.stack([across, down], axis=1)


def _map(axes: Axes, picture: np.ndarray, weights: np.ndarray, most: float) -> AxesImage:
    """White where the model looks, black where it does not, mixed into the picture."""
    rows, columns = weights.shape
    whole = (0, columns, rows, 0)
    axes.imshow(picture, extent=whole)
    drawn = axes.imshow(
        weights, cmap="gray", vmin=0, vmax=most or 1, alpha=STRENGTH, extent=whole, interpolation="nearest"
    )
    axes.set_aspect(picture.shape[0] / rows / (picture.shape[1] / columns))
    axes.set_axis_off()
    return drawn


def _path(axes: Axes, maps: np.ndarray, step: int) -> None:
    across, down = centres(maps[: step + 1]).T
    axes.plot(across, down, color="white", linewidth=4)
    axes.plot(across, down, color=ALARM, linewidth=2, marker="o", markeredgecolor="white")


def _underlined(words: Sequence[str], step: int) -> str:
    underlined = "".join(letter + "\u0332" for letter in words[step])
    return " ".join([*words[:step], underlined, *words[step + 1 :]])


def _png(figure: Figure, dpi: int) -> bytes:
    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=dpi)
    return memory.getvalue()
