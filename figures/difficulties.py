"""Drawings of the page "Difficulties": two runs side by side, what was recorded over many seeds, digits in two colours."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int
from plotly.colors import hex_to_rgb

from figures.bands import Style, add_band
from figures.palette import ALARM, CALM, QUIET

SIDES: tuple[tuple[str, str], ...] = ((ALARM, "circle"), (CALM, "square"))  # of the run that fails, of the one mended
DASHES = ("solid", "dot")  # of the first accuracy, of the second
COLOURS = (CALM, "#E69F00")  # of the digits
MARGIN = {"l": 10, "r": 10, "t": 40, "b": 10}
LEGEND = {"orientation": "h", "y": -0.2, "yanchor": "top"}
HEIGHT = 440
ENLARGED = 6  # pixels of a digit's pixel

Band = tuple[Sequence[float], Sequence[float]]  # means and standard deviations, in %


def style(side: int, metric: int) -> Style:
    colour, symbol = SIDES[side]
    return colour, symbol, DASHES[metric]


def course(lines: Mapping[tuple[int, int], tuple[str, Sequence[int], Sequence[float]]], steps: int) -> go.Figure:
    """Accuracies of both runs as they go on. Args: lines: name, steps and values in %, by side and number of the metric."""
    figure = go.Figure()
    for (side, metric), (name, at, values) in lines.items():
        add_band(figure, list(at), list(values), [0.0] * len(at), name, style(side, metric))
    figure.update_traces(hovertemplate="%{y:.1f} %")
    figure.update_xaxes(title="step", range=[0, steps])
    figure.update_yaxes(title="%", range=[0, 103])
    return figure.update_layout(height=HEIGHT, margin=MARGIN, hovermode="x unified", legend=LEGEND)


def sweep(
    values: Sequence[str], bands: Mapping[tuple[int, int], tuple[str, Band]], turned: str, here: str, seeds: int
) -> go.Figure:
    """What was reached for each value of what is turned. Args: bands: name and band by side and number of the metric."""
    figure = go.Figure()
    for (side, metric), (name, (means, spread)) in bands.items():
        add_band(figure, range(len(values)), means, spread, name, style(side, metric))
    if here in values:
        figure.add_vline(x=list(values).index(here), line={"color": QUIET, "dash": "dot"})
    figure.update_xaxes(title=turned, tickvals=list(range(len(values))), ticktext=list(values))
    figure.update_yaxes(title=f"%, mean ± 1 s.d. of {seeds} seeds")
    return figure.update_layout(height=HEIGHT, margin=MARGIN, hovermode="x unified", legend=LEGEND)


def digits(x: Float[np.ndarray, "n 2 8 8"], colours: Sequence[str] = COLOURS) -> Int[np.ndarray, "height width 3"]:
    """Digits beside each other, each in the colour of its plane, on white: a picture of 8 bits."""
    ink = np.array([hex_to_rgb(colour) for colour in colours], dtype=float)
    white = 255 - np.einsum("nchw,ck->nhwk", np.clip(x, 0, 1), 255 - ink)
    gap = np.full((len(x), 8, 1, 3), 255.0)
    rows = np.concatenate([white, gap], axis=2)
    picture = np.concatenate(list(rows), axis=1).round().astype(np.int64)
    return picture.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
