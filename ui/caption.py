"""The page "Caption": its controls, and what it says of a caption."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from figures import caption as figures
from models import zoo
from models.attention import attend, softmax
from models.captioner import Captioner, doubly_stochastic
from models.captioning import SIZE
from models.card import read_card
from models.picture import gallery, gallery_picture
from models.trace import Trace
from ui import cached, computation, controls, looks, regions, stepping
from ui.cached.pictures import Look
from ui.components.regions import Manner, grid
from ui.computation import exact
from ui.lecture import as_it_is
from ui.regions import Asked, Shown

NAME = "caption"
MOST = 5  # beams
BEAMS = {"Greedy": 1, **{f"Beam of {n}": n for n in range(2, MOST + 1)}}
USUAL = "Beam of 3"
WAYS = [*BEAMS, stepping.SAMPLE]
OWN, HUB = "Show, Attend and Tell", "from a hub or a folder"
MODELS = [OWN, HUB]
HUB_FIRST = "nlpconnect/vit-gpt2-image-captioning"
HUB_HELP = (
    "ViT-GPT2, BLIP and others of transformers that look at patches, as safetensors. Fetched when first asked for."
)
MANNER = Manner()
PAPERS = ("the query, h_{t−1}", "the keys, a_i", "the values, a_i", "α_t = softmax(f_att(a_i, h_{t−1}))", "Σ α_ti a_i")
VECTORS = {"c": "c", "ẑ": "z", "h": "h"}
LINK = {**regions.LINK, "way": lambda name: name in WAYS, "model": lambda name: name in MODELS}


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    picture = gallery_picture(next(iter(gallery())))
    cached.pictures.looked(Look(NAME, picture.digest, beam=BEAMS[USUAL]), picture)
    cached.pictures.shot(picture.digest, picture.pixels)


def ask() -> Asked | None:
    """The controls: the picture, the model, the way of decoding. None, with a word, without a picture."""
    first, second, third, fourth = st.columns([1.3, 1.4, 1.2, 0.9])
    with first:
        source = controls.source()
    with second:
        picture = controls.picture(source)
    with third:
        model = st.selectbox("Model", MODELS, key="model", bind="query-params")
    with fourth:
        ways = WAYS if model == OWN else list(BEAMS)
        way = st.selectbox("Decode", ways, index=ways.index(USUAL), key="way", bind="query-params")
    hub = ""
    if model == HUB:
        label = "Name on the hub, or a folder on the server"
        hub = st.text_input(label, HUB_FIRST, key="hub", bind="query-params", help=HUB_HELP)
    sampling, seed = stepping.ask_sampling(way)
    if picture is None:
        return None
    return Asked(Look(NAME, picture.digest, "", hub, BEAMS.get(way, 1), sampling, seed), picture, MANNER)


def written(look: Look, trace: Trace) -> str:
    """The caption as one would write it."""
    return (cached.pictures.hub_captioner(look.hub) if look.hub else cached.pictures.captioner()).text(trace)


def about(shown: Shown) -> str:
    """The caption in a sentence, and what was done to the picture."""
    trace = shown.trace
    said = (
        f"**{as_it_is(written(shown.asked.look, trace))}** · log p = {trace.log_p.sum():.3f}, perplexity a word "
        f"{trace.perplexity():.2f}."
    )
    if "beta" in trace.values:
        said += f" The gate β lets {trace.values['beta'].mean():.2f} of what is seen through, on average."
    return said + regions.of_touch(shown)


def fitted(asked: Asked) -> str:
    """What the network sees of the picture."""
    height, width = cached.pictures.hub_captioner(asked.look.hub).size if asked.look.hub else (SIZE, SIZE)
    rows, columns = grid(cached.pictures.looked(asked.look, asked.picture))
    said = f"squashed to {width}×{height} pixels, of which the network makes {rows} × {columns} regions"
    return regions.fitted(asked.picture, said)


def of_step(shown: Shown) -> None:
    """The computation of the word in view, each table from the one before it; a click on a cell shows its products."""
    trace, t = shown.trace, shown.seen.step
    st.markdown(
        f"Step {t + 1} writes “{as_it_is(trace.target[t])}”. {computation.row_sentence(trace, t)} The state *before* the word, "
        f"h_{{t−1}}, asks. β = {float(trace.values['beta'][t, 0]):.6f} of the answer counts. Click a cell to see its products."
    )
    vectors = pd.DataFrame({symbol: pd.Series(trace.values[name][t]) for symbol, name in VECTORS.items()})
    regions.show_step(
        shown,
        regions.Roles(
            query=trace.values["asked"][t],
            values="a",
            symbol="a",
            score=cached.pictures.captioner().network.f_att,
            names=("v", "tanh(W h + U a)"),
            what=PAPERS,
            vectors=vectors,
            title="c = Σ α a, ẑ = β c; h, the LSTM's next state",
        ),
    )


def all_words(shown: Shown) -> None:
    """For every word: how sure, how much of what is seen counts, and where most of it is."""
    trace = shown.trace
    together = trace.weights[0].astype(np.float64).sum(0)
    st.markdown(
        "**Does it look, or does it know?** β is how much of what is seen counts for a word. Words that follow from the words "
        "before (“of”, “a”) could do with little of it."
    )
    beta = trace.values["beta"][:, 0].astype(np.float64)
    st.plotly_chart(figures.gate(trace.target, beta), key="gate", alt="β for each word of the caption")
    table = regions.by_step(shown).assign(**{"β": beta})
    st.dataframe(table, hide_index=True, column_config=exact(table))
    st.caption(
        f"All maps together: Σ over the words is {together.min():.3f} to {together.max():.3f} a region; the doubly stochastic "
        f"term of the training, Σᵢ (1 − Σₜ α_ti)², is {float(doubly_stochastic(torch.from_numpy(trace.weights))[0]):.3f} here."
    )


def beam_notes(shown: Shown) -> None:
    """The tree of a beam search."""
    beam = max(2, shown.asked.look.beam) if not shown.asked.look.sampling else BEAMS[USUAL]
    picture, asked = shown.asked.picture, replace(shown.asked.look, beam=beam, sampling=0.0, seed=0)
    model = cached.pictures.captioner()
    ways = []
    for name, look in (("Greedy", replace(asked, beam=1)), (f"Beam of {beam}", asked)):
        trace = cached.pictures.looked(look, picture)
        ways.append((name, model.text(trace), trace))
    looks.show_tree(cached.pictures.caption_beams(asked, picture), beam, ways, model.network.normalised)


def model_notes(_shown: Shown) -> None:
    """The figures beside the published ones, and the card."""
    card = read_card(NAME)
    st.markdown(f"**How good is it?** {card.measured_on}. Published: {card.published_on}.")
    names = [name for name in card.metrics if name in card.published]
    st.dataframe(
        pd.DataFrame(
            {
                "": ["this captioner", "Xu 2015"],
                **{name: [card.metrics[name], card.published[name]] for name in names},
            }
        ),
        hide_index=True,
    )
    recorded = zoo.recorded(NAME)
    if recorded:
        st.markdown(f"**Why this grid?** Recorded by `{recorded['command']}`; mean average precision in %.")
        st.dataframe(pd.DataFrame(recorded["rows"]), hide_index=True)
        st.caption(recorded["about"])
    st.table(pd.DataFrame(card.rows(), columns=["", " "]).set_index(""))


LOOKS: dict[str, Callable[[Shown], None]] = {
    "All words": regions.ours(all_words),
    "This word": regions.ours(of_step),
    "Beam tree": regions.ours(beam_notes),
    "The model": regions.ours(model_notes),
}


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (Captioner.look, attend, softmax, Captioner.gate, Captioner.lstm, Captioner.deep_output, doubly_stochastic)


def title_of(asked: Asked) -> str:
    """For the file that steps alone."""
    return f"{written(asked.look, cached.pictures.looked(asked.look, asked.picture))} · {asked.picture.name}"
