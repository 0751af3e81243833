"""All heads of a network to take home: the grid of small maps as PNG or SVG. Drawn by matplotlib, without a screen."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from figures.alignment import ONE_HUE

CELL = 0.8  # inches


def file(
    weights: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    hidden: Sequence[bool],
    corner: str,
    symbol: str,
    kind: str,
    dpi: int = 160,
) -> bytes:
    """The maps with the names of rows and columns and their colour scale; hidden ones are empty frames.

    Args:
        weights: (maps, target, source), from 0 to 1, row by row of the grid.
        kind: "png" or "svg".
    """
    figure = Figure(figsize=(CELL * len(columns) + 1.4, CELL * len(rows) + 1), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for number, cell in enumerate(axes.ravel()):
        cell.set_xticks([])
        cell.set_yticks([])
        row, column = divmod(number, len(columns))
        if row == 0:
            cell.set_title(columns[column], fontsize=8)
        if column == 0:
            cell.set_ylabel(rows[row], fontsize=8, rotation=0, ha="right", va="center")
        shown = np.zeros_like(weights[number]) if hidden[number] else weights[number]
        cell.imshow(shown, cmap=ONE_HUE, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        for edge in cell.spines.values():
            edge.set(color="#c8c8c8", linestyle="--" if hidden[number] else "-")
    figure.suptitle(corner, fontsize=8, x=0.01, ha="left")
    figure.colorbar(axes[0, 0].images[0], ax=axes, label=symbol, shrink=0.6)
    memory = io.BytesIO()
    figure.savefig(memory, format=kind, dpi=dpi)
    return memory.getvalue()
