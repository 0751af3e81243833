"""A plane of two classes: how likely the second is at every place, and the line on which both are."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from figures.palette import QUIET


def add_boundary(
    figure: go.Figure,
    x: Float[np.ndarray, " columns"],
    y: Float[np.ndarray, " rows"],
    p: Float[np.ndarray, "rows columns"],
    colours: Sequence[Sequence[object]],
) -> None:
    r"""Add the shade of $p$, from 0 to 1 in `colours`, and the boundary $p = \frac12$."""
    plane = {"x": x, "y": y, "z": p, "showscale": False, "hoverinfo": "skip"}
    figure.add_heatmap(**plane, zmin=0, zmax=1, colorscale=colours, opacity=0.4, zsmooth="fast")
    half = {"start": 0.5, "end": 0.5, "coloring": "lines"}
    figure.add_contour(**plane, contours=half, colorscale=[[0, QUIET], [1, QUIET]], line={"width": 3}, name="boundary")
