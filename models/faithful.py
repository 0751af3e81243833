r"""Is it true? What the weights of one decision do and do not tell, by tests that decide anew.

Jain & Wallace 2019 ("Attention is not Explanation") found that learned weights often disagree with gradients and with
leaving words out, and that very different weights can give the same output; Wiegreffe & Pinter 2019 ("Attention is not
not Explanation") that this depends on the case: where uniform weights do as well, the weights explain nothing,
elsewhere they may. So each decision is examined on its own: all else is held fixed, and one thing is changed.

The tests know no network, only a `Case`; `models.cases` has those of a writer and of a classifier. All of it is about the
network itself: weights that a hand forced are not followed. An outcome is *kept* if it is still the most probable one.
$TV = \frac12 \sum_y |p(y) - p'(y)|$ is the total-variation distance of two distributions of the outcome: 0 if they are the
same, 1 if they share none.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.special import rel_entr
from scipy.stats import kendalltau
from torch import Tensor

SHUFFLES = 100
EPSILON = 0.05  # TV
BLENDS = (0.1, 0.25, 0.5, 0.75, 1.0)
AT_ONCE = 32  # gradients: 128 words and 266 steps would want gigabytes
TEXTS_AT_ONCE = 128  # without one word each


class Nouns(NamedTuple):
    """How a case is spoken of: what is decided, what is looked at, what a row of weights belongs to, what a network does."""

    outcome: str
    part: str
    row: str
    verb: str


class Case(ABC):
    r"""Decisions that weights had a part in, one a step: what the tests of this file ask of a network.

    The weights of a decision are a matrix $A$, (looks, source): one row of a writer, several where several looks decide
    together. All probabilities are natural logarithms.

    Attributes:
        nouns: how it is spoken of.
        source: what can be looked at.
        removable: how many of these, from the first, can be left out; the weights of the others are not ranked either.
        steps: how many decisions there are.
        outcomes: the name of everything that can be decided, by number.
        attends: whether there are weights at all.
    """

    nouns: Nouns
    source: tuple[str, ...]
    removable: int
    steps: int
    outcomes: Sequence[str]
    attends: bool

    @abstractmethod
    def decided(self, step: int) -> int:
        """The number of the outcome in question."""

    def shown(self, step: int) -> str:
        """The same as a visitor sees it."""
        return self.outcomes[self.decided(step)]

    @abstractmethod
    def weights(self, step: int) -> Float[np.ndarray, "looks source"]:
        """$A$ as the network computes it, whatever a hand forced."""

    @abstractmethod
    def values(self) -> Float[np.ndarray, "source d"]:
        """What is weighed."""

    @abstractmethod
    def decide(self, step: int, A: Float[np.ndarray, "rows looks source"]) -> Float[Tensor, "rows outcomes"]:
        r"""$\log p$ of every outcome with each of these in place of the weights, all else held fixed."""

    @abstractmethod
    def read(self, kept: Bool[Tensor, "batch source"], steps: Sequence[int]) -> Float[Tensor, "batch steps"]:
        r"""$\log p$ of what was decided if only this is read, all of it anew. Every row keeps equally many."""

    @abstractmethod
    def embedded(self) -> Float[Tensor, "1 source d_in"]:
        """What the network reads, as the numbers it begins with."""

    @abstractmethod
    def read_embedded(self, x: Float[Tensor, "batch source d_in"], t: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        r"""$\log p$ of what was decided at step `t`, from these numbers on."""


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
class Anew:
    """A decision made anew with other weights, one matrix of weights a row.

    Attributes:
        outcomes: the most probable one.
        kept: whether it is the one that the network's own weights make most probable.
        p: the probability of the outcome in question.
        tv: total-variation distance to the distribution with the network's own weights.
    """

    outcomes: tuple[str, ...]
    kept: Bool[np.ndarray, " rows"]
    p: Float[np.ndarray, " rows"]
    tv: Float[np.ndarray, " rows"]


@dataclass(frozen=True, eq=False)
class Shuffled:
    """Random permutations of the weights.

    Attributes:
        anew: a row each.
        stayed: whether the largest weight happened to stay in its place, or to be where there is one as large.
    """

    anew: Anew
    stayed: Bool[np.ndarray, " shuffles"]


@dataclass(frozen=True, eq=False)
class Different:
    """The most different weights found that keep the output.

    Attributes:
        A: the weights; the network's own if no candidate was good.
        divergence: Jensen–Shannon, the mean over the looks, in nats: at most ln 2.
        outcome, tv: what is decided with them, and how far the distribution is from the one with the network's own weights.
        epsilon: the largest `tv` allowed.
        tried, good: how many candidates there were, and how many of them stayed within `epsilon`.
    """

    A: Float[np.ndarray, "looks source"]
    divergence: float
    outcome: str
    tv: float
    epsilon: float
    tried: int
    good: int


@dataclass(frozen=True, eq=False)
class Erased:
    """One weight set to zero and the others scaled to sum to one, for every position.

    Attributes:
        anew: a row for each position of the source.
        most: the position with the largest weight.
        other: a random other one; the same if there is no other.
    """

    anew: Anew
    most: int
    other: int


@dataclass(frozen=True, eq=False)
class Weights:
    r"""What was found about the weights of one decision.

    Attributes:
        A: the weights.
        moved: each weight times the norm of what it weighs, scaled to sum to one.
        likeliest: the outcome that these weights make most probable: the one decided, unless that was forced or drawn.
        tau_leave_one_out, tau_gradient: how well the order of the weights agrees with these.
    """

    A: Float[np.ndarray, "looks source"]
    moved: Float[np.ndarray, " source"]
    likeliest: str
    tau_leave_one_out: Agreement
    tau_gradient: Agreement
    uniform: Anew
    shuffled: Shuffled
    different: Different
    erased: Erased

    @property
    def alpha(self) -> Float[np.ndarray, " source"]:
        """Of all looks that are examined together, the mean."""
        return self.A.mean(0)


@dataclass(frozen=True, eq=False)
class Examination:
    r"""Everything about one decision, as plain numbers.

    Attributes:
        source: what can be looked at.
        shown: the outcome as the trace has it, which is a copy from the source where the network wrote `decided` = ⟨unk⟩.
        p: the probability of `decided`.
        leave_one_out, gradient: nats by source; see the functions. What cannot be left out is NaN.
        weights: None if the network has no attention.
    """

    nouns: Nouns
    step: int
    source: tuple[str, ...]
    decided: str
    shown: str
    p: float
    leave_one_out: Float[np.ndarray, " source"]
    gradient: Float[np.ndarray, " source"]
    weights: Weights | None


def examine(case: Case, step: int, seed: int = 0) -> Examination:
    """Every test of this file on one decision. The same seed gives the same numbers.

    Raises ValueError for a step that there is not.
    """
    if not 0 <= step < case.steps:
        raise ValueError(f"There is no {case.nouns.row} {step}: there are 0 to {case.steps - 1}.")
    fall = leave_one_out(case, [step])[0]
    slope = gradient_times_input(case, [step])[0]
    weights = None
    if case.attends:
        A, ranked = case.weights(step), case.removable
        alpha = A.mean(0)
        weights = Weights(
            A=A,
            moved=moved(alpha, case.values()),
            likeliest=decide_anew(case, step, A[None]).outcomes[0],
            tau_leave_one_out=agreement(alpha[:ranked], fall[:ranked]),
            tau_gradient=agreement(alpha[:ranked], slope[:ranked]),
            uniform=uniform(case, step),
            shuffled=shuffled(case, step, seed),
            different=most_different(case, step, seed),
            erased=erased(case, step, seed),
        )
    return Examination(
        nouns=case.nouns,
        step=step,
        source=case.source,
        decided=case.outcomes[case.decided(step)],
        shown=case.shown(step),
        p=float(_whole(case, [step]).exp()),
        leave_one_out=fall,
        gradient=slope,
        weights=weights,
    )


# ---------------------------------------------------------------- what the source does


@torch.no_grad()
def leave_one_out(case: Case, steps: Sequence[int]) -> Float[np.ndarray, "steps source"]:
    r"""$\log p(y \mid x) - \log p(y \mid x \setminus x_s)$ in nats: the fall without $x_s$, $y$ being what was decided.

    Below zero where it becomes more probable. All is read anew without it, so states and weights change, too. NaN for what
    cannot be left out, as the ⟨end⟩ of a sentence. Beware: a source with a hole may be one that the network never saw.
    """
    n = case.removable
    falls = np.full((len(steps), len(case.source)), math.nan)
    if n:
        whole, holes = _whole(case, steps), ~torch.eye(n, len(case.source), dtype=torch.bool)
        without = torch.cat([case.read(some, steps) for some in holes.split(TEXTS_AT_ONCE)])
        falls[:, :n] = (whole - without).T.numpy()
    return falls


@torch.no_grad()
def _whole(case: Case, steps: Sequence[int]) -> Float[Tensor, "1 steps"]:
    return case.read(torch.ones(1, len(case.source), dtype=torch.bool), steps)


def gradient_times_input(case: Case, steps: Sequence[int]) -> Float[np.ndarray, "steps source"]:
    r"""$x_s \cdot \partial \log p(y \mid x) / \partial x_s$ in nats, $x_s$ the numbers that stand for a source. Simonyan 2013.

    To first order the fall of $\log p$ if these were shrunk to zero; below zero where it would rise. By Captum's
    `InputXGradient`, of the input only and without hooks: the network is left as it was and may be shared.
    """
    from captum.attr import InputXGradient  # brings matplotlib

    embedded, method, found = case.embedded().detach(), InputXGradient(case.read_embedded), []
    for t in torch.tensor(steps).split(AT_ONCE):
        x = embedded.repeat(len(t), 1, 1).requires_grad_()
        found.append(method.attribute(x, additional_forward_args=t).detach().sum(-1))
    return torch.cat(found).numpy()


# ---------------------------------------------------------------- what the weights do


@torch.no_grad()
def decide_anew(case: Case, step: int, rows: Float[np.ndarray, "rows looks source"]) -> Anew:
    r"""The decision made again, once with each of these for $A$: the context $A V$ changes, all else does not."""
    p = case.decide(step, np.concatenate([case.weights(step)[None], rows])).exp()
    likeliest = p.argmax(-1)
    return Anew(
        outcomes=tuple(case.outcomes[number] for number in likeliest[1:].tolist()),
        kept=(likeliest[1:] == likeliest[0]).numpy(),
        p=p[1:, case.decided(step)].numpy(),
        tv=((p[1:] - p[0]).abs().sum(-1) / 2).numpy(),
    )


def agreement(alpha: Float[np.ndarray, " ranked"], importance: Float[np.ndarray, " ranked"]) -> Agreement:
    r"""Kendall's $\tau_b$ of the weights and of $|importance|$: 1 if they rank alike, −1 if the other way round.

    The p-value is for $\tau = 0$; with few words even a high $\tau$ may be chance.
    """
    if len(alpha) < 2:
        return Agreement(math.nan, math.nan)
    found = kendalltau(alpha, np.abs(importance))
    return Agreement(float(found.statistic), float(found.pvalue))


def agreements(case: Case) -> Agreements:
    """`agreement` at every step; a network without attention has none (ValueError)."""
    if not case.attends:
        raise ValueError("This network has no attention weights: there is nothing that could agree.")
    steps, ranked = range(case.steps), case.removable
    alpha = [case.weights(step).mean(0)[:ranked] for step in steps]
    measures = (measure(case, steps)[:, :ranked] for measure in (leave_one_out, gradient_times_input))
    return Agreements(
        *(np.array([agreement(*pair).tau for pair in zip(alpha, rows, strict=True)]) for rows in measures)
    )


def moved(alpha: Float[np.ndarray, " source"], V: Float[np.ndarray, "source d"]) -> Float[np.ndarray, " source"]:
    r"""$\alpha_s \lVert v_s \rVert$, scaled to sum to one: a large weight on a short vector moves little. Kobayashi 2020.

    There the norm is of the transformed value; here the value is weighed as it is.
    """
    lengths = alpha * np.linalg.norm(V, axis=1)
    return lengths / lengths.sum()


def uniform(case: Case, step: int) -> Anew:
    r"""One row: every weight $1/n$. In Wiegreffe & Pinter 2019 the network is also trained so; here it is only run so."""
    return decide_anew(case, step, _uniform(case.weights(step))[None])


def shuffled(case: Case, step: int, seed: int = 0) -> Shuffled:
    r"""`SHUFFLES` random permutations of the source, the same for every look, all in one batch. Jain & Wallace 2019."""
    A = case.weights(step)
    alpha, rows = A.mean(0), _permutations(A, seed)
    return Shuffled(decide_anew(case, step, rows), rows.mean(1)[:, alpha.argmax()] == alpha.max())


def most_different(case: Case, step: int, seed: int = 0, epsilon: float = EPSILON) -> Different:
    r"""The weights furthest from $A$ (Jensen–Shannon) with almost the same output: the same outcome, $TV \le \epsilon$.

    Jain & Wallace 2019 optimise for their adversarial attention; this is a search, there may be weights more different still.
    Tried are `SHUFFLES` permutations, uniform weights, all the weight on one position, and the last two blended with $A$.
    """
    A = case.weights(step)
    one_position = np.eye(A.shape[1])[:, None].repeat(len(A), axis=1)
    far = np.concatenate([one_position, _uniform(A)[None]])
    blended = np.concatenate([blend * far + (1 - blend) * A for blend in BLENDS])
    rows = np.concatenate([A[None], _permutations(A, seed), blended])
    anew = decide_anew(case, step, rows)
    good = anew.kept & (anew.tv <= epsilon)
    divergences = jensen_shannon(rows, A)
    best = int(np.where(good, divergences, -1).argmax())
    return Different(
        A=rows[best],
        divergence=float(divergences[best]),
        outcome=anew.outcomes[best],
        tv=float(anew.tv[best]),
        epsilon=epsilon,
        tried=len(rows) - 1,
        good=int(good[1:].sum()),
    )


def jensen_shannon(
    rows: Float[np.ndarray, "rows looks source"], A: Float[np.ndarray, "looks source"]
) -> Float[np.ndarray, " rows"]:
    r"""$\frac12 KL(p \Vert m) + \frac12 KL(q \Vert m)$, $m = \frac12 (p + q)$, in nats: 0 (alike) to $\ln 2$.

    Of several looks the mean.
    """
    middle = (rows + A) / 2
    return np.maximum((rel_entr(rows, middle) + rel_entr(A, middle)).sum(-1) / 2, 0).mean(-1)


def erased(case: Case, step: int, seed: int = 0) -> Erased:
    r"""Each weight in turn set to zero, the others scaled to sum to one: does the largest matter most? Serrano & Smith 2019.

    They compare the largest with a random other. If nothing is left, the others share alike.
    """
    A = case.weights(step).astype(np.float64)
    n, most = A.shape[1], int(A.mean(0).argmax())
    others = 1 - np.eye(n)[:, None] if n > 1 else np.ones((1, 1, 1))
    left = A * others
    rows = np.where(left.sum(-1, keepdims=True) > 0, left, others)
    other = int(np.random.default_rng(seed).choice(np.delete(np.arange(n), most))) if n > 1 else most
    return Erased(decide_anew(case, step, rows / rows.sum(-1, keepdims=True)), most, other)


def _uniform(A: Float[np.ndarray, "looks source"]) -> Float[np.ndarray, "looks source"]:
    return np.full(A.shape, 1 / A.shape[1])


def _permutations(A: Float[np.ndarray, "looks source"], seed: int) -> Float[np.ndarray, "shuffles looks source"]:
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(A.shape[1]), (SHUFFLES, 1)), axis=1)
    return A[:, orders].swapaxes(0, 1)


# ---------------------------------------------------------------- what may be said


NEARLY_ALL = 0.9
EQUAL = 0.1  # TV of the weights and 1/n
SIGNIFICANT = 0.05


def verdict(examination: Examination) -> str:
    """One or two sentences on what may be concluded of this decision, and what may not; a third if it was forced or drawn.

    Every figure in them is of the examination. The shuffles are judged by those that moved the largest weight: the others
    may change little by mere chance.
    """
    nouns, weights = examination.nouns, examination.weights
    if weights is None:
        return _without_weights(examination)
    opening = ""
    if examination.decided != weights.likeliest:
        opening = f"“{examination.shown}” was forced or drawn, the network itself would {nouns.verb} “{weights.likeliest}” here. "
    return f"{opening}{_shuffles(weights, nouns)} {_copy(examination) or _orders(weights, nouns)}"


def _without_weights(examination: Examination) -> str:
    nouns, fall = examination.nouns, examination.leave_one_out
    s = int(np.nanargmax(np.abs(fall)))
    change = f"{'falls' if fall[s] > 0 else 'rises'} by {abs(fall[s]):.2f} nats"
    return (
        f"This network has no attention weights, it {nouns.verb}s every {nouns.outcome} from one fixed vector: there is no map "
        f"to believe or doubt. Leaving out “{examination.source[s]}” changes this {nouns.row} most (log p of "
        f"“{examination.decided}” {change}), but a sentence with a hole may be unlike any that the network has read."
    )


def _shuffles(weights: Weights, nouns: Nouns) -> str:
    """What is decided with shuffled and with uniform weights, and with those without the largest."""
    kept, stayed = weights.shuffled.anew.kept, weights.shuffled.stayed
    tries = f"of {len(kept)} tries (in {stayed.sum()} the largest weight stayed in its place)"
    keeps = f"Shuffling the weights kept “{weights.likeliest}” in {kept.sum()} {tries}"
    changes = f"Shuffling the weights changed “{weights.likeliest}” in {(~kept).sum()} {tries}"
    if np.abs(weights.A - 1 / weights.A.shape[1]).sum(-1).mean() / 2 < EQUAL or stayed.all():
        return f"{keeps}, but it hardly changes such a row: this test cannot tell."
    share, others = kept[~stayed].mean(), f"equal weights {_others(weights, nouns)}"
    survives = np.array([weights.uniform.kept[0], weights.erased.anew.kept[weights.erased.most]])
    if share >= NEARLY_ALL:
        meaning = (
            "the weights are not what decides here" if survives.all() else "where the weights lie hardly matters here"
        )
        return f"{keeps}, {others}: {meaning}, so do not read them as the reason for it."
    if share > 1 - NEARLY_ALL:
        meaning = f"the {nouns.outcome} depends on the weights only in part, so do not read them as the reason for it"
        return f"{keeps}, {others}: {meaning}."
    if survives.any():
        meaning = (
            f"misplaced weights spoil the {nouns.outcome}, but it does not need exactly these, "
            "so do not read them as the reason for it"
        )
        return f"{changes}, {others}: {meaning}."
    meaning = f"this {nouns.row} needs weights much like these"
    return f"{changes}, {others}: {meaning}, which still does not make them the reason for the {nouns.outcome}."


def _others(weights: Weights, nouns: Nouns) -> str:
    """What is to be said after "equal weights"."""
    uniform, erased, most = weights.uniform, weights.erased.anew, weights.erased.most
    first = "keep it" if uniform.kept[0] else f"{nouns.verb} “{uniform.outcomes[0]}”"
    second = "keep it" if erased.kept[most] else f"{nouns.verb} “{erased.outcomes[most]}”"
    if uniform.outcomes[0] == erased.outcomes[most]:
        return f"and the weights without the largest {first}"
    return f"{first}, the weights without the largest {second}"


def _copy(examination: Examination) -> str:
    if examination.decided == examination.shown:
        return ""
    return (
        f"The network wrote {examination.decided} and “{examination.shown}” is copied from the source word with the largest "
        "weight: for that copy the weights are the reason, by construction."
    )


def _orders(weights: Weights, nouns: Nouns) -> str:
    """How the orders agree, and what else would have done the same."""
    first, second = _order(weights.tau_leave_one_out), _order(weights.tau_gradient)
    orders = (
        f"The order of the weights {first} leaving {nouns.part}s out{_figures(weights.tau_leave_one_out)} "
        f"and {'' if first == second else second + ' '}gradient × input{_figures(weights.tau_gradient)}"
    )
    found, almost = weights.different, f"{nouns.verb}s almost the same"
    if not found.good:
        return f"{orders}; none of {found.tried} other rows tried {almost} (TV at most {found.epsilon:g})."
    if found.divergence < math.log(2) / 2:
        meaning = "is not very different, which is no proof that there is none"
    else:
        meaning = "is very different, so these are not the only weights that would do"
    return (
        f"{orders}; of {found.tried} other rows tried the most different that {almost} (TV {found.tv:.2f}) "
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
