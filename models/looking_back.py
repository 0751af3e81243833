r"""How far back a language model looks, and whether its looks are to be believed: a step as a case for `models.faithful`.

Daniluk 2017, section 4.2: their models mainly used the five states before. A state was made from every word before it,
so a look back is only one of two ways by which a word reaches the next one: the other is the LSTM's own state.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.attention import Attention
from models.decoder import writable
from models.faithful import Case, Nouns
from models.language_model import NEVER, LanguageModel
from models.trace import Trace


class Unlooked(NamedTuple):
    """A step that looks at nothing: its most probable word, whether that is the same as with the look, and TV between the two."""

    word: str
    kept: bool
    tv: float


def back(trace: Trace, L: int) -> Float[np.ndarray, "time L"]:
    """The weights by distance: of the state just before, of the one before that, ...; NaN where there is none."""
    weights = trace.weights[0].astype(np.float64)
    found = np.full((len(trace.target), L), math.nan)
    for t, row in enumerate(weights):
        seen = min(t, L)
        found[t, :seen] = row[t - seen : t][::-1]
    return found


def by_distance(trace: Trace, L: int) -> tuple[Float[np.ndarray, " L"], int]:
    """The mean weight of the state just before, of the one before that, ... up to `L` back, and of how many rows it is the mean.

    Rows that have all `L` states before them; in a shorter text, all that have any. (Zeros, 0) if there is none.
    """
    time = len(trace.target)
    rows = back(trace, L)[L if time > L else 1 :] if trace.weights.shape[2] else np.zeros((0, L))
    return (np.nan_to_num(rows).mean(0), len(rows)) if len(rows) else (np.zeros(L), 0)


def within(mean: Float[np.ndarray, " L"], share: float) -> int:
    """How many states back one must go to have this share of the weight."""
    return min(int((np.cumsum(mean) < share * mean.sum()).sum()) + 1, len(mean))


def perplexity_of_given(trace: Trace, given: int) -> tuple[float, int]:
    """Of the words of a text that was given, `given` words long: all that the model knows but the first, and how many these are."""
    known = trace.log_p[: given - 1].astype(np.float64)
    known = known[np.isfinite(known)]
    return (math.exp(-known.mean()), len(known)) if len(known) else (math.nan, 0)


class LookingBack(Case):
    r"""One step of a language model, $t$: the text up to it is held fixed, and so is $h_t$; only $r_t$ changes with the weights.

    What can be looked at are the $L$ words before. One is left out by reading the text anew without it.
    """

    nouns = Nouns(outcome="word", part="word", row="step", verb="write")
    steps = 1

    def __init__(self, model: LanguageModel, trace: Trace, t: int, L: int) -> None:
        first = max(0, t - L)
        self.network, self.L, self.first = model.network, L, first
        self.source, self.removable = trace.source[first:t], t - first
        self.outcomes, self.attends = model.known.words, bool(trace.weights.shape[2]) and t > 0
        self.h = torch.tensor(trace.values["h"][first : t + 1])[None]
        self.numbers = model.numbers(trace.source[: t + 1])
        self.word = int(trace.values["word"][t])

    def decided(self, step: int) -> int:  # noqa: ARG002 - there is one step
        return self.word

    @torch.no_grad()
    def weights(self, step: int) -> Float[np.ndarray, "1 source"]:  # noqa: ARG002
        r"""$\alpha_t$, as one row."""
        attention = self.network.look_back(self.h, 1, len(self.source))
        assert attention is not None
        return attention.weights[0].numpy()

    def values(self) -> Float[np.ndarray, "source d"]:
        """$v_i$ of the states that can be looked at."""
        return self.network.values(self.h)[0, :-1].numpy()

    @torch.no_grad()
    def decide(self, step: int, A: Float[np.ndarray, "rows 1 source"]) -> Float[Tensor, "rows words"]:  # noqa: ARG002
        r"""$r_t = \alpha V$ changes, $h_t$ does not."""
        alpha = torch.tensor(A, dtype=self.h.dtype)
        attention = Attention(alpha.log(), alpha, alpha @ self.network.values(self.h)[0, :-1])
        return self._log_p(self.network.decide(self.h[:, -1:].expand(len(A), -1, -1), attention))

    @torch.no_grad()
    def nothing_seen(self) -> Float[Tensor, "1 words"]:
        r"""$\log p$ of every word if the step looked at nothing: $r_t = 0$."""
        nothing = torch.zeros(1, 1, len(self.source))
        return self._log_p(
            self.network.decide(self.h[:, -1:], Attention(nothing, nothing, self.h.new_zeros(1, 1, self.network.d)))
        )

    def read(self, kept: Bool[Tensor, "batch source"], steps: Sequence[int]) -> Float[Tensor, "batch steps"]:
        """The words before those that can be looked at are read, too, and so is the step's own."""
        rows = len(kept)
        all_kept = torch.ones(rows, self.numbers.shape[1], dtype=torch.bool)
        all_kept[:, self.first : -1] = kept
        words = self.numbers.expand(rows, -1)[all_kept].view(rows, -1)
        return self._of_word(self.network.embedding(words)).unsqueeze(1).expand(-1, len(steps))

    def embedded(self) -> Float[Tensor, "1 source d_word"]:
        return self.network.embedding(self.numbers[:, self.first : -1])

    def read_embedded(
        self,
        x: Float[Tensor, "batch source d_word"],
        t: Int[Tensor, " batch"],  # noqa: ARG002
    ) -> Float[Tensor, " batch"]:
        before, own = (
            self.network.embedding(part).expand(len(x), -1, -1)
            for part in (self.numbers[:, : self.first], self.numbers[:, -1:])
        )
        return self._of_word(torch.cat([before, x, own], dim=1))

    def _of_word(self, x: Float[Tensor, "batch time d_word"]) -> Float[Tensor, " batch"]:
        """Read from embeddings on."""
        h = self.network.lstm(x)[0]
        attention = self.network.look_back(h, 1, self.L)
        return self._log_p(self.network.decide(h[:, -1:], attention))[:, self.word]

    def _log_p(self, h_star: Float[Tensor, "batch 1 d_word"]) -> Float[Tensor, "batch words"]:
        """As the model has it: some words are never written."""
        return writable(self.network.logits(h_star[:, 0]), NEVER).log_softmax(-1)


def unlooked(case: LookingBack) -> Unlooked | None:
    """The step without its look; None if it has none."""
    if not case.attends:
        return None
    p = torch.cat([case.decide(0, case.weights(0)[None]), case.nothing_seen()]).exp()
    with_look, without = p.argmax(-1).tolist()
    return Unlooked(case.outcomes[without], with_look == without, float((p[0] - p[1]).abs().sum() / 2))
