"""The noun that carries what a model looked at from room to room: plain numbers, no torch, nothing of the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Trace:
    r"""What a model looked at while it wrote.

    Rows are steps (the row of a step is the one that *emits* its word), columns are what it could look at.

    Attributes:
        source: what can be looked at: tokens, regions, states.
        target: what each step wrote.
        heads: a name for each map of weights ("attention", "layer 2 head 5", ...).
        scores: before the softmax.
        weights: $\alpha_{ts}$; each row sums to one (or has no columns at all).
        values: the numbers of each step's computation by the lecture's symbol (`h`, `h_bar`, `c`, `a`, ...), step by step or
            source by source.
        candidates: for each step the most probable words, the best first, with their probabilities.
        log_p: $\log p$ of what each step wrote, natural logarithm.
        notes: what is to be said of a step (a word that was copied, forced, ...), by step.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    heads: tuple[str, ...]
    scores: Float[np.ndarray, "heads target source"]
    weights: Float[np.ndarray, "heads target source"]
    log_p: Float[np.ndarray, " target"]
    candidates: tuple[tuple[tuple[str, float], ...], ...] = ()
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)

    def head(self, number: int) -> Float[np.ndarray, "target source"]:
        """The weights of one head."""
        return self.weights[number]

    def mean(self) -> "Trace":
        """The same with all heads averaged into one; the scores too."""
        average = {name: getattr(self, name).mean(0, keepdims=True) for name in ("scores", "weights")}
        return Trace(**{**vars(self), **average, "heads": ("mean of all heads",)})

    def only(self, number: int) -> "Trace":
        """The same with one head."""
        one = {name: getattr(self, name)[number : number + 1] for name in ("scores", "weights")}
        return Trace(**{**vars(self), **one, "heads": (self.heads[number],)})

    def perplexity(self) -> float:
        """$\\exp(-\\frac{1}{T} \\sum_t \\log p_t)$ of what was written."""
        return float(np.exp(-self.log_p.mean())) if len(self.log_p) else float("nan")


def entropy(weights: Float[np.ndarray, "*rows source"]) -> Float[np.ndarray, "*rows"]:
    """How spread each row is, in bits: 0 looks at one thing, log₂ n at all n alike."""
    logarithms = np.log2(weights, out=np.zeros_like(weights), where=weights > 0)
    return np.asarray(-(weights * logarithms).sum(-1) + 0.0)


def hidden(weights: Float[np.ndarray, "*rows source"], cut: float) -> Float[np.ndarray, "*rows"]:
    """How much of each row a drawing leaves out that draws no weight below `cut`."""
    return np.asarray(np.where(weights < cut, weights, 0).sum(-1))


def summed(weights: Float[np.ndarray, "target source"], rows: Sequence[int]) -> Float[np.ndarray, " source"]:
    """The rows picked, added up: what several words looked at together. It sums to the number of rows."""
    return weights[list(rows)].sum(0)
