"""Measure the classifiers that come with the app: how often it is right, and how often it still is after one FGSM step.

Wants `DIR/imagenet-like/` with `SPLIT.csv` (columns `image` and `label`, the ImageNet class 0–999) and `images/`.
"""

import csv
from pathlib import Path
from typing import Any

import torch

from attacks.classification import attack
from models import zoo
from models.picture import read_picture, to_pixels

BATCH = 20
EPSILONS = (1, 4)  # 255ths
NAMES = {"imagenet": zoo.EMBEDDED, "imagenet-lite1": "efficientnet_lite1", "imagenet-lite2": "efficientnet_lite2"}


def evaluate(name: str, data: Path, split: str = "labels", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}`; accuracies in %, on the centre square at the network's size, 8-bit pictures."""
    folder = data / "imagenet-like"
    with (folder / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:limit]
    if not rows:
        raise ValueError(f"There is nothing to measure in {split}.csv.")
    model = zoo.load(NAMES[name])
    right = dict.fromkeys(("accuracy", *(f"fgsm_{n}/255" for n in EPSILONS)), 0)
    for start in range(0, len(rows), BATCH):
        x, y = _batch(folder / "images", rows[start : start + BATCH], model.size)
        right["accuracy"] += _right(model, x, y)
        for n in EPSILONS:
            right[f"fgsm_{n}/255"] += _right(model, attack(model, x, y, n / 255).adversarial, y)
    metrics = {key: round(100 * count / len(rows), 2) for key, count in right.items()}
    return {"name": name, "split": split, "n": len(rows), "metrics": metrics}


def _batch(folder: Path, rows: list[dict[str, str]], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    pictures = [read_picture((folder / row["image"]).read_bytes(), row["image"]) for row in rows]
    return torch.cat([to_pixels(picture, size) for picture in pictures]), torch.tensor(
        [int(row["label"]) for row in rows]
    )


@torch.no_grad()
def _right(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    return int((model(x).argmax(1) == y).sum())
