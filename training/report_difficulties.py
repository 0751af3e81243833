"""How far each difficulty and its cure go, over seeds: for `assets/recorded/difficulties.json`. Reads no data."""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from training.difficulties import BETTER, DIFFICULTIES, WORSE, Options
from training.domain import TASKS, train

NAME = "difficulties"
SEEDS = 5


def report(_data: Path, _out: Path, limit: int | None, updates: int | None = None) -> dict[str, Any]:
    """Accuracies after the last update of both runs, mean and standard deviation over seeds, value by value; seconds of training.

    On one thread, since seconds are compared. Args: limit: only so many seeds, at least 2; updates: of each run, at most.
    """
    seeds = max(2, min(limit or SEEDS, SEEDS))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = {
            key: [_row(key, value, seeds, updates) for value in found.values] for key, found in DIFFICULTIES.items()
        }
    finally:
        torch.set_num_threads(threads)
    return {
        "command": f"python -m training report {NAME} --data DIR",
        "about": f"{seeds} seeds; both runs of a seed have the same examples and batches; seconds on one thread of a CPU.",
        "seeds": seeds,
        "rows": rows,
    }


def _row(key: str, value: Any, seeds: int, updates: int | None) -> dict[str, Any]:
    """Of one value: means and standard deviations of what tells, of the judge, the probe and the seconds, by side."""
    row: dict[str, Any] = {"value": value}
    for side, options in zip((WORSE, BETTER), DIFFICULTIES[key].sides(value), strict=True):
        ends = [_end(options, seed, updates) for seed in range(1, seeds + 1)]
        for metric in (*DIFFICULTIES[key].metrics, "judge", "probe", "seconds"):
            many = [end[metric] for end in ends]
            row[f"{side} {metric}"] = [round(mean(many), 2), round(stdev(many), 2)]
    return row


def _end(options: Options, seed: int, updates: int | None) -> dict[str, float]:
    """The last snapshot's metrics and seconds: as many updates as the run on the page, not looked at in between."""
    task = TASKS[options["task"]]
    *_, last = train(seed=seed, epochs=1, every=updates or task.epochs * task.settings.every, **options)
    return {**last.metrics, "seconds": last.seconds}
