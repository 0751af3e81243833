"""Drawings of the page "What to label next": accuracy against labels, and a plane with its boundary and the distances to it."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float, Int

from figures.bands import add_band
from figures.boundary import add_boundary
from figures.palette import ALARM, CALM, NOISE, QUIET

PURPLE, ORANGE = "#CC79A7", "#E69F00"
STYLES = (
    (QUIET, "x", "dot"),
    (NOISE, "square", "dash"),
    (CALM, "diamond", "dashdot"),
    (ALARM, "circle", "solid"),
    (PURPLE, "star", "solid"),
)
SIDES = [[0, CALM], [0.5, "rgba(255,255,255,0)"], [1, ORANGE]]  # of the boundary: one class, neither, the other

FEW = 12  # numbers of labels that are all written at the axis
Curve = tuple[Sequence[int], Sequence[float], Sequence[float]]  # labels, mean accuracy in %, standard deviation


def curves(lines: Mapping[str, Curve], styles: Mapping[str, int], band: str) -> go.Figure:
    """Accuracy against labels, a line a strategy with one standard deviation to either side.

    Args: styles: the number of each line's style, the same wherever it is drawn; band: what the shade is, for the axis.
    """
    figure = go.Figure()
    for name, (labels, means, spread) in lines.items():
        add_band(figure, labels, means, spread, name, STYLES[styles[name]])
    longest = max((labels for labels, _, _ in lines.values()), key=len, default=())
    figure.update_xaxes(title="labels", tickvals=list(longest) if len(longest) <= FEW else None)
    figure.update_yaxes(title=f"test accuracy, %{band}")
    return figure.update_layout(
        height=400,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        hovermode="x unified",
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )


def plane(
    axes: tuple[Float[np.ndarray, " columns"], Float[np.ndarray, " rows"]],
    p: Float[np.ndarray, "rows columns"],
    unlabelled: Float[np.ndarray, "pool 2"],
    measured: tuple[Float[np.ndarray, "some 2"], Float[np.ndarray, "some 2"]],
    labelled: Float[np.ndarray, "labelled 2"],
    labels: Int[np.ndarray, " labelled"],
    free: Bool[np.ndarray, " labelled"],
    picked: Float[np.ndarray, "picked 2"],
    partner: Float[np.ndarray, "picked 2"],
    distance: Float[np.ndarray, " picked"],
) -> go.Figure:
    r"""Points of two classes, the boundary $p = \frac12$, and an arrow from each picked point to its place across it.

    Args:
        p: of the second class, on the grid of `axes`.
        measured: some of the unlabelled, and the nearest place across the boundary of each.
        free: which of the labelled are adversarial partners.
    """
    figure = go.Figure()
    x, y = axes
    add_boundary(figure, x, y, p, SIDES)
    _points(figure, unlabelled, f"no label: {len(unlabelled)}", {"color": QUIET, "size": 5, "opacity": 0.7})
    _ways(figure, *measured)
    for k, (colour, symbol) in enumerate(((CALM, "circle"), (ORANGE, "square"))):
        _points(figure, labelled[(labels == k) & ~free], f"label {k}", {"color": colour, "symbol": symbol, "size": 11})
        if (free & (labels == k)).any():
            mark = {"color": colour, "symbol": f"{symbol}-open", "size": 9}
            _points(figure, labelled[(labels == k) & free], f"free label {k}", mark)
    for start, end in zip(picked, partner, strict=True):
        figure.add_annotation(
            x=end[0],
            y=end[1],
            ax=start[0],
            ay=start[1],
            **dict.fromkeys(("xref", "axref"), "x"),
            **dict.fromkeys(("yref", "ayref"), "y"),
            showarrow=True,
            arrowhead=2,
            arrowwidth=2,
            arrowcolor=ALARM,
        )
    figure.add_scatter(
        x=picked[:, 0],
        y=picked[:, 1],
        customdata=distance,
        name="asked for next",
        mode="markers",
        marker={"symbol": "circle-open", "size": 16, "color": ALARM, "line": {"width": 3}},
        hovertemplate="‖η‖₂ = %{customdata:.4f}",
    )
    figure.update_xaxes(title="x₁", range=[float(x[0]), float(x[-1])], showgrid=False)
    figure.update_yaxes(title="x₂", range=[float(y[0]), float(y[-1])], showgrid=False)
    return figure.update_layout(
        height=480,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )


def _ways(figure: go.Figure, start: Float[np.ndarray, "some 2"], end: Float[np.ndarray, "some 2"]) -> None:
    """A thin line from each point to its place across the boundary, all of them one trace."""
    gap = np.full_like(start, np.nan)
    x, y = np.stack([start, end, gap], 1).reshape(-1, 2).T
    name, line = f"distance of {len(start)} of them", {"color": QUIET, "width": 1}
    figure.add_scatter(x=x, y=y, name=name, mode="lines", line=line, hoverinfo="skip")


def _points(figure: go.Figure, xy: Float[np.ndarray, "points 2"], name: str, marker: Mapping[str, object]) -> None:
    figure.add_scatter(x=xy[:, 0], y=xy[:, 1], name=name, mode="markers", marker=dict(marker), hoverinfo="skip")
