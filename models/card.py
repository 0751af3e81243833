"""A model card: where a network comes from and what it was measured to do. App, README and tests read the same file."""

import json
from dataclasses import dataclass
from pathlib import Path

CARDS = Path(__file__).parent.parent / "assets" / "cards"


@dataclass(frozen=True)
class Card:
    """What is known of a network's weights.

    Attributes:
        title: the name a person reads.
        paper: the paper it implements.
        data: what it was trained on, with the terms.
        source: where its weights come from.
        licence: of the weights.
        parameters: how many numbers were learned.
        megabytes: the size of the weights file.
        published: the figures its makers report, by metric, in %.
        published_on: the data of the published figures.
        metrics: the figures measured by `command`, in %; empty for networks that we did not measure.
        measured_on: the data of the measured figures.
        command: how to measure them again.
        sha256: of the weights file; empty where the loader of the package checks it.
    """

    title: str
    paper: str
    data: str
    source: str
    licence: str
    parameters: int
    megabytes: float
    published: dict[str, float]
    published_on: str
    metrics: dict[str, float]
    measured_on: str
    command: str
    sha256: str


def read_card(name: str) -> Card:
    """The card in `assets/cards/NAME.json`. Raises FileNotFoundError or TypeError for a card that is missing or unfit."""
    return Card(**json.loads((CARDS / f"{name}.json").read_text(encoding="utf-8")))
