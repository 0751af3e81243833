"""MNIST's recorded run, scrubbed in the browser, and what its generator makes now, of new z."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from figures import generate as figures
from models import zoo
from models.card import read_card
from training.report_generate import NAME
from ui import cached
from ui.components.film import film
from ui.generate.choice import Choice, Shown
from ui.lecture import Download

CARD = "gan-mnist"
COLUMNS = 8
WALK = cached.generate.WALK


def draw_mnist(choice: Choice) -> Shown | None:
    """The film, scrubbed in the browser; below it what the shipped generator makes now."""
    found = zoo.recorded(NAME).get("mnist")
    if not found:
        st.info("Nothing was recorded of MNIST.")
        return None
    film(
        zoo.film_file("mnist").read_bytes(),
        found["steps"],
        np.array(found["opinion"]),
        found["counts"],
        [frame_words(found, k) for k in range(len(found["steps"]))],
        side=28,
        columns=COLUMNS,
        alt=f"{len(found['opinion'][0])} digits made of the same z",
    )
    st.caption(f"**Recorded** by `{read_card(CARD).source}`, then `{zoo.recorded(NAME)['command']}`.")
    made = cached.generate.made(CARD, choice.seed)
    return Shown(
        notes=lambda: notes(choice, found, made),
        table=made_numbers(made.logits, made.classes, made.confidence),
        caption=f"What the shipped judge and the classifier say of {len(made.logits)} pictures of new z (seed {choice.seed}).",
        files=(
            Download("Made PNG", lambda: png(made), f"gan_mnist_{choice.seed}.png", "image/png"),
            Download("Recorded run JSON", lambda: as_json(found), "gan_mnist_recorded.json", "application/json"),
        ),
    )


def frame_words(found: Mapping[str, Any], k: int) -> str:
    """What was measured at a recorded moment."""
    metrics, n = {name: values[k] for name, values in found["metrics"].items()}, len(found["opinion"][k])
    covered = sum(count > 0 for count in found["counts"][k])
    losses = (
        f"losses {metrics['loss_judge']:.3f} (judge), {metrics['loss_generator']:.3f} (generator)"
        if metrics["loss_judge"] is not None
        else "before the first round"
    )
    return (
        f"round {found['steps'][k]:,}: {losses}\nmean D(x) {metrics['real']:.3f}, D(G(z)) {metrics['fake']:.3f}; "
        f"V(D, G) = {metrics['value']:.3f}\n{covered} of {len(found['counts'][k])} classes among these {n}, "
        f"the classifier sure to {found['confidence'][k]:.0f} %"
    )


def notes(choice: Choice, found: Mapping[str, Any], made: cached.generate.Made) -> None:
    """Curves, what was measured, and pictures of new z."""
    card = read_card(CARD)
    st.plotly_chart(
        figures.curves(history(found["steps"], found["metrics"])),
        key="mnist_curves",
        alt="Losses and the judge's means over the rounds of the recorded run",
    )
    st.markdown(recorded_words(found, card.metrics))
    st.caption(f"Measured by `{card.command}` on {card.measured_on}.")
    st.header("Made now, of new z", anchor=False)
    st.image(
        figures.data_url(made_sheet(made)),
        caption=(
            f"The shipped generator, {len(made.logits)} z of seed {choice.seed}; below, on the straight way from the first to "
            "the second"
        ),
        alt="Twenty digits of new z",
    )
    st.image(
        figures.data_url(figures.sheet(made.walk[:, 0].numpy(), made.walk_logits.sigmoid().numpy(), WALK, 3)),
        alt="Ten digits from one z to another",
    )


def history(steps: Sequence[int], metrics: Mapping[str, Sequence[float | None]]) -> list[tuple[int, dict[str, float]]]:
    """As of a live run: what was measured at each step."""
    rows = [{name: values[k] for name, values in metrics.items()} for k in range(len(steps))]
    return [
        (step, {name: value for name, value in row.items() if value is not None})
        for step, row in zip(steps, rows, strict=True)
    ]


def recorded_words(found: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    """What was measured, in sentences; each number from the card or the record."""
    made, test = (dict(zip(found["shares"], found["distances"][name], strict=True)) for name in ("made", "test"))
    copied = (
        "No made picture is nearer to a training picture than the nearest test picture is."
        if made[0.0] >= test[0.0]
        else "The nearest made picture is nearer than the nearest test picture: one may have been copied."
    )
    return (
        f"{found['steps'][-1]:,} rounds of 64 pictures, {found['minutes']} minutes. Of 10,000 new pictures a classifier finds "
        f"**{metrics['classes']:.0f} of 10** classes, entropy **{metrics['entropy']:.2f}** of 3.32 bits, and is sure to "
        f"{metrics['confidence']:.1f} % on average. Does it copy? The nearest of 60,000 training pictures is {made[0.5]:.2f} away "
        f"in the median (least {made[0.0]:.2f}); from real test pictures it is {test[0.5]:.2f} (least {test[0.0]:.2f}), of "
        f"{found['compared']:,} each. {copied}"
    )


def made_numbers(logits: torch.Tensor, classes: torch.Tensor, confidence: torch.Tensor) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "picture": np.arange(1, len(logits) + 1),
            "judge’s logit": logits.numpy(),
            "D(G(z))": logits.sigmoid().numpy(),
            "taken for": classes.numpy(),
            "sure to": confidence.numpy(),
        }
    )


def made_sheet(made: cached.generate.Made) -> np.ndarray:
    return figures.sheet(made.pictures[:, 0].numpy(), made.logits.sigmoid().numpy(), WALK, 3)


def png(made: cached.generate.Made) -> bytes:
    return base64.b64decode(figures.data_url(made_sheet(made)).split(",")[1])


def as_json(found: Mapping[str, Any]) -> bytes:
    return json.dumps(found, ensure_ascii=False, indent=1).encode()
