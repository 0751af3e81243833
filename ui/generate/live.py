"""A GAN that learns while one looks: points of a plane, or digits of 8 × 8 pixels."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st
import torch
import torch.nn.functional as F

from figures import generate as figures
from models import divergence
from models.divergence import nearest_mode
from training import gan
from training.desk import Measured
from ui import room
from ui.components.plane import plane
from ui.generate.choice import CHANGEABLE, DIGITS, LIVE, POINTS, Choice, Shown
from ui.lecture import Download
from ui.room import Moment

SHEET_COLUMNS, ENLARGED = 8, 6
ROWS_SHOWN = 20  # of the table of numbers
SAID = {
    "gan": (
        "The judge makes V(D, G) = E log D(x) + E log(1 − D(G(z))) large, the generator small. Where the judge can no longer tell, "
        "D = ½ everywhere and V = −2 log 2 ≈ −1.386. A loss that stands still is no sign of an end: look at what is made."
    ),
    "wgan-gp": (
        "A critic gives scores, no probabilities: their difference, real minus made, is its estimate of the earth mover’s "
        "distance, and the gradient penalty pulls its slope towards 1. The smaller λ is, the steeper it may be."
    ),
}


def draw_live(choice: Choice) -> Shown | None:
    """The run's buttons, and its moment, redrawn while it goes on."""
    draw, table = (draw_plane, point_numbers) if choice.part == POINTS else (draw_sheet, digit_numbers)
    moment = room.live(f"generate_{LIVE[choice.part]}", gan.train, choice.options, draw, changeable=CHANGEABLE)
    if moment is None:
        return None
    return Shown(
        notes=lambda: live_notes(choice.part, moment),
        table=table(moment),
        caption=value_words(moment),
        files=(
            Download("History CSV", lambda: history_csv(moment.now()), "gan_history.csv", "text/csv"),
            Download("Made CSV", lambda: made_csv(moment.now()), "gan_made.csv", "text/csv"),
        ),
    )


def draw_plane(moment: Moment) -> None:
    """The plane of a moment beside its curves."""
    left, right = st.columns(2)
    view, metrics = moment.snapshot.view, moment.snapshot.metrics
    words = moment_words(moment)
    with left:
        plane(
            moment.once("plane", lambda: arrays(view, metrics)),
            words=words,
            judged="critic, from made (0) to real (1):" if "distance" in metrics else "D =",
            alt=f"Points of a plane: {words}",
            moment=moment.snapshot.step,
        )
    with right:
        _curves(moment)


def draw_sheet(moment: Moment) -> None:
    """64 digits, always of the same z, beside the curves."""
    left, right = st.columns(2)
    with left:
        st.image(
            moment.once("sheet", lambda: sheet_url(moment)),
            caption="G(z) of the same 64 z all the time; the bar below each: blue as far as the judge takes it for real",
            alt=f"64 digits of 8 × 8 pixels after {moment.snapshot.step} rounds",
            width="stretch",
        )
        st.markdown(moment_words(moment))
    with right:
        _curves(moment)


def _curves(moment: Moment) -> None:
    st.plotly_chart(
        moment.once("curves", lambda: figures.curves(drawn_history(moment))),
        key="curves",
        alt="Losses, the judge's means, divergence and modes covered, round by round",
    )


def drawn_history(moment: Moment) -> list[Measured]:
    """What curves are drawn of: all, but of a run that goes on only up to the last tenth more.

    A browser builds a changed chart anew, and would show none if it changed faster than it is built.
    """
    history = moment.history or [(moment.snapshot.step, moment.snapshot.metrics)]
    return history[: milestone(len(history))] if room.stance(moment.run) == "going" else history


def milestone(n: int) -> int:
    """The largest of 1, 2, … that grow by a tenth, at least by one, and are not above n."""
    reached = 1
    while (following := reached + max(1, reached // 10)) <= n:
        reached = following
    return reached


def arrays(view: Mapping[str, torch.Tensor], metrics: Mapping[str, float]) -> dict[str, np.ndarray]:
    """What the plane draws; the field from 0 (made) to 1 (real)."""
    return {"field": opinion(view["field"], metrics)} | {
        name: view[name].numpy() for name in ("real", "made", "pull", "warp")
    }


def opinion(logits: torch.Tensor, metrics: Mapping[str, float]) -> np.ndarray:
    """D, or, of a critic, which knows no probabilities, its score from the mean of the made (0) to that of the real (1)."""
    if "distance" not in metrics:
        return logits.sigmoid().numpy()
    low, high = metrics["score_fake"], metrics["score_real"]
    return ((logits - low) / (high - low if high > low else 1.0)).clamp(0, 1).numpy()


def sheet_url(moment: Moment) -> str:
    view = moment.snapshot.view
    judged = opinion(view["opinion"], moment.snapshot.metrics)
    return figures.data_url(figures.sheet(view["made"][:, 0].numpy(), judged, SHEET_COLUMNS, ENLARGED))


# ---------------------------------------------------------------- in words and numbers


def moment_words(moment: Moment) -> str:
    """Where it is, in a line."""
    metrics, of = moment.snapshot.metrics, modes_of(moment)
    said = [f"{moment.snapshot.step} rounds"]
    if "modes" in metrics:
        said.append(f"{metrics['modes']:.0f} of {of} {'classes' if 'entropy' in metrics else 'modes'} covered")
    if "near" in metrics:
        said.append(f"{100 * metrics['near']:.0f} % within 3 sd of a mode")
    if "js" in metrics:
        said.append(f"JS {metrics['js']:.3f} bits (by chance alone {metrics['js_floor']:.3f})")
    if "entropy" in metrics:
        said.append(f"entropy {metrics['entropy']:.2f} of {np.log2(of):.2f} bits")
    if "value" in metrics:
        said.append(f"V(D, G) = {metrics['value']:.3f}")
    else:
        said.append(f"critic’s distance {metrics['distance']:.3f}")
    return " · ".join(said)


def modes_of(moment: Moment) -> int:
    """How many modes there are."""
    centres = gan.TASKS[moment.options["task"]].centres
    return 10 if centres is None else len(centres)


def live_notes(part: str, moment: Moment) -> None:
    """What is seen, and how it is measured."""
    metrics = moment.snapshot.metrics
    seen = {
        POINTS: (
            f"JS and KL are of two densities on {divergence.CELLS} × {divergence.CELLS} cells, {gan.JUDGED:,} points each, what "
            f"falls outside counted as one cell more; KL(real ‖ made) is {metrics.get('kl', 0):.2f} bits, with half a point more "
            "in every cell. A mode is covered if it has a tenth of its fair share within 3 standard deviations. An arrow points "
            "where the generator’s loss falls for a point, the longest 0.2 long. Each cell of the bent square holds as much of "
            "the noise as any other: where cells are small, points are dense."
        ),
        DIGITS: (
            f"{gan.PICTURED} digits of fixed z are counted by a small network that learned scikit-learn’s digits here in a moment; "
            "64 of them are drawn. A class is covered with 1 % of them."
        ),
    }[part]
    st.markdown(f"{SAID['wgan-gp' if 'distance' in metrics else 'gan']} {seen}")


def value_words(moment: Moment) -> str:
    """V and its two terms, which add up."""
    step, metrics = moment.snapshot.step, moment.snapshot.metrics
    if "distance" in metrics:
        return (
            f"After {step} rounds the critic’s means are {metrics['score_real']:.4f} (real) and {metrics['score_fake']:.4f} "
            f"(made); their difference is {metrics['distance']:.4f}. Below, the first {ROWS_SHOWN} of the fixed z."
        )
    return (
        f"After {step} rounds: E log D(x) = {metrics['log_real']:.4f}, E log(1 − D(G(z))) = {metrics['log_fake']:.4f}; "
        f"V = {metrics['value']:.4f}. Below, the first {ROWS_SHOWN} of the fixed z."
    )


def point_numbers(moment: Moment) -> pd.DataFrame:
    """The first z, what is made of them, what the judge says."""
    view = {name: tensor[:ROWS_SHOWN] for name, tensor in moment.snapshot.view.items()}
    columns = {
        "z₁": view["z"][:, 0],
        "z₂": view["z"][:, 1],
        "G(z)₁": view["made"][:, 0],
        "G(z)₂": view["made"][:, 1],
        **judged_columns(view["opinion"], moment),
    }
    task = gan.TASKS[moment.options["task"]]
    if task.centres is not None:
        mode, near = nearest_mode(view["made"], task.centres, task.sd)
        columns |= {"nearest mode": mode, "within 3 sd": near}
    return pd.DataFrame({name: column.numpy() for name, column in columns.items()})


def digit_numbers(moment: Moment) -> pd.DataFrame:
    """What the classifier and the judge say of the first pictures."""
    view = {name: tensor[:ROWS_SHOWN] for name, tensor in moment.snapshot.view.items()}
    columns = {
        "picture": torch.arange(1, len(view["opinion"]) + 1),
        "taken for": view["classes"],
        **judged_columns(view["opinion"], moment),
    }
    return pd.DataFrame({name: column.numpy() for name, column in columns.items()})


def judged_columns(logit: torch.Tensor, moment: Moment) -> dict[str, torch.Tensor]:
    """A judge's logit and what follows from it; of a critic, its score alone."""
    if "distance" in moment.snapshot.metrics:
        return {"critic’s score": logit}
    return {"judge’s logit": logit, "D(G(z))": logit.sigmoid(), "log(1 − D(G(z)))": F.logsigmoid(-logit)}


def history_csv(moment: Moment) -> bytes:
    return pd.DataFrame([{"round": step, **metrics} for step, metrics in moment.history]).to_csv(index=False).encode()


def made_csv(moment: Moment) -> bytes:
    made = moment.snapshot.view["made"].flatten(1).numpy()
    return pd.DataFrame(made, columns=[f"x{i + 1}" for i in range(made.shape[1])]).to_csv(index=False).encode()
