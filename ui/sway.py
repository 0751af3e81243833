"""The page "Attention under attack": what is asked, what came of it, and where was looked before and after."""

from collections.abc import Callable
from dataclasses import dataclass, replace
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
from figures.fooling import amplified
from models import zoo
from models.captioning import regions as region_names
from models.draw import drawable
from models.moved import earth_movers, total_variation
from models.picture import Picture, from_pixels, gallery_picture, png
from models.shapes import drawing, drawings
from ui import address, cached, controls, regions, running, stepping
from ui import ask as asking
from ui import caption as captioning
from ui.components.painting import TEXT, as_text, painting
from ui.computation import exact
from ui.lecture import Download, Numbers, as_it_is
from ui.running import Sight
from ui.swayed import Sway, Wish

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
OWN = "the app's own"
HUBS = {CAPTION: (captioning.HUB_FIRST, captioning.HUB_HELP), PHOTO: (asking.HUB_FIRST, asking.HUB_HELP)}
QUESTIONS = {PHOTO: "What is on the table?", DRAWING: "What color is the shape?"}
FIRST = {CAPTION: "camera", PHOTO: asking.FIRST}
LETTERS, NOISY, WIDEST = "H4CK", (7, 12, 0), 8  # the captcha: its letters; seed, dots, curves
MOST, STEPS = 16, 20
LONGEST = 200  # steps
EPSILON_HELP = "The most that a value of a pixel may move, in 255ths."
STEPS_HELP = (
    "1: the fast gradient method. Every ten steps the picture is rounded and asked; it ends when the aim is reached."
)
REGION = "region"  # what is painted, in the link
LINK = {
    "subject": lambda name: name in SUBJECTS,
    "goal": lambda name: name in (OTHER, EXACT, WORD, THERE, SAME),
    "model": lambda name: name in (OWN, captioning.HUB),
    REGION: lambda text: bool(TEXT.fullmatch(text)),
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
        return cached.sway.sway(self.wish, self.picture)


@dataclass(frozen=True)
class Shown:
    """A finished attack, and the look in view."""

    asked: Asked
    sway: Sway
    t: int

    @property
    def looks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """The look in view, (regions,): before, after while the old words are said, after while its own are."""
        sway, t = self.sway, self.t
        return sway.before[t], sway.after[t], sway.own[t] if t < len(sway.own) else None

    @property
    def name(self) -> str:
        return self.sway.subject.looks(self.sway.said)[self.t]


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    picture = gallery_picture(FIRST[CAPTION])
    wish = Wish(SUBJECTS[CAPTION], picture.digest, "", OTHER, "", 2, STEPS)
    cached.sway.sway(wish, picture).go(nobody)


# ---------------------------------------------------------------- asking


def ask() -> Asked | None:
    """Whom, about what, and what is wanted. Then the attack, seen while it is done. None, with a word, where there is none."""
    subject = st.segmented_control(
        "Who looks", list(SUBJECTS), default=CAPTION, required=True, key="subject", bind="query-params"
    )
    picture, question, hub = _picture(subject or CAPTION)
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
    wish = Wish(model, picture.digest, question, goal, text, n, steps, hub=hub)
    with st.spinner("It looks at the picture …"):
        cached.sway.untouched(model, hub, picture.digest, question, picture)
    if goal == THERE:
        t, region = _there(wish, picture)
        if not region:
            st.info(
                "Paint the cells where it shall look on the picture above; the attack then begins.",
                icon=":material/brush:",
            )
            return None
        wish = replace(wish, t=t, region=region)
    asked = Asked(subject or CAPTION, wish, picture)
    return asked if run(asked.sway) else None


def _picture(subject: str) -> tuple[Picture | None, str, str]:
    """The picture, the question if one is asked, and the network of a hub that is asked, "" for the app's own."""
    first, second, third, fourth = st.columns([1.5, 1.4, 1.4, 1.7])
    if subject == CAPTCHA:
        letters = controls.text("Letters", LETTERS, "letters", WIDEST, place=first, max_chars=WIDEST)
        return cached.pictures.captcha(drawable(letters), *NOISY), "", ""
    with second:
        if subject == DRAWING:
            title = st.selectbox("Drawing", list(drawings()), key="drawing", bind="query-params")
            picture: Picture | None = drawing(title)
        else:
            with first:
                source = controls.source()
            picture = controls.picture(source, FIRST[subject])
    question = ""
    if subject != CAPTION:
        key = f"question_{SUBJECTS[subject]}"
        question = controls.text("Question", QUESTIONS[subject], key, 200, place=fourth)
    return picture, question, _hub(subject, third) if subject in HUBS else ""


def _hub(subject: str, place: Any) -> str:
    """The network of a hub that is asked for; "" for the app's own."""
    if place.selectbox("Model", [OWN, captioning.HUB], key="model", bind="query-params") == OWN:
        return ""
    name, help = HUBS[subject]
    label = "Name on the hub, or a folder on the server"
    return st.text_input(label, name, key=f"hub_{SUBJECTS[subject]}", bind="query-params", help=help)


def _text(subject: str, goal: str) -> str:
    if goal not in (EXACT, WORD):
        return ""
    return controls.text("What", WISHES[subject][goal], f"{SUBJECTS[subject]}_{'word' if goal == WORD else 'all'}", 200)


def _there(wish: Wish, picture: Picture) -> tuple[int, tuple[int, ...]]:
    """Which look shall go where: the cells that are painted on the picture, which is lit where that look falls now."""
    subject = cached.sway.subject_of(wish.model, wish.question, wish.hub)
    said, before = cached.sway.untouched(wish.model, wish.hub, wish.digest, wish.question, picture)
    names, (rows, columns) = subject.looks(said), subject.grid
    left, right = st.columns([1.3, 1])
    with right:
        chosen = st.selectbox("The look of", names, index=max(len(names) - 2, 0), key="of", bind="query-params")
        t = names.index(chosen) if chosen in names else 0
        look = before[t][: rows * columns]
        st.markdown(
            f"The picture is bright where “{as_it_is(names[t])}” is looked for now. **Paint where it shall look instead.**"
        )
        share = st.empty()
    with left:
        lit = figures.lit(picture.pixels, look.reshape(rows, columns), float(look.max()))
        shot = cached.pictures.shot(f"{wish.digest} {wish.model} {wish.hub} {wish.question} {t}", lit)
        begin = st.query_params.get(REGION, "")
        region = painting(shot, subject.grid, begin, label="The picture to paint on", key=REGION)
    address.hold(REGION, as_text(region, subject.grid))
    if region:
        share.markdown(f"Of this look {look[list(region)].sum():.1%} is on the {len(region)} painted cells now.")
    return t, region


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
    before, after = (sway.subject.text(words) for words in (sway.said, sway.after_said))
    left, right = st.columns(2)
    left.markdown(f"**Before** · {as_it_is(before)}")
    right.markdown(f"**After, ±{asked.wish.n}/255** · {as_it_is(after)}")
    best = int(np.argmax([total_variation(a, b) for a, b in zip(sway.before, sway.after, strict=True)]))
    first = asked.wish.t if asked.wish.goal == THERE else best
    t = stepping.walked("The look of", sway.subject.looks(sway.said), first, str(asked.wish), "look_of")
    made = Shown(asked, sway, t)
    _maps(made)
    return made


def _maps(made: Shown) -> None:
    sway, t, subject = made.sway, made.t, made.sway.subject
    before, after, own = (None if look is None else sway.on_grid(look) for look in made.looks)
    assert before is not None and after is not None
    clean, attacked = from_pixels(sway.x), from_pixels(sway.adversarial)
    most = max(float(each.max()) for each in (before, after, own) if each is not None)
    there = sway.wish.region if sway.wish.goal == THERE and sway.wish.t == t else ()
    columns = st.columns(4)
    pictures = [
        (figures.outlined(figures.lit(clean, before, most), subject.grid, there), f"{made.name}: before"),
        (
            figures.outlined(figures.lit(attacked, after, most), subject.grid, there),
            f"{made.name}: after, the same words",
        ),
    ]
    if own is not None:
        pictures.append(
            (figures.lit(attacked, own, most), f"{subject.looks(sway.after_said)[t]}: after, its own words")
        )
    eta, factor = amplified(clean, attacked)
    pictures.append((eta, f"η × {factor}, grey is 0"))
    for column, (pixels, words) in zip(columns, pictures, strict=False):
        column.image(pixels, caption=words, width="stretch", output_format="PNG")
    elsewhere = ""
    if subject.others:
        left = [float(look.sum() - sway.on_grid(look).sum()) for look in made.looks[:2] if look is not None]
        elsewhere = f" On what is no region and not drawn ({as_it_is(', '.join(subject.others))}): {left[0]:.6f} and {left[1]:.6f}."
    st.caption(
        f"Black to full brightness: α from 0 (a quarter of the brightness) to {most:.6f}. Σα = {before.sum():.6f} before, "
        f"{after.sum():.6f} after.{elsewhere} The attack is on this {clean.shape[1]}×{clean.shape[0]} picture; the network "
        "squashes it itself."
    )


def outcome(made: Shown) -> str:
    """Whether it came to what was wished, on the file, and how far the map in view moved."""
    sway, (before, after, _) = made.sway, made.looks
    done = "Reached" if sway.reached else "Not reached"
    said = f"**{done}** after {len(sway.losses)} steps: it shall {sway.wish.goal}. Judged on the PNG, read again."
    if sway.wish.goal == THERE:
        region = list(sway.wish.region)
        share = [float(each[sway.wish.t][region].sum()) for each in (sway.before, sway.after)]
        name = as_it_is(sway.subject.looks(sway.said)[sway.wish.t])
        said += f" Of the look of “{name}” {share[0]:.1%} was on the painted cells before, {share[1]:.1%} after."
        if not sway.reached:
            said += " Asked for is more than half of it, and the same words."
    moved, mean = float(total_variation(before, after)), total_variation(sway.before, sway.after).mean()
    way = earth_movers(sway.on_grid(before), sway.on_grid(after))
    return (
        f"{said} While the old words are said, the map in view moved by **{moved:.3f}** of its weight (total variation), "
        f"{way:.3f} cells of way (earth mover's); all maps by {mean:.3f} on average."
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
            "said": [sway.subject.text(point.said) for point in sway.axis],
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
    before, after, _ = made.looks
    subject = made.sway.subject
    table = pd.DataFrame(
        {
            "looked at": [*region_names(*subject.grid), *subject.others],
            "α": before,
            "α′": after,
            "½|α − α′|": np.abs(before - after) / 2,
        }
    )
    total = table["½|α − α′|"].sum()
    return Numbers(f"The look of “{as_it_is(made.name)}”; the last column adds up to {total:.6f}.", table)


def downloads(made: Shown) -> list[Download]:
    stem = f"{made.asked.wish.model}-{made.asked.wish.n}"
    table = numbers(made).table
    return [
        Download("Adversarial PNG", lambda: made.sway.file, f"{stem}-adversarial.png", "image/png"),
        Download("Original PNG", lambda: png(from_pixels(made.sway.x)), f"{stem}-original.png", "image/png"),
        Download("Maps CSV", lambda: table.to_csv(index=False).encode(), f"{stem}-maps.csv", "text/csv"),
    ]
