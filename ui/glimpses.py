"""The page "Captcha": its controls, and what it says of what was read. (A file captcha.py here would hide the package captcha.)"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from figures import captcha as figures
from models.attention import attend, softmax
from models.card import read_card
from models.draw import CHARACTERS, CURVES, DOTS, MOST_CURVES, MOST_DOTS, drawable, random_text
from models.picture import Picture
from models.reader import HEIGHT, WIDTH, Reader, places
from models.words import END, SPECIAL
from ui import address, cached, computation, controls, regions, stepping
from ui.cached.pictures import SEEDS, Look
from ui.components.regions import Manner
from ui.computation import exact
from ui.lecture import as_it_is
from ui.regions import Asked, Shown

NAME = "captcha"
DRAW = "Draw"
SOURCES = [DRAW, "Upload", "Camera"]
FIRST, FIRST_SEED = "K7PXW2", 1
LONGEST_SEED = 9999
WIDEST = 20  # characters that can be typed
MANNER = Manner(unit="letter", outcome="letter", label="letters", path=True)
PAPERS = (
    "the query, h_t",
    "the keys, a_i",
    "the values, a_i",
    "α_t = softmax(v tanh(W h_t + U a_i))",
    "c_t = Σ α_ti a_i",
)


def _number(most: int) -> Callable[[str], bool]:
    return lambda text: text.isdecimal() and len(text) < 6 and int(text) <= most


LINK = {
    stepping.STEP: stepping.LINK[stepping.STEP],
    "from": lambda name: name in SOURCES,
    "dots": _number(MOST_DOTS),
    "curves": _number(MOST_CURVES),
    "seed": _number(LONGEST_SEED),
}


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    picture = cached.pictures.captcha(FIRST, FIRST_SEED, DOTS, CURVES)
    cached.pictures.looked(Look(NAME, picture.digest), picture)
    cached.pictures.shot(picture.digest, picture.pixels)


@dataclass(frozen=True)
class Drawn(Asked):
    """A captcha that was drawn here, as one asked for it."""

    text: str
    seed: int
    curves: int


def ask() -> Asked | None:
    """The controls. None, with a word, without a picture. Raises ValueError, in plain words, for what cannot be drawn."""
    first, rest = st.columns([1.2, 3])
    with first:
        source = controls.source(SOURCES, key="from")
    with rest:
        if source == DRAW:
            return _drawn()
        picture = controls.picture(source)
    return None if picture is None else Asked(Look(NAME, picture.digest), picture, MANNER)


def _drawn() -> Drawn:
    first, second, third, fourth, other = st.columns([1.3, 1, 1, 0.9, 0.9], vertical_alignment="bottom")
    letters = controls.text("Text", FIRST, "drawn", WIDEST, place=first, max_chars=WIDEST)
    dots = second.slider("Dots", 0, MOST_DOTS, DOTS, key="dots", bind="query-params")
    curves = third.slider("Curves", 0, MOST_CURVES, CURVES, key="curves", bind="query-params")
    help_ = "Of fonts, turns, colours and noise"
    seed = controls.number("Seed", 0, LONGEST_SEED, FIRST_SEED, "seed", place=fourth, help=help_)
    other.button("Another", icon=":material/casino:", on_click=_another, help="Another text, drawn in another way")
    text = drawable(letters)
    picture = cached.pictures.captcha(text, seed, dots, curves)
    return Drawn(Look(NAME, picture.digest), picture, MANNER, text, seed, curves)


def _another() -> None:
    chance = random.Random()
    address.put(drawn=random_text(chance, len(FIRST)), seed=chance.randint(0, LONGEST_SEED))


def about(shown: Shown) -> str:
    """What was read, how surely, and whether it is right."""
    trace, asked = shown.trace, shown.asked
    read = cached.pictures.reader().text(trace)
    said = (
        f"**{as_it_is(read)}** is read, with p = {float(np.exp(trace.log_p.sum(dtype=np.float64))):.4f} for all of it."
    )
    if isinstance(asked, Drawn):
        drawn = asked.text
        wrong = [i + 1 for i in range(max(len(drawn), len(read))) if drawn[i : i + 1] != read[i : i + 1]]
        said += (
            " That is what was drawn." if not wrong else f" Drawn was {drawn}: wrong at {', '.join(map(str, wrong))}."
        )
    return said + regions.of_touch(shown)


def fitted(picture: Picture) -> str:
    rows, columns = cached.pictures.reader().grid
    size = f"in grey, squashed to {HEIGHT}×{WIDTH} pixels (rows × columns), of which the CNN makes {rows} × {columns} regions"
    return regions.fitted(picture, size)


def all_letters(shown: Shown) -> None:
    """For every letter: how sure, what else it could be, and where the glimpse was."""
    trace = shown.trace
    across, down = 100 * trace.values["glimpse"].astype(np.float64).T
    table = regions.by_step(shown).drop(columns="looks most at")
    second = [each[1] for each in trace.candidates]
    table.insert(2, "or else", [letter for letter, _ in second])
    table.insert(3, "p of that", [p for _, p in second])
    table = table.assign(
        **{
            "glimpse, % across": across,
            "% down": down,
            "wide, % across": 100 * trace.values["spread"][:, 0].astype(np.float64),
        }
    )
    st.markdown(
        "**Where are the glimpses?** Each is the mean of the regions' centres, weighted by the map: Σ α_ti p_i. The line over the "
        "picture joins them (key G). How wide a glimpse is, is the weighted standard deviation."
    )
    st.plotly_chart(
        figures.glimpses(trace.target, across, 100 * trace.values["spread"][:, 0]),
        key="glimpses",
        alt="How far across each glimpse is, letter by letter, and how wide",
    )
    st.dataframe(table, hide_index=True, column_config=exact(table))


def of_step(shown: Shown) -> None:
    """The computation of the letter in view, each table from the one before it; a click on a cell shows its products."""
    trace, t = shown.trace, shown.seen.step
    st.markdown(
        f"Step {t + 1} reads “{as_it_is(trace.target[t])}”. {computation.row_sentence(trace, t)} A region says what the CNN sees "
        "in it and, one-hot, in which row and column it is. Click a cell to see its products."
    )
    regions.show_step(
        shown,
        regions.Roles(
            query=trace.values["h"][t],
            values="h_bar",
            symbol="a",
            score=cached.pictures.reader().network.score,
            names=("v", "tanh(W h + U a)"),
            what=PAPERS,
            vectors=pd.DataFrame({name: pd.Series(trace.values[name][t]) for name in ("h", "c", "a")}),
            title="h, c = Σ α a, ã = tanh(W_c[c; h])",
        ),
    )


def noise_notes(shown: Shown) -> None:
    """The same text in ever more noise."""
    asked = shown.asked
    if not isinstance(asked, Drawn):
        st.info("This is asked of captchas that are drawn here: choose “Draw” above.")
        return
    with st.spinner(f"Drawing and reading {SEEDS} captchas for each number of dots …"):
        found = cached.pictures.captcha_noise(asked.text, asked.seed, asked.curves)
    st.markdown(
        f"**How much noise does it bear?** “{asked.text}” drawn in {SEEDS} ways (seeds {asked.seed} to "
        f"{asked.seed + SEEDS - 1}) with {asked.curves} curve{'s' if asked.curves != 1 else ''} and ever more dots, "
        "and read just now."
    )
    st.plotly_chart(
        figures.noise(found), key="noise", alt="The share of captchas read right against the number of dots"
    )


def model_notes(_shown: Shown) -> None:
    """The card."""
    card = read_card(NAME)
    st.markdown(f"It knows {len(CHARACTERS)} characters: {CHARACTERS}. Letters are read as large ones.")
    st.table(pd.DataFrame(card.rows(), columns=["", " "]).set_index(""))


LOOKS: dict[str, Callable[[Shown], None]] = {
    "All letters": all_letters,
    "This letter": of_step,
    "More noise": noise_notes,
    "The model": model_notes,
}


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (places, Reader.move, Reader.glimpse, attend, softmax, Reader.attention_vector, Reader.logits)


def title_of(asked: Asked) -> str:
    """For the file that steps alone."""
    read = [letter for letter in cached.pictures.looked(asked.look, asked.picture).target if letter != SPECIAL[END]]
    return f"{''.join(read)} · {asked.picture.name}"
