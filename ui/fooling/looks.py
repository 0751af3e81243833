"""The closer looks of "Step by step": defences, another network, the loss around, where it looks, a patch, one η for all."""

import hashlib
from collections.abc import Callable

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from attacks.gradient import Step
from attacks.perturbation import STEPS, to_8bit
from attacks.recipes import Recipe, defended
from figures import fooling as figures
from models import zoo
from models.picture import from_pixels, gallery, gallery_picture, to_tensor
from ui import address, cached, controls
from ui.cached.fool import Everyone, Walk
from ui.fooling import Shown, final
from ui.fooling.running import run
from ui.fooling.running import shown as draw
from ui.looks import closer
from ui.running import Sight, look_on

ACROSS = 17  # points on a side of the slice
PATCH_STEPS = 40
PASSES = 20  # over the pictures that one η is made from

Defences = tuple[tuple[str, float], ...]


def adversarial(walk: Walk) -> Tensor:
    """The 8-bit picture that the attack came to, (1, 3, height, width)."""
    return to_tensor(final(walk))


def digest_of(x: Tensor) -> str:
    """What tells a picture apart from every other."""
    return hashlib.sha256(x.numpy().tobytes()).hexdigest()


def surface(shown: Shown) -> None:
    """The loss on a slice through the clean picture."""
    asked, walk = shown.asked, shown.walk
    most = st.slider("Half the side, in 255ths", 1, 16, 4, key="side", bind="query-params")
    axis = tuple(most / STEPS * (2 * i / (ACROSS - 1) - 1) for i in range(ACROSS))
    found = cached.fool.surface(asked.network, asked.picture.digest, walk.y, axis, walk.x)

    def seen(done: int) -> Sight:
        return Sight(done / ACROSS, f"{done} of {ACROSS} rows of {ACROSS} pictures …")

    me = f"{asked.network} {asked.picture.digest} {walk.y} {most}"
    look_on(found, "surface", me, seen, first=f"{ACROSS * ACROSS} pictures …", again="Go on")
    if not found.complete:
        return
    rows = [row.tolist() for row in found.rows]
    middle = ACROSS // 2
    along, across = rows[middle], [row[middle] for row in rows]
    (steepest, a), (by_chance, b) = ((max(line), 255 * axis[line.index(max(line))]) for line in (along, across))
    st.markdown(
        f"J = {along[middle]:.3f} at the picture itself. Along the gradient's sign it is highest at {a:+.2f}/255, "
        f"**{steepest:.3f}**; along a random direction at {b:+.2f}/255, **{by_chance:.3f}**. The sign is that of the gradient "
        "here: farther out it need not be the way up any more."
    )
    st.plotly_chart(
        figures.surface([255 * a for a in axis], rows), key="surface", alt="The loss over gradient and random direction"
    )


def transfer(shown: Shown) -> None:
    """What another network, which the attack has never seen, says of the same two pictures."""
    asked = shown.asked
    others = [name for name in zoo.names() if name != asked.network]
    network = st.selectbox(
        "Another network",
        others,
        format_func=controls.network_title,
        key="other",
        bind="query-params",
        help="The EfficientNet-Lites come with the app; weights of torchvision's are fetched when first chosen.",
    )
    try:
        with st.spinner("Loading the network and its weights …"):
            other = cached.fool.classifier(network)
    except zoo.WeightsUnavailableError as error:
        st.warning(str(error), icon=":material/cloud_off:")
        return
    rows = []
    for name in (asked.network, network):
        p = [cached.fool.seen_by(name, digest_of(x), (), x) for x in (shown.walk.x, adversarial(shown.walk))]
        categories, y = cached.fool.classifier(name).categories, shown.walk.y
        rows.append(
            {
                "network": controls.network_title(name),
                "says of x": categories[int(p[0].argmax())],
                "p(y), x": float(p[0][y]),
                "says of x̃": categories[int(p[1].argmax())],
                "p(y), x̃": float(p[1][y]),
            }
        )
    st.dataframe(pd.DataFrame(rows).round(4), hide_index=True)
    before, after = rows[1]["says of x"] == asked.names[shown.walk.y], rows[1]["says of x̃"] == asked.names[shown.walk.y]
    verdict = (
        "does not count: it was wrong before" if not before else "does not carry over" if after else "**carries over**"
    )
    size = (
        f" Its pictures are {other.size}×{other.size}: x and x̃ were resized."
        if other.size != shown.walk.x.shape[-1]
        else ""
    )
    st.markdown(f"The attack followed the first network's gradient alone. To the second it {verdict}.{size}")


def _sliders() -> Defences:
    """A slider each; at the end that says "off" it does nothing."""
    columns = st.columns(4)
    quality = columns[0].slider("JPEG quality (100: off)", 5, 100, 75, 5, key="jpeg", bind="query-params")
    sigma = columns[1].slider("Blur σ, pixels (0: off)", 0.0, 3.0, 0.0, 0.25, key="blur", bind="query-params")
    share = columns[2].slider("Resize to, % (100: off)", 20, 100, 100, 5, key="resize", bind="query-params")
    bits = columns[3].slider("Bits a value (8: off)", 1, 8, 8, key="bits", bind="query-params")
    chosen: list[tuple[str, float]] = []
    if share < 100:
        chosen.append(("resize", share / 100))
    if sigma > 0:
        chosen.append(("blur", sigma))
    if bits < 8:
        chosen.append(("bits", bits))
    if quality < 100:
        chosen.append(("jpeg", min(quality, 95)))
    return tuple(chosen)


def defences(shown: Shown) -> None:
    """Clean and adversarial picture after the same defences; then an attack that knows them."""
    chosen = _sliders()
    columns = st.columns(3)
    with columns[0]:
        _defended(shown, "Clean", shown.walk.x, chosen)
    with columns[1]:
        _defended(shown, f"{shown.walk.recipe.attack.title}, which knows of none", adversarial(shown.walk), chosen)
    knows = st.toggle("Attack through them (PGD)", key="through", bind="query-params")
    shifts = st.toggle(
        "… and expect shifts of up to 4 pixels (EOT)", key="eot", bind="query-params", disabled=not knows
    )
    if not knows:
        return
    of = shown.walk.recipe
    recipe = Recipe("pgd", of.norm, of.epsilon, of.steps, of.target, chosen, shifts)
    aware = shown.asked.walk(recipe)
    if run(aware, "aware", fragment=True):
        with columns[2]:
            _defended(shown, "PGD that knows them", adversarial(aware), chosen)
        st.markdown(
            "It follows the gradient through resize and blur; rounding and JPEG have none, so that of doing nothing is taken "
            "(BPDA). Same norm, ε, steps and target as above."
        )


def _defended(shown: Shown, title: str, x: Tensor, chosen: Defences) -> None:
    """A picture after the defences, and what the network says of it with and without them."""
    asked, y = shown.asked, shown.walk.y
    with torch.no_grad():
        after = defended(chosen)(x)
    plain, p = (cached.fool.seen_by(asked.network, digest_of(x), each, x) for each in ((), chosen))
    draw(from_pixels(after.clamp(0, 1)), f"{title}: “{asked.names[int(p.argmax())]}”, {p.max():.1%}")
    st.markdown(f"p(y): {plain[y]:.3f} without → **{p[y]:.3f}** with the defences")


def looking(shown: Shown) -> None:
    """Grad-CAM of the true class and of the answer, before and after."""
    asked, walk = shown.asked, shown.walk
    pictures = walk.x, adversarial(walk)
    answer = int(cached.fool.seen_by(asked.network, digest_of(pictures[1]), (), pictures[1]).argmax())
    for k, columns in zip(dict.fromkeys((walk.y, answer)), (st.columns(2), st.columns(2)), strict=False):
        try:
            maps = [cached.fool.cam(asked.network, digest_of(x), k, x) for x in pictures]
        except ValueError as error:
            st.info(str(error), icon=":material/visibility_off:")
            return
        most = max(float(each.max()) for each in maps)
        for column, each, x, name in zip(columns, maps, pictures, ("before", "after"), strict=True):
            with column:
                draw(figures.heat(from_pixels(x), each, most), f"{name}: what speaks for “{asked.names[k]}”")
        before, after = (each / max(each.sum(), 1e-12) for each in maps)
        st.markdown(
            f"“{asked.names[k]}”: **{abs(after - before).sum() / 2:.0%}** of the heat has moved (total variation)."
        )
    st.caption(
        "Both maps of a class have one scale. Grad-CAM: the last convolution, weighted by the gradient of the logit."
    )


def patch(shown: Shown) -> None:
    """A place of the picture painted freely, placed by mouse or by numbers."""
    asked, walk = shown.asked, shown.walk
    side = walk.x.shape[-1]
    left, right = st.columns([1.2, 1])
    with right:
        _take_box(side)
        top = controls.number("Top", 0, side - 8, side // 8, "top")
        beside = controls.number("Left", 0, side - 8, side // 8, "left")
        tall = controls.number("Height", 8, side, side // 4, "tall")
        wide = controls.number("Width", 8, side, side // 4, "wide")
    box = (top, beside, min(tall, side - top), min(wide, side - beside))
    with left:
        st.caption("Drag a box over the picture: there the patch goes.")
        st.plotly_chart(
            figures.place(from_pixels(walk.x), box),
            key="box",
            on_select="rerun",
            selection_mode="box",
            alt="The picture on which a box is drawn",
        )
    recipe = Recipe("patch", steps=PATCH_STEPS, target=walk.recipe.target, place=box)
    if not st.toggle("Paint it", key="paint", bind="query-params"):
        return
    painted = asked.walk(recipe)
    if run(painted, "patch", fragment=True) and painted.p_found is not None:
        p = painted.p_found
        columns = st.columns(2)
        with columns[0]:
            draw(final(painted), f"“{asked.names[int(p.argmax())]}”, {p.max():.1%}")
        columns[1].markdown(
            f"{box[2] * box[3] / side**2:.1%} of the picture is painted, the rest is untouched: p(y) = {walk.p[walk.y]:.3f} → "
            f"**{p[walk.y]:.3f}** after {len(painted.steps)} steps of {0.1:.1f}."
        )


def _take_box(side: int) -> None:
    """A box that has just been drawn goes into the four numbers."""
    chosen = getattr(st.session_state.get("box"), "selection", None)
    boxes = chosen.box if chosen else []
    if not boxes or boxes[0] == st.session_state.get("box_taken"):
        return
    st.session_state["box_taken"] = boxes[0]
    for low, length, ends in (("left", "wide", boxes[0]["x"]), ("top", "tall", boxes[0]["y"])):
        begin = int(min(max(min(ends), 0), side - 8))
        address.put(**{low: begin, length: int(min(max(max(ends) - begin, 8), side - begin))})


def shared(shown: Shown) -> None:
    """One η for all pictures of the gallery, made from some of them and tried on the others."""
    own = shown.asked.picture
    pool = tuple(gallery_picture(key) for key in gallery())
    strangers = () if own.digest in {each.digest for each in pool} else (own,)
    left, right = st.columns(2)
    made = left.slider("Made from the first … of the gallery", 1, len(pool) - 1, 7, key="made", bind="query-params")
    n = right.slider("ε of this η, in 255ths", 1, 32, 4, key="all_eps", bind="query-params")
    pictures = pool + strangers
    asked = Everyone(shown.asked.network, tuple(each.digest for each in pictures), made, n, PASSES)
    found = cached.fool.universal(asked, pictures)

    def seen(step: Step) -> Sight:
        words = f"Step {found.done} of {found.total}: mean loss {found.J[-1]:.3f}"
        return Sight(found.done / found.total, words, from_pixels(to_8bit(step.x.clamp(0, 1))))

    look_on(found, "universal", str(asked), seen, first=f"The gradient of {made} pictures …")
    if found.eta is None or found.after is None or found.noise is None or found.p_after is None:
        return
    fooled, by_chance = found.after != found.before, found.noise != found.before
    st.markdown(
        f"This one η of ±{n}/255 fools **{fooled[:made].sum()} of the {made}** pictures it was made from and "
        f"**{fooled[made:].sum()} of the {len(pictures) - made}** it has never seen. Random ±{n}/255 noise, one pattern for all, "
        f"fools {by_chance.sum(1).mean():.1f} of the {len(pictures)} (mean of {len(by_chance)} patterns)."
    )
    picture, table = st.columns([1, 2])
    with picture:
        grey = from_pixels(torch.full_like(found.eta, 0.5))
        eta, factor = figures.amplified(grey, from_pixels(to_8bit(0.5 + found.eta)))
        draw(eta, f"η × {factor}, grey is 0")
    names = shown.asked.names
    titles = [entry.title for entry in gallery().values()] + [each.name for each in strangers]
    rows = [
        {
            "picture": title,
            "η": "made from it" if i < made else "never saw it",
            "says of x": names[found.before[i]],
            "p": found.p_before[i],
            "says of x + η": names[found.after[i]],
            "p of that": found.p_after[i],
            "fooled": bool(fooled[i]),
            "by noise": f"{by_chance[:, i].sum()} of {len(by_chance)}",
        }
        for i, title in enumerate(titles)
    ]
    table.dataframe(pd.DataFrame(rows).round(3), hide_index=True)
    st.caption(
        f"{len(pool)} photographs come with the app: far too few to say how often such an η fools (Moosavi-Dezfooli 2017 takes "
        "10,000 to make it and 50,000 to try it). What the network says of each clean picture is taken for its truth; all "
        f"answers are of pictures rounded to 8 bits. {found.total} steps of ε/4."
    )


@st.fragment
def closer_look(shown: Shown) -> None:
    """One of the looks; a fragment of its own, that a long one may be stopped, and what is above is left alone."""
    address.keep()
    closer(shown, LOOKS)


LOOKS: dict[str, Callable[[Shown], None]] = {
    "Defences": defences,
    "Another network": transfer,
    "The loss around": surface,
    "What speaks for it": looking,
    "A patch": patch,
    "One η for all": shared,
}
