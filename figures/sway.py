"""The maps and curves of the page "Attention under attack": numbers in, pixels or Plotly figures out."""

from collections.abc import Collection, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, UInt8
from PIL import ImageColor
from plotly.subplots import make_subplots
from scipy.ndimage import binary_erosion

from figures.palette import ALARM, CALM, NOISE, QUIET

Pixels = UInt8[np.ndarray, "height width 3"]
DARK = 0.25  # of the brightness is left where nothing is looked at


def lit(pixels: Pixels, look: Float[np.ndarray, "rows columns"], most: float) -> Pixels:
    """The picture, bright where it is looked at: the raw grid, `most` at full brightness, so that maps can share a scale."""
    height, width, _ = pixels.shape
    rows, columns = look.shape
    share = (look / most if most > 0 else np.zeros_like(look)).clip(0, 1)
    full = share[np.arange(height) * rows // height][:, np.arange(width) * columns // width]
    return (pixels * (DARK + (1 - DARK) * full[..., None])).round().astype(np.uint8)


def outlined(pixels: Pixels, grid: tuple[int, int], cells: Collection[int]) -> Pixels:
    """The picture with a line around these cells of a grid, row by row from the top left: coloured, on white."""
    (height, width, _), (rows, columns) = pixels.shape, grid
    chosen = np.isin(np.arange(rows * columns), list(cells)).reshape(grid)
    inside = np.zeros((height + 2, width + 2), dtype=bool)
    inside[1:-1, 1:-1] = chosen[np.arange(height) * rows // height][:, np.arange(width) * columns // width]
    drawn, wide = pixels.copy(), max(2, min(height, width) // 120)
    for colour, reach in (((255, 255, 255), 2 * wide), (ImageColor.getrgb(ALARM), wide)):
        kept = binary_erosion(inside, iterations=reach)
        drawn[(inside & ~kept)[1:-1, 1:-1]] = colour
    return drawn


def against_epsilon(
    n: Sequence[float],
    moved: Sequence[float],
    carried: Sequence[float],
    log_p: Sequence[float],
    changes: Sequence[float],
) -> go.Figure:
    """How far the map in view has moved, and how likely the old words still are, against ε; lines where what is said changes.

    Args: n: ε in 255ths; moved: total variation; carried: earth mover's distance, cells; log_p: of the words said at ε = 0.
    """
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.14)
    for name, values, colour, dash, column in (
        ("total variation, 0 to 1", moved, ALARM, "solid", 1),
        ("earth mover's distance, cells", carried, CALM, "dash", 1),
        ("log p of the old words, nats", log_p, NOISE, "solid", 2),
    ):
        line = {"color": colour, "dash": dash}
        figure.add_scatter(x=list(n), y=list(values), name=name, mode="lines+markers", line=line, row=1, col=column)
    for at in changes:
        figure.add_vline(at, line={"color": QUIET, "dash": "dot"})
    figure.update_xaxes(title="ε, 255ths", rangemode="tozero")
    figure.update_yaxes(title="the map moved by", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title="log p", row=1, col=2)
    return figure.update_layout(
        height=300, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": -0.3}
    )
