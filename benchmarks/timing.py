r"""Times that can be compared: everything in one process, taking turns, and only ratios are called results.

Another job on the machine slows down a whole round, so a ratio is taken within each round; its median is the result.
"""

import argparse
import gc
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import torch

Runs = dict[str, Callable[[], Any]]

AT_LEAST = 0.2  # seconds in one measurement; what is quicker is done several times


@dataclass(frozen=True)
class Spread:
    """What was measured in each round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    def over(self, other: "Spread") -> "Spread":
        """This divided by the other, round by round."""
        return Spread(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def json(self) -> dict[str, float]:
        return {"median": self.median, "min": min(self.values), "max": max(self.values), "rounds": len(self.values)}

    def text(self, scale: float = 1, places: int = 3) -> str:
        """For a table: median (min-max)."""
        low, high = min(self.values) * scale, max(self.values) * scale
        return f"{self.median * scale:.{places}f} ({low:.{places}f}-{high:.{places}f})"


def race(runs: Mapping[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, Any], dict[str, Spread]]:
    """What each gives and the seconds it takes: one warm-up each, then in turns, another one beginning every round."""
    results, repeats = {}, {}
    for name, run in runs.items():
        results[name] = run()
        repeats[name] = ceil(AT_LEAST / seconds(run)) if rounds else 1
    names, times = list(runs), {name: [] for name in runs}  # type: tuple[list[str], dict[str, list[float]]]
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            gc.collect()
            times[name].append(seconds(runs[name], repeats[name]))
    return results, {name: Spread(tuple(values)) for name, values in times.items()}


def seconds(run: Callable[[], Any], repeat: int = 1) -> float:
    """The wall-clock time of one run, as the mean of `repeat` of them."""
    start = time.perf_counter()
    for _ in range(repeat):
        run()
    return (time.perf_counter() - start) / repeat


def options(about: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each (default 7)")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default 2)")
    parser.add_argument("--json", type=Path, help="write the numbers into this file")
    parser.add_argument("--quick", action="store_true", help="a smoke test: two rounds, one picture")
    return parser


def load() -> list[float]:
    """How busy the machine was in the last 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def machine(threads: int) -> dict[str, Any]:
    """What the numbers depend on."""
    settings = {key: os.environ[key] for key in os.environ if key.startswith(("MALLOC_", "GLIBC_", "OMP_", "GOMP_"))}
    return {"torch": torch.__version__, "threads": threads, "cpus": os.cpu_count(), "environment": settings}


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, its first column to the left."""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    print(f"\n{title}")
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())


def write(path: Path | None, report: dict[str, Any]) -> None:
    """The report as a JSON file, if one is wanted."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=2) + "\n")
