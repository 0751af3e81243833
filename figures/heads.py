"""Figures of the page "Heads": one number for each head, layers down, heads across."""

import numpy as np
import plotly.graph_objects as go

from figures.palette import ALARM, CALM

WEIGHTS = [[0, "rgba(0,114,178,0)"], [1, CALM]]  # one hue, as strong as the number

INK, INK_ON_DARK = "#15202B", "#EEF2F6"  # the theme's text, light and dark


def layers_by_heads(
    values: np.ndarray, title: str, chosen: int | None, *, ink: str = INK, most: float | None = None, digits: int = 2
) -> go.Figure:
    """A heat map.

    Args:
        values: (layers, heads), none below 0.
        title: of the colour scale.
        chosen: a head to frame, counted through all layers from 0.
        ink: the colour of the numbers, to be read on the page and on the strongest colour.
        most: what the strongest colour stands for; the largest value unless told.
    """
    layers, heads = values.shape
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=list(range(1, heads + 1)),
            y=list(range(1, layers + 1)),
            zmin=0,
            zmax=most or max(float(values.max()), 1e-6),
            colorscale=WEIGHTS,
            xgap=2,
            ygap=2,
            hovertemplate="layer %{y} · head %{x}: %{z:.6f}<extra></extra>",
            colorbar={"title": title, "thickness": 12, "orientation": "h", "y": 0, "yanchor": "top"},
        )
    )
    figure.add_scatter(  # a map's own text is made for a white ground
        x=[head for _ in range(layers) for head in range(1, heads + 1)],
        y=[layer for layer in range(1, layers + 1) for _ in range(heads)],
        text=[f"{value:.{digits}f}".removeprefix("0" if digits else "") for value in values.ravel()],
        mode="text",
        textfont={"size": 12, "color": ink},
        hoverinfo="skip",
        showlegend=False,
    )
    if chosen is not None:
        layer, head = divmod(chosen, heads)
        edges = {"x0": head + 0.5, "x1": head + 1.5, "y0": layer + 0.5, "y1": layer + 1.5}
        figure.add_shape(type="rect", **edges, line={"color": ALARM, "width": 3})
    figure.update_xaxes(title="head", dtick=1, showgrid=False, zeroline=False, side="top")
    figure.update_yaxes(title="layer", dtick=1, showgrid=False, zeroline=False, autorange="reversed")
    figure.update_layout(height=150 + 38 * layers, margin={"l": 10, "r": 10, "t": 50, "b": 60})
    return figure
