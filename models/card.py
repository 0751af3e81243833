"""A model card: where a network comes from and what it was measured to do. App, README and tests read the same file."""

import json
from dataclasses import dataclass
from pathlib import Path

CARDS = Path(__file__).parent.parent / "assets" / "cards"
PLAIN = ("bleu", "cider", "mean", "ppl", "classes", "kinds", "entropy", "nearest")  # metrics that are no percentages


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
        published: the figures its makers report, by metric; in % but for BLEU, perplexity and means of several figures.
        published_on: the data of the published figures.
        metrics: the figures measured by `command`; empty for networks that we did not measure.
        measured_on: the data of the measured figures.
        command: how to measure them again.
        sha256: of the weights file; empty where the loader of the package checks it.
        seed, commit, hardware, minutes: of our own training; empty for weights of others.
        others: figures of other networks on the data measured on, by name; cited. `others_on` says from where.
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
    seed: int | str = ""
    commit: str = ""
    hardware: str = ""
    minutes: float | str = ""
    others: dict[str, float] | str = ""
    others_on: str = ""

    def write(self, name: str) -> None:
        """Write it where `read_card` looks."""
        text = json.dumps(
            {key: value for key, value in vars(self).items() if value != ""}, ensure_ascii=False, indent=2
        )
        (CARDS / f"{name}.json").write_text(text + "\n", encoding="utf-8")

    def rows(self) -> list[tuple[str, str]]:
        """Everything that is known, as (what, words) for a table."""
        known = [(name.replace("_", " "), value) for name, value in vars(self).items() if value not in ("", {})]
        return [(name, _figures(value) if isinstance(value, dict) else str(value)) for name, value in known]


def read_card(name: str) -> Card:
    """The card in `assets/cards/NAME.json`. Raises FileNotFoundError or TypeError for a card that is missing or unfit."""
    return Card(**json.loads((CARDS / f"{name}.json").read_text(encoding="utf-8")))


def readme_table() -> str:
    """The cards of our own list as the README's Markdown table; a test holds the README against it."""
    lines = ["| network | published | measured here | command |", "|---|---|---|---|"]
    for path in sorted(CARDS.glob("*.json")):
        card = read_card(path.stem)
        published = f"{_figures(card.published)} ({card.published_on})"
        measured = f"{_figures(card.metrics)} ({card.measured_on})"
        lines.append(f"| {card.title} | {published} | {measured} | `{card.command}` |")
    return "\n".join(lines)


def _figures(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}{'' if name.startswith(PLAIN) else ' %'}" for name, value in figures.items())
