r"""What can be doubted: a step of a writer, a look of a classifier, or all its looks together, as cases for `models.faithful`."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.attention import Attention
from models.classification import TextClassifier
from models.decoder import writable
from models.faithful import Case, Nouns
from models.trace import Trace
from models.words import BEGIN
from models.writer import Writer


def without_holes(source: Int[Tensor, "1 source"], kept: Bool[Tensor, "batch source"]) -> Int[Tensor, "batch left"]:
    """The texts that are left, each row of `kept` having as many words."""
    return source.expand(len(kept), -1)[kept].view(len(kept), -1)


class Writing(Case):
    r"""The steps of a writer. The target's words before a step are held fixed, the decoder's state $h_t$ with them.

    A trace gives the words, also those that a hand forced. ⟨end⟩ stays: the network never saw a source without it.
    """

    nouns = Nouns(outcome="word", part="word", row="step", verb="write")

    def __init__(self, writer: Writer, trace: Trace) -> None:
        self.trace, self.network = trace, writer.network
        self.source, self.steps = trace.source, len(trace.target)
        self.removable = len(trace.source) - 1
        self.outcomes = writer.spelled(trace.source[:-1])
        self.attends = writer.network.score is not None
        self.numbers = writer.numbers(trace.source[:-1])
        self.words = torch.tensor(trace.values["word"])
        self.before = torch.cat([self.words.new_tensor([BEGIN]), self.words[:-1]])

    def decided(self, step: int) -> int:
        return int(self.words[step])

    def shown(self, step: int) -> str:
        return self.trace.target[step]

    @torch.no_grad()
    def weights(self, step: int) -> Float[np.ndarray, "1 source"]:
        r"""$\alpha_t$, as one row."""
        h_bar, fixed, h = (torch.tensor(self.trace.values[name])[None] for name in ("h_bar", "fixed", "h"))
        return self.network.read(h[:, step : step + 1], h_bar, fixed).weights[0].numpy()

    def values(self) -> Float[np.ndarray, "source d"]:
        r"""$\bar h_s$."""
        return self.trace.values["h_bar"]

    def decide(self, step: int, A: Float[np.ndarray, "rows 1 source"]) -> Float[Tensor, "rows outcomes"]:
        r"""$c_t = \alpha \bar h$ changes, $h_t$ does not."""
        h_bar, h_t = (torch.tensor(value) for value in (self.trace.values["h_bar"], self.trace.values["h"][step]))
        alpha = torch.tensor(A, dtype=h_bar.dtype)
        read = Attention(alpha.log(), alpha, alpha @ h_bar)
        source = self.numbers.expand(len(A), -1)
        return self._distribution(read, h_t.expand(len(A), -1), self.before[step].expand(len(A)), source)

    def read(self, kept: Bool[Tensor, "batch source"], steps: Sequence[int]) -> Float[Tensor, "batch steps"]:
        r"""$\log p(y_t \mid y_{<t}, x)$ of the words of the trace: $\bar h$, $h_t$ and $\alpha_t$ all change."""
        source = without_holes(self.numbers, kept)
        h_bar, fixed = self.network.encode(source)
        h = self._states(max(steps), fixed)
        return torch.stack(
            [self._log_p(h[:, t], h_bar, fixed, source, torch.tensor(t).expand(len(source))) for t in steps],
            dim=1,
        )

    def embedded(self) -> Float[Tensor, "1 source d_word"]:
        return self.network.embed(self.numbers)

    def read_embedded(
        self, x: Float[Tensor, "batch source d_word"], t: Int[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        h_bar, fixed = self.network.encode_embedded(x)
        h_t = self._states(int(t.max()), fixed)[torch.arange(len(t)), t]
        return self._log_p(h_t, h_bar, fixed, self.numbers.expand(len(t), -1), t)

    def _states(self, last: int, fixed: Float[Tensor, "batch d"]) -> Float[Tensor, "batch steps d"]:
        """$h_t$ at every step up to the `last`."""
        before = self.before[: last + 1].expand(len(fixed), -1)
        return self.network.states(before, self.network.begin(fixed))[0]

    def _log_p(
        self,
        h_t: Float[Tensor, "batch d"],
        h_bar: Float[Tensor, "batch source d"],
        fixed: Float[Tensor, "batch d"],
        source: Int[Tensor, "batch source"],
        t: Int[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        read = self.network.read(h_t.unsqueeze(1), h_bar, fixed)
        log_p = self._distribution(read, h_t, self.before[t], source)
        return log_p.gather(1, self.words[t].unsqueeze(1)).squeeze(1)

    def _distribution(
        self,
        read: Attention,
        h_t: Float[Tensor, "batch d"],
        before: Int[Tensor, " batch"],
        source: Int[Tensor, "batch source"],
    ) -> Float[Tensor, "batch words"]:
        r"""$\log p$ of every next word, as the writer has it: never ⟨pad⟩, never ⟨begin⟩."""
        logits = self.network.next_word(read, h_t.unsqueeze(1), before.unsqueeze(1), source).squeeze(1)
        return writable(logits, self.network.barred).log_softmax(-1)


class Looking(Case):
    r"""The looks of a classifier: one row of $A$ is changed and the others are kept; or, `together`, all are changed alike.

    The class is decided by all looks, so what its words do is the same for each of them.
    """

    def __init__(self, classifier: TextClassifier, trace: Trace, together: bool = False) -> None:
        self.network, self.together = classifier.network, together
        self.nouns = Nouns("class", "word", "decision" if together else "look", "say")
        self.source, self.outcomes, self.attends = trace.source, classifier.classes, True
        self.steps = 1 if together else len(trace.target)
        self.removable = len(trace.source) if len(trace.source) > 1 else 0
        self.numbers = classifier.numbers(trace.source)
        self.H = torch.tensor(trace.values["h_bar"])
        self.chosen = classifier.classes.index(trace.candidates[0][0][0])

    def decided(self, step: int) -> int:  # noqa: ARG002 - the looks decide together
        return self.chosen

    @torch.no_grad()
    def weights(self, step: int) -> Float[np.ndarray, "looks source"]:
        A = self.network.looks(self.H[None]).weights[0].numpy()
        return A if self.together else A[step : step + 1]

    def values(self) -> Float[np.ndarray, "source d"]:
        return self.H.numpy()

    @torch.no_grad()
    def decide(self, step: int, A: Float[np.ndarray, "rows looks source"]) -> Float[Tensor, "rows classes"]:
        """$M = A H$ changes, $H$ does not."""
        own = self.network.looks(self.H[None]).weights
        changed = own.repeat(len(A), 1, 1)
        changed[:, slice(None) if self.together else slice(step, step + 1)] = torch.tensor(A, dtype=own.dtype)
        return self.network.decide(changed @ self.H).log_softmax(-1)

    def read(self, kept: Bool[Tensor, "batch source"], steps: Sequence[int]) -> Float[Tensor, "batch steps"]:
        log_p = self.network(without_holes(self.numbers, kept)).logits.log_softmax(-1)
        return log_p[:, [self.chosen]].expand(-1, len(steps))

    def embedded(self) -> Float[Tensor, "1 source d_word"]:
        return self.network.embedding(self.numbers)

    def read_embedded(
        self,
        x: Float[Tensor, "batch source d_word"],
        t: Int[Tensor, " batch"],  # noqa: ARG002
    ) -> Float[Tensor, " batch"]:
        return self.network.logits_embedded(x).log_softmax(-1)[:, self.chosen]
