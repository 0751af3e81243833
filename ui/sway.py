"""The page "Attention under attack": what is asked, what came of it, and where was looked before and after."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from attacks import looks as losses
from attacks.aims import EXACT, OTHER, SAME, THERE, WORD, towards
from attacks.gradient import Step, nobody, pgd
from attacks.perturbation import to_8bit
from attacks.pursuit import pursue
from figures import sway as figures
from figures.fooling import amplified, place
from models import zoo
from models.draw import drawable
from models.moved import earth_movers, total_variation
from models.picture import Picture, from_pixels, gallery_picture, png
from models.shapes import drawing, drawings
from ui import ask as asking
from ui import cached, controls, regions, running, stepping
from ui.cached import Wish
from ui.computation import exact
from ui.lecture import Download, Numbers, as_it_is
from ui.running import Sight
from ui.swayed import Sway

CAPTION, PHOTO, DRAWING, CAPTCHA = "Caption", "Question about a photo", "Question about a drawing", "Captcha"
SUBJECTS = {CAPTION: "caption", PHOTO: "ask-daquar", DRAWING: "ask-shapes", CAPTCHA: "captcha"}
GOALS = {
    CAPTION: (OTHER, EXACT, WORD, THERE, SAME),
    PHOTO: (OTHER, EXACT, THERE, SAME),
    DRAWING: (OTHER, EXACT, THERE, SAME),
    CAPTCHA: (OTHER, EXACT, THERE, SAME),
}
WISHES = {
    CAPTION: {EXACT: "a dog is running in the grass", WORD: "dog"},
    PHOTO: {EXACT: "bed"},
    DRAWING: {EXACT: "no"},
    CAPTCHA: {EXACT: "HELP"},
}
QUESTIONS = {PHOTO: "What is on the table?", DRAWING: "What color is the shape?"}
FIRST = {CAPTION: "camera", PHOTO: asking.FIRST}
LETTERS, NOISY, WIDEST = "H4CK", (7, 12, 0), 8  # the captcha: its letters; seed, dots, curves
MOST, STEPS = 16, 20
LONGEST = 200  # steps
EPSILON_HELP = "The most that a value of a pixel may move, in 255ths."
STEPS_HELP = (
    "1: the fast gradient method. Every ten steps the picture is rounded and asked; it ends when the aim is reached."
)
LINK = {
    "subject": lambda name: name in SUBJECTS,
    "goal": lambda name: name in (OTHER, EXACT, WORD, THERE, SAME),
    **{name: regions.LINK[name] for name in (stepping.STEP, "source", "gallery")},
}


@dataclass(frozen=True)
class Asked:
    """What a visitor wishes, and of which picture."""

    subject: str
    wish: Wish
    picture: Picture

    @property
    def sway(self) -> Sway:
        return cached.sway(self.wish, self.picture)


@dataclass(frozen=True)
class Shown:
    """A finished attack, and the look in view."""

    asked: Asked
    sway: Sway
    t: int

    def maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Of the look in view, (rows, columns): before, after while the old words are said, after while its own are."""
        sway, t = self.sway, self.t
        own = sway.own[t].reshape(sway.grid) if t < len(sway.own) else None
        return sway.before[t].reshape(sway.grid), sway.after[t].reshape(sway.grid), own


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    picture = gallery_picture(FIRST[CAPTION])
    wish = Wish(SUBJECTS[CAPTION], picture.digest, "", OTHER, "", 2, STEPS)
    cached.sway(wish, picture).go(nobody)


# ---------------------------------------------------------------- asking


def ask() -> Asked | None:
    """Whom, about what, and what is wanted. Then the attack, seen while it is done. None, with a word, where there is none."""
    subject = st.segmented_control(
        "Who looks", list(SUBJECTS), default=CAPTION, required=True, key="subject", bind="query-params"
    )
    picture, question = _picture(subject or CAPTION)
    goals = GOALS[subject or CAPTION]
    first, second, third, fourth = st.columns([1.5, 1.7, 1, 1])
    with first:
        goal = st.selectbox("It shall", goals, key="goal", bind="query-params")
    with second:
        text = _text(subject or CAPTION, goal)
    n = third.slider("ε in 255ths", 1, MOST, 2, key="eps", bind="query-params", help=EPSILON_HELP)
    steps = fourth.slider("Steps", 1, LONGEST, STEPS, key="steps", bind="query-params", help=STEPS_HELP)
    if picture is None:
        return None
    model = SUBJECTS[subject or CAPTION]
    t, region = 0, tuple[int, ...]()
    if goal == THERE:
        t, region = _there(model, picture, look_names(model, cached.says(model, picture.digest, question, picture)))
    wish = Wish(model, picture.digest, question, goal, text, n, steps, t, region)
    asked = Asked(subject or CAPTION, wish, picture)
    return asked if run(asked.sway) else None


def _picture(subject: str) -> tuple[Picture | None, str]:
    """The picture, and the question if one is asked."""
    first, second, third = st.columns([1.2, 1.4, 2])
    if subject == CAPTCHA:
        letters = controls.text("Letters", LETTERS, "letters", WIDEST, place=first, max_chars=WIDEST)
        return cached.captcha(drawable(letters), *NOISY), ""
    with second:
        if subject == DRAWING:
            title = st.selectbox("Drawing", list(drawings()), key="drawing", bind="query-params")
            picture: Picture | None = drawing(title)
        else:
            with first:
                source = controls.source()
            picture = controls.picture(source, FIRST[subject])
    if subject == CAPTION:
        return picture, ""
    return picture, controls.text("Question", QUESTIONS[subject], f"question_{SUBJECTS[subject]}", 200, place=third)


def _text(subject: str, goal: str) -> str:
    if goal not in (EXACT, WORD):
        return ""
    return controls.text("What", WISHES[subject][goal], f"{SUBJECTS[subject]}_{'word' if goal == WORD else 'all'}", 200)


def _there(model: str, picture: Picture, names: list[str]) -> tuple[int, tuple[int, ...]]:
    """Which look shall go where: a box drawn over the picture, or its four numbers, in cells of the grid."""
    rows, columns = cached.cells_of(model)
    left, right = st.columns([1.3, 1])
    height, width, _ = picture.pixels.shape
    with right:
        chosen = st.selectbox("The look of", names, index=max(len(names) - 2, 0), key="of", bind="query-params")
        for name, first in (("row", 1), ("column", 1), ("down", rows // 3), ("across", columns // 3)):
            st.session_state.setdefault(name, first)
        _take_box(height / rows, width / columns, rows, columns)
        one, two = st.columns(2)
        row = controls.number("From row", 1, rows, 1, "row", place=one)
        column = controls.number("From column", 1, columns, 1, "column", place=two)
        down = controls.number("Rows", 1, rows, rows // 3, "down", place=one)
        across = controls.number("Columns", 1, columns, columns // 3, "across", place=two)
    down, across = min(down, rows - row + 1), min(across, columns - column + 1)
    with left:
        st.caption("Drag a box over the picture: there it shall look.")
        box = (row - 1, column - 1, down, across)
        size = (height / rows, width / columns, height / rows, width / columns)
        inside = tuple(round(cells * pixels) for cells, pixels in zip(box, size, strict=True))
        st.plotly_chart(
            place(picture.pixels, inside),  # type: ignore[arg-type]
            key="box",
            on_select="rerun",
            selection_mode="box",
            alt="The picture on which a box is drawn",
        )
    region = tuple(
        r * columns + c for r in range(row - 1, row - 1 + down) for c in range(column - 1, column - 1 + across)
    )
    return names.index(chosen) if chosen in names else 0, region


def _take_box(tall: float, wide: float, rows: int, columns: int) -> None:
    """A box that has just been drawn goes into the four numbers."""
    chosen = getattr(st.session_state.get("box"), "selection", None)
    boxes = chosen.box if chosen else []
    if not boxes or boxes[0] == st.session_state.get("box_taken"):
        return
    st.session_state["box_taken"] = boxes[0]
    for low, length, ends, cell, most in (
        ("column", "across", boxes[0]["x"], wide, columns),
        ("row", "down", boxes[0]["y"], tall, rows),
    ):
        begin = int(min(max(min(ends) // cell, 0), most - 1))
        end = int(min(max(-(-max(ends) // cell), begin + 1), most))
        st.session_state[low], st.session_state[length] = begin + 1, end - begin


def run(sway: Sway) -> bool:
    """`running.run` an attack. Returns whether it is done."""

    def seen(step: Step) -> Sight:
        words = f"Step {sway.done} of at most {sway.wish.steps}: loss {float(step.J):.3f}"
        return Sight(sway.done / sway.wish.steps, words, from_pixels(to_8bit(step.x)))

    running.run(sway, "sway", str(sway.wish), seen, first="The first step …")
    return sway.complete


# ---------------------------------------------------------------- showing


def shown(asked: Asked) -> Shown:
    """Sentence before and after, and the maps of the same word side by side."""
    sway = asked.sway
    before, after = (
        cached.subject_of(asked.wish.model, asked.wish.question).text(w) for w in (sway.said, sway.after_said)
    )
    left, right = st.columns(2)
    left.markdown(f"**Before** · {as_it_is(before)}")
    right.markdown(f"**After, ±{asked.wish.n}/255** · {as_it_is(after)}")
    names = look_names(sway.wish.model, sway.said)
    best = int(np.argmax([total_variation(a, b) for a, b in zip(sway.before, sway.after, strict=True)]))
    first = asked.wish.t if asked.wish.goal == THERE else best
    made = Shown(asked, sway, _in_view(str(asked.wish), names, first))
    _maps(made)
    return made


def _in_view(wish: str, names: list[str], first: int) -> int:
    """The look in view: at the beginning that of the link, or `first` of another wish than the one before. The link follows."""
    before = st.session_state.get("sway_wish", wish)
    st.session_state["sway_wish"] = wish
    if before == wish:
        first = min(max(stepping.step_in_link(first), 0), len(names) - 1)
    t = int(st.select_slider("The look of", range(len(names)), first, names.__getitem__, key=f"look {wish}"))
    st.query_params[stepping.STEP] = str(t + 1)
    return t


def look_names(model: str, said: tuple[str, ...]) -> list[str]:
    """What each look is for: a hop, or a word and the end."""
    if model.startswith("ask"):
        return [f"hop {t}" for t in (1, 2)]
    return [f"{t} {word}" for t, word in enumerate((*said, "⟨end⟩"), 1)]


def _maps(made: Shown) -> None:
    sway, t = made.sway, made.t
    before, after, own = made.maps()
    clean, attacked = from_pixels(sway.x), from_pixels(sway.adversarial)
    most = max(float(each.max()) for each in (before, after, own) if each is not None)
    name = look_names(sway.wish.model, sway.said)[t]
    columns = st.columns(4)
    pictures = [
        (figures.lit(clean, before, most), f"{name}: before"),
        (figures.lit(attacked, after, most), f"{name}: after, the same words"),
    ]
    if own is not None:
        word = sway.after_said[t] if t < len(sway.after_said) else "⟨end⟩"
        label = name if sway.wish.model.startswith("ask") else f"{t + 1} {word}"
        pictures.append((figures.lit(attacked, own, most), f"{label}: after, its own words"))
    eta, factor = amplified(clean, attacked)
    pictures.append((eta, f"η × {factor}, grey is 0"))
    for column, (pixels, words) in zip(columns, pictures, strict=False):
        column.image(pixels, caption=words, width="stretch", output_format="PNG")
    st.caption(
        f"Black to full brightness: α from 0 (a quarter of the brightness) to {most:.6f}. Σα = {before.sum():.6f} before, "
        f"{after.sum():.6f} after. The attack is on this {clean.shape[1]}×{clean.shape[0]} picture; the network squashes it itself."
    )


def outcome(made: Shown) -> str:
    """Whether it came to what was wished, on the file, and how far the map in view moved."""
    sway = made.sway
    before, after, _ = made.maps()
    done = "Reached" if sway.reached else "Not reached"
    said = f"**{done}** after {len(sway.losses)} steps: it shall {sway.wish.goal}. Judged on the PNG, read again."
    if sway.wish.goal == THERE:
        region = list(sway.wish.region)
        share = [float(each[sway.wish.t][region].sum()) for each in (sway.before, sway.after)]
        name = look_names(sway.wish.model, sway.said)[sway.wish.t]
        said += f" Of the look of “{name}” {share[0]:.1%} fell into the box before, {share[1]:.1%} after."
    moved, mean = float(total_variation(before.ravel(), after.ravel())), total_variation(sway.before, sway.after).mean()
    return (
        f"{said} While the old words are said, the map in view moved by **{moved:.3f}** of its weight (total variation), "
        f"{earth_movers(before, after):.3f} cells of way (earth mover's); all maps by {mean:.3f} on average."
    )


def along(made: Shown) -> None:
    """Everything against ε."""
    sway, t = made.sway, made.t
    n = [point.n for point in sway.axis]
    changes = [b.n for a, b in zip(sway.axis, sway.axis[1:], strict=False) if a.said != b.said]
    moved, carried = ([float(getattr(point, of)[t]) for point in sway.axis] for of in ("moved", "carried"))
    st.plotly_chart(
        figures.against_epsilon(n, moved, carried, [point.log_p for point in sway.axis], changes),
        key="along",
        alt="How far the map moved and how likely the old words are, against epsilon",
    )
    how = (
        "the attack itself at each ε"
        if sway.wish.steps == 1
        else "the η found at the largest ε made smaller, not a new attack"
    )
    st.caption(f"Each point is {how}, rounded to 8 bits. Dotted: there, what is said changes.")
    table = pd.DataFrame(
        {
            "ε, 255ths": n,
            "said": [cached.subject_of(sway.wish.model, sway.wish.question).text(point.said) for point in sway.axis],
            "log p of the old words": [point.log_p for point in sway.axis],
            "total variation": moved,
            "earth mover's, cells": carried,
        }
    )
    st.dataframe(table, hide_index=True, column_config=exact(table))


def steps(made: Shown) -> None:
    """Loss and gradient, step by step."""
    sway = made.sway
    table = pd.DataFrame({"step": range(1, len(sway.losses) + 1), "loss before it": sway.losses, "‖∇J‖₂": sway.lengths})
    if sway.lengths and max(sway.lengths) == 0:
        st.error(
            "The gradient is exactly zero: the attack is blind, which proves no robustness.", icon=":material/warning:"
        )
    st.line_chart(table, x="step", y="loss before it", height=260)
    st.dataframe(table, hide_index=True, column_config=exact(table))


def measured(_made: Shown) -> None:
    """What was recorded: any photo, any sentence."""
    recorded = zoo.recorded("attention-under-attack")
    st.markdown("**Can a photo be made to say another photo's caption, word for word?** Recorded, not computed now.")
    table = pd.DataFrame(recorded["rows"]).rename(
        columns={
            "epsilon_255ths": "ε, 255ths",
            "success": "success, %",
            "median_steps": "steps, median",
            "moved": "maps moved (total variation)",
        }
    )
    st.dataframe(table, hide_index=True)
    paper = recorded["published"]
    st.caption(
        f"{recorded['about']} Chen 2018 report {paper['success']} % on {paper['data']} with {paper['norm']} and {paper['steps']} "
        f"steps ({paper['note']}). `{recorded['command']}`"
    )


LOOKS: dict[str, Callable[[Shown], None]] = {"Against ε": along, "Step by step": steps, "Measured": measured}


def code() -> tuple[Callable[..., Any], ...]:
    """Our functions that compute it."""
    ours = (losses.unsaid, losses.word_for_word, losses.somewhere, losses.onto, losses.as_before)
    return (towards, *ours, pursue, pgd, total_variation, earth_movers)


def numbers(made: Shown) -> Numbers:
    """The look in view, region by region."""
    before, after, _ = (None if each is None else each.ravel() for each in made.maps())
    assert before is not None and after is not None
    rows, columns = made.sway.grid
    table = pd.DataFrame(
        {
            "row": np.repeat(np.arange(1, rows + 1), columns),
            "column": np.tile(np.arange(1, columns + 1), rows),
            "α": before,
            "α′": after,
            "½|α − α′|": np.abs(before - after) / 2,
        }
    )
    total = table["½|α − α′|"].sum()
    name = look_names(made.sway.wish.model, made.sway.said)[made.t]
    return Numbers(f"The look of “{as_it_is(name)}”, region by region; the last column adds up to {total:.6f}.", table)


def downloads(made: Shown) -> list[Download]:
    stem = f"{made.asked.wish.model}-{made.asked.wish.n}"
    table = numbers(made).table
    return [
        Download("Adversarial PNG", lambda: made.sway.file, f"{stem}-adversarial.png", "image/png"),
        Download("Original PNG", lambda: png(from_pixels(made.sway.x)), f"{stem}-original.png", "image/png"),
        Download("Maps CSV", lambda: table.to_csv(index=False).encode(), f"{stem}-maps.csv", "text/csv"),
    ]
