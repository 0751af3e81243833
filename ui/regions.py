"""What every page shares that steps through what a model looked at in a picture; the link and the touch are `ui.stepping`'s."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from models.attention import Perceptron
from models.picture import Picture, gallery
from models.terms import Terms, context_terms, exp_terms, perceptron_terms, weight_terms
from models.trace import Trace, entropy
from models.writer import Touch
from ui import cached, computation, controls, stepping, take_home
from ui.cached.pictures import Look
from ui.components.regions import Manner, grid, regions, standalone
from ui.components.touching import Seen
from ui.lecture import Download, Numbers, as_it_is

KEY = "regions"
LINK = {
    stepping.STEP: stepping.LINK[stepping.STEP],
    "source": lambda name: name in controls.SOURCES,
    "gallery": lambda title: title in {entry.title for entry in gallery().values()},
}


@dataclass(frozen=True)
class Asked:
    """What was asked of which picture, and how the page speaks of it."""

    look: Look
    picture: Picture
    manner: Manner


@dataclass(frozen=True)
class Shown:
    """What is on the screen: what was asked, its untouched trace, the one in view, and where the visitor is in it."""

    asked: Asked
    untouched: Trace
    trace: Trace
    seen: Seen

    @property
    def maps(self) -> np.ndarray:
        """The weights of the trace in view, (steps, rows, columns)."""
        rows, columns = grid(self.trace)
        return self.trace.weights[0, :, : rows * columns].reshape(-1, rows, columns)


def stepped(asked: Asked) -> Shown | None:
    """The picture and its maps. What was touched is computed anew before it is drawn. None until the browser has painted it."""
    look, picture = asked.look, asked.picture
    whole, of = cached.pictures.looked(look, picture), identity(look)
    head = stepping.ask_head(whole)
    untouched = stepping.of_head(whole, head)
    touch = stepping.touch_before(of, len(untouched.source), KEY)
    touched = None
    if not touch.nothing():
        how = continued(touch, untouched, look)
        try:
            touched = stepping.of_head(cached.pictures.looked(look, picture, stepping.touch_text(how), how), head)
        except ValueError as error:
            st.warning(as_it_is(str(error)), icon=":material/edit_note:")
    seen = regions(
        cached.pictures.shot(picture.digest, picture.pixels),
        untouched,
        touched,
        touch,
        asked.manner,
        of=of,
        step=stepping.first_step(of, KEY, asked.manner.first),
        paintable=not look.hub,
        key=KEY,
    )
    stepping.put_in_link(seen)
    return Shown(asked, untouched, touched or untouched, seen) if seen.painted else None


def identity(look: Look) -> str:
    """What tells the browser and the server that they speak of the same: model, picture and question, not the way of decoding."""
    return " ".join((look.hub or look.model, look.digest, look.question))


def continued(touch: Touch, untouched: Trace, look: Look) -> Touch:
    """The same touch of a sentence that a beam wrote: up to the first step touched, its words stay.

    What follows is decided greedily. A temperature and forbidden regions touch all steps, so nothing stays.
    """
    steps = [*touch.weights, *touch.words]
    if look.beam == 1 or not steps or touch.forbidden or touch.temperature != 1:
        return touch
    before = {t: word for t, word in enumerate(untouched.target) if t < min(steps)}
    return replace(touch, words={**before, **touch.words})


def fitted(picture: Picture, size: str) -> str:
    """What the network sees of the picture, what was done to the file, and whom to thank. Args: size: said of the network's."""
    height, width, _ = picture.pixels.shape
    width, height = picture.original or (width, height)
    done = "".join(f" {what[0].upper()}{what[1:].rstrip('.')}." for what in picture.done)
    whose = "the" if picture.credit else "your"
    return f"All of {whose} {width}×{height} picture, {size}.{done} {picture.credit}".strip()


def of_touch(shown: Shown) -> str:
    """How much a touch changed, in a sentence; nothing where there was none."""
    if shown.trace is shown.untouched:
        return ""
    unit = shown.asked.manner.unit
    before, after = shown.untouched.target, shown.trace.target
    same = sum(a == b for a, b in zip(before, after, strict=False))
    return f" Touched: {max(len(before), len(after)) - same} of {max(len(before), len(after))} {unit}s are others at their place."


def numbers(shown: Shown) -> Numbers:
    """The map in view as the formula's columns."""
    t = shown.seen.step
    caption = f"Step {t + 1}, “{as_it_is(shown.trace.target[t])}”. {computation.row_sentence(shown.trace, t)}"
    return Numbers(caption, computation.per_source(shown.trace, t, shown.seen.touch))


@dataclass(frozen=True)
class Roles:
    """Who is who in a step's attention.

    Attributes:
        query: that asks, (d_q,).
        values: the name in the trace of the regions, which are keys and values; `symbol`, what the paper calls one of them.
        score: the perceptron that scores; `names` of its two factors.
        what: the five lines in the paper's symbols.
        vectors: of the step, a column each; the products of `c` can be asked for. `title`: how they come from one another.
    """

    query: np.ndarray
    values: str
    symbol: str
    score: Perceptron
    names: tuple[str, str]
    what: tuple[str, str, str, str, str]
    vectors: pd.DataFrame
    title: str


def ours(look: Callable[[Shown], None]) -> Callable[[Shown], None]:
    """A closer look that needs the insides of a network of ours."""

    def looked(shown: Shown) -> None:
        if shown.asked.look.hub:
            st.info("A network of a hub gives its weights and probabilities, not what is computed within; choose ours.")
        else:
            look(shown)

    return looked


def show_step(shown: Shown, roles: Roles) -> None:
    """The computation of the step in view, each table from the one before it; a click on a cell shows its products."""
    trace, t, touch = shown.trace, shown.seen.step, shown.seen.touch
    keys = trace.values[roles.values]
    allowed = [s not in touch.forbidden for s in range(len(trace.source))]
    what = dict(zip(computation.WHAT, roles.what, strict=True))
    weights, context = trace.weights[0, t], trace.values["c"][t]
    lines = computation.five_lines(roles.query, keys, keys, weights, context, what)
    st.dataframe(lines, hide_index=True)

    def of_region(s: int, column: str) -> Terms | None:
        if column.startswith("score"):
            return perceptron_terms(roles.score, roles.query, keys[s], trace.source[s], roles.names)
        if s in touch.forbidden or (column == "α" and t in touch.weights):
            return None
        if column == "α":
            return weight_terms(trace, t, s, allowed)
        return exp_terms(trace, t, s, allowed) if column.startswith("exp") else None

    def of_vector(i: int, column: str) -> Terms | None:
        return context_terms(trace, t, i, values=roles.values, symbol=roles.symbol) if column == "c" else None

    left, right = st.columns(2)
    with left:
        st.markdown("**scores → exp → sum → α**")
        if t in touch.weights:
            st.caption("This map was forced: its α are yours, not the softmax of the scores.")
        computation.ask_terms(computation.per_source(trace, t, touch), f"scores_{t}", of_region)
    with right:
        st.markdown(f"**{roles.title}**")
        computation.ask_terms(roles.vectors.rename_axis("i").reset_index(), f"vectors_{t}", of_vector)


def by_step(shown: Shown) -> pd.DataFrame:
    """A row a step: its probability, how spread its map is, and where most of it lies."""
    trace = shown.trace
    weights = trace.weights[0].astype(np.float64)
    most = weights.argmax(-1)
    return pd.DataFrame(
        {
            shown.asked.manner.unit: trace.target,
            "p": np.exp(trace.log_p.astype(np.float64)),
            "entropy, bits": entropy(weights),
            "looks most at": [trace.source[s] for s in most],
            "α there": weights.max(-1),
        }
    )


def downloads(shown: Shown, title: str) -> list[Download]:
    """Everything of the trace in view."""
    from figures import regions as pictures  # matplotlib: only when a page with a picture is shown

    asked, trace, maps = shown.asked, shown.trace, shown.maps
    picture, words, step, path = asked.picture, trace.target, shown.seen.step, asked.manner.path
    name = asked.look.model
    told = {**vars(asked.look), "picture": picture.name, "touch": stepping.touch_text(shown.seen.touch)}
    shot = cached.pictures.shot(picture.digest, picture.pixels)

    def this_step() -> bytes:
        return pictures.one(picture.pixels, maps, words, step, path=path)

    def gif() -> bytes:
        return pictures.animation(picture.pixels, maps, words, path=path)

    return [
        Download("Picture (PNG)", this_step, f"{name}-step-{step + 1}.png", "image/png"),
        Download(
            "All steps (PNG)", lambda: pictures.all_steps(picture.pixels, maps, words), f"{name}.png", "image/png"
        ),
        Download("Steps (GIF)", gif, f"{name}.gif", "image/gif"),
        *take_home.numbers(trace, told, name),
        Download(
            "Steps offline (HTML)", lambda: standalone(shot, trace, asked.manner, title), f"{name}.html", "text/html"
        ),
    ]
