"""The page "Ask": its controls, and what it says of an answer."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from figures import ask as figures
from models import zoo
from models.answering import ERRORS
from models.attention import Perceptron, attend, perceptron, softmax
from models.card import CARDS, read_card
from models.picture import Picture, gallery_picture
from models.san import SAN
from models.shapes import drawing, drawings
from models.trace import Trace
from ui import address, cached, computation, controls, regions, stepping
from ui.cached.pictures import Look
from ui.components.regions import Manner, grid
from ui.computation import exact
from ui.lecture import as_it_is
from ui.regions import Asked, Shown

PHOTOS, SHAPES, HUB = "daquar", "shapes", "hub"
KINDS = {PHOTOS: "Photos of rooms", SHAPES: "Drawn shapes", HUB: "from a hub or a folder"}
HUB_FIRST = "dandelin/vilt-b32-finetuned-vqa"
HUB_HELP = "ViLT and BLIP of transformers, trained to answer, as safetensors. Fetched when first asked for."
HOPS = {"2": "", "1": "-1"}  # what a model's name ends in
FIRST = "coffee"  # of the gallery: there is a table to ask about
EXAMPLES = {
    PHOTOS: (
        "What is on the table?",
        "What is on the left side?",
        "What color is the wall?",
        "What is behind the table?",
        "How many people are in the picture?",
        "What is the largest object in this picture?",
    ),
    SHAPES: ("What color is the shape?", "What shape is in the image?", "Is there a red shape?", "Is there a circle?"),
}
EXAMPLES[HUB] = EXAMPLES[PHOTOS]
PAPERS = (
    "the question so far, u^{k−1}",
    "the regions, v_I",
    "the regions, v_I",
    "p_I = softmax(W_P h_A)",
    "ṽ_I = Σ p_i v_i",
)
ANSWERS = 5  # in words
JUDGED = (
    "right place, right answer",
    "right place, wrong answer",
    "wrong place, right answer",
    "wrong place, wrong answer",
)
LINK = {
    **regions.LINK,
    "about": lambda name: name in KINDS.values(),
    "hops": lambda name: name in HOPS,
    "drawing": lambda title: title in drawings(),
}


@dataclass(frozen=True)
class Question(Asked):
    """A question about a picture. `truths`: the right answers that are known, by question."""

    truths: dict[str, str]


LAYERS = Manner(unit="layer", outcome="answer", label="after each layer", symbol="α", writes=False)


def shipped(kind: str) -> list[str]:
    """The hops for which there are weights, the most first."""
    return [hops for hops, end in HOPS.items() if (CARDS / f"ask-{kind}{end}.json").exists()]


def manner(hops: str) -> Manner:
    """Two hops stand beside each other from the beginning."""
    both = hops == "2"
    return Manner(
        unit="hop",
        outcome="answer",
        label="after each hop",
        symbol="p",
        writes=False,
        first=1 if both else 0,
        beside=0 if both else None,
    )


def settled(asked: Question, trace: Trace) -> Question:
    """A network of a hub has as many layers as it has; the last, which decides, is shown first."""
    if not asked.look.hub:
        return asked
    return replace(asked, manner=replace(asked.manner, first=len(trace.target) - 1))


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    picture = gallery_picture(FIRST)
    cached.pictures.looked(Look(f"ask-{PHOTOS}", picture.digest, EXAMPLES[PHOTOS][0]), picture)
    cached.pictures.shot(picture.digest, picture.pixels)


def ask() -> Question | None:
    """The controls: model, picture, question. None, with a word, without a picture."""
    kinds = [kind for kind in KINDS if kind == HUB or shipped(kind)]
    first, second, third, fourth = st.columns([1.1, 0.5, 1.2, 1.5])
    with first:
        kind = st.selectbox(
            "Asked about", kinds, format_func=KINDS.__getitem__, key="about", bind="query-params", on_change=_forget
        )
    hops = ""
    if kind != HUB:
        with second:
            hops = st.selectbox("Hops", shipped(kind), key="hops", bind="query-params", help="How often it looks")
    with third:
        source = controls.source()
    with fourth:
        if kind == SHAPES and source == controls.SOURCES[0]:
            title = st.selectbox("Drawing of the package", list(drawings()), key="drawing", bind="query-params")
            picture: Picture | None = drawing(title)
            truths = drawings()[title].answers
        else:
            picture, truths = controls.picture(source, FIRST), {}
    hub = ""
    if kind == HUB:
        label = "Name on the hub, or a folder on the server"
        hub = st.text_input(label, HUB_FIRST, key="hub", bind="query-params", help=HUB_HELP)
    examples = (*truths,)[:6] or EXAMPLES[kind]
    question = stepping.ask_text("Question", examples[0], "Type a question in English, then press Enter")
    stepping.offer(examples)
    if picture is None:
        return None
    look = Look(f"ask-{kind}{HOPS.get(hops, '')}", picture.digest, question, hub)
    return Question(look, picture, LAYERS if hub else manner(hops), truths)


def _forget() -> None:
    """Another model begins with a question of its own."""
    address.forget(stepping.TEXT)


def remember(asked: Question) -> None:
    """Keep the question in the list of those asked of this picture."""
    of = asked_of(asked.look)
    kept = st.session_state.setdefault("questions", {})
    questions = kept.setdefault(of, [])
    if asked.look.question not in questions:
        questions.append(asked.look.question)


def asked_of(look: Look) -> tuple[str, str]:
    """The model and the picture of a question."""
    return look.hub or look.model, look.digest


def kind_of(look: Look) -> str:
    """ "ask-daquar-1" is of the kind "daquar"."""
    return look.model.split("-")[1]


def answer(trace: Trace) -> tuple[tuple[str, float], ...]:
    """The most probable answers after the last hop."""
    return trace.candidates[-1]


def about(shown: Shown) -> str:
    """The answer, the next ones, what was said after one hop, and what is known to be right."""
    asked, trace = shown.asked, shown.trace
    assert isinstance(asked, Question)
    (best, p), *others = answer(trace)[:ANSWERS]
    said = f"**{as_it_is(best)}**, p = {p:.4f}; then "
    said += ", ".join(f"{as_it_is(name)} {chance:.4f}" for name, chance in others) + "."
    truth = asked.truths.get(asked.look.question)
    if truth:
        said += f" The package says {truth}: {'right' if truth == best else 'wrong'}."
    if len(trace.target) > 1:
        before, chance = trace.candidates[0][0]
        said += f" After the first {asked.manner.unit} it would have said {as_it_is(before)}, p = {chance:.4f}."
    unknown = () if asked.look.hub else cached.pictures.answerer(asked.look.model).unknown(asked.look.question)
    if unknown:
        said += f" Not known to the model, and all one word to it: {as_it_is(', '.join(unknown))}."
    if shown.trace is not shown.untouched:
        was, chance = answer(shown.untouched)[0]
        said += f" Untouched it was {as_it_is(was)}, p = {chance:.4f}."
    return said


def fitted(asked: Asked) -> str:
    """What the network sees of the picture."""
    kept, look = cached.pictures, asked.look
    height, width = (kept.hub_answerer(look.hub) if look.hub else kept.answerer(look.model)).size
    rows, columns = grid(kept.looked(look, asked.picture))
    said = f"squashed to {width}×{height} pixels, of which the network makes {rows} × {columns} regions"
    return regions.fitted(asked.picture, said)


def words_notes(shown: Shown) -> None:
    """What each word of the question does for the answer."""
    found = cached.pictures.without_words(shown.asked.look, shown.asked.picture)
    if not len(found.p):
        st.info("A question of one word has nothing to leave out.")
        return
    st.markdown(
        f"**Which words mattered?** The question is asked again without each of its words. p({as_it_is(found.answer)}) is "
        f"{found.whole:.4f} with all of them; a bar to the right: the word spoke for the answer."
    )
    st.plotly_chart(
        figures.influence(found.words, found.whole - found.p),
        key="influence",
        alt="How far the answer's probability falls without each word of the question",
    )
    table = pd.DataFrame(
        {
            "without": found.words,
            f"p({found.answer})": found.p,
            "less by": found.whole - found.p,
            "the answer then": found.answers,
        }
    )
    st.dataframe(table, hide_index=True, column_config=exact(table))


def of_hop(shown: Shown) -> None:
    """The computation of the hop in view."""
    trace, k = shown.trace, shown.seen.step
    asks = "the question itself" if k == 0 else "the question with what the hop before brought back"
    st.markdown(
        f"Hop {k + 1}: {computation.row_sentence(trace, k)} What asks is {asks}. Click a cell to see its products."
    )
    u, c = trace.values["u"][k], trace.values["c"][k]
    score = cached.pictures.answerer(shown.asked.look.model).network.scores[k]
    assert isinstance(score, Perceptron)
    query = trace.values["v_Q"] if k == 0 else trace.values["u"][k - 1]
    regions.show_step(
        shown,
        regions.Roles(
            query=query,
            values="v_I",
            symbol="v",
            score=score,
            names=("W_P", "tanh(W_Q u + W_I v)"),
            what=PAPERS,
            vectors=pd.DataFrame({"u before": pd.Series(query), "c": pd.Series(c), "u": pd.Series(u)}),
            title="c = ṽ_I = Σ p v, u = ṽ_I + u before",
        ),
    )


def many_questions(shown: Shown) -> None:
    """All that was asked of this picture, and the examples, each answered; the CNN has looked once."""
    asked = shown.asked
    assert isinstance(asked, Question)
    kept = st.session_state.get("questions", {}).get(asked_of(asked.look), [])
    examples = asked.truths or EXAMPLES[kind_of(asked.look)]
    rows = []
    for question in dict.fromkeys([*kept, *examples]):
        trace = cached.pictures.looked(replace(asked.look, question=question), asked.picture)
        (best, p), (second, q) = answer(trace)[:2]
        truth = {"right answer": asked.truths[question]} if question in asked.truths else {}
        row = {"question": question, "answer": best, "p": p, "or else": second, "p of that": q, **truth}
        rows.append(row)
    table = pd.DataFrame(rows)
    if asked.truths:
        right = sum(asked.truths.get(row["question"]) == row["answer"] for row in rows)
        st.markdown(
            f"**{right} of {len(asked.truths)}** of the package's questions about this drawing are answered right."
        )
    st.markdown("Asked of this picture so far, then the examples. Mark a row to see where it looked.")
    st.dataframe(
        table,
        hide_index=True,
        column_config=exact(table),
        on_select=lambda: _pick(table),
        selection_mode="single-row",
        key="many_questions",
    )


def _pick(table: pd.DataFrame) -> None:
    chosen = st.session_state["many_questions"].selection.rows
    if chosen and chosen[0] < len(table):
        address.put(**{stepping.TEXT: str(table["question"].iloc[chosen[0]])})


def place_notes(shown: Shown) -> None:
    """It looks at the right place and still errs: the paper's count, and the visitor's own."""
    st.markdown(
        "**Does it look right and answer wrong?** Yang 2016 read a hundred wrong answers of their own network on COCO-QA "
        "(section 4.6): that is the paper's count, not ours. Judge this answer, and your own count stands beside it."
    )
    look, counts = shown.asked.look, st.session_state.setdefault("judged", {})
    of = (*asked_of(look), look.question)
    chosen = st.radio(
        "This answer", JUDGED, index=JUDGED.index(counts[of]) if of in counts else None, key=f"judge_{hash(of)}"
    )
    if chosen:
        counts[of] = chosen
    left, right = st.columns(2)
    with left:
        st.plotly_chart(
            figures.counted(ERRORS, "Yang 2016: 100 wrong answers"),
            key="paper",
            alt="The paper's analysis of its errors",
        )
    with right:
        mine = Counter(counts.values())
        st.plotly_chart(
            figures.counted({name: mine[name] for name in JUDGED}, f"you: {len(counts)} answers"),
            key="yours",
            alt="How you judged the answers of this visit",
        )


def model_notes(shown: Shown) -> None:
    """The figures of all answerers about the same, beside the published ones, and the card."""
    kind = kind_of(shown.asked.look)
    cards = {hops: read_card(f"ask-{kind}{HOPS[hops]}") for hops in shipped(kind)}
    rows = [{"": f"{hops} hop{'s' if hops != '1' else ''}, here", **card.metrics} for hops, card in cards.items()]
    published = next(iter(cards.values()))
    if published.published:
        rows.append({"": published.published_on, **published.published})
    st.markdown(f"**How good is it?** In %. {published.measured_on}.")
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    recorded = zoo.recorded("ask")
    if recorded:
        st.markdown(f"**Beside what knows less.** Recorded by `{recorded['command']}`.")
        st.dataframe(pd.DataFrame(recorded["rows"]), hide_index=True)
        st.caption(recorded["about"])
    st.table(pd.DataFrame(read_card(shown.asked.look.model).rows(), columns=["", " "]).set_index(""))


LOOKS: dict[str, Callable[[Shown], None]] = {
    "Its words": words_notes,
    "Several questions": many_questions,
    "This hop": regions.ours(of_hop),
    "Right place?": place_notes,
    "The model": regions.ours(model_notes),
}


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (SAN.regions, SAN.question, SAN.look, perceptron, attend, softmax, SAN.decide)


def title_of(asked: Asked) -> str:
    """For the file that steps alone."""
    best, _ = answer(cached.pictures.looked(asked.look, asked.picture))[0]
    return f"{asked.look.question} {best} · {asked.picture.name}"
