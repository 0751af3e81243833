"""Measure the classifiers that come with the app: how often it is right, and how often it still is after one FGSM step.

Wants `DIR/imagenet-like/` with `SPLIT.csv` (columns `image` and `label`, the ImageNet class 0–999) and `images/`.
"""

import csv
from collections.abc import Iterator
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
    model = zoo.load(NAMES[name])
    right_of = dict.fromkeys(("accuracy", *(f"fgsm_{n}/255" for n in EPSILONS)), 0)
    count = 0
    for x, y in pictures(data, split, limit, model.size):
        count += len(x)
        right_of["accuracy"] += right(model, x, y)
        for n in EPSILONS:
            right_of[f"fgsm_{n}/255"] += right(model, attack(model, x, y, n / 255).adversarial, y)
    metrics = {key: round(100 * found / count, 2) for key, found in right_of.items()}
    return {"name": name, "split": split, "n": count, "metrics": metrics}


def pictures(
    data: Path, split: str, limit: int | None, size: int, batch: int = BATCH
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of pictures, (batch, 3, size, size) in [0, 1], with their classes. Raises OSError, ValueError."""
    folder = data / "imagenet-like"
    with (folder / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:limit]
    if not rows:
        raise ValueError(f"There is nothing to measure in {split}.csv.")
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        read = [read_picture((folder / "images" / row["image"]).read_bytes(), row["image"]) for row in some]
        x = torch.cat([to_pixels(picture, size) for picture in read])
        yield x, torch.tensor([int(row["label"]) for row in some])


@torch.no_grad()
def right(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    """How many pictures are named by their class."""
    return int((model(x).argmax(1) == y).sum())
