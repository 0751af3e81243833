"""How far each difficulty and its cure go, over seeds: for `assets/recorded/difficulties.json`. Reads no data."""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from training.difficulties import BETTER, DIFFICULTIES, WORSE, train

NAME = "difficulties"
SEEDS = 8


def report(_data: Path, _out: Path, limit: int | None, epochs: int | None = None) -> dict[str, Any]:
    """Accuracies after the last step of both runs, mean and standard deviation over seeds, value by value; seconds of training.

    On one thread, since seconds are compared. Args: limit: only so many seeds, at least 2.
    """
    seeds = max(2, min(limit or SEEDS, SEEDS))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = {key: [_row(key, value, seeds, epochs) for value in found.values] for key, found in DIFFICULTIES.items()}
    finally:
        torch.set_num_threads(threads)
    return {
        "command": f"python -m training report {NAME} --data DIR",
        "about": f"{seeds} seeds; both runs of a seed have the same examples and batches; seconds on one thread of a CPU.",
        "seeds": seeds,
        "rows": rows,
    }


def _row(key: str, value: Any, seeds: int, epochs: int | None) -> dict[str, Any]:
    """Of one value: means and standard deviations of what tells, of the judge and the probe, by side."""
    found: dict[str, list[float]] = {}
    for seed in range(1, seeds + 1):
        *_, last = train(difficulty=key, value=value, seed=seed, epochs=epochs)
        for side in (WORSE, BETTER):
            for metric in (*DIFFICULTIES[key].metrics, "judge", "probe", "seconds"):
                found.setdefault(f"{side} {metric}", []).append(last.metrics[f"{side} {metric}"])
    figures = {name: [round(mean(many), 2), round(stdev(many), 2)] for name, many in found.items()}
    return {"value": value, **figures}
