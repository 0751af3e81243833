"""A training so small that it is over in a blink: logistic regression on two moons."""

import time
from collections.abc import Generator, Mapping
from typing import Any

import torch
from sklearn.datasets import make_moons

from training.snapshot import Snapshot


def train(
    *,
    data: None = None,  # noqa: ARG001
    steps: int = 50,
    rate: float = 1.0,
    slow: float = 0.0,
    breaks_at: int = -1,
    seed: int = 1,
    resume: Snapshot | None = None,
) -> Generator[Snapshot, Mapping[str, Any] | None, None]:
    """Gradient descent, a snapshot a step. `slow`: seconds a step takes; `breaks_at`: the step that divides by nought."""
    if steps < 1:
        raise ValueError("A run has at least one step.")
    points, labels = make_moons(200, noise=0.15, random_state=seed)
    x, y = torch.tensor(points, dtype=torch.float32), torch.tensor(labels, dtype=torch.float32)
    w = resume.state["w"].clone() if resume else torch.zeros(3)
    for step in range(resume.step + 1 if resume else 0, steps + 1):
        if step:
            time.sleep(slow)
            p = torch.sigmoid(x @ w[:2] + w[2])
            w = w - rate * torch.cat([((p - y)[:, None] * x).mean(0), (p - y).mean()[None]])
        p = torch.sigmoid(x @ w[:2] + w[2])
        loss = torch.nn.functional.binary_cross_entropy(p, y)
        metrics = {"loss": float(loss), "rate": rate, "broken": 1 / (step - breaks_at)}
        changes = yield Snapshot(step, steps, 0.0, metrics, {"w": w}, "small", {"p": p})
        rate = (changes or {}).get("rate", rate)
