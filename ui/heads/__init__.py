"""The page "Heads": its controls, its link, what is drawn, and what it says of it. The closer looks are in `looks`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from models import attention, encoder
from models.encoder import NEITHER
from models.trace import Trace
from models.writer import Touch
from ui import address, cached, computation, controls
from ui.cached.heads import Reading
from ui.components.alignment import alignment, sentence_of
from ui.components.heads import Maps, overview
from ui.components.touching import valid_step
from ui.lecture import as_it_is


@dataclass(frozen=True)
class Example:
    """A sentence, or two, with what there is to see: a layer, a head and a token, all counted from 1."""

    title: str
    a: str
    b: str = ""
    layer: int = 4
    head: int = 2
    token: int = 1


EXAMPLES = (
    Example("it → animal", "The animal didn't cross the street because it was too tired.", "", 4, 2, 11),
    Example("it → street?", "The animal didn't cross the street because it was too wide.", "", 4, 2, 11),
    Example("the token before", "The old man who lives next door feeds the birds every morning.", "", 1, 3, 4),
    Example("two sentences", "The cat sleeps on the sofa.", "A kitten is lying on the couch.", 2, 2, 3),
)
OWN, HUB = "all-MiniLM-L6-v2", "from a hub or a folder"
MODELS = [OWN, HUB]
WEIGHTS, NORMS, ROLLOUT = "Weights α", "α‖f(x)‖", "Rollout"
SHOWS = [WEIGHTS, NORMS, ROLLOUT]
EVERYTHING = "everything"
BETWEEN: dict[str, tuple[int | None, int | None]] = {
    EVERYTHING: (None, None),
    "A → A": (0, 0),
    "A → B": (0, 1),
    "B → A": (1, 0),
    "B → B": (1, 1),
}
EVERY = "every head"
PATTERNS = {
    EVERY: "",
    "to the previous token": "previous",
    "to the next token": "next",
    "to itself": "same",
    "to the first token, [CLS]": "first",
    "to [SEP]": "separators",
    "broad (entropy)": "broad",
    "sharp (largest weight)": "sharp",
}
TEXTS = {"a": EXAMPLES[0].a, "b": ""}
STEP, LAYER, HEAD = "step", "layer", "head"
WIDEST = 1500  # characters of a text that is put into a link
HUB_HELP = (
    "Any encoder of transformers (BERT, RoBERTa, …) as safetensors. Its weights are fetched when first asked for."
)
SHOW_HELP = (
    "α: how a head mixes the tokens. α‖f(x)‖: how long the vector is that each token adds, as a share of its row. "
    "Rollout: the mean of all heads, followed through the layers down to the words."
)
FILTER_HELP = (
    "Heads that put less of their weight there than the slider asks for are hidden; how much that is, is said."
)


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _is_number(text: str) -> bool:
    return text.isdecimal() and 0 < int(text[:9]) <= 512


LINK: dict[str, Callable[[str], bool]] = {
    "model": lambda name: name in MODELS,
    "show": lambda name: name in SHOWS,
    "between": lambda name: name in BETWEEN,
    "only": lambda name: name in PATTERNS,
    "share": _is_share,
    "least": _is_share,
    LAYER: _is_number,
    HEAD: _is_number,
    STEP: _is_number,
}


@dataclass(frozen=True)
class Choice:
    """What is asked: the reading, what of it to show, and which heads."""

    reading: Reading
    show: str
    between: str
    pattern: str
    share: float
    least: float


@dataclass(frozen=True)
class Shown:
    """What is on the screen.

    Attributes:
        maps: the small maps.
        trace: all heads of the whole reading.
        one: the large map: rows and columns may be those of one sentence only.
        rows, columns: the places of its rows and columns in the whole reading.
        cell: the map chosen in the overview; `head` is the same, but for a rollout, which has no heads: the first of the layer.
        step: the row in view, of `one`.
    """

    maps: Maps
    trace: Trace
    one: Trace
    rows: np.ndarray
    columns: np.ndarray
    cell: int
    head: int
    step: int
    layers: int

    @property
    def t(self) -> int:
        """The token that looks, in the whole reading."""
        return int(self.rows[self.step])

    @property
    def in_view(self) -> int | None:
        """The head whose map is the large one; a rollout is of none."""
        return None if self.one.heads[0] not in (name := self.trace.heads[self.head], f"{name}, {NORMS}") else self.head


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.heads.heads(Reading(EXAMPLES[0].a))


# ---------------------------------------------------------------- controls


def ask() -> Choice:
    """The controls: one or two sentences, the model, what is shown of it."""
    left, middle, right = st.columns([2.2, 1.6, 1.1])
    with left:
        a = controls.text("Sentence A", TEXTS["a"], "a", WIDEST, placeholder="Type a sentence, then press Enter")
    with middle:
        b = controls.text("Sentence B, if you like", TEXTS["b"], "b", WIDEST, placeholder="read together with A")
    with right:
        model = st.selectbox("Model", MODELS, key="model", bind="query-params")
    st.pills(
        "Examples",
        range(len(EXAMPLES)),
        key="example",
        on_change=_pick,
        format_func=_title,
        label_visibility="collapsed",
    )
    name = ""
    if model == HUB:
        name = st.text_input(
            "Name on the hub, or a folder on the server",
            encoder.READS.example,
            key="hub",
            bind="query-params",
            help=HUB_HELP,
        )
        name = name or " "
    pair = bool(b.strip())
    one, *more, two, three, four = st.columns(
        [1.5, *([0.9] if pair else []), 1.3, 0.9, 0.9], vertical_alignment="bottom"
    )
    show = one.segmented_control(
        "Show", SHOWS, default=WEIGHTS, required=True, key="show", bind="query-params", help=SHOW_HELP
    )
    between = more[0].selectbox("From → to", list(BETWEEN), key="between", bind="query-params") if pair else EVERYTHING
    pattern = two.selectbox("Only heads that look", list(PATTERNS), key="only", bind="query-params", help=FILTER_HELP)
    share = three.slider(
        "with at least", 0.0, 1.0, 0.3, 0.05, key="share", bind="query-params", disabled=pattern == EVERY
    )
    least = four.slider("Blank cells below", 0.0, 0.5, 0.0, 0.01, key="least", bind="query-params")
    return Choice(
        Reading(a, b, name if model == HUB else ""), show or WEIGHTS, between, PATTERNS[pattern], share, least
    )


def _title(number: int) -> str:
    return EXAMPLES[number].title


def _pick() -> None:
    """An example brings its sentences, its head and its token."""
    number = st.session_state["example"]
    if number is None:
        return
    example = EXAMPLES[number]
    address.put(a=example.a, b=example.b)
    st.session_state["example"] = None
    st.session_state["heads_picked"] = st.session_state.get("heads_picked", 0) + 1
    for name, value in ((LAYER, example.layer), (HEAD, example.head), (STEP, example.token)):
        st.query_params[name] = str(value)


# ---------------------------------------------------------------- what is drawn


def draw(choice: Choice) -> Shown | None:
    """All heads at the left, one large at the right. None until the browser has painted the large one."""
    trace = cached.heads.heads(choice.reading)
    layers = cached.heads.encoder_of(choice.reading.hub).layers
    show = choice.show if choice.show != NORMS or "f" in trace.values else WEIGHTS
    rows, columns = places(trace, *BETWEEN[choice.between])
    maps = maps_of(trace, layers, show, choice, rows, columns)
    left, right = st.columns([1, 1.25], gap="medium")
    with left:
        cell = overview(maps, *start_cell(layers, len(trace.heads), show))
        st.caption(hidden_words(maps))
    _link_follows(cell, layers, len(trace.heads), show)
    head = cell if show != ROLLOUT else cell * (len(trace.heads) // layers)
    one = large(trace, maps.weights[cell], show, cell, head, rows, columns)
    key, start = start_step(one)
    with right:
        seen = alignment(
            one,
            None,
            Touch(),
            step=start,
            editable=False,
            symbol="α" if show == WEIGHTS else "share",
            label="who looks",
            key=key,
        )
    step = step_now(one, key, start)
    st.query_params[STEP] = str(step + 1)
    return Shown(maps, trace, one, rows, columns, cell, head, step, layers) if seen.painted else None


def places(trace: Trace, look: int | None, at: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The places of the tokens that look and of those looked at, where only those of one sentence are asked for."""
    segment = trace.values["segment"]
    everything = np.arange(len(segment))
    rows, columns = (everything if part is None else np.flatnonzero(segment == part) for part in (look, at))
    return (rows, columns) if len(rows) and len(columns) else (everything, everything)


def maps_of(trace: Trace, layers: int, show: str, choice: Choice, rows: np.ndarray, columns: np.ndarray) -> Maps:
    """The small maps: layers × heads, or, of a rollout, one for each layer."""
    part = np.ix_(rows, columns)
    heads = len(trace.heads) // layers
    if show == ROLLOUT:
        weights = encoder.rollout(trace.weights.reshape(layers, heads, *trace.weights.shape[1:]))
        names = [str(layer) for layer in range(1, layers + 1)]
        captions = [f"rollout up to layer {name}" for name in names]
        parts = np.stack([each[part] for each in weights])
        symbol = "share of the word, by rollout"
        return Maps(parts, [""], names, "layer", captions, [False] * layers, choice.least, symbol)
    weights = trace.weights if show == WEIGHTS else row_shares(encoder.weighted_norms(trace))
    found = encoder.patterns(trace)
    hidden = found[choice.pattern] < choice.share if choice.pattern else np.zeros(len(weights))
    shown = np.stack([each[part] for each in weights])
    return Maps(
        shown,
        [str(layer) for layer in range(1, layers + 1)],
        [str(head) for head in range(1, heads + 1)],
        "layer╲head",
        [_caption(trace, number, shown[number], rows, columns) for number in range(len(shown))],
        [bool(hides) for hides in hidden],
        choice.least,
        "weight α" if show == WEIGHTS else "share of α‖f(x)‖ in its row",
    )


def row_shares(norms: np.ndarray) -> np.ndarray:
    """Each row divided by its sum."""
    return norms / np.maximum(norms.sum(-1, keepdims=True), 1e-12)


def _caption(trace: Trace, number: int, weights: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> str:
    """The head, and its largest weight from word to word: [CLS] and [SEP] draw more than any word in many heads."""
    text = trace.values["segment"] != NEITHER
    words = np.where(np.outer(text[rows], text[columns]), weights, -1)
    t, s = np.unravel_index(int(words.argmax()), words.shape)
    pair = f"“{trace.target[rows[t]].strip()}” → “{trace.source[columns[s]].strip()}”"
    return f"{trace.heads[number]} · largest from word to word {weights[t, s]:.2f}, {pair}"


def hidden_words(maps: Maps) -> str:
    """How much the filter and the cut hide, in words."""
    hidden = np.array(maps.hidden, dtype=bool)
    total, kept = float(maps.weights.sum()), float(maps.weights[~hidden].sum())
    blank = float(np.where(maps.weights < maps.cut, maps.weights, 0)[~hidden].sum())
    if not hidden.any() and not maps.cut:
        return f"All {len(hidden)} maps are shown, and all of their weight."
    return (
        f"The filter hides {hidden.sum()} of {len(hidden)} heads, with {_percent(total - kept, total)} of all weight. "
        f"Blank cells hide {_percent(blank, kept)} of the weight of the heads that are shown."
    )


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole > 0 else "0.0 %"


def large(
    trace: Trace, weights: np.ndarray, show: str, cell: int, head: int, rows: np.ndarray, columns: np.ndarray
) -> Trace:
    """The map chosen, as a trace of its own: its scores beside its weights, and what its head reads and adds."""
    part = np.ix_(rows, columns)
    names = {
        WEIGHTS: trace.heads[head],
        NORMS: f"{trace.heads[head]}, {NORMS}",
        ROLLOUT: f"rollout up to layer {cell + 1}",
    }
    scores = trace.scores[head][part]
    values: dict[str, np.ndarray] = {"segment": trace.values["segment"]}
    if show != ROLLOUT:
        values |= {name: trace.values[name][head] for name in ("Q", "K", "V", "f") if name in trace.values}
    return Trace(
        source=tuple(trace.source[s] for s in columns),
        target=tuple(trace.target[t] for t in rows),
        heads=(names[show],),
        scores=(np.full_like(scores, np.nan) if show == ROLLOUT else scores)[None],
        weights=np.ascontiguousarray(weights)[None],
        log_p=trace.log_p[rows],
        values=values,
    )


# ---------------------------------------------------------------- the link


def start_cell(layers: int, count: int, show: str) -> tuple[str, int]:
    """The name of this set of maps, and the one chosen at first, as the link says.

    Both are kept while the set is the same, so that the same maps are not sent again. Another network, a rollout or an example
    picked make another set, of a name that was not used before: what the browser said of an earlier one does not count.
    """
    kind = (layers, count, show == ROLLOUT, st.session_state.get("heads_picked", 0))
    before, number, cell = st.session_state.get("heads_set", (None, 0, 0))
    if kind != before:
        layer, head = (_number(name, otherwise) for name, otherwise in ((LAYER, 4), (HEAD, 2)))
        layer, head = min(layer, layers) - 1, min(head, count // layers) - 1
        number, cell = number + 1, layer if show == ROLLOUT else layer * (count // layers) + head
        st.session_state["heads_set"] = (kind, number, cell)
    return f"set {number}", cell


def _link_follows(cell: int, layers: int, count: int, show: str) -> None:
    heads = count // layers
    layer, head = (cell, None) if show == ROLLOUT else divmod(cell, heads)
    st.query_params[LAYER] = str(layer + 1)
    if head is not None:
        st.query_params[HEAD] = str(head + 1)


def start_step(one: Trace) -> tuple[str, int]:
    """The key of the large map, and the row at which it begins, as the link says.

    Both are kept while the sentence is the same, so that the same map is not sent again at every step; another sentence, or an
    example picked, makes another map.
    """
    kind = (sentence_of(one), st.session_state.get("heads_picked", 0))
    before, number, step = st.session_state.get("heads_map", (None, -1, 0))
    if kind != before:
        own = number < 0 and sentence_of(one) == sentence_of(cached.heads.heads(Reading(EXAMPLES[0].a)))
        step = min(_number(STEP, EXAMPLES[0].token if own else 1), len(one.target)) - 1
        painted = st.session_state.get(f"{_map_key(max(number, 0))}_painted", False)
        number += 1
        st.session_state["heads_map"] = (kind, number, step)
        st.session_state[f"{_map_key(number)}_painted"] = painted
    return _map_key(number), step


def _map_key(number: int) -> str:
    return f"heads_alignment_{number}" if number else "heads_alignment"


def step_now(one: Trace, key: str, start: int) -> int:
    """The row in view: where the browser says it is, or where it begins."""
    told = (st.session_state.get(key) or {}).get("step")
    known = isinstance(told, Mapping) and told.get("of") == sentence_of(one)
    return valid_step(told, sentence_of(one), len(one.target)) if known else start


def _number(name: str, otherwise: int) -> int:
    text = st.query_params.get(name, "")
    return int(text) if _is_number(text) else otherwise


# ---------------------------------------------------------------- what is said


def about(choice: Choice, shown: Shown) -> str:
    """The row in view in words, with what has to be said of it."""
    one, row = shown.one, shown.one.weights[0, shown.step].astype(np.float64)
    s = int(row.argmax())
    who, whom = (as_it_is(word.strip()) for word in (one.target[shown.step], one.source[s]))
    what = "weight" if one.heads[0] == shown.trace.heads[shown.head] else "share"
    said = f"**{one.heads[0]}** (both count from 1): “{who}” has its largest {what}, **{row[s]:.3f}**, on “{whom}”."
    if choice.show == ROLLOUT:
        return (
            f"**{one.heads[0]}** (layers count from 1): of what this layer holds in the place of “{who}”, the largest share, "
            f"**{row[s]:.3f}**, comes from “{whom}”, if values, MLPs and norms are left out."
        )
    if len(row) < len(shown.trace.source):
        said += (
            f" {100 * row.sum():.1f} % of its {what} is in this part; the rest goes to the tokens that are not shown."
        )
    if choice.show == NORMS and "f" in one.values:
        f = one.values["f"]
        marks = shown.trace.values["segment"] == NEITHER
        if marks.any() and not marks.all():
            said += (
                f" What this head adds for a word is {f[~marks].mean():.2f} long on average, for \\[CLS\\] and \\[SEP\\] "
                f"{f[marks].mean():.2f}: a large weight on a short vector adds little."
            )
    elif choice.show == NORMS:
        said += " This network does not tell its values, so the weights are shown."
    unknown = cached.heads.encoder_of(choice.reading.hub).tokenizer.unk_token
    if unknown in shown.trace.source:
        said += f" {as_it_is(unknown)} stands for what the model has no token for: it reads all of these alike."
    if choice.reading.b.strip() and not choice.reading.hub:
        said += " This model was trained to read sentences alone; here it reads both together, so that each can look at the other."
    return said


CAUTION = (
    "Weights say how a head mixed the tokens, not why the network answers as it does (Jain & Wallace 2019); "
    "what happens when a head is taken out is a better witness."
)


def numbers_caption(shown: Shown) -> str:
    """What the table in the tab Numbers holds."""
    word = as_it_is(shown.one.target[shown.step].strip())
    weights = shown.trace.weights[shown.head, shown.t].astype(np.float64)
    return f"{shown.trace.heads[shown.head]}, row {shown.t + 1}, “{word}”. Σα = {weights.sum():.6f}."


def row_numbers(shown: Shown) -> pd.DataFrame:
    """The row in view, whole: q·k, q·k/√d, exp, sum, weight, and what each token adds."""
    trace, t = shown.trace.only(shown.head), shown.t
    if np.isnan(trace.scores).any():
        return pd.DataFrame({"source": _counted(trace.source), "α": trace.weights[0, t].astype(np.float64)})
    frame = computation.per_source(trace, t, Touch()).rename(columns={"score": "q·k / √d"})
    d = shown.trace.values["K"].shape[-1]
    frame.insert(1, "q·k", frame["q·k / √d"] * np.sqrt(d))
    f = shown.trace.values["f"][shown.head].astype(np.float64)
    added = frame["α"] * f
    return frame.assign(**{"‖f(x)‖": f, "α‖f(x)‖": added, "share": added / added.sum()})


def _counted(words: tuple[str, ...]) -> list[str]:
    return [f"{s + 1} {word}" for s, word in enumerate(words)]


def picture(shown: Shown, kind: str) -> bytes:
    """All small maps in one picture, "png" or "svg", as they are on the screen."""
    from figures import overview as pictures  # matplotlib: only when somebody asks

    maps = shown.maps
    weights = np.where(maps.weights < maps.cut, 0, maps.weights)
    return pictures.file(weights, maps.rows, maps.columns, maps.hidden, maps.corner, maps.symbol, kind)


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    asked = str(st.session_state.get("show") or st.query_params.get("show"))
    own: dict[str, tuple[Callable[..., Any], ...]] = {
        NORMS: (encoder.value_norms, encoder.weighted_norms),
        ROLLOUT: (encoder.rollout,),
    }
    return (
        *own.get(asked, ()),
        attention.scaled_dot,
        attention.softmax,
        attention.attend,
        encoder.heard,
        encoder.Encoder.ablations,
        encoder.embedding,
    )
