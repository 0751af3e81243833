r"""An encoder of transformers, told head by head (A12): all layers, all heads, and what is left when one is taken out.

A BERT reads a whole sentence at once. In each of its layers, each head scores every token against every other,
$e_{ts} = q_t^\top k_s / \sqrt{d_k}$, and mixes the values by the softmax of the scores (Vaswani 2017, eq. 1; Devlin 2019).
transformers calls `heard` for each of these attentions: it computes them with the lecture's `attend` and notes, for the question
that this thread asks and for no other, what went in and what came out. While a network is loaded, `heard` is tried in place of
transformers' own function, and stays if the network then answers as before. Nothing is hooked.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.overrides import TorchFunctionMode

from models import zoo
from models.attention import Attention
from models.card import read_card
from models.hub import Kind, attention, loading, opened, place, positions, shorten, special_tokens
from models.terms import Terms
from models.trace import Trace, entropy
from models.zoo import WeightsUnavailableError

LONGEST = 128  # tokens of the sentence, or of both together
WIDEST = 5000  # characters that are cut into tokens at all
HEARD = "heard"  # the name under which transformers knows `heard`
CHUNK = 9 * 128  # tokens in one forward pass of the ablations
NEITHER = -1  # the segment of [CLS] and [SEP]: of no sentence


def _reads(config: Any) -> bool:
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    return not config.is_encoder_decoder and type(config) in MODEL_FOR_MASKED_LM_MAPPING


READS = Kind(
    "AutoModel",
    _reads,
    "an encoder that reads a whole sentence at once",
    "google-bert/bert-base-uncased",
    spare="pooler",  # what some put on top of the first token; the embedding is the mean of all
)


@dataclass
class Layer:
    """One attention as it was computed: queries, keys, values, the parts of `attend`, and the context after any ablation."""

    Q: Float[Tensor, "batch heads n d_k"]
    K: Float[Tensor, "batch heads n d_k"]
    V: Float[Tensor, "batch heads n d_v"]
    parts: Attention


@dataclass
class Question:
    """What one thread asks of a network, and what its attentions noted so far.

    Attributes:
        keep: 1 where a head stays, 0 where it is taken out; None: all stay.
        notes: whether the attentions are to be kept.
        called: how many layers have attended.
    """

    keep: Float[Tensor, "batch layers heads"] | None = None
    notes: bool = True
    called: int = 0
    layers: list[Layer] = field(default_factory=list)
    contexts: list[Tensor] = field(default_factory=list)


_question: ContextVar[Question | None] = ContextVar("question", default=None)


@contextmanager
def _asking(question: Question) -> Iterator[Question]:
    before = _question.set(question)
    try:
        yield question
    finally:
        _question.reset(before)


def heard(
    _: object,
    query: Float[Tensor, "batch heads n d_k"],
    key: Float[Tensor, "batch heads n d_k"],
    value: Float[Tensor, "batch heads n d_v"],
    attention_mask: Tensor | None = None,
    scaling: float | None = None,
    position_bias: Tensor | None = None,
    **__: object,
) -> tuple[Float[Tensor, "batch n heads d_v"], Float[Tensor, "batch heads n n"]]:
    r"""The lecture's `attend` where transformers calls an attention; a head that is taken out gives zeros.

    The output projection reads $[\text{head}_1; \dots; \text{head}_h]$: zeros in a head's place are as if the head were not there
    (Michel 2019, "Are Sixteen Heads Really Better than One?", section 2.2).
    """
    parts = attention(query, key, value, attention_mask, scaling, position_bias)
    context = parts.context.transpose(1, 2).contiguous()
    question = _question.get()
    if question is not None:
        if question.keep is not None:
            context = context * question.keep[:, question.called, None, :, None]
        question.called += 1
        if question.notes:
            question.layers.append(Layer(query, key, value, parts))
            question.contexts.append(context)
    return context, parts.weights


@dataclass(frozen=True)
class Encoder:
    """A network that reads a sentence, or two together, with its tokenizer.

    Attributes:
        W_O: each layer's output projection, (d, heads · d_v); empty if the network does not tell.
        layers, heads: how many.
        longest: tokens that can be read.
        special: tokens that are no text.
    """

    name: str
    model: Any
    tokenizer: Any
    W_O: tuple[Float[Tensor, "d inner"], ...]
    layers: int
    heads: int
    longest: int
    special: frozenset[str]
    lock: Any = field(default_factory=threading.Lock, repr=False)

    @property
    def told(self) -> bool:
        """Whether the network tells its scores, queries, keys and values, and lets a head be taken out."""
        return bool(self.W_O)

    def read(self, a: str, b: str = "") -> tuple[dict[str, Int[Tensor, "1 n"]], Int[np.ndarray, " n"]]:
        """What the network is given for a sentence or two, and the sentence of each token: 0, 1, or −1 for [CLS] and [SEP].

        Raises ValueError, in plain words, for what cannot be read.
        """
        if not a.strip():
            raise ValueError("Type a sentence: there is nothing to read yet.")
        if len(a) + len(b) > WIDEST:
            raise ValueError(f"This text has {len(a) + len(b):,} characters. Nothing was read: shorten it.")
        with self.lock:
            pair = (a, b) if b.strip() else (a,)
            encoded = self.tokenizer(*pair, verbose=False, return_special_tokens_mask=True)
            extra, numbers = encoded.pop("special_tokens_mask"), encoded["input_ids"]
            segment = self._segments(encoded, extra)
        unknown = self.tokenizer.unk_token_id
        if len(numbers) > self.longest:
            limit = f"This text has {len(numbers)} tokens; at most {self.longest} can be read at once."
            raise ValueError(f"{limit} Nothing was read: shorten it.")
        words = [number for number, where in zip(numbers, segment, strict=True) if where != NEITHER]
        if all(number == unknown for number in words):
            raise ValueError("Not one word of this is known to the model: there is nothing to look at.")
        if max(numbers) >= self.model.get_input_embeddings().num_embeddings:
            raise ValueError("The tokenizer cuts this into tokens that the network does not have: try other words.")
        takes = signature(self.model.forward).parameters
        return {name: torch.tensor([row]) for name, row in encoded.items() if name in takes}, segment

    def _segments(self, encoded: Any, extra: list[int]) -> Int[np.ndarray, " n"]:
        try:
            parts = encoded.sequence_ids(0)
        except ValueError:  # a tokenizer in Python does not know
            parts = [None if is_extra else 0 for is_extra in extra]
            gaps = [i for i, is_extra in enumerate(extra) if is_extra and 0 < i < len(extra) - 1]
            parts = [part if part is None or not gaps or i < gaps[0] else 1 for i, part in enumerate(parts)]
        return np.array([NEITHER if part is None else part for part in parts])

    @torch.no_grad()
    def trace(self, a: str, b: str = "") -> Trace:
        r"""Read a sentence, or two together, and tell all. Raises ValueError, in plain words, for what cannot be read.

        Returns:
            All heads, "layer 1 · head 1" first: both count from 1. Rows are the tokens that look, columns those that are looked at.
            `values`, head by head: `Q`, `K` (heads, n, d_k), `V` (heads, n, d_v), and `f` (heads, n), the length of what a head
            makes of a token, $\lVert f(x_s) \rVert = \lVert V_s W^O \rVert$. Of the sentence: `h` (n, d), the last states;
            `segment` (n,): 0, 1, or −1 for what is of no sentence. Nothing is written here: `log_p` is zero.
            Of a network that does not tell, the scores are NaN, and `Q`, `K`, `V` and `f` are missing.
        """
        given, segment = self.read(a, b)
        with _asking(Question()) as question:
            out = self.model(**given, output_attentions=not self.told)
        values = {"h": out.last_hidden_state[0].numpy(), "segment": segment}
        if self.told:
            scores, weights = (
                torch.cat([getattr(layer.parts, part)[0] for layer in question.layers]) for part in PARTS
            )
            values |= {
                part: torch.cat([getattr(layer, part)[0] for layer in question.layers]).numpy() for part in "QKV"
            }
            made = [value_norms(layer.V[0], W_O) for layer, W_O in zip(question.layers, self.W_O, strict=True)]
            values["f"] = torch.cat(made).numpy()
        else:
            weights = torch.cat([layer[0] for layer in out.attentions])
            scores = torch.full_like(weights, torch.nan)
        tokens = self.show(given["input_ids"][0].tolist())
        return Trace(
            source=tokens,
            target=tokens,
            heads=tuple(f"layer {i // self.heads + 1} · head {i % self.heads + 1}" for i in range(len(weights))),
            scores=scores.numpy(),
            weights=weights.numpy(),
            log_p=np.zeros(len(tokens), dtype=np.float32),
            values=values,
        )

    @torch.no_grad()
    def ablations(self, a: str, b: str = "") -> Float[np.ndarray, "layers heads"]:
        r"""The cosine of the sentence's embedding with one head taken out to that with all heads, for each head.

        Every head is a row of one batch: the same sentence, with a different head taken out. Batches are cut so that no forward
        pass has more than `CHUNK` tokens. Raises ValueError of a network that does not tell.
        """
        if not self.told:
            raise ValueError(f"{self.name} computes attention in a way of its own: no head can be taken out.")
        given, _ = self.read(a, b)
        count, n = self.layers * self.heads, given["input_ids"].shape[1]
        whole = self._embeddings(given, torch.ones(1, self.layers, self.heads))
        keep = 1 - torch.eye(count).reshape(count, self.layers, self.heads)
        found = [self._embeddings(given, part) @ whole[0] for part in keep.split(max(1, CHUNK // n))]
        return torch.cat(found).reshape(self.layers, self.heads).numpy()

    @torch.no_grad()
    def cosine(self, a: str, b: str) -> float:
        """The cosine of the embeddings of two sentences, each read alone. Raises ValueError for what cannot be read."""
        one, two = (embedding(self.model(**self.read(text)[0]).last_hidden_state) for text in (a, b))
        return float(one[0] @ two[0])

    @torch.no_grad()
    def cosines(self, a: str, others: Sequence[str]) -> Float[Tensor, " others"]:
        """The cosine of a sentence's embedding to that of each of the others, each read alone; those of one length at once.

        Raises ValueError for what cannot be read.
        """
        rows = [self.read(text)[0] for text in (a, *others)]
        by_length: dict[int, list[int]] = {}
        for i, row in enumerate(rows):
            by_length.setdefault(row["input_ids"].shape[1], []).append(i)
        found: dict[int, Tensor] = {}
        for numbers in by_length.values():
            batch = {name: torch.cat([rows[i][name] for i in numbers]) for name in rows[0]}
            found |= dict(zip(numbers, embedding(self.model(**batch).last_hidden_state), strict=True))
        return torch.stack([found[i] for i in range(1, len(rows))]) @ found[0]

    def _embeddings(
        self, given: dict[str, Int[Tensor, "1 n"]], keep: Float[Tensor, "batch layers heads"]
    ) -> Float[Tensor, "batch d"]:
        batch = {name: row.expand(len(keep), -1) for name, row in given.items()}
        with _asking(Question(keep, notes=False)):
            return embedding(self.model(**batch).last_hidden_state)

    def show(self, numbers: list[int]) -> tuple[str, ...]:
        """Tokens as a reader wants them: a space where a word begins, ## gone; byte tokens as the letters they stand for."""
        return tuple(self._show(number) for number in numbers)

    def _show(self, number: int) -> str:
        with self.lock:
            token = self.tokenizer.convert_ids_to_tokens(number)
            if token in self.special or token.startswith("##"):
                return token
            if token.startswith(("Ġ", "▁")) or not token.isascii():
                text = self.tokenizer.convert_tokens_to_string([token])
                whole = text.strip() and "\N{REPLACEMENT CHARACTER}" not in text
                return (" " if token.startswith(("Ġ", "▁")) else "") + text.strip() if whole else token
            return token


PARTS = ("scores", "weights")


def embedding(h: Float[Tensor, "batch n d"]) -> Float[Tensor, "batch d"]:
    r"""A sentence's embedding: $\sum_t h_t$, scaled to length 1. The mean of the last states points the same way.

    Reimers & Gurevych 2019, Sentence-BERT, section 3: mean pooling; all-MiniLM-L6-v2 scales it to length 1.
    """
    return torch.nn.functional.normalize(h.mean(1), dim=-1)


def value_norms(V: Float[Tensor, "heads n d_v"], W_O: Float[Tensor, "d inner"]) -> Float[Tensor, "heads n"]:
    r"""$\lVert f(x_s) \rVert$ with $f(x) = (x W^V + b^V)\, W^O$: how long the vector is that a head can add for a token.

    The output of a head is $\sum_s \alpha_{ts} f(x_s)$: a large weight on a short vector adds little. Kobayashi 2020, eqs. 4 to 6.
    """
    by_head = W_O.unflatten(1, (len(V), -1)).permute(1, 2, 0)  # heads, d_v, d
    return (V @ by_head).norm(dim=-1)


def weighted_norms(trace: Trace) -> Float[np.ndarray, "heads n n"]:
    r"""$\lVert \alpha_{ts} f(x_s) \rVert = \alpha_{ts} \lVert f(x_s) \rVert$: what each token adds. Kobayashi 2020, eq. 6."""
    return trace.weights * trace.values["f"][:, None, :]


def rollout(weights: Float[np.ndarray, "layers heads n n"]) -> Float[np.ndarray, "layers n n"]:
    r"""$\tilde A_l = A_l \tilde A_{l-1}$ with $A_l = \tfrac12 \bar\alpha_l + \tfrac12 I$: attention followed down to the words.

    $\bar\alpha_l$ is the mean of a layer's heads, $I$ the residual connection. Each row sums to one: the share of each input token
    in what layer $l$ holds in place $t$, if values, MLPs and norms are left out. Abnar & Zuidema 2020, section 3.
    """
    identity = np.eye(weights.shape[-1], dtype=weights.dtype)
    found: list[np.ndarray] = []
    for layer in 0.5 * weights.mean(1) + 0.5 * identity:
        found.append(layer @ found[-1] if found else layer)
    return np.stack(found)


def patterns(trace: Trace) -> dict[str, Float[np.ndarray, " heads"]]:
    r"""How much of a head's weight follows a simple rule, from 0 to 1: the mean over the rows that can follow it.

    "previous", "next" and "same" token, the "first" token ([CLS]), the other "separators" ([SEP]); "broad": the entropy of
    its rows in parts of the largest possible, $H(\alpha_t) / \log_2 n$; "sharp": a row's largest weight. Clark 2019, section 3.
    """
    alpha, n = trace.weights, trace.weights.shape[-1]
    marks = np.flatnonzero(trace.values["segment"] == NEITHER)
    along = {
        name: np.diagonal(alpha, offset, 1, 2).mean(-1) if n > 1 or not offset else np.zeros(len(alpha))
        for name, offset in (("previous", -1), ("next", 1), ("same", 0))
    }
    return {
        **along,
        "first": alpha[:, :, 0].mean(-1),
        "separators": alpha[:, :, marks[marks > 0]].sum(-1).mean(-1),
        "broad": entropy(alpha).mean(-1) / np.log2(n) if n > 1 else np.zeros(len(alpha)),
        "sharp": alpha.max(-1).mean(-1),
    }


def between(trace: Trace, rows: int, columns: int) -> Float[np.ndarray, " heads"]:
    """The mean weight that tokens of sentence `rows` lay on those of `columns` (0, 1; −1: [CLS] and [SEP]), a head each."""
    segment = trace.values["segment"]
    part = trace.weights[:, segment == rows][:, :, segment == columns]
    return part.sum(-1).mean(-1) if part.shape[1] else np.zeros(len(part))


def score_terms(trace: Trace, head: int, t: int, s: int) -> Terms:
    r"""The products of $q_t^\top k_s / \sqrt{d_k}$, of one head of the whole trace."""
    q, k = trace.values["Q"][head, t], trace.values["K"][head, s]
    scale = float(len(k)) ** -0.5
    labels = tuple(map(str, range(len(k))))
    title = f"score “{trace.target[t]}” → “{trace.source[s]}”"
    return Terms(title, labels, "q / √d", q * scale, "k", k, "", float(trace.scores[head, t, s]))


# ---------------------------------------------------------------- loading


def load(name_or_folder: str = "") -> Encoder:
    """The encoder of this name on huggingface.co or in this folder, frozen and ready; "" is the one that comes with the app.

    Raises WeightsUnavailableError, one plain sentence, for what cannot be had.
    """
    if name_or_folder:
        folder, name = place(name_or_folder, READS)
    else:
        folder, name = zoo.minilm_folder(), read_card(zoo.MINILM).title
    with loading:
        model, tokenizer = opened(folder, name, READS)
        weights = _attentions(model, name)
        W_O = _hear(model, weights)
    return Encoder(
        name=name,
        model=model,
        tokenizer=tokenizer,
        W_O=W_O,
        layers=len(weights),
        heads=weights[0].shape[1],
        longest=min([LONGEST, *positions(model.config), *_asked_of(tokenizer)]),
        special=special_tokens(tokenizer),
    )


def _asked_of(tokenizer: Any) -> list[int]:
    """RoBERTa has fewer positions for tokens than its config has in all: the tokenizer knows."""
    limit = tokenizer.model_max_length
    return [limit] if isinstance(limit, int) and limit > 0 else []


def _words(model: Any) -> Int[Tensor, "1 4"]:
    return torch.arange(4, 8).remainder(model.get_input_embeddings().num_embeddings)[None]


@torch.no_grad()
def _attentions(model: Any, name: str) -> tuple[Float[Tensor, "1 heads 4 4"], ...]:
    """What the network looked at, by transformers' own function. Raises WeightsUnavailableError if it does not say."""
    try:
        found = model(input_ids=_words(model), output_attentions=True).attentions
    except Exception as error:  # a foreign network makes it raise anything
        raise WeightsUnavailableError(f"{shorten(name)} cannot read plain text.") from error
    if not found or any(layer is None or layer.shape[-2:] != (4, 4) for layer in found):
        raise WeightsUnavailableError(f"{shorten(name)} does not tell how much each word looked at each other word.")
    return tuple(found)


@torch.no_grad()
def _hear(model: Any, weights: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Have the network use `heard` if it then answers as before; its output projections, or nothing if it does not."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(HEARD, heard)
    AttentionMaskInterface.register(HEARD, eager_mask)
    before = model(input_ids=_words(model)).last_hidden_state
    try:
        model.set_attn_implementation(HEARD)
        with _asking(Question()) as question, _Projections(question) as projections:
            after = model(input_ids=_words(model)).last_hidden_state
        same = [(after, before), *((layer.parts.weights, w) for layer, w in zip(question.layers, weights, strict=True))]
        agree = all(torch.allclose(ours, theirs, rtol=1e-3, atol=1e-5) for ours, theirs in same)
        if agree and len(projections.found) == len(weights):
            return tuple(projections.found[layer] for layer in range(len(weights)))
    except (RuntimeError, TypeError, ValueError, IndexError):
        pass
    model.set_attn_implementation("eager")
    return ()


class _Projections(TorchFunctionMode):
    """Sees, in this thread, which matrix each layer's context is multiplied with next: that is its $W^O$."""

    def __init__(self, question: Question):
        super().__init__()
        self.question = question
        self.found: dict[int, Tensor] = {}

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.nn.functional.linear and isinstance(args[0], Tensor):
            for layer, context in enumerate(self.question.contexts):
                if args[0].data_ptr() == context.data_ptr() and args[0].numel() == context.numel():
                    self.found.setdefault(layer, args[1])
        return function(*args, **(kwargs or {}))
