"""What a trace leaves the app as: files that others can read."""

import json
import math

import numpy as np

from models.trace import Trace
from ui.take_home import as_json, table


def test_json_has_null_where_there_is_no_number() -> None:
    scores = np.array([[[math.nan, math.nan], [0.5, math.nan]]], np.float32)
    trace = Trace(
        ("a", "b"), ("b", "c"), ("attention",), scores, np.array([[[0.0, 0], [1, 0]]]), np.array([-math.inf, -0.5])
    )

    def refuse(word: str) -> float:
        raise ValueError(word)

    held = json.loads(as_json(trace, {}), parse_constant=refuse)
    assert held["scores"] == [[[None, None], [0.5, None]]] and held["log_p"] == [None, -0.5]
    assert table(trace)["score"].isna().sum() == 3
