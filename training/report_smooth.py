"""What virtual adversarial training is worth, seed by seed: for `assets/recorded/smooth.json`, which the page shows.

Wants the runs of `NAMES` in OUT, each seed in a folder of its own: `python -m training NAME --data DIR --seed S --out OUT/seed-S`.
And `DIR/digits`, `DIR/imdb`: the test halves decide, once, at the end. Of digits or reviews without runs in OUT what was recorded
before stays.
"""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from attacks.virtual import directions, hessian
from models import zoo
from training.digits import mnist
from training.snapshot import Snapshot
from training.virtual import (
    ALONE,
    CURVE,
    DIGIT_NAMES,
    REVIEW_NAMES,
    REVIEWS_ADVERSARIAL,
    REVIEWS_ALONE,
    REVIEWS_VAT,
    VAT,
    error,
    network_of,
)
from training.virtual_tasks import Task, digits, review_test, reviews

NAME = "smooth"
NAMES = (*DIGIT_NAMES, *REVIEW_NAMES)
PUBLISHED = {VAT: 1.36, REVIEWS_ALONE: 7.39, REVIEWS_ADVERSARIAL: 6.21, REVIEWS_VAT: 5.91}  # Miyato 2017, both papers
FILM = zoo.ASSETS / "recorded" / f"{NAME}.webp"
KS = tuple(range(7))
XIS = (1e-6, 1e-2, 1.0, 10.0)
PICTURES = 30  # of which the exact eigenvector is taken


def report(data: Path, out: Path, limit: int | None) -> dict[str, Any]:
    """Errors on the test halves by seed, curves, and how near the power iteration comes.

    Args: limit: only so many test examples. Raises ValueError where nothing is found of the digits, neither runs nor a record.
    """
    runs, before = {name: found(out, name) for name in NAMES}, zoo.recorded(NAME)
    if runs[VAT] and runs[ALONE]:
        of_digits = digit_report(data, runs, limit)
    elif before:
        of_digits = {part: before[part] for part in ("film", "power")}
        of_digits["runs"] = {name: before["runs"][name] for name in DIGIT_NAMES}
    else:
        raise ValueError(f"There are no runs of {VAT} and {ALONE} in {out}/seed-*: train them first.")
    table = of_digits.pop("runs")
    table |= {name: row for name, row in before.get("runs", {}).items() if name in REVIEW_NAMES}
    if any(runs[name] for name in REVIEW_NAMES):
        read, test = reviews(data, 1), review_test(data, limit)
        table |= {name: told(read, runs[name], *test) for name in REVIEW_NAMES if runs[name]}
    return {
        "command": f"python -m training report {NAME} --data DIR",
        "about": about(table),
        "runs": table,
        **of_digits,
    }


def digit_report(data: Path, runs: dict[str, dict[int, Snapshot]], limit: int | None) -> dict[str, Any]:
    """The rows of the digits, their film, and the power iteration on a network that learned."""
    task, test = digits(data, 1), tuple(part[:limit] for part in mnist(data, "test"))
    return {
        "runs": {name: told(task, runs[name], *test) for name in DIGIT_NAMES},
        "film": film(task.filmed, {name: runs[name] for name in DIGIT_NAMES}),
        "power": {
            "pictures": PICTURES,
            "K": list(KS),
            "xi": list(XIS),
            **power(network_of(task, runs[VAT][min(runs[VAT])]), task.x_kept[:PICTURES]),
        },
    }


def about(table: dict[str, Any]) -> str:
    steps = {name: row["updates"] for name, row in table.items()}
    told = ", ".join(f"{name} {number:,}" for name, number in steps.items())
    return (
        f"Updates: {told}. The test halves were read at the end; the curves are of 1,000 training examples kept aside."
    )


def found(out: Path, name: str) -> dict[int, Snapshot]:
    """The last snapshot of each seed."""
    paths = {int(folder.name.removeprefix("seed-")): folder / f"{name}.safetensors" for folder in out.glob("seed-*")}
    return {seed: Snapshot.load(path) for seed, path in sorted(paths.items()) if path.exists()}


def told(task: Task, runs: dict[int, Snapshot], x: Tensor, y: Tensor) -> dict[str, Any]:
    """The errors of the runs on these examples by seed, their mean and standard deviation, and the curves."""
    errors = {seed: round(error(task.asked, network_of(task, run), x, y), 2) for seed, run in runs.items()}
    values = list(errors.values())
    curves = {seed: dict(zip(CURVE, run.state["curve"].T, strict=True)) for seed, run in runs.items()}
    first = next(iter(curves.values()))
    return {
        "test": len(x),
        "labels": len(task.labelled),
        "error": {str(seed): value for seed, value in errors.items()},
        "mean": round(mean(values), 2),
        "sd": round(stdev(values), 2) if len(values) > 1 else None,
        "updates": min(run.step for run in runs.values()),
        "minutes": round(sum(run.seconds for run in runs.values()) / 60, 1),
        "curves": {
            "step": first["step"].int().tolist(),
            "error": {
                str(seed): [round(value, 1) for value in curve["error"].tolist()] for seed, curve in curves.items()
            },
        },
    }


def film(digits: Tensor | None, runs: dict[str, dict[int, Snapshot]]) -> dict[str, Any]:
    r"""Write `FILM`, and tell what is on it: one digit of each class kept aside, and $r_{\mathrm{vadv}}$ of each at every snapshot.

    In grey, 28 rows of pixels for the digits, then as many for each of the networks at the first moment, at the second, …; a change
    of 0 is 128, and one of `scale` is 255.
    """
    assert digits is not None
    seed = min(seed for seed in runs[VAT] if all(seed in known for known in runs.values()))
    kept = {name: known[seed].state for name, known in runs.items()}
    r = torch.stack([state["film.r"][:, :, 0] for state in kept.values()], 1)  # (moments, networks, digits, 28, 28)
    scale = float(r.abs().max())
    rows = torch.cat([255 * digits[None, :, 0], 128 + 127 * r.flatten(0, 1) / scale]).round().to(torch.uint8)
    Image.fromarray(rows.permute(0, 2, 1, 3).flatten(2).flatten(0, 1).numpy()).save(
        FILM, "WEBP", lossless=True, method=6
    )
    return {
        "seed": seed,
        "scale": round(scale, 4),
        "answers": {
            name: ["".join(map(str, answers)) for answers in state["film.p"].argmax(2).tolist()]
            for name, state in kept.items()
        },
        "lds": {
            name: [float(f"{lds:.3g}") for lds in state["film.lds"].mean(1).tolist()] for name, state in kept.items()
        },
    }


def power(network: nn.Module, x: Tensor) -> dict[str, list[list[float]]]:
    r"""$|\cos|$ of the direction after each of $K$ iterations with the exact $H$'s first eigenvector, a row a $\xi$."""
    network = network.double()
    exact = torch.linalg.eigh(hessian(network, x.double())).eigenvectors[:, :, -1]

    def rows(dtype: torch.dtype) -> list[list[float]]:
        asked = network.to(dtype)
        each = (directions(asked, x.to(dtype), K=max(KS), xi=xi, seed=0) for xi in XIS)
        return [[round(float((d.flatten(1).double() * exact).sum(1).abs().mean()), 4) for d in by_k] for by_k in each]

    return {"float64": rows(torch.float64), "float32": rows(torch.float32)}
