"""What the page "Fool a classifier" says and computes around its figure."""

import re
from typing import Any

import pandas as pd
import streamlit as st
import torch

from attacks.axis import FINE, Axis, linear_until
from figures import fool as figures
from models import zoo
from models.card import Card
from models.picture import Picture, describe_fit, from_pixels, gallery, gallery_picture, png
from ui import cached, controls
from ui.cached.fool import Moment, Question, Sweep
from ui.components.epsilon import Released
from ui.lecture import Download
from ui.navigation import ATTACKS

FIRST_STEP = 1  # the lecture's 1/256 is one step of an 8-bit picture, 1/255
EPSILON, PIXEL = "eps", "pixel"  # what the component shows, in the link

OWN_ANSWER = "the network says"
UNTARGETED = "anything else"
TRUTH_HELP = (
    "“Fooled” needs the clean picture to be right. Without your label, what the network says of the clean picture is taken "
    "for the truth; with one, your word counts. Type to search the 1,000 classes."
)
TARGET_HELP = "Untargeted: away from the true class. Or choose the class that the network shall see. Type to search."
CURVE_ALT = "The probability of the true class and of its rival against epsilon from 0 to 32/255"
LOSS_ALT = "The loss of the network and its linear prediction against epsilon from 0 to 32/255"
FIRST_STEP_ALT = "The same two curves from 0 to 1/255, in pictures that are not rounded"
WEIGHTS_VIEW = (
    "The lecture's $w^\\top\\tilde x = w^\\top x + w^\\top\\eta$, for the true class and its rival: $w = \\nabla_x z_k(x)$ are the "
    "weights of the network's linear part at this picture. Many tiny $\\eta_i$, all with the sign of their weight, add up."
)


def _whole_step(text: str) -> bool:
    return text.isdecimal() and int(text) in FINE


def _row_and_column(text: str) -> bool:
    return re.fullmatch(r"\d{1,4},\d{1,4}", text) is not None


LINK = {
    EPSILON: _whole_step,
    PIXEL: _row_and_column,
    "network": lambda title: title in map(controls.network_title, zoo.names()),
    "source": lambda name: name in controls.SOURCES,
    "gallery": lambda title: title in {entry.title for entry in gallery().values()},
    "truth": lambda name: name in (OWN_ANSWER, *zoo.imagenet_categories()),
    "target": lambda name: name in (UNTARGETED, *zoo.imagenet_categories()),
}


SHARED = ("network", "source", "gallery", "truth", "target")  # with the page "Step by step"


def _pixel(text: str) -> tuple[int, int] | None:
    row, _, column = text.partition(",")
    return (int(row), int(column)) if _row_and_column(text) else None


def start_in_link() -> Released:
    """The step and the pixel that the address names; the lecture's step and no pixel where it names none."""
    step, pixel = st.query_params.get(EPSILON, ""), st.query_params.get(PIXEL, "")
    return Released(
        int(step) if _whole_step(step) else FIRST_STEP,
        _pixel(pixel),
    )


def put_in_link(released: Released) -> None:
    """The address follows slider and pixel, so that it can be sent."""
    row_column = None if released.pixel is None else "{},{}".format(*released.pixel)
    for name, value in ((EPSILON, str(released.n)), (PIXEL, row_column)):
        if value is not None and st.query_params.get(name) != value:
            st.query_params[name] = value


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    picture = gallery_picture(next(iter(gallery())))
    question = Question(zoo.EMBEDDED, picture.digest, None, None)
    sweep = cached.fool.sweep(question, picture)
    for _ in sweep.finish():
        pass
    cached.fool.moment(question, FIRST_STEP, sweep)
    figures.probabilities(**probability_curves(sweep, cached.fool.classifier(zoo.EMBEDDED).categories, FIRST_STEP))


def verdicts(axis: Axis, names: tuple[str, ...]) -> list[str]:
    """One sentence for each step of the axis: what the network says, and whether that is fooling."""
    return [_verdict(axis, names, at) for at in range(len(axis.steps))]


def _verdict(axis: Axis, names: tuple[str, ...], at: int) -> str:
    answer, n = axis.answers[at], axis.steps[at]
    says = f"“{names[answer]}” with {float(axis.probabilities[at, answer]):.1%}"
    if not axis.clean_right:
        return f"The network says {says}. {wrong_before(names[axis.answers[0]], names[axis.y])}"
    if axis.target == axis.y:
        return f"The network says {says}. The target is the class the picture has already: choose another."
    if not axis.grad.any():
        return f"The network says {says}. The gradient is exactly zero: this attack cannot move, which proves no robustness."
    if axis.fooled[at]:
        return f"Fooled: no value moved by more than {n}/255, and “{names[axis.y]}” has become {says}."
    return f"The network says {says}." + (" Not fooled at this ε." if n else " No attack yet.")


def wrong_before(answer: str, truth: str) -> str:
    """Of a clean picture that is not answered with its true class."""
    return f"It called the clean picture “{answer}”, not “{truth}”: wrong before any attack, so nothing here counts as fooled."


def step_through(n: int) -> None:
    """The way to the page that walks: the same picture, network, ε and target."""
    kept = {name: st.query_params[name] for name in SHARED if name in st.query_params}
    st.page_link(
        ATTACKS.file,
        label=f"Step through it, with 20 smaller steps in the same ±{max(n, 1)}/255",
        icon=ATTACKS.icon,
        query_params={**kept, EPSILON: str(max(n, 1))},
    )


def flip_sentence(sweep: Sweep, names: tuple[str, ...]) -> str:
    """Whose word the true class is, and where along the axis the answer first turns: a whole step and a real number."""
    first = sweep.axis.first_fooled
    whose = "what the network says of the clean picture" if sweep.question.y is None else "your label"
    truth = f"True class: “{names[sweep.axis.y]}”, {whose}. "
    if first is None or sweep.real_epsilon is None:
        return truth + "No step up to 32/255 fools the network on this picture."
    real = f"{255 * sweep.real_epsilon:.2f}/255"
    return truth + f"First fooled at the whole step **{first}/255**; by bisection, without rounding, at **ε = {real}**."


def linear_range(sweep: Sweep) -> float:
    """The last step up to which the linear prediction is good to 10 %: from the close-up if it ends inside the first step."""
    assert sweep.close is not None
    inside = linear_until(sweep.close)
    return inside if inside < 1 else linear_until(sweep.axis)


def linear_sentence(sweep: Sweep) -> str:
    """How far the lecture's linear argument carries on this picture."""
    grad, until = sweep.axis.grad, linear_range(sweep)
    norm = float(grad.abs().sum())
    range_ = f"up to **ε = {until:.2f}/255** (shaded)" if until else "for less than a sixteenth of a step"
    return (
        f"‖∇ₓJ‖₁ = {norm:,.0f} over {grad.numel():,} pixel values: each of them counts for little, together they move the "
        f"linear prediction by {norm / 255:.2f} nats a step. The network follows it to within 10 % {range_}."
    )


def noise_sentence(now: Moment, axis: Axis, n: int) -> str:
    """The control experiment at this step."""
    turned = sum(answer != axis.answers[0] for answer in now.noise)
    share = f"**{turned} of {len(now.noise)}**"
    return f"Random ±{n}/255 noise, the same budget without the gradient: {share} patterns change the answer."


def logit_table(now: Moment, names: tuple[str, ...]) -> pd.DataFrame:
    r"""$w^\top x$, $w^\top\eta$ and what came of it, for the true class and its rival."""
    return pd.DataFrame(
        {
            "class k": [names[view.k] for view in now.views],
            "z_k(x)": [view.clean for view in now.views],
            "wᵀη": [view.w_eta for view in now.views],
            "z_k(x) + wᵀη": [view.predicted for view in now.views],
            "z_k(x + η), the network": [view.attacked for view in now.views],
            "ε‖w‖₁, the most": [view.bound for view in now.views],
        }
    ).round(3)


def pixel_table(axis: Axis, n: int, pixel: tuple[int, int]) -> pd.DataFrame:
    """The formula for one pixel: every column is a step of it, in 255ths, one row a colour channel."""
    row, column = pixel
    x, d, grad = (tensor[0, :, row, column] for tensor in (axis.x, axis.d, axis.grad))
    moved = x * 255 + n * d
    return pd.DataFrame(
        {
            "channel": ["red", "green", "blue"],
            "x": (x * 255).round().int(),
            "∇ₓJ": grad,
            "sign": d.int(),
            "η = ε·sign": (n * d).int(),
            "x + η": moved.round().int(),
            "x̃ = clip": moved.clamp(0, 255).round().int(),
        }
    )


def axis_table(axis: Axis, names: tuple[str, ...]) -> pd.DataFrame:
    """The whole axis, a row a step: for the spreadsheet."""
    return pd.DataFrame(
        {
            "epsilon_255ths": axis.steps,
            "answer": [names[k] for k in axis.answers],
            "p_answer": axis.probabilities.amax(1),
            "p_truth": axis.probabilities[:, axis.y],
            "loss": axis.loss,
            "linear_loss": axis.linear_loss,
            "fooled": axis.fooled,
        }
    )


def about_picture(picture: Picture, axis: Axis) -> str:
    """What was done to the file before the network saw it, at which size the attack holds, and whom to thank."""
    done = " ".join(f"{what[0].upper()}{what[1:].rstrip('.')}." for what in picture.done)
    size = axis.x.shape[-1]
    return (
        f"{describe_fit(picture, size)} {done} The attack is on this {size}×{size} picture, in whole steps of its 8 bits: "
        f"the lecture's ε ≈ 1/256 would be rounded to 1/255 in any file, so the slider starts there. {picture.credit}"
    )


def measures(now: Moment) -> None:
    """The size of the change, measured on the 8-bit picture, and the check of the file."""
    change = now.perturbation
    with st.container(horizontal=True, gap="large"):
        for label, value, explanation in (
            ("L∞", f"{float(change.linf) * 255:.0f}/255", "The largest change of any value"),
            ("L2", f"{float(change.l2):.3f}", "The length of η, in pixels of [0, 1]"),
            (
                "PSNR",
                f"{float(change.psnr):.1f} dB" if now.perturbation.linf > 0 else "∞ dB",
                "Peak signal-to-noise ratio; over 40 dB is hard to see",
            ),
            ("SSIM", f"{float(change.ssim):.4f}", "Structural similarity: 1 is the same picture"),
            (
                "As a PNG file",
                "fooled" if now.fooled else "not fooled",
                "Saved as PNG, read again, and the network asked again",
            ),
        ):
            st.metric(label, value, help=explanation, width="content")


def probability_curves(sweep: Sweep, names: tuple[str, ...], n: int) -> dict[str, Any]:
    """What `figures.fool.probabilities` draws at step `n` of a finished sweep."""
    axis, noise = sweep.axis, sweep.noise
    assert noise is not None
    rival = axis.rival(n)
    return {
        "steps": axis.steps,
        "p_truth": axis.probabilities[:, axis.y].tolist(),
        "p_rival": axis.probabilities[:, rival].tolist(),
        "noise_steps": noise.steps,
        "p_noise": noise.probabilities[:, axis.y].tolist(),
        "truth": names[axis.y],
        "rival": names[rival],
        "n": n,
        "first_fooled": None if sweep.real_epsilon is None else 255 * sweep.real_epsilon,
    }


def loss_curves(sweep: Sweep, n: int) -> dict[str, Any]:
    """What `figures.fool.losses` draws at step `n` of a finished sweep."""
    axis, noise = sweep.axis, sweep.noise
    assert noise is not None
    return {
        "steps": axis.steps,
        "loss": axis.loss.tolist(),
        "linear": axis.linear_loss.tolist(),
        "noise_steps": noise.steps,
        "noise_loss": noise.loss.tolist(),
        "n": n,
        "linear_until": linear_range(sweep),
    }


def first_step_curves(sweep: Sweep) -> dict[str, Any]:
    """What `figures.fool.first_step` draws of a finished sweep."""
    close = sweep.close
    assert close is not None
    return {
        "steps": close.steps,
        "loss": close.loss.tolist(),
        "linear": close.linear_loss.tolist(),
        "linear_until": linear_range(sweep),
    }


def steepest_pixel(axis: Axis) -> tuple[int, int]:
    """Row and column of the pixel that the loss depends on most."""
    row, column = divmod(int(axis.grad[0].abs().sum(0).argmax()), axis.x.shape[-1])
    return row, column


def pixel_caption(pixel: tuple[int, int], released: Released) -> str:
    """Which pixel the table is about."""
    which = (
        "the pixel you clicked" if released.pixel else "the pixel the loss depends on most; click a picture for another"
    )
    return f"Row {pixel[0]}, column {pixel[1]}: {which}. Pixels in 255ths, ε = {released.n}/255."


def downloads(name: str, axis: Axis, now: Moment, names: tuple[str, ...], n: int) -> list[Download]:
    """The pictures at the network's size, without loss, and the numbers of the whole axis."""
    stem = name.rsplit(".", 1)[0]
    factor = 127 // n if n else 0

    def amplified() -> bytes:
        return png((axis.d[0].permute(1, 2, 0) * n * factor + 128).to(torch.uint8).numpy())

    return [
        Download("Adversarial PNG", lambda: now.png, f"{stem}-adversarial-{n}.png", "image/png"),
        Download("Original PNG", lambda: png(from_pixels(axis.x)), f"{stem}-original.png", "image/png"),
        Download(f"η × {factor} PNG", amplified, f"{stem}-eta-{n}-times-{factor}.png", "image/png"),
        Download(
            "Numbers CSV", lambda: axis_table(axis, names).to_csv(index=False).encode(), f"{stem}-axis.csv", "text/csv"
        ),
    ]


def model_card(card: Card) -> None:
    """A model card as a table: every field that is known."""
    what, words = zip(*card.rows(), strict=True)
    st.table(pd.DataFrame({"": words}, index=what))
