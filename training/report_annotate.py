"""Which strategy needs the fewest labels, over many seeds: for `assets/recorded/annotate.json`, which the page shows.

The digits come with scikit-learn, so nothing of DIR is read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from training.annotate import DFAL, ROUNDS, STRATEGIES, TESTED, Settings, paired, train

NAME = "annotate"
SEEDS = 12
COMPARED = ((("deepfool", DFAL), ("random", "entropy", "margin")), ((DFAL,), ("deepfool",)))
AT = (50, 100, 150, 200)  # labels
ENOUGH = (90.0, 95.0)  # accuracy, %

Curves = Mapping[str, Sequence[Sequence[float]]]  # by strategy, a row a seed, accuracy in % round by round


def report(_data: Path, _out: Path, limit: int | None, rounds: int = ROUNDS) -> dict[str, Any]:
    """Curves of every strategy, pairs of strategies at fixed numbers of labels, labels until good enough.

    Args: limit: only so many seeds, at least 2.
    """
    seeds = max(2, min(limit or SEEDS, SEEDS))
    begun = Settings()
    labels = [begun.start + begun.query * r for r in range(rounds + 1)]
    curves = {
        name: [
            [snapshot.metrics["accuracy"] for snapshot in train(Settings(strategy=name, seed=seed), rounds)]
            for seed in range(1, seeds + 1)
        ]
        for name in STRATEGIES
    }
    return {
        "command": f"python -m training report {NAME} --data DIR",
        "about": (
            f"scikit-learn's digits, {TESTED} of them for the test; {begun.start} labels to begin with, {begun.query} a round; "
            f"{seeds} seeds, each with the same first labels and weights for every strategy; on a CPU."
        ),
        "seeds": seeds,
        "labels": labels,
        "accuracy": {name: [[round(v, 2) for v in row] for row in rows] for name, rows in curves.items()},
        "pairs": pairs(curves, labels, COMPARED),
        "enough": {str(a): {name: until(rows, labels, a) for name, rows in curves.items()} for a in ENOUGH},
    }


def pairs(
    curves: Curves, labels: Sequence[int], compared: Sequence[tuple[Sequence[str], Sequence[str]]]
) -> list[dict[str, Any]]:
    """Each strategy minus each it is compared with, seed by seed, at the numbers of labels of `AT` that were reached."""
    table = []
    for n in AT:
        if n not in labels:
            continue
        at = {name: [row[labels.index(n)] for row in rows] for name, rows in curves.items()}
        for strategies, others in compared:
            for name in strategies:
                for other in others:
                    difference, half, better = paired(at[name], at[other])
                    table.append(
                        {
                            "labels": n,
                            "strategy": name,
                            "other": other,
                            "difference": round(difference, 2),
                            "half": round(half, 2),
                            "better": better,
                        }
                    )
    return table


def until(rows: Sequence[Sequence[float]], labels: Sequence[int], enough: float) -> float | None:
    """Labels at which the mean over seeds first is `enough`; None if it never is."""
    reached = (n for n, at in zip(labels, zip(*rows, strict=True), strict=True) if mean(at) >= enough)
    return next(reached, None)


def band(rows: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    """The mean over seeds and one standard deviation, round by round; 0 for a single seed."""
    columns = list(zip(*rows, strict=True))
    return [mean(column) for column in columns], [stdev(column) if len(column) > 1 else 0.0 for column in columns]
