r"""A language model that can be watched and touched: a text in, read and continued word by word, a `Trace` out.

The row of a step is the state after the word it stands beside; it looks at the $L$ words before and writes the next one. What it
looked at never reaches the LSTM (Daniluk 2017 feeds nothing back), so a touched step changes its own next word, and by that
word, where it is one that the model writes, all that follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.attention import Attention
from models.card import Card
from models.decoder import writable
from models.key_value import L as TRAINED_L
from models.key_value import Memory, MemoryModel
from models.trace import Trace
from models.words import BEGIN, END, PAD, SPECIAL, UNKNOWN, Vocabulary, treebank
from models.writer import CANDIDATES, UNTOUCHED, Touch, touched

LONGEST = 256  # words, those that are written included
NEVER = (PAD, BEGIN, UNKNOWN)


class Step(NamedTuple):
    """One state: what it looked at, and what it decides."""

    attention: Attention | None
    h_star: Float[Tensor, " d_word"]
    logits: Float[Tensor, " words"]


@dataclass(frozen=True)
class LanguageModel:
    """A network with the words it reads and writes."""

    kind: str
    network: MemoryModel
    known: Vocabulary
    card: Card

    def read(self, text: str) -> tuple[list[str], Int[Tensor, "1 time"]]:
        """The tokens of a text as the books have them, and their numbers. Raises ValueError, in plain words."""
        tokens = ["N" if token.replace(",", "").replace(".", "").isdecimal() else token for token in treebank(text)]
        tokens = ["'" if token in '"“”‘' else token for token in tokens]
        if not tokens:
            raise ValueError("Type the beginning of a story: there is nothing to go on from yet.")
        if len(tokens) >= LONGEST:
            raise ValueError(
                f"This text has {len(tokens)} words; at most {LONGEST - 1} can be read at once. Nothing was read: shorten it."
            )
        numbers = self.known.encode(tokens)
        if all(number == UNKNOWN for number in numbers):
            raise ValueError("Not one word of this is known to the model, which reads English. Try an English text.")
        return tokens, torch.tensor([numbers])

    @torch.no_grad()
    def tell(self, text: str, more: int = 20, touch: Touch = UNTOUCHED, L: int = TRAINED_L) -> Trace:
        """Read a text and write `more` words after it, each state looking at the `L` before it.

        The last row is the state after the last word: it shows what would come next.
        """
        tokens, words = self.read(text)
        network, generator = self.network, torch.Generator().manual_seed(touch.seed)
        numbers, steps = words[0].tolist(), list[Step]()
        total = min(len(tokens) + more, LONGEST)
        h, (_, *state) = (read := network(words, network.begin(), 0)).h, read.memory
        for t in range(total):
            if t == len(numbers):
                numbers.append(self._choose(steps[-1].logits, touch, t - 1, generator))
                read = network(words.new_tensor([numbers[-1:]]), Memory(h[:, :0], *state), 0)
                h, (_, *state) = torch.cat([h, read.h], dim=1), read.memory
            steps.append(self._step(h[:, max(0, t - L) : t + 1], t, touch))
        return self._trace(tokens, numbers, h[0], steps)

    def _step(self, window: Float[Tensor, "1 window parts_d"], t: int, touch: Touch) -> Step:
        """What state `t`, the last of the window, sees of those before it, and what it decides."""
        network, before = self.network, window.shape[1] - 1
        attention = network.look_back(window, 1, before)
        if attention is not None:
            first = t - before
            allowed = torch.tensor([i not in touch.forbidden for i in range(first, t)], dtype=torch.bool)
            row = touch.weights.get(t)
            here = Touch({t: _over(row[first:t], allowed)} if row else {}, touch.temperature)
            attention = touched(attention, network.values(window)[:, :-1], allowed, here, t)
        h_star = network.decide(window[:, -1:], attention)
        return Step(attention, h_star[0, 0], writable(network.logits(h_star)[0, 0], NEVER))

    def _choose(self, logits: Float[Tensor, " words"], touch: Touch, step: int, generator: torch.Generator) -> int:
        if step in touch.words:
            return self.number(touch.words[step])
        if touch.sampling:
            return int(torch.multinomial((logits / touch.sampling).softmax(-1), 1, generator=generator))
        return int(logits.argmax())

    def number(self, word: str) -> int:
        """The number of a word. Raises ValueError for one that the model does not know."""
        number = self.known.encode([word.strip().lower()])[0]
        if word == SPECIAL[END]:
            return END
        if number == UNKNOWN:
            raise ValueError(
                f"The model does not know the word “{word}”: it can write {len(self.known):,} words, one at a time."
            )
        return number

    def _trace(
        self, tokens: list[str], numbers: list[int], h: Float[Tensor, "time parts_d"], steps: list[Step]
    ) -> Trace:
        time = len(steps)
        written = [*tokens[1:], *(self.known.words[number] for number in numbers[len(tokens) :])]
        log_p = torch.stack([step.logits.log_softmax(-1) for step in steps])
        best = log_p.exp().topk(CANDIDATES)
        scores, weights = (torch.zeros(time, time if steps[0].attention else 0) for _ in range(2))
        context = []
        for t, step in enumerate(steps):
            if step.attention is not None:
                context.append(step.attention.context[0, 0])
                first = t - step.attention.scores.shape[-1]
                scores[t, first:t] = step.attention.scores[0, 0]
                weights[t, first:t] = step.attention.weights[0, 0]
        following = [*numbers[1:], int(log_p[-1].argmax())]
        values = {
            "h": h[:time],
            "h_star": torch.stack([step.h_star for step in steps]),
            "word": torch.tensor(following),
        }
        if context:
            values["c"] = torch.stack(context)
        return Trace(
            source=(*tokens, *written[len(tokens) - 1 :]),
            target=(*written, self.known.words[following[-1]]),
            heads=("attention",),
            scores=scores[None].numpy(),
            weights=weights[None].numpy(),
            log_p=log_p[range(time), following].numpy(),
            candidates=tuple(
                tuple((self.known.words[word], chance) for word, chance in zip(words, chances, strict=True))
                for words, chances in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ),
            values={name: value.numpy() for name, value in values.items()},
            notes=dict.fromkeys(range(len(tokens) - 1), "given"),
        )


def _over(row: Sequence[float], allowed: Bool[Tensor, " window"]) -> tuple[float, ...]:
    """A forced row on the words that may be looked at, scaled to sum to one; all alike if it has nothing there."""
    kept = torch.tensor(row, dtype=torch.float64) * allowed
    kept = kept if kept.sum() else allowed.double()
    return tuple((kept / kept.sum().clamp_min(1e-12)).tolist())
