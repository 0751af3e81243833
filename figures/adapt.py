"""Drawings of the page "Adapt": the plane as in Ganin's figure 2, the course of a run, λ_p, features that mix."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int
from plotly.subplots import make_subplots

from figures.palette import ALARM, CALM, NOISE, QUIET

ORANGE = "#E69F00"
CLASSES = [[0, CALM], [0.5, "rgba(255,255,255,0)"], [1, ORANGE]]  # class 0, neither, class 1
ORIGINS = [[0, NOISE], [0.5, "rgba(255,255,255,0)"], [1, ALARM]]  # source, neither, target
DOMAINS = (("source", NOISE, "circle"), ("target", ALARM, "x"))
TITLES = (
    "Label head: the class",
    "Features on their two main axes",
    "Judge: source or target",
    "Lines of the hidden units",
)
MARGIN = {"l": 10, "r": 10, "t": 40, "b": 10}
BELOW = {"orientation": "h", "y": -0.08, "yanchor": "top"}


def moons(
    points: Float[np.ndarray, "n 2"],
    y: Int[np.ndarray, " n"],
    d: Int[np.ndarray, " n"],
    fields: tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]],
    features: Float[np.ndarray, "n 2"],
    share: Float[np.ndarray, " 2"],
    units: tuple[Float[np.ndarray, "hidden 2"], Float[np.ndarray, " hidden"]],
    reach: float,
) -> go.Figure:
    r"""The four drawings of Ganin 2016, figure 2: held-out points, classes by colour, source as discs, target as crosses.

    Args:
        fields: probability of class 1, and of the target, all over the plane, which goes from -`reach` to `reach`.
        features: of the points, on their two principal axes; `share`: of the variance that each axis holds.
        units: $W$ and $b$ of the hidden layer: a unit is at ½ on the line $w^\top x + b = 0$.
    """
    figure = make_subplots(2, 2, subplot_titles=TITLES, horizontal_spacing=0.12, vertical_spacing=0.14)
    axis = np.linspace(-reach, reach, len(fields[0]))
    for column, (field, scale) in enumerate(((fields[0], CLASSES), (fields[1], ORIGINS))):
        place = {"row": column + 1, "col": 1}
        shade = {"x": axis, "y": axis, "z": field, "showscale": False, "hoverinfo": "skip"}
        figure.add_heatmap(**shade, zmin=0, zmax=1, colorscale=scale, opacity=0.45, zsmooth="best", **place)
        line = {"start": 0.5, "end": 0.5, "coloring": "lines"}
        figure.add_contour(**shade, contours=line, colorscale=[[0, QUIET], [1, QUIET]], line={"width": 3}, **place)
    _lines(figure, *units, reach)
    for row, column, where in ((1, 1, points), (1, 2, features), (2, 1, points), (2, 2, points)):
        by_domain = (row, column) in ((2, 1), (1, 2))
        _points(figure, where, y, d, by_domain=by_domain, legend=(row, column) in ((1, 1), (2, 1)), row=row, col=column)
    for row, column in ((1, 1), (2, 1), (2, 2)):
        figure.update_xaxes(range=[-reach, reach], showgrid=False, zeroline=False, row=row, col=column)
        figure.update_yaxes(range=[-reach, reach], showgrid=False, zeroline=False, row=row, col=column)
    figure.layout.annotations[1].text = f"features, PCA: {share[0]:.0%}, {share[1]:.0%}"
    return figure.update_layout(height=720, margin=MARGIN, legend=BELOW)


def _points(
    figure: go.Figure,
    where: Float[np.ndarray, "n 2"],
    y: Int[np.ndarray, " n"],
    d: Int[np.ndarray, " n"],
    *,
    by_domain: bool,
    legend: bool,
    row: int,
    col: int,
) -> None:
    """Discs of the source, crosses of the target; colours say the class, or, `by_domain`, the domain once more."""
    for number, (name, colour, symbol) in enumerate(DOMAINS):
        groups = [(name, d == number, colour)]
        if not by_domain:
            groups = [(f"{name}, class {k}", (d == number) & (y == k), (CALM, ORANGE)[k]) for k in (0, 1)]
        for title, chosen, shade in groups:
            figure.add_scatter(
                x=where[chosen, 0],
                y=where[chosen, 1],
                name=title,
                legendgroup=title,
                showlegend=legend,
                mode="markers",
                marker={"color": shade, "symbol": symbol, "size": 6},
                hovertemplate=f"{title}<extra></extra>",
                row=row,
                col=col,
            )


def _lines(figure: go.Figure, W: Float[np.ndarray, "hidden 2"], b: Float[np.ndarray, " hidden"], reach: float) -> None:
    """Where each hidden unit is at one half: a line, all of them one trace; those outside the plane are outside."""
    length = np.linalg.norm(W, axis=1, keepdims=True) + 1e-9
    foot, along = -W * b[:, None] / length**2, np.stack([-W[:, 1], W[:, 0]], 1) / length
    ends = np.stack([foot - 3 * reach * along, foot + 3 * reach * along, np.full_like(foot, np.nan)], 1).reshape(-1, 2)
    line = {"color": QUIET, "width": 1.5}
    figure.add_scatter(
        x=ends[:, 0],
        y=ends[:, 1],
        name=f"{len(W)} hidden units",
        mode="lines",
        line=line,
        hoverinfo="skip",
        row=2,
        col=2,
    )


LINES = (
    ("accuracy_target", "accuracy on the target", ALARM, "solid"),
    ("accuracy_source", "accuracy on the source", NOISE, "dash"),
    ("judge", "the judge in the game", CALM, "solid"),
    ("probe", "a fresh probe", ORANGE, "dot"),
)


def course(series: Mapping[str, tuple[Sequence[int], Sequence[float]]], chance: float = 50.0) -> go.Figure:
    """Accuracies as the run goes on, and λ below. Args: series: steps and values by the metric's name; chance: of the judge."""
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.06)
    for metric, title, colour, dash in LINES:
        steps, values = series.get(metric, ([], []))
        line = {"color": colour, "dash": dash}
        figure.add_scatter(
            x=list(steps), y=list(values), name=title, mode="lines+markers", marker={"size": 4}, line=line, row=1, col=1
        )
    figure.add_hline(chance, line={"color": QUIET, "dash": "dot"}, annotation_text="chance of the judge", row=1, col=1)
    steps, values = series.get("lambda", ([], []))
    figure.add_scatter(x=list(steps), y=list(values), name="λ", line={"color": QUIET, "width": 3}, row=2, col=1)
    figure.update_yaxes(title="%", range=[0, 103], row=1, col=1)
    figure.update_yaxes(title="λ", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title="step", row=2, col=1)
    figure.update_traces(hovertemplate="%{y:.4g}")
    return figure.update_layout(height=420, margin=MARGIN, hovermode="x unified", legend=BELOW | {"y": -0.2})


def schedule(p: Float[np.ndarray, " n"], strength: Float[np.ndarray, " n"], now: tuple[float, float]) -> go.Figure:
    """λ against the part of the training that is done, and where the run is."""
    figure = go.Figure()
    figure.add_scatter(x=p, y=strength, name="λ", mode="lines", line={"color": QUIET, "width": 3})
    mark = {"color": ALARM, "size": 12}
    figure.add_scatter(x=[now[0]], y=[now[1]], name="now", mode="markers", marker=mark)
    figure.update_xaxes(title="p, the part that is done")
    figure.update_yaxes(title="λ", rangemode="tozero")
    return figure.update_layout(height=260, margin=MARGIN, showlegend=False)


def scrubbed(columns: Mapping[str, Sequence[Mapping[str, Sequence]]]) -> go.Figure:  # type: ignore[type-arg]
    """Features of both domains on their main axes, a column a network, with a slider over the epochs that asks no server.

    Args: columns: by title, of each epoch `features`, `share`, `d`, `y`.
    """
    figure = make_subplots(1, len(columns), subplot_titles=list(columns), horizontal_spacing=0.06)
    epochs = min(len(moments) for moments in columns.values())
    first = [trace for column, moments in enumerate(columns.values()) for trace in _mixed(moments[0], column)]
    for column, trace in first:
        figure.add_trace(trace, row=1, col=column + 1)
    figure.frames = [
        go.Frame(
            name=str(epoch),
            data=[t for column, moments in enumerate(columns.values()) for _, t in _mixed(moments[epoch], column)],
        )
        for epoch in range(epochs)
    ]
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"method": "animate", "label": str(epoch), "args": [[str(epoch)], at_once]} for epoch in range(epochs)]
    for column, moments in enumerate(columns.values(), 1):
        points = np.concatenate([np.asarray(moment["features"]) for moment in moments])
        low, high = np.percentile(points, [1, 99], axis=0)
        room = 0.15 * (high - low)
        figure.update_xaxes(range=[low[0] - room[0], high[0] + room[0]], row=1, col=column)
        figure.update_yaxes(range=[low[1] - room[1], high[1] + room[1]], row=1, col=column)
    return figure.update_layout(
        height=480,
        margin=MARGIN,
        legend=BELOW | {"y": 1.22, "yanchor": "top"},
        sliders=[{"steps": steps, "currentvalue": {"prefix": "epoch "}, "pad": {"t": 30}}],
    )


def _mixed(moment: Mapping[str, Sequence], column: int) -> list[tuple[int, go.Scatter]]:  # type: ignore[type-arg]
    features, d, y = (np.asarray(moment[name]) for name in ("features", "d", "y"))
    return [
        (
            column,
            go.Scatter(
                x=features[d == number, 0],
                y=features[d == number, 1],
                customdata=y[d == number],
                name=name,
                legendgroup=name,
                showlegend=column == 0,
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 6},
                hovertemplate=f"{name}, a %{{customdata}}<extra></extra>",
            ),
        )
        for number, (name, colour, symbol) in enumerate(DOMAINS)
    ]


def opinions(names: Sequence[str], p: Float[np.ndarray, "networks classes"], truth: int) -> go.Figure:
    """What each network says, a bar a digit; the true one is marked at the axis."""
    figure = go.Figure()
    for name, row, colour in zip(names, p, (NOISE, ALARM), strict=True):
        figure.add_bar(
            x=list(range(len(row))), y=100 * row, name=name, marker={"color": colour}, hovertemplate="%{y:.1f} %"
        )
    ticks = [f"<b>{k} ✓</b>" if k == truth else str(k) for k in range(p.shape[1])]
    figure.update_xaxes(title="digit", tickvals=list(range(len(ticks))), ticktext=ticks)
    figure.update_yaxes(title="probability, %", range=[0, 103])
    return figure.update_layout(height=320, margin=MARGIN, legend={"orientation": "h", "y": 1, "yanchor": "bottom"})
