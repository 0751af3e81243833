"""What the page "Translate" asks, says and computes around its figure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from models import attention, zoo
from models.faithful import Examination
from models.seq2seq import NONE, Seq2Seq
from models.terms import (
    Terms,
    attention_vector_terms,
    context_terms,
    exp_terms,
    logit_terms,
    score_terms,
    state_terms,
    weight_terms,
)
from models.trace import Trace
from models.translation import Touch, Translator, sentence
from models.words import END, SPECIAL
from ui import cached, computation
from ui.cached import Sentence
from ui.components.alignment import Seen, as_plain, changed, last_touch, sentence_of, standalone, valid_touch
from ui.lecture import Download

EXAMPLES = (
    "A black dog and a white dog run along the beach.",
    "The agreement on the European Economic Area was signed in August 1992.",
    "A man in an orange hat is looking at something.",
    "Two young girls are sitting on a red bench in front of the old house.",
    "I don't know where she lives.",
    "Where is the library?",
    "A woman in a blue dress walks past a man who is selling flowers on a busy street corner.",
)
HUB = "from a hub or a folder"
TITLES = {
    "perceptron": "perceptron · vᵀtanh(W h + U h̄)",
    "general": "general · hᵀW h̄",
    "dot": "dot · hᵀh̄",
    "concat": "concat · W[h; h̄]",
    NONE: "none · one fixed vector",
    HUB: HUB,
}
GREEDY, BEAM, SAMPLE = "Greedy", "Beam of 5", "Sample"
WAYS = [GREEDY, BEAM, SAMPLE]
LOOKS = ["This step", "Beam tree", "Race of the scores", "Is it true?", "The models"]
TEXT, STEP, TOUCH = "text", "step", "touch"
MEAN, END_WORD = "mean of all heads", SPECIAL[END]
WORDS_AGREED = 40  # source words; the work grows with their cube
WIDEST = 1500  # characters of a text that is taken from a link


def title(score: str) -> str:
    return TITLES[score]


LINK = {
    "model": lambda name: name in TITLES.values(),
    "way": lambda name: name in WAYS,
    "look": lambda name: name in LOOKS,
    STEP: lambda text: text.isdecimal() and len(text) < 4,
}


@dataclass(frozen=True)
class Shown:
    """What is on the screen: the sentence asked, its untouched trace, the one in view, and where the visitor is in it."""

    sentence: Sentence
    untouched: Trace
    trace: Trace
    seen: Seen


def ask() -> Sentence:
    """The controls: sentence, model, way of decoding."""
    left, middle, right = st.columns([2.6, 1.4, 1.5])
    with left:
        text = _text()
    with middle:
        score = st.selectbox(
            "Score", [*zoo.TRANSLATORS, HUB], format_func=title, key="model", bind="query-params", help=SCORE_HELP
        )
    with right:
        way = (
            st.segmented_control("Decode", WAYS, default=GREEDY, required=True, key="way", bind="query-params")
            or GREEDY
        )
    st.pills("Examples", EXAMPLES, key="example", on_change=_pick, format_func=_short, label_visibility="collapsed")
    name = ""
    if score == HUB:
        name = st.text_input(
            "Name on the hub, or a folder on the server",
            "Helsinki-NLP/opus-mt-en-fr",
            key="hub",
            bind="query-params",
            help=HUB_HELP,
        )
    sampling, seed = 0.0, 0
    if way == SAMPLE and score != HUB:
        first, second = st.columns(2)
        sampling = first.slider("Temperature of the drawing", 0.1, 2.0, 1.0, 0.1, key="sampling", bind="query-params")
        seed = int(second.number_input("Seed", 0, 9999, 1, key="seed", bind="query-params"))
    return Sentence(text, "" if score == HUB else score, name, 5 if way == BEAM else 1, sampling, seed)


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.trace(Sentence(EXAMPLES[0], "perceptron"))


SCORE_HELP = (
    "How relevant is a source word to the word to be written? Models trained alike, which differ in this formula only."
)
HUB_HELP = "Any encoder–decoder of transformers with cross-attention, as safetensors. Its weights are fetched when first asked for."


def _text() -> str:
    """The sentence typed, or the example picked: picking writes it into the field."""
    if "text" not in st.session_state:
        st.session_state["text"] = st.query_params.get(TEXT, EXAMPLES[0])[:WIDEST]
    text = st.text_input("English sentence", key="text", placeholder="Type an English sentence, then press Enter")
    if st.query_params.get(TEXT) != text[:WIDEST]:
        st.query_params[TEXT] = text[:WIDEST]
    return text


def _pick() -> None:
    if st.session_state["example"]:
        st.session_state["text"] = st.session_state["example"]
        st.session_state["example"] = None


def _short(example: str) -> str:
    words = example.split()
    return " ".join(words[:3]) + (" …" if len(words) > 3 else "")


def touch_in_link(trace: Trace) -> Touch:
    """The touch that the address names, as far as it fits the sentence."""
    try:
        told = json.loads(st.query_params.get(TOUCH, "{}"))
    except ValueError:
        return Touch()
    of = sentence_of(trace)
    return valid_touch({**told, "of": of} if isinstance(told, dict) else None, of, len(trace.source))


def step_in_link() -> int:
    text = st.query_params.get(STEP, "")
    return int(text) - 1 if LINK[STEP](text) and int(text) > 0 else 0


def put_in_link(seen: Seen) -> None:
    """The address follows step and touch, so that it can be sent."""
    for name, value in ((STEP, str(seen.step + 1)), (TOUCH, "" if seen.touch.nothing() else touch_text(seen.touch))):
        if value and st.query_params.get(name) != value:
            st.query_params[name] = value
        elif not value and name in st.query_params:
            del st.query_params[name]


def touch_text(touch: Touch) -> str:
    """A touch as text: the same for the same touch."""
    return json.dumps(as_plain(touch), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def about(shown: Shown) -> str:
    """The translation in a sentence, with what has to be said of it."""
    written, trace = sentence(shown.trace), shown.trace
    said = f"**{_safe(written)}** · log p = {trace.log_p.sum():.3f}, perplexity a word {trace.perplexity():.2f}."
    copied = [t for t, note in trace.notes.items() if "copied" in note]
    if copied:
        said += f" {len(copied)} unknown word{'s' if len(copied) > 1 else ''} (\\*) copied from the source word most looked at."
    if shown.trace is not shown.untouched:
        new = len(changed(shown.untouched.target, trace.target))
        said += f" Touched: {new} of {len(trace.target)} words are not those of the untouched translation."
    return said


def _safe(text: str) -> str:
    """The text as it is: nothing of it is Markdown or HTML."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()<>#+-.!|~$:^&" else letter for letter in text)


def numbers_of_step(shown: Shown) -> None:
    """The computation of the step in view, each table from the one before it; a click on a cell shows its products."""
    trace, t, seen = shown.trace, shown.seen.step, shown.seen
    if "h" not in trace.values or shown.sentence.hub:
        st.info(
            "A model of a hub gives its weights and probabilities, not the lecture's h, c and a; choose one of ours for these."
        )
        return
    model = cached.translator(shown.sentence.score)
    st.markdown(
        f"Step {t + 1} writes “{_safe(trace.target[t])}”. {computation.row_sentence(trace, t)} Click a cell to see its products."
    )
    weights = trace.weights[0, t]
    if len(weights):
        h_bar = trace.values["h_bar"]
        st.dataframe(
            computation.five_lines(trace.values["h"][t], h_bar, h_bar, weights, trace.values["c"][t]), hide_index=True
        )
    left, right = st.columns(2)
    with left:
        if len(weights):
            st.markdown("**scores → exp → sum → α**")
            forced = t in seen.touch.weights
            if forced:
                st.caption("This row was forced: its α are yours, not the softmax of the scores.")
            computation.ask_terms(
                computation.per_source(trace, t, seen.touch),
                f"scores_{t}",
                lambda row, column: _of_score(shown, model, row, column),
            )
        st.markdown("**p(word) = exp(logit − log Σ exp), logits E a + b**")
        words = [word for word, _ in trace.candidates[t]]
        numbers = [model.french.numbers[word] for word in words]
        logits = [
            logit_terms(model.network, trace, t, number, word) for number, word in zip(numbers, words, strict=True)
        ]
        table = pd.DataFrame({"word": words, "logit": [each.value for each in logits]})
        p = np.array([p for _, p in trace.candidates[t]])
        table = table.assign(**{"log Σ exp": table["logit"] - np.log(p), "p": p})
        computation.ask_terms(table, f"words_{t}", lambda row, _column: logits[row])
    with right:
        st.markdown("**h, c = Σ α h̄, a = tanh(W_c[c; h])**")

        def products(i: int, column: str) -> Terms | None:
            if column == "h":
                return state_terms(model.network, trace, t, i)
            if column == "c" and len(weights):
                return context_terms(trace, t, i)
            if column == "a" and i < len(trace.values["a"][t]):
                return attention_vector_terms(model.network, trace, t, i)
            return None

        computation.ask_terms(computation.vectors(trace, t), f"vectors_{t}", products)


def _of_score(shown: Shown, model: Translator, s: int, column: str) -> Terms | None:
    """The products of a cell in the table of scores; None where a hand decided it."""
    trace, t, touch = shown.trace, shown.seen.step, shown.seen.touch
    if column.startswith("score"):
        return score_terms(model.network, trace, t, s)
    if s in touch.forbidden or (column == "α" and t in touch.weights):
        return None
    allowed = [other not in touch.forbidden for other in range(len(trace.source))]
    if column == "α":
        return weight_terms(trace, t, s, allowed)
    return exp_terms(trace, t, s, allowed) if column.startswith("exp") else None


def five_numbers(shown: Shown) -> pd.DataFrame:
    """The row in view as the formula's columns."""
    return computation.per_source(shown.trace, shown.seen.step, shown.seen.touch)


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it: the score chosen, attend, softmax, the attention vector, the decision."""
    asked = st.session_state.get("model") or st.query_params.get("model") or "perceptron"
    score = next((name for name in attention.SCORES if asked in (name, TITLES.get(name))), "")
    return (
        *([getattr(attention, score)] if score else []),
        attention.attend,
        attention.softmax,
        Seq2Seq.attention_vector,
        Seq2Seq.logits,
    )


def one_head(trace: Trace) -> Trace:
    """The head to look at, chosen by the visitor if there are several; the first has all of them averaged."""
    if len(trace.heads) == 1:
        return trace
    names = [MEAN, *trace.heads]
    chosen = st.selectbox("Layer and head", names, key="head", bind="query-params")
    return trace.mean() if chosen not in trace.heads else trace.only(trace.heads.index(chosen))


def touch_before(untouched: Trace) -> Touch:
    """What was touched up to now: told by the browser, or by the address when the page has just been opened."""
    if "alignment" in st.session_state:
        return last_touch(untouched)
    return touch_in_link(untouched)


def beam_notes(shown: Shown, draw: Callable[..., Any]) -> None:
    """The tree of a beam search."""
    if shown.sentence.hub:
        st.info("The tree is drawn for our own models: choose one of the five scores.")
        return
    asked = replace(shown.sentence, beam=5, sampling=0.0, seed=0)
    nodes = cached.beams(asked)
    best = best_path(nodes, END_WORD)
    st.markdown(
        f"A beam of 5 keeps, at every step, the five most probable beginnings: {len(nodes)} nodes were kept. The sentence with the "
        "best log p a word is orange; hover a node for its log p. Greedy decoding follows the best word of each step alone."
    )
    st.plotly_chart(draw(nodes, best), key="tree", alt="The tree of a beam search over the words of the translation")
    greedy = cached.trace(replace(asked, beam=1))
    beam = cached.trace(asked)
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "way": way,
                    "translation": sentence(trace),
                    "log p": float(trace.log_p.sum()),
                    "log p a word": float(trace.log_p.mean()),
                }
                for way, trace in ((GREEDY, greedy), (BEAM, beam))
            ]
        ),
        hide_index=True,
    )


def race_notes(asked: Sentence, draw: Callable[..., Any]) -> None:
    """The same sentence under the five models."""
    with st.spinner("Five models translate …"):
        found = cached.race(asked.text)
    st.markdown(
        "Trained alike (same data, order, updates and seed), decoded greedily, one after the other on this server just now. "
        "`concat` is linear, as on the slide: what the query adds is the same for every key and cancels in the softmax, "
        "so all its rows are equal."
    )
    st.dataframe(race_table(found), hide_index=True)
    st.plotly_chart(
        draw(race_maps(found)), key="race", alt="The attention weights of each model over the same sentence"
    )


def doubt_notes(shown: Shown, verdict: Callable[[Examination], str], draw: Any) -> None:
    """Is the attention of this step an explanation?"""
    if shown.sentence.hub:
        st.info("The checks need the model's insides: choose one of the five scores.")
        return
    trace, t = shown.untouched, min(shown.seen.step, len(shown.untouched.target) - 1)
    found = cached.examination(replace(shown.sentence, beam=1, sampling=0.0, seed=0), shown.sentence.beam, t, trace)
    if shown.trace is not trace:
        st.caption("The checks are made on the untouched translation.")
    st.markdown(f"{verdict(found)} {_over_all_steps(shown, trace)}")
    weights = found.weights
    st.plotly_chart(
        draw.importances(
            found.source,
            None if weights is None else weights.alpha,
            None if weights is None else weights.moved,
            found.leave_one_out,
            found.gradient,
        ),
        key="importances",
        alt="Attention beside leave-one-out and gradient times input for each source word",
    )
    if weights is not None:
        kept, tv, words = (getattr(weights.shuffled.rewritten, name) for name in ("kept", "tv", "words"))
        flat = weights.uniform
        st.plotly_chart(
            draw.shuffles(tv, kept, words, uniform=(float(flat.tv[0]), bool(flat.kept[0]), flat.words[0])),
            key="shuffles",
            alt="How far 100 shuffles of the weights move the distribution of the next word",
        )
    st.caption(
        "Weights say how the values were mixed, not why a word was chosen. A row that can be shuffled without effect explains "
        "nothing here (Jain & Wallace 2019); that other weights give the same word does not make the learned ones arbitrary "
        "(Wiegreffe & Pinter 2019). "
        "Only one seed was trained of each score: how the weights vary between seeds is not shown."
    )


def _over_all_steps(shown: Shown, trace: Trace) -> str:
    """Kendall's τ over the whole sentence, where that is quickly had."""
    if not trace.weights.shape[2]:
        return ""
    if len(trace.source) > WORDS_AGREED:
        return f"(The mean over all steps is computed for sentences of up to {WORDS_AGREED} words.)"
    with st.spinner("Comparing at every step …"):
        left_out, gradient = cached.agreement(
            replace(shown.sentence, beam=1, sampling=0.0, seed=0), shown.sentence.beam, trace
        )
    return (
        f"Over all {len(trace.target)} steps, the mean Kendall τ of attention is {left_out:.2f} with leave-one-out and "
        f"{gradient:.2f} with gradient × input (1: the same order, 0: none)."
    )


def model_notes(draw: Callable[..., Any]) -> None:
    """The five cards, and what was recorded of all five on the test set."""
    recorded = zoo.recorded("translate")
    if recorded:
        st.markdown(
            "**Which score?** BLEU by the length of the English sentence, Multi30k test2016; recorded by "
            f"`{recorded['command']}`."
        )
        st.plotly_chart(
            draw(recorded["by_length"]), key="by_length", alt="BLEU of the five models by the length of the sentence"
        )
        st.dataframe(pd.DataFrame(recorded["table"]), hide_index=True)
        st.caption(recorded["about"])
    for score in zoo.TRANSLATORS:
        with st.expander(TITLES[score], icon=":material/badge:"):
            st.table(pd.DataFrame(zoo.translator_card(score).rows(), columns=["", " "]).set_index(""))


def numbers_caption(shown: Shown) -> str:
    """What the table in the tab Numbers holds."""
    t = shown.seen.step
    return f"Step {t + 1}, “{_safe(shown.trace.target[t])}”. {computation.row_sentence(shown.trace, t)}"


def best_path(nodes: tuple[tuple[str, int, float], ...], end: str) -> list[int]:
    """The nodes of the sentence chosen: from the end with the best log p a word back to the root."""
    ends = [i for i, (word, _, _) in enumerate(nodes) if word == end]

    def path(i: int) -> list[int]:
        found = [i]
        while nodes[found[-1]][1] >= 0:
            found.append(nodes[found[-1]][1])
        return found

    return max((path(i) for i in ends), key=lambda way: nodes[way[0]][2] / len(way), default=[])


def race_table(found: Mapping[str, tuple[Trace, float]]) -> pd.DataFrame:
    """Each score's translation, its own probability, its time here and now, and what its card says of the test set."""
    rows = []
    for score, (trace, seconds) in found.items():
        card = zoo.translator_card(score)
        rows.append(
            {
                "score": score,
                "translation": sentence(trace),
                "log p a word": float(trace.log_p.mean()),
                "ms": 1000 * seconds,
                "BLEU test2016": card.metrics.get("bleu"),
                "beam 5": card.metrics.get("bleu_beam5"),
                "perplexity": card.metrics.get("ppl"),
                "parameters": card.parameters,
                "minutes of training": card.minutes,
            }
        )
    return pd.DataFrame(rows)


def race_maps(
    found: Mapping[str, tuple[Trace, float]],
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...], np.ndarray]]:
    """What there is to draw: the models that have weights."""
    return {
        score: (trace.target, trace.source, trace.weights[0])
        for score, (trace, _) in found.items()
        if trace.weights.shape[2]
    }


def downloads(shown: Shown) -> list[Download]:
    """PNG, SVG, GIF, HTML, CSV and JSON of the trace in view."""
    from figures import alignment as pictures

    trace, name = shown.trace, "alignment"
    weights = trace.weights[0]
    files = [
        Download("Numbers (CSV)", lambda: table(trace).to_csv(index=False).encode(), f"{name}.csv", "text/csv"),
        Download("Numbers (JSON)", lambda: as_json(shown), f"{name}.json", "application/json"),
        Download("Steps offline (HTML)", lambda: standalone(trace, sentence_title(trace)), f"{name}.html", "text/html"),
    ]
    if weights.shape[1]:
        here = shown.seen.step
        files = [
            Download(
                "Picture (PNG)",
                lambda: pictures.file(weights, trace.source, trace.target, "png", here),
                f"{name}.png",
                "image/png",
            ),
            Download(
                "Picture (SVG)",
                lambda: pictures.file(weights, trace.source, trace.target, "svg", here),
                f"{name}.svg",
                "image/svg+xml",
            ),
            Download(
                "Steps (GIF)",
                lambda: pictures.animation(weights, trace.source, trace.target),
                f"{name}.gif",
                "image/gif",
            ),
            *files,
        ]
    return files


def sentence_title(trace: Trace) -> str:
    return f"{' '.join(trace.source[:-1])} → {sentence(trace)}"[:160]


def table(trace: Trace) -> pd.DataFrame:
    """A row a step and source word: weight and score."""
    rows = [
        {
            "step": t + 1,
            "target": target,
            "position": s + 1,
            "source": source,
            "score": float(trace.scores[0, t, s]),
            "weight": float(trace.weights[0, t, s]),
        }
        for t, target in enumerate(trace.target)
        for s, source in enumerate(trace.source[: trace.weights.shape[2]])
    ]
    return pd.DataFrame(rows)


def as_json(shown: Shown) -> bytes:
    """Everything of the trace, as it was computed."""
    trace = shown.trace
    whole = {
        "sentence": vars(shown.sentence),
        "touch": as_plain(shown.seen.touch),
        "source": trace.source,
        "target": trace.target,
        "log_p": trace.log_p.tolist(),
        "scores": trace.scores.tolist(),
        "weights": trace.weights.tolist(),
        "candidates": trace.candidates,
        "notes": trace.notes,
        "values": {name: value.tolist() for name, value in trace.values.items()},
    }
    return json.dumps(whole, ensure_ascii=False).encode()
