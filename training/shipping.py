"""From a finished run to what the app ships: the weights in fp16, and the card with what is measured on them."""

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from models import zoo
from models.card import Card
from training.snapshot import Snapshot


def ship(
    name: str,
    run: Snapshot,
    seed: int,
    measure: Callable[[], dict[str, float]],
    shared: Collection[str] = (),
    **about: Any,
) -> None:
    """Write `assets/weights/NAME.safetensors` and `assets/cards/NAME.json`.

    Args:
        run: its last snapshot.
        measure: the metrics of the shipped weights, called when they are written: it loads them as the app does.
        shared: tensors that are another model's and not written.
        about: the card's fields that only the training knows.
    """
    network = {key.removeprefix("model."): t for key, t in run.state.items() if key.startswith("model.")}
    network = {key: t for key, t in network.items() if key not in shared}
    path = zoo.WEIGHTS / f"{name}.safetensors"
    save_file({key: t.half().contiguous() for key, t in network.items()}, path)
    card = Card(
        **about,
        source=f"python -m training {name} --data DIR",
        command=f"python -m training evaluate {name} --data DIR --json",
        parameters=sum(t.numel() for t in network.values()),
        megabytes=round(path.stat().st_size / 1e6, 1),
        metrics={},
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        seed=seed,
        commit=head(),
        hardware=f"{os.cpu_count()} cores, {cpu_name()}",
        minutes=round(run.seconds / 60, 1),
    )
    card.write(name)
    replace(card, metrics=measure()).write(name)


def record(name: str, found: dict[str, Any]) -> Path:
    """Write what was measured of several models side by side where `models.zoo.recorded` finds it."""
    path = zoo.ASSETS / "recorded" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(as_lines(found) + "\n", encoding="utf-8")
    return path


def as_lines(found: dict[str, Any]) -> str:
    """JSON with a line a key, and a line for a list of plain values: short, and a change of it can be read."""
    long = json.dumps(found, ensure_ascii=False, indent=1)
    return re.sub(r"\[\n *([^][{}]*)\n *\]", lambda plain: "[" + re.sub(r"\n *", " ", plain[1]) + "]", long)


def head() -> str:
    """The commit that the code is at."""
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def cpu_name() -> str:
    """The processor's name, as far as the system tells."""
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("model name")[1]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
    return described.partition(":")[2].partition("\n")[0].strip()
