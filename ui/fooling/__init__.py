"""The page "Step by step": its controls, its link, and what it says of a walk. The closer looks are in `looks`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from attacks import apgd, classification, decision, defences, gradient, nearest, shared
from attacks.balls import linf_optimize_linear, linf_project
from attacks.classification import ATTACKS
from attacks.perturbation import STEPS
from attacks.recipes import Recipe
from attacks.surface import slice_of_loss
from figures import fooling as figures
from models import zoo
from models.gradcam import grad_cam
from models.picture import Picture, from_pixels, gallery, gallery_picture, png
from ui import address, cached, controls, stepping
from ui.cached.fool import Walk, Walked
from ui.fool import LINK as FOOL_LINK
from ui.fool import OWN_ANSWER, SHARED, TARGET_HELP, TRUTH_HELP, wrong_before
from ui.fool import UNTARGETED as ANY
from ui.fooling.running import run
from ui.fooling.running import shown as draw
from ui.lecture import Download, Numbers
from ui.navigation import FOOL

METHODS = [name for name, attack in ATTACKS.items() if not attack.place]
NORM_NAMES = {"linf": "L∞", "l2": "L2"}
FIRST = Recipe()
LONGEST = 50  # steps
WIDEST = 32  # ε in 255ths
EPSILON_HELP = (
    "The budget. L∞: the most that a value may move, in 255ths. L2: the length of η in pixels of [0, 1]. Of “Smallest ε” the most "
    "that is tried. The other attacks that look for the nearest mistake have no budget."
)


def title_of(method: str) -> str:
    """The name a person reads, also in a link."""
    return ATTACKS[method].title


LINK = {
    **{name: FOOL_LINK[name] for name in SHARED},
    "attack": lambda title: title in map(title_of, METHODS),
    "norm": lambda name: name in NORM_NAMES.values(),
}


@dataclass(frozen=True)
class Asked:
    """What a visitor asks: a recipe, the picture and the network it is for; `truth`: the true class, None for the answer."""

    network: str
    picture: Picture
    recipe: Recipe
    truth: int | None = None

    def walk(self, recipe: Recipe | None = None) -> Walk:
        """The attack of the recipe, or of another one, on this picture."""
        return cached.fool.walk(self.network, self.picture.digest, recipe or self.recipe, self.truth, self.picture)

    @property
    def names(self) -> tuple[str, ...]:
        return cached.fool.classifier(self.network).categories


@dataclass(frozen=True)
class Shown:
    """A walk and the step in view; 0 is the clean picture, t the picture after t steps."""

    asked: Asked
    walk: Walk
    t: int

    @property
    def step(self) -> Walked | None:
        return self.walk.steps[self.t - 1] if self.t else None


def ask() -> Asked | None:
    """Two rows: of what, and how. Then the attack, seen while it is done; None, with a word, where there is no step to show."""
    first = st.columns([1.35, 1.1, 0.9, 1, 1])
    with first[0]:
        source = controls.source()
    with first[1]:
        picture = controls.picture(source)
    with first[2]:
        network = controls.network()
    names = cached.fool.classifier(network).categories
    with first[3]:
        truth = controls.category("True class", OWN_ANSWER, names, "truth", TRUTH_HELP)
    with first[4]:
        target = controls.category("Make it say", ANY, names, "target", TARGET_HELP)
    recipe = _recipe(target)
    if picture is None:
        return None
    asked = Asked(network, picture, recipe, truth)
    return asked if run(asked.walk(), "walk") else None


def _recipe(target: int | None) -> Recipe:
    second = st.columns([1.3, 0.8, 1.4, 1.4], vertical_alignment="top")
    method = second[0].selectbox(
        "Attack",
        METHODS,
        index=METHODS.index(FIRST.method),
        format_func=title_of,
        key="attack",
        bind="query-params",
    )
    attack = ATTACKS[method]
    named = {name: norm for norm, name in NORM_NAMES.items() if norm in attack.norms}
    with second[1]:
        if len(named) > 1:
            name = st.segmented_control("Norm", named, default="L∞", required=True, key="norm", bind="query-params")
        else:
            name = next(iter(named))
            st.markdown(f"Norm\n\n**{name}**, its own")
    norm = named.get(name or "", attack.norms[0])
    epsilon, steps = FIRST.epsilon, FIRST.steps
    with second[2]:
        if attack.epsilon:
            epsilon = _epsilon(norm)
    with second[3]:
        if attack.steps:
            steps = st.slider("Steps", 1, LONGEST, FIRST.steps, key="steps", bind="query-params")
    if target is not None and not attack.targeted:
        st.caption(f"{attack.title} looks for any other class: “Make it say” is left aside.")
        target = None
    return Recipe(method, norm, epsilon, steps, target)


def _epsilon(norm: str) -> float:
    if norm == "linf":  # not bound to the link: what is bound is dropped from it on the way to another page
        told = st.query_params.get("eps", "")
        st.session_state.setdefault("eps", int(told) if told in map(str, range(1, WIDEST + 1)) else 1)
        n = st.slider("ε in 255ths", 1, WIDEST, key="eps", help=EPSILON_HELP)
        address.hold("eps", str(n))
        return n / STEPS
    return st.slider("ε, the length of η", 0.25, 10.0, 1.0, 0.25, key="length", bind="query-params", help=EPSILON_HELP)


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    picture = gallery_picture(next(iter(gallery())))
    Asked(zoo.EMBEDDED, picture, FIRST).walk().go(lambda _: None)


def stepped(asked: Asked) -> Shown:
    """The walk, a step of it in view."""
    walk = asked.walk()
    t = _step(walk, f"{asked.network} {asked.picture.digest} {asked.recipe} {asked.truth}")
    shown = Shown(asked, walk, t)
    _pictures(shown)
    return shown


def _step(walk: Walk, me: str) -> int:
    """The step in view: of a new walk the one in the link, or the last."""
    last = len(walk.steps)
    if st.session_state.get("step_of") != (me, last):
        told = st.query_params.get("step", "") if "step_of" not in st.session_state else ""
        address.put(step=int(told) if told.isdecimal() and int(told[:6]) <= last else last)
        st.session_state["step_of"] = (me, last)
    if not last:
        st.info("Not one step was done: the clean picture was answered so already.", icon=":material/flag:")
        return 0
    t = st.slider("Step t (0: the clean picture)", 0, last, key=address.widget("step"))
    stepping.keys("walk", "step", t, last)
    address.hold("step", str(t))
    return t


def _pictures(shown: Shown) -> None:
    walk, step, names = shown.walk, shown.step, shown.asked.names
    clean = from_pixels(walk.x)
    pixels = clean if step is None else step.pixels
    p = walk.p if step is None else step.p
    left, middle, right = st.columns(3)
    with left:
        draw(clean, f"x: “{names[walk.y]}”, {walk.p[walk.y]:.1%}")
    with middle:
        draw(pixels, f"x after {shown.t} steps: “{names[int(p.argmax())]}”, {p.max():.1%}")
    with right:
        eta, factor = figures.amplified(clean, pixels)
        draw(eta, f"η × {factor}, grey is 0" if factor else "η: nothing changed")
    st.markdown(_of_step(shown))
    st.plotly_chart(
        figures.walk(**curves(walk), t=shown.t), key="walk_curve", alt="Loss, gradient norm and p(y) against the step"
    )


def curves(walk: Walk) -> dict[str, Any]:
    """What `figures.fooling.walk` draws."""
    steps = walk.steps
    return {
        "J": [step.J for step in steps],
        "length": [step.length for step in steps] if walk.recipe.attack.gradient else [],
        "p_truth": [float(walk.p[walk.y]), *(float(step.p[walk.y]) for step in steps)],
        "followed": FOLLOWED.get(walk.recipe.method, "J before the step"),
    }


FOLLOWED = {
    "deepfool": "margin to the nearest rival",
    "carlini-wagner": "margin",
    "hop-skip-jump": "‖η‖₂ before the step",
}


def _of_step(shown: Shown) -> str:
    """What the step in view did, in a sentence or two."""
    step, walk = shown.step, shown.walk
    if step is None:
        truth = f"“{shown.asked.names[walk.y]}”"
        if walk.truth is None:
            return f"The clean picture. What the network says of it, {truth}, is taken for the truth."
        return f"The clean picture. By your label it is {truth}."
    words = f"Step {shown.t}: {FOLLOWED.get(walk.recipe.method, 'the loss J')} was **{step.J:.4f}**"
    if walk.recipe.attack.gradient:
        words += f", the gradient's length {step.length:.3g}"
    words += f". Now L∞ = {255 * step.linf:.2f}/255, L2 = {step.l2:.3f}."
    if step.held is not None:
        words += f" The ball and the edges of [0, 1] held back **{step.held:.1%}** of the values."
    return words


def outcome(shown: Shown) -> str:
    """What came of it, asked of the 8-bit picture."""
    walk, names = shown.walk, shown.asked.names
    if walk.found is None or walk.p_found is None or walk.p_exact is None:
        return "The attack was stopped; what follows is about the picture of its last step."
    answer, exact = int(walk.p_found.argmax()), int(walk.p_exact.argmax())
    hit, change = walk.clean_right and walk.counts(answer), walk.found
    said = "**Fooled**" if hit else "**Not fooled**"
    rounded = ""
    if not walk.clean_right:
        said = f"**Wrong before.** {wrong_before(names[int(walk.p.argmax())], names[walk.y])} The attack"
    elif walk.recipe.target == walk.y:
        rounded = " The target is the class the picture has already: choose another."
    elif walk.counts(exact) and not hit:
        rounded = f" Before it was rounded it was “{names[exact]}”: this mistake is nearer than 8 bits can tell."
    return (
        f"{said}: {walk.recipe.attack.title} ends at “{names[answer]}” with "
        f"{walk.p_found.max():.1%}; as an 8-bit picture L∞ = {255 * float(change.linf):.0f}/255, L2 = {float(change.l2):.3f}."
        f"{rounded}"
    )


def alarm(walk: Walk) -> str:
    """The zero-gradient alarm; "" where there was always something to follow."""
    if not walk.recipe.attack.gradient:
        return ""
    blind = [step.t + 1 for step in walk.steps if step.length == 0]
    if not blind:
        return ""
    return (
        f"The gradient was exactly zero at {len(blind)} of {len(walk.steps)} steps (first at step {blind[0]}): the attack was "
        "blind there. That it does not fool proves no robustness."
    )


def table(walk: Walk, names: tuple[str, ...]) -> pd.DataFrame:
    """A row a step."""
    return pd.DataFrame(
        [
            {
                "t": step.t + 1,
                "J": step.J,
                "‖∇J‖₂": step.length,
                "held back %": None if step.held is None else 100 * step.held,
                "‖η‖∞ · 255": 255 * step.linf,
                "‖η‖₂": step.l2,
                "p(y)": float(step.p[walk.y]),
                "answer": names[step.answer],
            }
            for step in walk.steps
        ]
    )


def numbers(shown: Shown) -> Numbers:
    walk = shown.walk
    return Numbers(
        f"Every step of {walk.recipe.attack.title}; J and its gradient before the step, all else after it; p(y) and the answer "
        "are of the picture rounded to 8 bits.",
        table(walk, shown.asked.names),
    )


CODE: dict[str, tuple[Callable[..., Any], ...]] = {
    "fgsm": (gradient.fgsm,),
    "pgd": (gradient.pgd,),
    "momentum": (gradient.pgd,),
    "apgd": (apgd.apgd,),
    "smallest": (nearest.smallest_epsilon, gradient.pgd),
    "deepfool": (nearest.deepfool, classification.margins),
    "carlini-wagner": (nearest.carlini_wagner, classification.margin),
    "hop-skip-jump": (decision.hop_skip_jump, decision.slope),
}
LOOKED = (slice_of_loss, defences.through, defences.expected, shared.universal, shared.patch, grad_cam)


def code() -> tuple[Callable[..., Any], ...]:
    """The functions of the attack that is chosen, then those of the looks."""
    chosen = CODE.get(str(st.session_state.get("attack", FIRST.method)), ())
    balls = (linf_optimize_linear, linf_project)
    return (*chosen, classification.cross_entropy, gradient.gradient, *balls, *LOOKED)


def back_to_fool(asked: Asked) -> None:
    """The way to the page with the slider: the same picture, network and target, and ε if it is of that page's norm."""
    kept = {name: st.query_params[name] for name in SHARED if name in st.query_params}
    if asked.recipe.norm == "linf" and asked.recipe.attack.epsilon:
        kept["eps"] = str(round(asked.recipe.epsilon * STEPS))
    st.page_link(FOOL.file, label="Slide ε instead, one step of the fast gradient", icon=FOOL.icon, query_params=kept)


def downloads(shown: Shown) -> list[Download]:
    walk, stem = shown.walk, shown.asked.picture.name.rsplit(".", 1)[0]
    names = shown.asked.names
    pixels = final(walk)
    return [
        Download("Adversarial PNG", lambda: png(pixels), f"{stem}-{walk.recipe.method}.png", "image/png"),
        Download("Original PNG", lambda: png(from_pixels(walk.x)), f"{stem}-original.png", "image/png"),
        Download("Steps CSV", lambda: table(walk, names).to_csv(index=False).encode(), f"{stem}-steps.csv", "text/csv"),
    ]


def final(walk: Walk) -> np.ndarray:
    """The 8-bit picture that the attack came to; of a stopped one, so far."""
    return walk.steps[-1].pixels if walk.found is None else from_pixels(walk.found.adversarial)
