"""Drawings of the page "Smooth": a plane with its boundary and the worst directions, the bowl of D around a point, curves."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int, UInt8
from PIL import Image
from plotly.colors import hex_to_rgb
from plotly.subplots import make_subplots

from figures.palette import ALARM, CALM, NOISE, QUIET

ORANGE, PURPLE = "#E69F00", "#CC79A7"
CLASSES = ((CALM, "circle"), (ORANGE, "square"), (NOISE, "diamond"))  # colour and symbol
LINES = (
    (ALARM, "solid"),
    (CALM, "dash"),
    (NOISE, "dot"),
    (PURPLE, "dashdot"),
    (ORANGE, "longdash"),
    (QUIET, "longdashdot"),
)
LEGEND = {"orientation": "h", "y": 1, "yanchor": "bottom"}
MARGIN = {"l": 10, "r": 10, "t": 60, "b": 45}


@dataclass(frozen=True)
class Seen:
    r"""A network over a plane.

    Attributes:
        axis: the places of the grid, the same for both coordinates.
        p: of each class on the grid. lds: there, in nats.
        x: the examples, r: $r_{\mathrm{vadv}}$ of each.
        labelled, labels: the numbers of those with a label, and it.
    """

    axis: Float[np.ndarray, " grid"]
    p: Float[np.ndarray, "grid grid classes"]
    lds: Float[np.ndarray, "grid grid"]
    x: Float[np.ndarray, "n 2"]
    r: Float[np.ndarray, "n 2"]
    labelled: Int[np.ndarray, " l"]
    labels: Int[np.ndarray, " l"]


def plane(seen: Seen, *, lds: bool, arrows: bool, highest: float, chosen: int | None = None) -> go.Figure:
    """The plane in the colours of the classes, or of the LDS up to `highest`; the boundary; the examples and their arrows."""
    figure = go.Figure()
    axis = seen.axis
    if lds:
        figure.add_heatmap(
            x=axis, y=axis, z=seen.lds, zmin=0, zmax=highest, colorscale="Cividis", zsmooth="best",
            colorbar={"title": "LDS", "thickness": 10}, hovertemplate="LDS %{z:.3g} nats<extra></extra>",
        )  # fmt: skip
    else:
        step = float(axis[1] - axis[0])
        figure.add_image(
            z=mixed(seen.p), colormodel="rgba256", x0=float(axis[0]), y0=float(axis[0]), dx=step, dy=step,
            zsmooth="fast", hoverinfo="skip",
        )  # fmt: skip
    for k in range(seen.p.shape[2] if seen.p.shape[2] > 2 else 1):
        lead = seen.p[:, :, k] - np.delete(seen.p, k, 2).max(2)
        figure.add_contour(
            x=axis, y=axis, z=lead, contours={"start": 0, "end": 0, "coloring": "none"}, showscale=False,
            line={"width": 3, "color": "white" if lds else QUIET}, hoverinfo="skip", name="boundary", showlegend=k == 0,
        )  # fmt: skip
    figure.add_scatter(
        x=seen.x[:, 0], y=seen.x[:, 1], name=f"{len(seen.x)} examples", mode="markers",
        marker={"color": QUIET, "size": 5}, customdata=np.arange(len(seen.x)), hovertemplate="example %{customdata}<extra></extra>",
    )  # fmt: skip
    if arrows:
        _arrows(figure, seen.x, seen.r)
    for k, (colour, symbol) in enumerate(CLASSES[: seen.p.shape[2]]):
        xy = seen.x[seen.labelled[seen.labels == k]]
        marker = {"color": colour, "symbol": symbol, "size": 12, "line": {"width": 2, "color": "black"}}
        figure.add_scatter(x=xy[:, 0], y=xy[:, 1], name=f"label {k}", mode="markers", marker=marker, hoverinfo="skip")
    if chosen is not None:
        ring = {"symbol": "circle-open", "size": 18, "color": ALARM, "line": {"width": 3}}
        at = seen.x[chosen]
        figure.add_scatter(x=at[:1], y=at[1:], name="looked at below", mode="markers", marker=ring, hoverinfo="skip")
    figure.update_xaxes(title="x₁", range=[0, 1], showgrid=False, zeroline=False, constrain="domain")
    figure.update_yaxes(title="x₂", range=[0, 1], showgrid=False, zeroline=False, scaleanchor="x")
    return figure.update_layout(height=470, margin=MARGIN, legend=LEGEND, uirevision="plane", clickmode="event+select")


def mixed(p: Float[np.ndarray, "rows columns classes"]) -> Int[np.ndarray, "rows columns 4"]:
    """The colours of the classes in the proportion of their probabilities; the less sure, the more transparent."""
    colours = np.array([hex_to_rgb(colour) for colour, _ in CLASSES[: p.shape[2]]])
    sure = (p.max(2, keepdims=True) - 1 / p.shape[2]) / (1 - 1 / p.shape[2])
    return np.concatenate([p @ colours, 110 * sure], 2).round().astype(np.uint8)


def _arrows(figure: go.Figure, x: Float[np.ndarray, "n 2"], r: Float[np.ndarray, "n 2"]) -> None:
    """All arrows as one trace: a line, a head at its end, a gap."""
    ends = np.stack([x, x + r, np.full_like(x, np.nan)], 1).reshape(-1, 2)
    head = {"symbol": "arrow", "angleref": "previous", "size": [0, 6, 0] * len(x), "color": ALARM, "opacity": 1}
    figure.add_scatter(
        x=ends[:, 0], y=ends[:, 1], name="r_vadv", mode="lines+markers", line={"color": ALARM, "width": 1},
        marker=head, hoverinfo="skip",
    )  # fmt: skip


def bowl(
    axis: Float[np.ndarray, " grid"],
    D: Float[np.ndarray, "grid grid"],
    steps: Float[np.ndarray, "steps 2"],
    exact: Float[np.ndarray, " 2"],
    size: float,
) -> go.Figure:
    """$D[p(y|x), p(y|x + r)]$ around a point, the directions of the power iteration as long as `size`, and the exact one."""
    figure = go.Figure()
    figure.add_contour(
        x=axis, y=axis, z=D, colorscale="Cividis", contours={"coloring": "heatmap"}, line={"width": 0.5},
        colorbar={"title": "D", "thickness": 10}, hovertemplate="D %{z:.3g} nats<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=size * exact[0] * np.array([-1, 1]), y=size * exact[1] * np.array([-1, 1]), mode="lines", name="first eigenvector of H",
        line={"color": PURPLE, "width": 4, "dash": "dash"}, hoverinfo="skip",
    )  # fmt: skip
    for k, d in enumerate(steps):
        last = k == len(steps) - 1
        figure.add_scatter(
            x=[0, size * d[0]], y=[0, size * d[1]], mode="lines+markers+text", text=["", f"d{k}"], textposition="top center",
            textfont={"color": "white"}, line={"color": ALARM if last else "#F4B183", "width": 3 if last else 1.5},
            marker={"symbol": "arrow", "angleref": "previous", "size": [0, 12]},
            name="r_vadv" if last else "on the way", showlegend=last or k == 0, hoverinfo="skip",
        )  # fmt: skip
    figure.update_xaxes(title="r₁", constrain="domain", zeroline=False)
    figure.update_yaxes(title="r₂", scaleanchor="x", zeroline=False)
    return figure.update_layout(height=420, margin=MARGIN, legend=LEGEND)


Line = tuple[Sequence[float], Sequence[float | None]]


def lines(drawn: Mapping[str, Line], x: str, y: str, *, log: bool = False, height: int = 300) -> go.Figure:
    """A line a name, told apart by colour and dash."""
    figure = go.Figure()
    for (name, (at, values)), (colour, dash) in zip(drawn.items(), LINES, strict=False):
        figure.add_scatter(
            x=list(at), y=list(values), name=name, mode="lines+markers", line={"color": colour, "dash": dash},
            marker={"size": 4}, hovertemplate="%{y:.3g}",
        )  # fmt: skip
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y, rangemode="tozero", type="log" if log else "linear")
    return figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, hovermode="x unified")


def seeds(curves: Mapping[str, Sequence[Line]], x: str, y: str) -> go.Figure:
    """A thin line a seed, a colour a method."""
    figure = go.Figure()
    for (name, runs), (colour, dash) in zip(curves.items(), LINES, strict=False):
        for number, (at, values) in enumerate(runs):
            figure.add_scatter(
                x=list(at), y=list(values), name=name, legendgroup=name, showlegend=number == 0, mode="lines",
                line={"color": colour, "dash": dash, "width": 2}, hovertemplate="%{y:.2f} %",
            )  # fmt: skip
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y, type="log")
    return figure.update_layout(height=340, margin=MARGIN, legend=LEGEND)


def sheet(
    digits: UInt8[np.ndarray, "digits 28 28"], worst: UInt8[np.ndarray, "networks digits 28 28"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The digits in grey, below them a row a network: the worst change of each, blue where it darkens, orange where it lightens."""
    change = worst.astype(float)[..., None] / 127.5 - 1
    blue, orange = (255 - np.array(hex_to_rgb(colour), float) for colour in (CALM, ALARM))
    coloured = 255 - np.abs(change) * np.where(change < 0, blue, orange)
    rows = np.concatenate([np.repeat(digits[None, ..., None], 3, -1).astype(float), coloured])
    rows = np.pad(rows, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), constant_values=128)
    networks, count, height, width, _ = rows.shape
    page = rows.transpose(0, 2, 1, 3, 4).reshape(networks * height, count * width, 3)
    return page.round().astype(np.uint8).repeat(2, 0).repeat(2, 1)


def film(
    sheets: Sequence[UInt8[np.ndarray, "height width 3"]],
    steps: Sequence[int],
    words: Sequence[str],
    curves: Mapping[str, Sequence[float]],
    y: str,
) -> go.Figure:
    """Pictures over time, scrubbed in the browser, and below them curves with a mark at the moment.

    Args: sheets, steps, words: of each moment; curves: a value a moment, by name.
    """
    figure, last = make_subplots(2, 1, row_heights=[0.6, 0.4], vertical_spacing=0.08), len(steps) - 1
    figure.add_image(source=data_url(sheets[last]), hoverinfo="skip", row=1, col=1)
    for (name, values), (colour, dash) in zip(curves.items(), LINES, strict=False):
        figure.add_scatter(
            x=list(steps), y=list(values), name=name, mode="lines", line={"color": colour, "dash": dash},
            hovertemplate="%{y:.1f}", row=2, col=1,
        )  # fmt: skip
    highest = max(max(values) for values in curves.values())
    mark = {"y": [0, highest], "mode": "lines", "line": {"color": QUIET, "dash": "dot"}}
    figure.add_scatter(x=[steps[last]] * 2, **mark, showlegend=False, hoverinfo="skip", row=2, col=1)
    figure.frames = [
        go.Frame(
            name=str(k),
            data=[go.Image(source=data_url(page)), go.Scatter(x=[step] * 2, y=[0, highest])],
            traces=[0, len(curves) + 1],
            layout={"title": {"text": said}},
        )
        for k, (page, step, said) in enumerate(zip(sheets, steps, words, strict=True))
    ]
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    stops = [{"label": f"{step}", "method": "animate", "args": [[f"{k}"], at_once]} for k, step in enumerate(steps)]
    figure.update_xaxes(visible=False, row=1, col=1)
    figure.update_yaxes(visible=False, row=1, col=1)
    figure.update_xaxes(title="updates", row=2, col=1)
    figure.update_yaxes(title=y, rangemode="tozero", row=2, col=1)
    return figure.update_layout(
        height=560, margin={"l": 10, "r": 10, "t": 60, "b": 10},
        title={"text": words[last], "font": {"size": 14}, "x": 0, "y": 0.98, "yanchor": "top"},
        legend={"orientation": "h", "y": 0.36, "yanchor": "bottom"},
        sliders=[{"active": last, "currentvalue": {"prefix": "update "}, "pad": {"t": 45}, "steps": stops}],
    )  # fmt: skip


def data_url(page: UInt8[np.ndarray, "height width 3"]) -> str:
    """A picture in the message itself, lossless."""
    file = io.BytesIO()
    Image.fromarray(page).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
