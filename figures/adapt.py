"""Drawings of the page "Adapt": the plane as in Ganin's figure 2, the course of a run, λ_p, features that mix."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int
from plotly.subplots import make_subplots

from figures.boundary import add_boundary
from figures.palette import ALARM, CALM, NOISE, QUIET

ORANGE = "#E69F00"
CLASSES = [[0, CALM], [0.5, "rgba(255,255,255,0)"], [1, ORANGE]]  # class 0, neither, class 1
ORIGINS = [[0, NOISE], [0.5, "rgba(255,255,255,0)"], [1, ALARM]]  # source, neither, target
DOMAINS = (("source", NOISE, "circle"), ("target", ALARM, "x"))
MARGIN = {"l": 10, "r": 10, "t": 40, "b": 10}
BELOW = {"orientation": "h", "y": -0.12, "yanchor": "top"}
FRAMES_EACH = 4  # of the likeliest frames of each network
SQUARE = 400  # pixels: the height of a drawing of the plane


def boundary(
    points: Float[np.ndarray, "n 2"],
    y: Int[np.ndarray, " n"],
    d: Int[np.ndarray, " n"],
    field: Float[np.ndarray, "rows columns"],
    reach: float,
    *,
    by_domain: bool,
) -> go.Figure:
    """Held-out points on what a head says all over the plane: of the class, or, `by_domain`, of source and target.

    Args: field: probability of class 1 or of the target; the plane goes from -`reach` to `reach`, rows from below.
    """
    figure = go.Figure()
    axis = np.linspace(-reach, reach, len(field))
    add_boundary(figure, axis, axis, field, ORIGINS if by_domain else CLASSES)
    _points(figure, points, y, d, by_domain=by_domain)
    return _plane(figure, "Judge: source or target" if by_domain else "Label head: the class", reach)


def features(
    f: Float[np.ndarray, "n 2"], y: Int[np.ndarray, " n"], d: Int[np.ndarray, " n"], share: Float[np.ndarray, " 2"]
) -> go.Figure:
    """The features of the points on their two principal axes. Args: share: of the variance that each axis holds."""
    figure = go.Figure()
    _points(figure, f, y, d, by_domain=True)
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_yaxes(showgrid=False, zeroline=False)
    return _dressed(figure, f"Features, PCA: {share[0]:.0%} and {share[1]:.0%} of variance")


def units(
    points: Float[np.ndarray, "n 2"],
    y: Int[np.ndarray, " n"],
    d: Int[np.ndarray, " n"],
    W: Float[np.ndarray, "hidden 2"],
    b: Float[np.ndarray, " hidden"],
    reach: float,
) -> go.Figure:
    r"""Where each hidden unit is at one half: on the line $w^\top x + b = 0$; those outside the plane are outside."""
    length = np.linalg.norm(W, axis=1, keepdims=True) + 1e-9
    foot, along = -W * b[:, None] / length**2, np.stack([-W[:, 1], W[:, 0]], 1) / length
    ends = np.stack([foot - 3 * reach * along, foot + 3 * reach * along, np.full_like(foot, np.nan)], 1).reshape(-1, 2)
    figure = go.Figure()
    line = {"color": QUIET, "width": 1.5}
    name = f"{len(W)} hidden units"
    figure.add_scatter(x=ends[:, 0], y=ends[:, 1], name=name, mode="lines", line=line, hoverinfo="skip")
    _points(figure, points, y, d, by_domain=False)
    return _plane(figure, "Hidden units", reach)


def _plane(figure: go.Figure, title: str, reach: float) -> go.Figure:
    figure.update_xaxes(range=[-reach, reach], showgrid=False, zeroline=False)
    figure.update_yaxes(range=[-reach, reach], showgrid=False, zeroline=False)
    return _dressed(figure, title)


def _dressed(figure: go.Figure, title: str) -> go.Figure:
    return figure.update_layout(title={"text": title, "font": {"size": 16}}, height=SQUARE, margin=MARGIN, legend=BELOW)


def _points(
    figure: go.Figure,
    where: Float[np.ndarray, "n 2"],
    y: Int[np.ndarray, " n"],
    d: Int[np.ndarray, " n"],
    *,
    by_domain: bool,
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
                mode="markers",
                marker={"color": shade, "symbol": symbol, "size": 6},
                hovertemplate=f"{title}<extra></extra>",
            )


LINES = (
    ("accuracy_target", "accuracy on the target", ALARM, "solid"),
    ("accuracy_source", "accuracy on the source", NOISE, "dash"),
    ("judge", "the judge in the game", CALM, "solid"),
    ("probe", "a fresh probe", ORANGE, "dot"),
)


def course(series: Mapping[str, tuple[Sequence[int], Sequence[float]]], steps: int, chance: float = 50.0) -> go.Figure:
    """Accuracies as the run goes on, and λ below.

    Args: series: steps and values by the metric's name; steps: of the whole run; chance: of the judge, in %.
    """
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.06)
    for metric, title, colour, dash in LINES:
        at, values = series.get(metric, ([], []))
        line = {"color": colour, "dash": dash}
        figure.add_scatter(
            x=list(at), y=list(values), name=title, mode="lines+markers", marker={"size": 4}, line=line, row=1, col=1
        )
    even = {"color": QUIET, "dash": "dot"}
    figure.add_scatter(
        x=[0, steps], y=[chance, chance], name="chance of the judge", mode="lines", line=even, row=1, col=1
    )
    at, values = series.get("lambda", ([], []))
    figure.add_scatter(x=list(at), y=list(values), name="λ", line={"color": QUIET, "width": 3}, row=2, col=1)
    figure.update_yaxes(title="%", range=[0, 103], row=1, col=1)
    figure.update_yaxes(title="λ", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(range=[0, steps])
    figure.update_xaxes(title="step", row=2, col=1)
    figure.update_traces(hovertemplate="%{y:.4g}")
    return figure.update_layout(height=440, margin=MARGIN, hovermode="x unified", legend=BELOW | {"y": -0.2})


def schedule(p: Float[np.ndarray, " n"], strength: Float[np.ndarray, " n"], now: tuple[float, float]) -> go.Figure:
    """λ against the part of the training that is done, and where the run is."""
    figure = go.Figure()
    figure.add_scatter(x=p, y=strength, name="λ", mode="lines", line={"color": QUIET, "width": 3})
    mark = {"color": ALARM, "size": 12}
    figure.add_scatter(x=[now[0]], y=[now[1]], name="now", mode="markers", marker=mark)
    figure.update_xaxes(title="p, the part that is done")
    figure.update_yaxes(title="λ", rangemode="tozero")
    return figure.update_layout(height=260, margin=MARGIN, showlegend=False)


def scrubbed(columns: Mapping[str, Mapping[str, Sequence]]) -> go.Figure:  # type: ignore[type-arg]
    """Features of both domains on their main axes, a column a network, with a slider over the snapshots that asks no server.

    Args: columns: by title, `d` and `y` of the examples, and `across` and `up` for every snapshot.
    """
    figure = make_subplots(1, len(columns), subplot_titles=list(columns), horizontal_spacing=0.06)
    moments = min(len(found["across"]) for found in columns.values())
    for column, found in enumerate(columns.values(), 1):
        for trace in _mixed(found, 0, legend=column == 1):
            figure.add_trace(trace, row=1, col=column)
        for update, coordinate in ((figure.update_xaxes, "across"), (figure.update_yaxes, "up")):
            low, high = np.percentile(np.concatenate([np.asarray(one) for one in found[coordinate]]), [1, 99])
            update(range=[low - 0.15 * (high - low), high + 0.15 * (high - low)], row=1, col=column)
    figure.frames = [
        go.Frame(
            name=str(k),
            data=[trace for i, found in enumerate(columns.values()) for trace in _mixed(found, k, legend=i == 0)],
        )
        for k in range(moments)
    ]
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"method": "animate", "label": str(k), "args": [[str(k)], at_once]} for k in range(moments)]
    return figure.update_layout(
        height=480,
        margin=MARGIN,
        legend=BELOW | {"y": 1.22, "yanchor": "top"},
        sliders=[{"steps": steps, "currentvalue": {"prefix": "snapshot "}, "pad": {"t": 30}}],
    )


def _mixed(found: Mapping[str, Sequence], moment: int, *, legend: bool) -> list[go.Scatter]:  # type: ignore[type-arg]
    x, y, d, digit = (
        np.asarray(values) for values in (found["across"][moment], found["up"][moment], found["d"], found["y"])
    )
    return [
        go.Scatter(
            x=x[d == number],
            y=y[d == number],
            customdata=digit[d == number],
            name=name,
            legendgroup=name,
            showlegend=legend,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 6},
            hovertemplate=f"{name}, a %{{customdata}}<extra></extra>",
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


def frames(names: Sequence[str], p: Float[np.ndarray, "networks frames"], frame_names: Sequence[str]) -> go.Figure:
    """The frames that either network finds likely, and how likely: a pair of bars each, the likeliest on top."""
    chosen = {int(k) for row in p for k in np.argsort(-row)[:FRAMES_EACH]}
    rows = sorted(chosen, key=lambda k: float(p[:, k].sum()))
    figure = go.Figure()
    for name, row, colour in zip(names, p, (NOISE, ALARM), strict=True):
        bars = {"x": 100 * row[rows], "y": [frame_names[k] for k in rows], "orientation": "h"}
        figure.add_bar(**bars, name=name, marker={"color": colour}, hovertemplate="%{x:.1f} %")
    figure.update_xaxes(title="probability, %", range=[0, 103])
    figure.update_yaxes(automargin=True)
    return figure.update_layout(
        height=120 + 45 * len(rows), margin=MARGIN, legend={"orientation": "h", "y": 1, "yanchor": "bottom"}
    )
