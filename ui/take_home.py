"""A trace to take home: the same files from every page that shows one."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from models.trace import Trace
from ui.components.alignment import standalone
from ui.lecture import Download


def downloads(trace: Trace, step: int, title: str, asked: Mapping[str, Any], **drawn: Any) -> list[Download]:
    """PNG, SVG and GIF where there are weights; CSV, JSON and a file that steps alone always.

    Args: step: the row that is framed; title: of the file that steps alone; asked: what led to the trace, for the JSON;
        drawn: how, for `ui.components.alignment`.
    """
    from figures import alignment as pictures  # matplotlib: only when a page with a trace is shown

    name, weights = "alignment", trace.weights[0]
    files = [
        *numbers(trace, asked, name),
        Download("Steps offline (HTML)", lambda: standalone(trace, title, **drawn), f"{name}.html", "text/html"),
    ]
    if not weights.shape[1]:
        return files

    def picture(kind: str) -> bytes:
        return pictures.file(weights, trace.source, trace.target, kind, step)

    def steps() -> bytes:
        return pictures.animation(weights, trace.source, trace.target)

    return [
        Download("Picture (PNG)", lambda: picture("png"), f"{name}.png", "image/png"),
        Download("Picture (SVG)", lambda: picture("svg"), f"{name}.svg", "image/svg+xml"),
        Download("Steps (GIF)", steps, f"{name}.gif", "image/gif"),
        *files,
    ]


def numbers(trace: Trace, asked: Mapping[str, Any], name: str) -> list[Download]:
    """Every weight and score as CSV, and everything as JSON."""
    return [
        Download("Numbers (CSV)", lambda: table(trace).to_csv(index=False).encode(), f"{name}.csv", "text/csv"),
        Download("Numbers (JSON)", lambda: as_json(trace, asked), f"{name}.json", "application/json"),
    ]


def table(trace: Trace) -> pd.DataFrame:
    """A row a step and source word: weight and score."""
    rows = [
        {
            "step": t + 1,
            "target": target,
            "position": s + 1,
            "source": source,
            "score": float(trace.scores[0, t, s]),
            "weight": float(trace.weights[0, t, s]),
        }
        for t, target in enumerate(trace.target)
        for s, source in enumerate(trace.source[: trace.weights.shape[2]])
    ]
    return pd.DataFrame(rows)


def as_json(trace: Trace, asked: Mapping[str, Any]) -> bytes:
    """Everything of the trace, as it was computed."""
    whole = {
        "asked": asked,
        "source": trace.source,
        "target": trace.target,
        "heads": trace.heads,
        "log_p": _finite(trace.log_p),
        "scores": _finite(trace.scores),
        "weights": trace.weights.tolist(),
        "candidates": trace.candidates,
        "notes": trace.notes,
        "values": {name: value.tolist() for name, value in trace.values.items()},
    }
    return json.dumps(whole, ensure_ascii=False).encode()


def _finite(values: np.ndarray) -> Any:
    """As lists, null where there is no number: JSON knows neither NaN nor infinity."""
    found = values.astype(object)
    found[~np.isfinite(values)] = None
    return found.tolist()
