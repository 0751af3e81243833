"""Drawings of the page "Harden": the plane with its boundary, accuracies as a network trains, first layers, answers."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float, Int
from plotly.subplots import make_subplots

from figures.annotate import ORANGE, SIDES
from figures.boundary import add_boundary
from figures.palette import ALARM, CALM, NOISE, QUIET

SYMBOLS = ((CALM, "circle"), (ORANGE, "square"))
LINES = {  # what was measured: its name, its colour, its dash
    "clean": ("clean", CALM, "solid"),
    "noise": ("random ±ε", NOISE, "dot"),
    "fgsm": ("FGSM", ORANGE, "dash"),
    "pgd": ("PGD-20, 2 starts", ALARM, "solid"),
}
ACROSS = 8  # units of a first layer in a row
LEGEND = {"orientation": "h", "y": 1, "yanchor": "bottom"}
MARGIN = {"l": 10, "r": 10, "t": 30, "b": 10}


def plane(
    p: Float[np.ndarray, "rows columns"],
    x: Float[np.ndarray, "points 2"],
    y: Int[np.ndarray, " points"],
    x_adv: Float[np.ndarray, "points 2"],
    fooled: Bool[np.ndarray, " points"],
) -> go.Figure:
    r"""The unit square with $p$ of the second class and the boundary $p = \frac12$, points, and where the attack moved each.

    Args: fooled: the point was answered rightly and its partner is not.
    """
    figure, axis = go.Figure(), np.linspace(0, 1, len(p))
    add_boundary(figure, axis, axis, p, SIDES)
    gap = np.full_like(x, np.nan)
    ways = np.stack([x, x_adv, gap], 1).reshape(-1, 2)
    figure.add_scatter(
        x=ways[:, 0], y=ways[:, 1], mode="lines", line={"color": QUIET, "width": 1}, name="η", hoverinfo="skip"
    )
    for k, (colour, symbol) in enumerate(SYMBOLS):
        figure.add_scatter(
            x=x[y == k, 0],
            y=x[y == k, 1],
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 7},
            name=f"class {k}",
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=x_adv[fooled, 0],
        y=x_adv[fooled, 1],
        mode="markers",
        marker={"color": ALARM, "symbol": "x", "size": 7},
        name=f"partner that fools: {int(fooled.sum())} of {len(fooled)}",
        hoverinfo="skip",
    )
    figure.update_xaxes(title="x₁", range=[0, 1], showgrid=False)
    figure.update_yaxes(title="x₂", range=[0, 1], showgrid=False, scaleanchor="x", constrain="domain")
    return figure.update_layout(height=470, margin=MARGIN, legend=LEGEND, uirevision="plane")


def curves(lines: Mapping[str, tuple[Sequence[int], Sequence[float]]], last: int) -> go.Figure:
    """Accuracy in % against epochs, up to now; names of `LINES`. `last`: as far as the axis goes."""
    figure = go.Figure()
    for name, (steps, values) in lines.items():
        figure.add_scatter(x=list(steps), y=list(values), **_line(name))
    figure.update_xaxes(title="epoch", range=[0, max(last, 1)])
    figure.update_yaxes(title="test accuracy, %", range=[0, 101])
    return figure.update_layout(height=470, margin=MARGIN, legend=LEGEND, hovermode="x unified", uirevision="curves")


def _line(name: str) -> dict[str, object]:
    title, colour, dash = LINES[name]
    return {
        "name": title,
        "mode": "lines+markers",
        "line": {"color": colour, "dash": dash},
        "marker": {"size": 4},
        "hovertemplate": "%{y:.1f} %",
    }


def tiled(pictures: Float[np.ndarray, "units height width"], across: int = ACROSS) -> Float[np.ndarray, "rows columns"]:
    """Pictures side by side with a gap of one pixel, which holds no number."""
    units, height, width = pictures.shape
    rows = -(-units // across)
    sheet = np.full((rows * (height + 1) - 1, across * (width + 1) - 1), np.nan)
    for number, picture in enumerate(pictures):
        top, left = number // across * (height + 1), number % across * (width + 1)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def weights(pictures: Float[np.ndarray, "units height width"]) -> go.Figure:
    """The first layer: a picture a unit, blue where a pixel holds it down, orange where it lifts it."""
    figure = go.Figure(_sheet(pictures, float(np.abs(pictures).max()) or 1.0))
    _bare(figure)
    return figure.update_layout(height=330, margin={"l": 10, "r": 10, "t": 10, "b": 10}, uirevision="weights")


def _sheet(pictures: Float[np.ndarray, "units height width"], most: float, across: int = ACROSS) -> go.Heatmap:
    return go.Heatmap(
        z=tiled(pictures, across),
        zmin=-most,
        zmax=most,
        colorscale=[[0, CALM], [0.5, "#f7f7f7"], [1, ORANGE]],
        colorbar={"thickness": 10, "title": "weight"},
        hovertemplate="%{z:.3f}<extra></extra>",
    )


def _bare(figure: go.Figure, **place: int) -> None:
    figure.update_xaxes(visible=False, constrain="domain", **place)
    figure.update_yaxes(visible=False, autorange="reversed", scaleanchor="x", constrain="domain", **place)


def recorded(
    lines: Mapping[str, Sequence[float]],
    ink: Float[np.ndarray, "epochs units 5 5"],
    grey: Float[np.ndarray, "epochs units greys"],
) -> go.Figure:
    """A finished run, to be scrubbed: accuracies with a mark at the epoch, and the first layer as it was then.

    The slider belongs to the figure: the browser moves it and asks nobody. Args: grey: answers, as shares of each unit's largest.
    """
    figure = make_subplots(
        2,
        2,
        specs=[[{"colspan": 2}, None], [{}, {}]],
        row_heights=[0.5, 0.5],
        vertical_spacing=0.16,
        subplot_titles=["accuracy on test pictures, %", "what ink adds to a unit", "its answer to each grey"],
    )
    epochs, units = grey.shape[:2]
    v = np.linspace(0, 1, grey.shape[2])
    for name, values in lines.items():
        figure.add_scatter(x=list(range(epochs)), y=list(values), row=1, col=1, **_line(name))
    figure.add_scatter(
        x=[epochs - 1] * 2,
        y=[0, 100],
        mode="lines",
        line={"color": QUIET, "width": 2},
        name="epoch in view",
        hoverinfo="skip",
        row=1,
        col=1,
    )
    mark = len(figure.data) - 1

    def moving(epoch: int) -> list[go.Scatter | go.Heatmap]:
        sheet = _sheet(ink[epoch], float(np.abs(ink[epoch]).max()), 4)
        sheet.update(showscale=False)
        rows = [
            go.Scatter(
                x=v,
                y=grey[epoch, k],
                mode="lines",
                line={"color": CALM, "width": 1},
                showlegend=False,
                hoverinfo="skip",
            )
            for k in range(units)
        ]
        return [sheet, *rows]

    first, *rest = moving(epochs - 1)
    figure.add_trace(first, 2, 1)
    for each in rest:
        figure.add_trace(each, 2, 2)
    figure.frames = [
        go.Frame(
            name=str(epoch),
            data=[go.Scatter(x=[epoch] * 2, y=[0, 100]), *moving(epoch)],
            traces=[mark, *range(mark + 1, mark + 2 + units)],
        )
        for epoch in range(epochs)
    ]
    _bare(figure, row=2, col=1)
    figure.update_yaxes(scaleanchor="x2", row=2, col=1)
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title="epoch", row=1, col=1)
    figure.update_yaxes(range=[0, 101], row=1, col=1)
    figure.update_xaxes(title="black to white", range=[0, 1], row=2, col=2)
    figure.update_yaxes(range=[-1.05, 1.05], row=2, col=2)
    steps = [
        {
            "label": str(epoch),
            "method": "animate",
            "args": [[str(epoch)], {"mode": "immediate", "frame": {"duration": 0}, "transition": {"duration": 0}}],
        }
        for epoch in range(epochs)
    ]
    return figure.update_layout(
        height=720,
        margin={"l": 10, "r": 10, "t": 80, "b": 10},
        legend={"orientation": "h", "y": 1.05, "yanchor": "bottom"},
        sliders=[{"active": epochs - 1, "steps": steps, "currentvalue": {"prefix": "epoch "}, "pad": {"t": 45}}],
    )


def answers(
    before: Float[np.ndarray, " classes"], after: Float[np.ndarray, " classes"], truth: int | None
) -> go.Figure:
    """p of each digit, before and after the attack; a star at what it is, where that is known."""
    figure, names = go.Figure(), [f"{k} ★" if k == truth else str(k) for k in range(len(before))]
    for p, name, colour, shape in ((before, "before", CALM, ""), (after, "after", ALARM, "/")):
        figure.add_bar(
            x=names,
            y=100 * p,
            name=name,
            marker={"color": colour, "pattern": {"shape": shape}},
            hovertemplate="%{y:.1f} %",
        )
    figure.update_xaxes(type="category")
    figure.update_yaxes(title="p, %", range=[0, 101])
    return figure.update_layout(height=230, margin=MARGIN, legend=LEGEND, barmode="group")
