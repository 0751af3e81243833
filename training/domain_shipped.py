"""The four networks of the page "Adapt" that ship: digits and frames, each with and without the adversary."""

from pathlib import Path
from typing import Any

import torch

from models import zoo
from training.digits import mnist_m_test
from training.domain import ASIDE, accuracy
from training.frames import frames_known, read_frames
from training.shipping import ship
from training.snapshot import Snapshot

OPEN = ASIDE[0]  # the text domain that the networks for frames were not trained on
SHIPPED = {  # the task, and whether with the adversary
    "adapt-mnist-m": ("mnist-m", True),
    "adapt-mnist-m-source-only": ("mnist-m", False),
    "frames-adversarial": (f"frames-{OPEN}", True),
    "frames-plain": (f"frames-{OPEN}", False),
}
BATCH = 500


def split_of(name: str) -> str:
    return "mnist_m_test" if name.startswith("adapt") else "targets"


@torch.no_grad()
def evaluate(name: str, data: Path, split: str = "", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}` of the shipped weights: `accuracy`, in %.

    Digits: of `DIR/digits/SPLIT.npz`. Frames: of the texts of the domain kept aside in `DIR/framenet/SPLIT.jsonl.gz`, or of all of
    the file's where it has none of that domain; frames that nobody was told of count as wrong.
    """
    split = split or split_of(name)
    network = zoo.adapted(name)
    x, y = mnist_m_test(data, split) if name.startswith("adapt") else _frames(data, split)
    x, y = x[:limit], y[:limit]
    logits = torch.cat([network(some.float()) for some in x.split(BATCH)])
    return {"name": name, "split": split, "n": len(y), "metrics": {"accuracy": round(accuracy(logits, y), 2)}}


def _frames(data: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    rows, x = read_frames(data, split)
    chosen = [i for i, row in enumerate(rows) if row["domain"] == OPEN] or list(range(len(rows)))
    numbers = {frame: number for number, frame in enumerate(zoo.frame_names())}
    return x[chosen], torch.tensor([numbers.get(rows[i]["frame"], -1) for i in chosen])


def export(name: str, data: Path, run: Snapshot, seed: int) -> None:
    """Write what the app ships: the weights in fp16, the card with what `evaluate` measures on them, the names of the frames."""
    adversary = SHIPPED[name][1]
    how = "with a judge against the domain" if adversary else "source only"
    if name.startswith("adapt"):
        about = {
            "title": f"Digits in colour, {how}",
            "paper": "Ganin 2016 (gradient reversal)",
            "data": "30,000 digits of MNIST with labels; 30,000 others on photographs of BSDS500, without",
            "licence": "MIT; MNIST is free for research, BSDS500 for non-commercial research",
            "published": {"accuracy": 76.66 if adversary else 52.25},
            "published_on": "MNIST → MNIST-M (Ganin 2016, table 2)",
            "measured_on": "half of MNIST-M's test set (4,500 pictures), fp16 weights; none of it was trained on",
        }
    else:
        rows, _ = read_frames(data, "targets")
        (zoo.WORDS / "frames.txt").write_text("\n".join(frames_known(rows, OPEN)) + "\n", encoding="utf-8")
        about = {
            "title": f"Frames in an open domain, {how}",
            "paper": "Marzinotto 2019 (adversarial domain generalization), over all-MiniLM-L6-v2",
            "data": f"FrameNet's full texts (CC BY) but those of {OPEN}",
            "licence": "MIT; all-MiniLM-L6-v2 is Apache-2.0",
            "published": {},
            "published_on": "Marzinotto 2019 measured on the French CALOR corpus, which is not at hand",
            "measured_on": f"targets of {OPEN}, texts on weapons, none of which was trained on; fp16 weights",
        }
    ship(name, run, seed, lambda: evaluate(name, data)["metrics"], **about)
