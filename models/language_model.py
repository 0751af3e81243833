r"""A language model that can be watched and touched: a text in, read and continued word by word, a `Trace` out.

The row of a step is the state after the word it stands beside; it looks at the $L$ words before and writes the next one. What it
looked at never reaches the LSTM (Daniluk 2017 feeds nothing back), so a touched step changes its own next word, and by that
word, where it is one that the model writes, all that follow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.attention import Attention, last, softmax
from models.card import Card
from models.decoder import writable
from models.key_value import L as TRAINED_L
from models.key_value import Memory, MemoryModel
from models.trace import Trace
from models.words import BEGIN, END, PAD, SPECIAL, UNKNOWN, Vocabulary, treebank
from models.writer import CANDIDATES, UNTOUCHED, Touch

LONGEST = 256  # words, those that are written included
NEVER = (PAD, BEGIN, UNKNOWN)
QUOTES = {"“": '"', "”": '"', "‘": "'"}  # the books have straight ones


class Steps(NamedTuple):
    """States one after the other: what each looked at, a column for each of the $L$ before it, and what it decides."""

    attention: Attention | None
    h_star: Float[Tensor, "1 time d_word"]
    logits: Float[Tensor, "1 time words"]


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
        tokens = [QUOTES.get(token, token) for token in tokens]
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
        tokens, words = self._forced(*self.read(text), touch)
        network, generator = self.network, torch.Generator().manual_seed(touch.seed)
        h, (_, *state) = (read := network(words, network.begin(), 0)).h, read.memory
        steps, total = [self._steps(h, len(tokens), touch, L)], min(len(tokens) + more, LONGEST)
        following = [*words[0, 1:].tolist(), self._choose(steps[-1], touch, len(tokens) - 1, generator)]
        for t in range(len(tokens), total):
            read = network(words.new_tensor([following[-1:]]), Memory(h[:, :0], *state), 0)
            h, (_, *state) = torch.cat([h, read.h], dim=1), read.memory
            steps.append(self._steps(h, 1, touch, L))
            following.append(self._choose(steps[-1], touch, t, generator))
        return self._trace(tokens, following, h[0], _joined(steps), touch)

    def _forced(
        self, tokens: list[str], words: Int[Tensor, "1 time"], touch: Touch
    ) -> tuple[list[str], Int[Tensor, "1 time"]]:
        """The text that is given, with the words that a hand put in place of some of it."""
        for step, word in touch.words.items():
            if step + 1 < len(tokens):
                words[0, step + 1] = number = self.number(word)
                tokens[step + 1] = self.known.words[number]
        return tokens, words

    def _steps(self, h: Float[Tensor, "1 seen parts_d"], time: int, touch: Touch, L: int) -> Steps:
        """What each of the last `time` states sees of the `L` before it, and what it decides."""
        network, first = self.network, h.shape[1] - time
        near = h[:, max(0, first - L) :]
        attention = network.look_back(near, time, L)
        if attention is not None and not touch.nothing():
            attention = self._touched(attention, near, first, touch)
        h_star = network.decide(near[:, -time:], attention)
        return Steps(attention, h_star, writable(network.logits(h_star), NEVER))

    def _touched(
        self, attention: Attention, near: Float[Tensor, "1 near parts_d"], first: int, touch: Touch
    ) -> Attention:
        r"""The attention of the states from `first` on after a hand was laid on it; see `models.writer.touched`."""
        time, L = attention.scores.shape[1:]
        allowed = torch.tensor(
            [[i >= 0 and i not in touch.forbidden for i in range(t - L, t)] for t in range(first, first + time)],
            dtype=torch.bool,
        ).view(1, time, L)
        scores = attention.scores / touch.temperature
        weights = softmax(scores, allowed)
        for t in touch.weights.keys() & range(first, first + time):
            weights[0, t - first] = _over(touch.weights[t], t, allowed[0, t - first])
        values = last(self.network.values(near), L)[:, -time:]
        return Attention(scores, weights, (weights.unsqueeze(2) @ values).squeeze(2))

    def _choose(self, steps: Steps, touch: Touch, step: int, generator: torch.Generator) -> int:
        """The word that follows the last of the steps."""
        logits = steps.logits[0, -1]
        if step in touch.words:
            return self.number(touch.words[step])
        if touch.sampling:
            return int(torch.multinomial((logits / touch.sampling).softmax(-1), 1, generator=generator))
        return int(logits.argmax())

    def numbers(self, tokens: Sequence[str]) -> Int[Tensor, "1 time"]:
        """The numbers of tokens as a trace has them, ⟨end⟩ among them."""
        return torch.tensor([[END if token == SPECIAL[END] else self.known.encode([token])[0] for token in tokens]])

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
        self,
        tokens: list[str],
        following: list[int],
        h: Float[Tensor, "time parts_d"],
        steps: Steps,
        touch: Touch,
    ) -> Trace:
        target = (*tokens[1:], *(self.known.words[number] for number in following[len(tokens) - 1 :]))
        log_p = steps.logits[0].log_softmax(-1)
        best = log_p.exp().topk(min(CANDIDATES, len(self.known)))
        chosen = log_p[range(len(following)), following]
        nothing = h[:, :0]
        scores, weights, context = (nothing,) * 3 if steps.attention is None else (part[0] for part in steps.attention)
        values = {"h": h, "c": context, "h_star": steps.h_star[0], "word": torch.tensor(following)}
        return Trace(
            source=(tokens[0], *target[:-1]),
            target=target,
            heads=("attention",),
            scores=_spread(scores, math.nan).numpy(),
            weights=_spread(weights, 0.0).numpy(),
            log_p=chosen.numpy(),
            candidates=tuple(
                tuple((self.known.words[word], chance) for word, chance in zip(words, chances, strict=True))
                for words, chances in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ),
            values={name: value.numpy() for name, value in values.items() if value.numel()},
            notes=_notes(chosen[: len(tokens) - 1].exp().tolist(), touch, len(following)),
        )


def _joined(steps: Sequence[Steps]) -> Steps:
    """One piece of all."""
    attentions, h_star, logits = zip(*steps, strict=True)
    looks = [torch.cat(parts, dim=1) for parts in zip(*attentions, strict=True)] if attentions[0] else []
    return Steps(Attention(*looks) if looks else None, torch.cat(h_star, dim=1), torch.cat(logits, dim=1))


def _notes(p_given: Sequence[float], touch: Touch, time: int) -> dict[int, str]:
    """How probable each word was that was given, and which weights a hand forced."""
    notes = {t: f"given, p = {p:.6f}" if p else "given, and not known to the model" for t, p in enumerate(p_given)}
    return notes | {t: "; ".join(filter(None, ["forced", notes.get(t)])) for t in touch.weights if t < time}


def _spread(look: Float[Tensor, "time L"], nothing: float) -> Float[Tensor, "1 time seen"]:
    """Columns by distance as columns by word: row $t$ holds the words $t - L$ to $t - 1$, and `nothing` elsewhere."""
    time, L = look.shape
    spread = torch.full((1, time, time if L else 0), nothing)
    for t in range(time):
        seen = min(t, L)
        spread[0, t, t - seen : t] = look[t, L - seen :]
    return spread


def _over(row: Sequence[float], t: int, allowed: Bool[Tensor, " L"]) -> Float[Tensor, " L"]:
    """Row `t` as a hand forced it, on the words that may be looked at, scaled to sum to one; alike if it has nothing there."""
    forced = torch.tensor([row[i] if 0 <= i < len(row) else 0.0 for i in range(t - len(allowed), t)]) * allowed
    forced = forced if forced.sum() else allowed.float()
    return forced / forced.sum().clamp_min(1e-12)
