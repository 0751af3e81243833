"""With and without the adversary, over seeds, on digits, reviews and frames: for `assets/recorded/adapt.json`.

Every run is kept in `OUT/adapt/` as soon as it is finished, so that a report that was stopped goes on where it was. The last
snapshots of seed 1 on MNIST-M and of the frames are kept as `OUT/NAME.safetensors`, for `export`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from training import domain
from training.domain import AMAZON, ASIDE, TASKS, train
from training.domain_shipped import SHIPPED

NAME = "adapt"
PLAIN, ADVERSARIAL = "plain", "adversarial"
SEEDS = 5
BATCH = 500
PAIRS = [(source, target) for source in AMAZON for target in AMAZON if source != target]
GANIN = {  # accuracy on Amazon's raw features, %: NN, DANN (Ganin 2016, table 1)
    ("books", "dvd"): (79.0, 78.4),
    ("books", "electronics"): (74.7, 73.3),
    ("books", "kitchen"): (77.8, 77.9),
    ("dvd", "books"): (72.0, 72.3),
    ("dvd", "electronics"): (73.2, 75.4),
    ("dvd", "kitchen"): (77.8, 78.3),
    ("electronics", "books"): (70.9, 71.3),
    ("electronics", "dvd"): (73.3, 73.8),
    ("electronics", "kitchen"): (85.4, 85.4),
    ("kitchen", "books"): (70.8, 70.9),
    ("kitchen", "dvd"): (73.9, 74.0),
    ("kitchen", "electronics"): (84.1, 84.3),
}
PAPER = {"mnist-m": {"plain": 52.25, "adversarial": 76.66, "target-trained": 95.96}}


def runs(seeds: int) -> Iterator[tuple[str, str, int]]:
    """Task, variant, seed: seed by seed, so that what is there is even at any time."""
    both = (ADVERSARIAL, PLAIN)
    for seed in range(1, seeds + 1):
        yield from (("mnist-m", variant, seed) for variant in both)
        yield from ((f"frames-{aside}", variant, seed) for aside in ASIDE for variant in both)
    for seed in range(1, seeds + 1):
        yield from ((f"amazon-{s}-{t}", variant, seed) for s, t in PAIRS for variant in both)
        yield from ((task, variant, seed) for task in ("mnist-usps", "usps-mnist") for variant in both)
        yield ("mnist-m-target-trained", PLAIN, seed)


def report(data: Path, out: Path, limit: int | None = None) -> dict[str, Any]:
    """All tables, with every seed's figure, and the run of seed 1 on MNIST-M, snapshot by snapshot. Args: limit: seeds, at most."""
    seeds = min(limit or SEEDS, SEEDS)
    found: dict[str, dict[str, list[float]]] = {}
    for task, variant, seed in runs(seeds):
        target = done(data, out, task, variant, seed)["target"]
        found.setdefault(task, {}).setdefault(variant, []).append(target)
    return {
        "command": f"python -m training report {NAME} --data DIR",
        "seeds": seeds,
        "tasks": {task: {v: row(values) for v, values in by.items()} for task, by in found.items()},
        "settings": {task: {**vars(TASKS[task].settings), "epochs": TASKS[task].epochs} for task in found},
        "history": {variant: done(data, out, "mnist-m", variant, 1)["history"] for variant in (PLAIN, ADVERSARIAL)},
        "mixing": {variant: done(data, out, "mnist-m", variant, 1)["mixing"] for variant in (PLAIN, ADVERSARIAL)},
    }


def row(values: list[float]) -> dict[str, Any]:
    """Mean, standard deviation over seeds (0 of one), and each, in %."""
    return {
        "mean": round(mean(values), 2),
        "sd": round(stdev(values), 2) if len(values) > 1 else 0.0,
        "each": [round(value, 2) for value in values],
    }


def done(data: Path, out: Path, task: str, variant: str, seed: int) -> dict[str, Any]:
    """The run as it was kept, or run now."""
    path = out / NAME / f"{task}-{variant}-{seed}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        found = run(data, out, task, variant, seed)
        path.write_text(json.dumps(found), encoding="utf-8")
        print(task, variant, seed, f"{found['target']:.2f} in {found['seconds']:.0f} s", flush=True)
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def run(data: Path, out: Path, task: str, variant: str, seed: int) -> dict[str, Any]:
    """Train to the end; measure all that is held out of the target, once, at the end."""
    options: dict[str, Any] = {"strength": 0.0} if variant == PLAIN else {}
    history, mixing, keeps = [], [], task == "mnist-m" and seed == 1
    last = None
    for snapshot in train(data, task=task, seed=seed, **options):
        last = snapshot
        history.append({name: round(value, 3) for name, value in snapshot.metrics.items()})
        if keeps:
            mixing.append(
                {
                    "features": [[round(c, 2) for c in point] for point in snapshot.view["features"].tolist()],
                    "share": [round(share, 3) for share in snapshot.view["share"].tolist()],
                    **{name: snapshot.view[name].tolist() for name in ("y", "d")},
                }
            )
    assert last is not None
    if seed == 1:
        for name in (name for name, shipped in SHIPPED.items() if shipped == (task, variant == ADVERSARIAL)):
            last.save(out / f"{name}.safetensors")
    examples = domain.loaded(task, data, seed)
    network = domain.network_of(task, last, data, seed)
    return {
        "target": of_all(network, examples.held["target"]),
        "source": of_all(network, examples.held["source"]),
        "seconds": last.seconds,
        "history": history,
        "mixing": mixing,
    }


@torch.no_grad()
def of_all(network: domain.DomainAdversarial, held: domain.Examples) -> float:
    """Accuracy on all of it, in %."""
    logits = torch.cat([network(x) for x in held.x.split(BATCH)])
    return domain.accuracy(logits, held.y)
