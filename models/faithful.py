r"""Is it true? What the weights of one step of a translation do and do not tell, by tests that recompute the step.

Jain & Wallace 2019 ("Attention is not Explanation") found that learned weights often disagree with gradients and with
leaving words out, and that very different weights can give the same output; Wiegreffe & Pinter 2019 ("Attention is not
not Explanation") that this depends on the case: where uniform weights do as well, the weights explain nothing,
elsewhere they may. Both looked at classifiers. So here each step is examined on its own: the target's words before it
are held fixed, the decoder's state $h_t$ with them, and one thing is changed.

All of it is about the network itself: a trace gives the words, also those that a hand forced; weights that a hand
forced are not followed. A word is *kept* if it is still the most probable one. $TV = \frac12 \sum_y |p(y) - p'(y)|$ is
the total-variation distance of two distributions of the next word: 0 if they are the same, 1 if they share no word.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.special import rel_entr
from scipy.stats import kendalltau
from torch import Tensor

from models.attention import Attention
from models.decoder import writable
from models.seq2seq import Seq2Seq
from models.trace import Trace
from models.words import BEGIN
from models.writer import Writer

SHUFFLES = 100
EPSILON = 0.05  # TV
BLENDS = (0.1, 0.25, 0.5, 0.75, 1.0)
AT_ONCE = 32  # gradients: 128 words and 266 steps would want gigabytes


class Agreement(NamedTuple):
    r"""Kendall's $\tau_b$ of two rankings and its two-sided p-value; both NaN where there is nothing to rank."""

    tau: float
    p: float


class Agreements(NamedTuple):
    r"""$\tau$ of the weights with each measure, step by step; NaN where there is nothing to rank."""

    leave_one_out: Float[np.ndarray, " target"]
    gradient: Float[np.ndarray, " target"]

    def means(self) -> tuple[float, float]:
        """Over the steps that have one; NaN if none has."""
        known = (tau[~np.isnan(tau)] for tau in self)
        first, second = (float(tau.mean()) if len(tau) else math.nan for tau in known)
        return first, second


@dataclass(frozen=True, eq=False)
class Rewritten:
    """A step written again with other weights, one row of weights a row.

    Attributes:
        words: the most probable word.
        kept: whether it is the one that the network's own weights make most probable.
        p: the probability of the word that the trace wrote.
        tv: total-variation distance to the distribution with the network's own weights.
    """

    words: tuple[str, ...]
    kept: Bool[np.ndarray, " rows"]
    p: Float[np.ndarray, " rows"]
    tv: Float[np.ndarray, " rows"]


@dataclass(frozen=True, eq=False)
class Shuffled:
    """Random permutations of the row.

    Attributes:
        rewritten: a row each.
        stayed: whether the largest weight happened to stay in its place, or to be where there is one as large.
    """

    rewritten: Rewritten
    stayed: Bool[np.ndarray, " shuffles"]


@dataclass(frozen=True, eq=False)
class Different:
    """The most different weights found that keep the output.

    Attributes:
        weights: the row; the network's own one if no candidate was good.
        divergence: Jensen–Shannon, in nats: at most ln 2.
        word, tv: what it writes, and how far the distribution is from the one with the network's own weights.
        epsilon: the largest `tv` allowed.
        tried, good: how many candidates there were, and how many of them stayed within `epsilon`.
    """

    weights: Float[np.ndarray, " source"]
    divergence: float
    word: str
    tv: float
    epsilon: float
    tried: int
    good: int


@dataclass(frozen=True, eq=False)
class Erased:
    """One weight set to zero and the others scaled to sum to one, for every position.

    Attributes:
        rewritten: a row for each position of the source.
        most: the position with the largest weight.
        other: a random other one.
    """

    rewritten: Rewritten
    most: int
    other: int


@dataclass(frozen=True, eq=False)
class Weights:
    r"""What was found about the weights of one step.

    Attributes:
        alpha: the weights.
        moved: each weight times the norm of what it weighs, scaled to sum to one.
        likeliest: the word that these weights make most probable: the one written, unless that was forced or drawn.
        tau_leave_one_out, tau_gradient: how well the order of the weights agrees with these.
    """

    alpha: Float[np.ndarray, " source"]
    moved: Float[np.ndarray, " source"]
    likeliest: str
    tau_leave_one_out: Agreement
    tau_gradient: Agreement
    uniform: Rewritten
    shuffled: Shuffled
    different: Different
    erased: Erased


@dataclass(frozen=True, eq=False)
class Examination:
    r"""Everything about one step, as plain numbers.

    Attributes:
        source: the tokens, ⟨end⟩ last.
        shown: the word of the trace, which is a copy from the source where the network wrote `word` = ⟨unk⟩.
        p: the probability of `word`.
        leave_one_out, gradient: nats by source word; see the functions. Leaving out ⟨end⟩ is NaN.
        weights: None if the network has no attention.
    """

    step: int
    source: tuple[str, ...]
    word: str
    shown: str
    p: float
    leave_one_out: Float[np.ndarray, " source"]
    gradient: Float[np.ndarray, " source"]
    weights: Weights | None


def examine(writer: Writer, trace: Trace, step: int, seed: int = 0) -> Examination:
    """Every test of this file on one step. The same seed gives the same numbers.

    Raises ValueError for a step that the trace does not have.
    """
    if not 0 <= step < len(trace.target):
        raise ValueError(f"There is no step {step}: this translation has the steps 0 to {len(trace.target) - 1}.")
    fall = leave_one_out(writer, trace, [step])[0]
    slope = gradient_times_input(writer, trace, [step])[0]
    word = writer.spelled(trace.source[:-1])[trace.values["word"][step]]
    p = float(log_p(writer, trace, _source(writer, trace), [step]).exp())
    weights = None
    if writer.network.score is not None:
        alpha = attention(writer, trace, step)
        weights = Weights(
            alpha=alpha,
            moved=moved(trace, alpha),
            likeliest=rewrite(writer, trace, step, alpha[None]).words[0],
            tau_leave_one_out=agreement(alpha, fall),
            tau_gradient=agreement(alpha, slope),
            uniform=uniform(writer, trace, step),
            shuffled=shuffled(writer, trace, step, seed),
            different=most_different(writer, trace, step, seed),
            erased=erased(writer, trace, step, seed),
        )
    return Examination(step, trace.source, word, trace.target[step], p, fall, slope, weights)


# ---------------------------------------------------------------- what the words do


@torch.no_grad()
def leave_one_out(writer: Writer, trace: Trace, steps: Sequence[int]) -> Float[np.ndarray, "steps source"]:
    r"""$\log p(y_t \mid y_{<t}, x) - \log p(y_t \mid y_{<t}, x \setminus x_s)$ in nats: the fall without source word $s$.

    Below zero where the word becomes more probable. The sentence is read anew without the word, so $\bar h$, $h_t$ and
    $\alpha_t$ all change. NaN for ⟨end⟩, which stays: the network never saw a source without it. Beware: a sentence with a
    hole may be one that the network never saw either. All the shortened sentences are one batch.
    """
    source = _source(writer, trace)
    words = source.shape[1] - 1
    others = ~torch.eye(words, words + 1, dtype=torch.bool)
    shorter = source.expand(words, -1)[others].view(words, words)
    falls = log_p(writer, trace, source, steps) - log_p(writer, trace, shorter, steps)
    return np.pad(falls.T.numpy(), [(0, 0), (0, 1)], constant_values=math.nan)


def gradient_times_input(writer: Writer, trace: Trace, steps: Sequence[int]) -> Float[np.ndarray, "steps source"]:
    r"""$x_s \cdot \partial \log p(y_t \mid y_{<t}, x) / \partial x_s$ in nats, $x_s$ the embedding of a source word. Simonyan 2013.

    To first order the fall of $\log p$ if the embedding were shrunk to zero; below zero where it would rise. By Captum's
    `InputXGradient`, of the embeddings only and without hooks: the network is left as it was and may be shared.
    """
    from captum.attr import InputXGradient  # brings matplotlib

    embedded = writer.network.embed(_source(writer, trace)).detach()
    method, found = InputXGradient(lambda x, t: _log_p_embedded(writer, trace, x, t)), []
    for t in torch.tensor(steps).split(AT_ONCE):
        x = embedded.repeat(len(t), 1, 1).requires_grad_()
        found.append(method.attribute(x, additional_forward_args=t).detach().sum(-1))
    return torch.cat(found).numpy()


@torch.no_grad()
def log_p(
    writer: Writer, trace: Trace, source: Int[Tensor, "batch source"], steps: Sequence[int]
) -> Float[Tensor, "batch steps"]:
    r"""$\log p(y_t \mid y_{<t}, x)$ of the words of the trace if these sources were read instead, in nats."""
    network, words = writer.network, torch.tensor(trace.values["word"])
    h_bar, fixed = network.encode(source)
    before = _before(words[: max(steps)])
    h = _states(network, before, fixed)
    return torch.stack(
        [
            _log_p(network, h[:, t], h_bar, fixed, before[t].expand(len(source)), source, words[t].expand(len(source)))
            for t in steps
        ],
        dim=1,
    )


def _log_p_embedded(
    writer: Writer, trace: Trace, x: Float[Tensor, "batch source d_word"], t: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """The same from embeddings on, one step a row."""
    network, words = writer.network, torch.tensor(trace.values["word"])
    h_bar, fixed = network.encode_embedded(x)
    before = _before(words[: int(t.max())])
    h_t = _states(network, before, fixed)[torch.arange(len(t)), t]
    source = _source(writer, trace).expand(len(t), -1)
    return _log_p(network, h_t, h_bar, fixed, before[t], source, words[t])


def _before(words: Int[Tensor, " written"]) -> Int[Tensor, " steps"]:
    """The word before each step, these having been written."""
    return torch.cat([words.new_tensor([BEGIN]), words])


def _states(
    network: Seq2Seq, before: Int[Tensor, " steps"], fixed: Float[Tensor, "batch d"]
) -> Float[Tensor, "batch steps d"]:
    """$h_t$ at every step, `before` being the words before each."""
    return network.states(before.expand(len(fixed), -1), network.begin(fixed))[0]


def _log_p(
    network: Seq2Seq,
    h_t: Float[Tensor, "batch d"],
    h_bar: Float[Tensor, "batch source d"],
    fixed: Float[Tensor, "batch d"],
    before: Int[Tensor, " batch"],
    source: Int[Tensor, "batch source"],
    word: Int[Tensor, " batch"],
) -> Float[Tensor, " batch"]:
    read = network.read(h_t.unsqueeze(1), h_bar, fixed)
    return _distribution(network, read, h_t, before, source).gather(1, word.unsqueeze(1)).squeeze(1)


def _distribution(
    network: Seq2Seq,
    read: Attention,
    h_t: Float[Tensor, "batch d"],
    before: Int[Tensor, " batch"],
    source: Int[Tensor, "batch source"],
) -> Float[Tensor, "batch words"]:
    r"""$\log p$ of every next word, as the writer has it: never ⟨pad⟩, never ⟨begin⟩."""
    logits = network.next_word(read, h_t.unsqueeze(1), before.unsqueeze(1), source).squeeze(1)
    return writable(logits, network.barred).log_softmax(-1)


def _source(writer: Writer, trace: Trace) -> Int[Tensor, "1 source"]:
    return writer.numbers(trace.source[:-1])


# ---------------------------------------------------------------- what the weights do


@torch.no_grad()
def attention(writer: Writer, trace: Trace, step: int) -> Float[np.ndarray, " source"]:
    r"""$\alpha_t$ as the network computes it, whatever a hand forced."""
    h_bar, fixed, h = (torch.tensor(trace.values[name])[None] for name in ("h_bar", "fixed", "h"))
    return writer.network.read(h[:, step : step + 1], h_bar, fixed).weights[0, 0].numpy()


@torch.no_grad()
def rewrite(writer: Writer, trace: Trace, step: int, weights: Float[np.ndarray, "rows source"]) -> Rewritten:
    r"""The step written again, once with each of these rows for $\alpha_t$: $c_t = \alpha \bar h$ changes, $h_t$ does not."""
    rows = np.concatenate([attention(writer, trace, step)[None], weights])
    h_bar, h_t = (torch.tensor(value) for value in (trace.values["h_bar"], trace.values["h"][step]))
    alpha = torch.tensor(rows, dtype=h_bar.dtype).unsqueeze(1)
    read = Attention(alpha.log(), alpha, alpha @ h_bar)
    before = _before(torch.tensor(trace.values["word"][:step]))[step]
    source = _source(writer, trace).expand(len(rows), -1)
    p = _distribution(writer.network, read, h_t.expand(len(rows), -1), before.expand(len(rows)), source).exp()
    likeliest, spelled = p.argmax(-1), writer.spelled(trace.source[:-1])
    return Rewritten(
        words=tuple(spelled[number] for number in likeliest[1:].tolist()),
        kept=(likeliest[1:] == likeliest[0]).numpy(),
        p=p[1:, trace.values["word"][step]].numpy(),
        tv=((p[1:] - p[0]).abs().sum(-1) / 2).numpy(),
    )


def agreement(alpha: Float[np.ndarray, " source"], importance: Float[np.ndarray, " source"]) -> Agreement:
    r"""Kendall's $\tau_b$ of the weights and of $|importance|$: 1 if they rank alike, −1 if the other way round.

    ⟨end⟩, the last, is left out of both. The p-value is for $\tau = 0$; with few words even a high $\tau$ may be chance.
    """
    if len(alpha) < 3:
        return Agreement(math.nan, math.nan)
    found = kendalltau(alpha[:-1], np.abs(importance[:-1]))
    return Agreement(float(found.statistic), float(found.pvalue))


def agreements(writer: Writer, trace: Trace) -> Agreements:
    """`agreement` at every step of the sentence; a network without attention has none (ValueError)."""
    if writer.network.score is None:
        raise ValueError("This network has no attention weights: there is nothing that could agree.")
    steps = range(len(trace.target))
    alpha = [attention(writer, trace, step) for step in steps]
    measures = (measure(writer, trace, steps) for measure in (leave_one_out, gradient_times_input))
    return Agreements(
        *(np.array([agreement(*pair).tau for pair in zip(alpha, rows, strict=True)]) for rows in measures)
    )


def moved(trace: Trace, alpha: Float[np.ndarray, " source"]) -> Float[np.ndarray, " source"]:
    r"""$\alpha_{ts} \lVert \bar h_s \rVert$, scaled to sum to one: a large weight on a short vector moves little. Kobayashi 2020.

    There the norm is of the transformed value; here the value $\bar h_s$ is weighed as it is.
    """
    lengths = alpha * np.linalg.norm(trace.values["h_bar"], axis=1)
    return lengths / lengths.sum()


def uniform(writer: Writer, trace: Trace, step: int) -> Rewritten:
    r"""One row: every weight $1/n$. In Wiegreffe & Pinter 2019 the network is also trained so; here it is only run so."""
    return rewrite(writer, trace, step, _uniform(len(trace.source))[None])


def shuffled(writer: Writer, trace: Trace, step: int, seed: int = 0) -> Shuffled:
    r"""`SHUFFLES` random permutations of $\alpha_t$, all in one batch. Jain & Wallace 2019."""
    alpha = attention(writer, trace, step)
    rows = _permutations(alpha, seed)
    return Shuffled(rewrite(writer, trace, step, rows), rows[:, alpha.argmax()] == alpha.max())


def most_different(writer: Writer, trace: Trace, step: int, seed: int = 0, epsilon: float = EPSILON) -> Different:
    r"""The row furthest from $\alpha_t$ (Jensen–Shannon) that writes almost the same: the same word, $TV \le \epsilon$.

    Jain & Wallace 2019 optimise for their adversarial attention; this is a search, there may be rows more different still.
    Tried are `SHUFFLES` permutations, uniform weights, all the weight on one position, and the last two blended with $\alpha_t$.
    """
    alpha = attention(writer, trace, step)
    far = np.concatenate([np.eye(len(alpha)), _uniform(len(alpha))[None]])
    blended = np.concatenate([blend * far + (1 - blend) * alpha for blend in BLENDS])
    rows = np.concatenate([alpha[None], _permutations(alpha, seed), blended])
    rewritten = rewrite(writer, trace, step, rows)
    good = rewritten.kept & (rewritten.tv <= epsilon)
    divergences = jensen_shannon(rows, alpha)
    best = int(np.where(good, divergences, -1).argmax())
    return Different(
        weights=rows[best],
        divergence=float(divergences[best]),
        word=rewritten.words[best],
        tv=float(rewritten.tv[best]),
        epsilon=epsilon,
        tried=len(rows) - 1,
        good=int(good[1:].sum()),
    )


def jensen_shannon(
    rows: Float[np.ndarray, "rows source"], alpha: Float[np.ndarray, " source"]
) -> Float[np.ndarray, " rows"]:
    r"""$\frac12 KL(p \Vert m) + \frac12 KL(q \Vert m)$, $m = \frac12 (p + q)$, in nats: from 0 (alike) to $\ln 2$."""
    middle = (rows + alpha) / 2
    return np.maximum((rel_entr(rows, middle) + rel_entr(alpha, middle)).sum(1) / 2, 0)


def erased(writer: Writer, trace: Trace, step: int, seed: int = 0) -> Erased:
    r"""Each weight in turn set to zero, the others scaled to sum to one: does the largest matter most? Serrano & Smith 2019.

    They compare the largest with a random other. If nothing is left, the others share alike.
    """
    alpha = attention(writer, trace, step).astype(np.float64)
    others = 1 - np.eye(len(alpha))
    left = alpha * others
    rows = np.where(left.sum(1, keepdims=True) > 0, left, others)
    most = int(alpha.argmax())
    other = int(np.random.default_rng(seed).choice(np.delete(np.arange(len(alpha)), most)))
    return Erased(rewrite(writer, trace, step, rows / rows.sum(1, keepdims=True)), most, other)


def _uniform(source: int) -> Float[np.ndarray, " source"]:
    return np.full(source, 1 / source)


def _permutations(alpha: Float[np.ndarray, " source"], seed: int) -> Float[np.ndarray, "shuffles source"]:
    return np.random.default_rng(seed).permuted(np.tile(alpha, (SHUFFLES, 1)), axis=1)


# ---------------------------------------------------------------- what may be said


NEARLY_ALL = 0.9
EQUAL = 0.1  # TV of the weights and 1/n
SIGNIFICANT = 0.05


def verdict(examination: Examination) -> str:
    """One or two sentences on what may be concluded at this step, and what may not; a third if the word was forced or drawn.

    Every figure in them is of the examination. The shuffles are judged by those that moved the largest weight: the others
    may change little by mere chance.
    """
    weights = examination.weights
    if weights is None:
        return _without_weights(examination)
    opening = ""
    if examination.word != weights.likeliest:
        opening = (
            f"“{examination.shown}” was forced or drawn, the network itself would write “{weights.likeliest}” here. "
        )
    return f"{opening}{_shuffles(weights)} {_copy(examination) or _orders(weights)}"


def _without_weights(examination: Examination) -> str:
    fall = examination.leave_one_out
    s = int(np.nanargmax(np.abs(fall)))
    change = f"{'falls' if fall[s] > 0 else 'rises'} by {abs(fall[s]):.2f} nats"
    return (
        "This network has no attention weights, it writes every word from one fixed vector: there is no map to believe or doubt. "
        f"Leaving out “{examination.source[s]}” changes this step most (log p of “{examination.word}” {change}), "
        "but a sentence with a hole may be unlike any that the network has read."
    )


def _shuffles(weights: Weights) -> str:
    """What shuffled and uniform weights write, and those without the largest."""
    kept, stayed = weights.shuffled.rewritten.kept, weights.shuffled.stayed
    tries = f"of {len(kept)} tries (in {stayed.sum()} the largest weight stayed in its place)"
    keeps = f"Shuffling the weights kept “{weights.likeliest}” in {kept.sum()} {tries}"
    changes = f"Shuffling the weights changed “{weights.likeliest}” in {(~kept).sum()} {tries}"
    if np.abs(weights.alpha - 1 / len(weights.alpha)).sum() / 2 < EQUAL or stayed.all():
        return f"{keeps}, but it hardly changes such a row: this test cannot tell."
    share, others = kept[~stayed].mean(), f"equal weights {_others(weights)}"
    survives = np.array([weights.uniform.kept[0], weights.erased.rewritten.kept[weights.erased.most]])
    if share >= NEARLY_ALL:
        meaning = (
            "the weights are not what decides here" if survives.all() else "where the weights lie hardly matters here"
        )
        return f"{keeps}, {others}: {meaning}, so do not read them as the reason for it."
    if share > 1 - NEARLY_ALL:
        return f"{keeps}, {others}: the word depends on the weights only in part, so do not read them as the reason for it."
    if survives.any():
        meaning = "misplaced weights spoil the word, but it does not need exactly these, so do not read them as the reason for it"
        return f"{changes}, {others}: {meaning}."
    return f"{changes}, {others}: this step needs weights much like these, which still does not make them the reason for the word."


def _others(weights: Weights) -> str:
    """What is to be said after "equal weights"."""
    uniform, erased, most = weights.uniform, weights.erased.rewritten, weights.erased.most
    if uniform.words[0] == erased.words[most]:
        return f"and the weights without the largest {_write(bool(uniform.kept[0]), uniform.words[0])}"
    first, second = _write(bool(uniform.kept[0]), uniform.words[0]), _write(bool(erased.kept[most]), erased.words[most])
    return f"{first}, the weights without the largest {second}"


def _write(kept: bool, word: str) -> str:
    return "keep it" if kept else f"write “{word}”"


def _copy(examination: Examination) -> str:
    if examination.word == examination.shown:
        return ""
    return (
        f"The network wrote {examination.word} and “{examination.shown}” is copied from the source word with the largest weight: "
        f"for that copy the weights are the reason, by construction."
    )


def _orders(weights: Weights) -> str:
    """How the orders agree, and what else would have written the same."""
    first, second = _order(weights.tau_leave_one_out), _order(weights.tau_gradient)
    orders = (
        f"The order of the weights {first} leaving words out{_figures(weights.tau_leave_one_out)} "
        f"and {'' if first == second else second + ' '}gradient × input{_figures(weights.tau_gradient)}"
    )
    found = weights.different
    if not found.good:
        return (
            f"{orders}; none of {found.tried} other rows tried writes almost the same (TV at most {found.epsilon:g})."
        )
    if found.divergence < math.log(2) / 2:
        meaning = "is not very different, which is no proof that there is none"
    else:
        meaning = "is very different, so these are not the only weights that would do"
    return (
        f"{orders}; of {found.tried} other rows tried the most different that writes almost the same (TV {found.tv:.2f}) "
        f"{meaning} (Jensen–Shannon {found.divergence:.2f} of at most {math.log(2):.2f})."
    )


def _order(found: Agreement) -> str:
    if math.isnan(found.tau):
        return "cannot be compared with"
    if found.p >= SIGNIFICANT:
        return "shows no clear relation to"
    return "is related to" if found.tau > 0 else "runs against"


def _figures(found: Agreement) -> str:
    if math.isnan(found.tau):
        return ""
    return f" (Kendall’s τ = {found.tau:.2f}, {f'p = {found.p:.3f}' if found.p >= 0.001 else 'p < 0.001'})"
