"""The pictures and curves of the page "Step by step": numbers in, Plotly figures or pixels out."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from plotly.subplots import make_subplots

from figures.palette import ALARM, CALM, NOISE, QUIET

Pixels = UInt8[np.ndarray, "height width 3"]
HEIGHT = 300


def walk(J: Sequence[float], length: Sequence[float], p_truth: Sequence[float], *, followed: str, t: int) -> go.Figure:
    """Loss and p(y) against the step, and the gradient's length on an axis of its own; the bar is the step in view.

    Args: J, length: before each step (length may be empty); p_truth: before the first and after each; followed: what J is.
    """
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    before = list(range(len(J)))
    figure.add_scatter(x=before, y=list(J), name=followed, mode="lines+markers", line={"color": ALARM})
    figure.add_scatter(
        x=list(range(len(p_truth))),
        y=list(p_truth),
        name="p(y)",
        mode="lines+markers",
        line={"color": CALM},
        yaxis="y2",
    )
    if length:
        top = max([*length, 1e-30])
        share = [each / top for each in length]
        figure.add_scatter(
            x=before,
            y=share,
            name=f"‖∇J‖₂ / {top:.3g}",
            customdata=list(length),
            hovertemplate="%{customdata:.4g}",
            mode="lines+markers",
            line={"color": NOISE, "dash": "dot"},
            yaxis="y2",
        )
    figure.add_vline(t, line={"color": QUIET, "width": 6}, opacity=0.35)
    figure.update_xaxes(title="step t", rangemode="tozero")
    figure.update_yaxes(title=followed, secondary_y=False)
    figure.update_yaxes(title="p(y)", range=[-0.02, 1.05], dtick=0.25, secondary_y=True, showgrid=False)
    return _plain(figure)


def surface(axis: Sequence[float], rows: Sequence[Sequence[float]]) -> go.Figure:
    """J over the slice, as a surface that can be turned. Args: axis: both axes, in 255ths; rows: J, one row a value across."""
    figure = go.Figure(
        go.Surface(
            x=list(axis),
            y=list(axis),
            z=[list(row) for row in rows],
            colorscale="Viridis",
            colorbar={"title": "J"},
            hovertemplate="gradient %{x:.2f}/255, random %{y:.2f}/255: J = %{z:.4f}<extra></extra>",
        )
    )
    titles = {"xaxis_title": "along sign ∇J, /255", "yaxis_title": "along random ±1, /255", "zaxis_title": "J (nats)"}
    return figure.update_layout(height=520, margin={"l": 0, "r": 0, "t": 10, "b": 0}, scene=titles)


def place(pixels: Pixels, box: tuple[int, int, int, int]) -> go.Figure:
    """A picture on which a box can be drawn by mouse, and the box (top, left, height, width) that is chosen."""
    figure = go.Figure(go.Image(z=pixels, hoverinfo="skip"))
    height, width = pixels.shape[:2]
    at = np.arange(4, max(height, width), 8)
    x, y = (part.ravel() for part in np.meshgrid(at[at < width], at[at < height]))
    figure.add_scatter(x=x, y=y, mode="markers", marker={"opacity": 0, "size": 8}, hoverinfo="skip", showlegend=False)
    top, left, tall, wide = box
    figure.add_shape(type="rect", x0=left, x1=left + wide, y0=top, y1=top + tall, line={"color": ALARM, "width": 3})
    figure.update_xaxes(visible=False, range=[-0.5, width - 0.5])
    figure.update_yaxes(visible=False, range=[height - 0.5, -0.5])
    return figure.update_layout(height=360, margin={"l": 0, "r": 0, "t": 0, "b": 0}, dragmode="select")


def amplified(clean: Pixels, now: Pixels) -> tuple[Pixels, int]:
    """η so many times that it can be seen, grey where nothing changed, and how many times; 0 if nothing did."""
    eta = now.astype(np.int16) - clean
    most = int(np.abs(eta).max())
    factor = max(127 // most, 1) if most else 0
    return (128 + factor * eta).clip(0, 255).astype(np.uint8), factor


def heat(pixels: Pixels, strength: Float[np.ndarray, "height width"], most: float) -> Pixels:
    """A map laid over a picture in grey; `most` is the hottest colour, so that two maps can have the same scale."""
    grey = pixels.mean(2, keepdims=True).repeat(3, 2)
    share = (strength / most if most > 0 else np.zeros_like(strength)).clip(0, 1)
    colour = colormaps["inferno"](share)[..., :3] * 255
    return (0.45 * grey + 0.55 * colour).round().astype(np.uint8)


def _plain(figure: go.Figure) -> go.Figure:
    return figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 20, "b": 10},
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.3},
    )
