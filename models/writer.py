r"""A trained decoder that can be watched and touched: a sentence or a picture in, a `Trace` out, every number of it recomputable.

`Touch` is what a hand does to the attention: a forced row of weights, a temperature, a forbidden source word, a forced target word.
The decoder's state $h_t$ depends on the words it wrote, so a touched step changes its own word, and by that word all that follow.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.attention import Attention, softmax
from models.card import Card
from models.decoder import Beam, Decoder, Memory, Step, of_length, search, unrepeated, writable
from models.seq2seq import Seq2Seq
from models.trace import Trace
from models.words import BEGIN, END, PAD, SPECIAL, Vocabulary

CANDIDATES = 10


@dataclass(frozen=True)
class Touch:
    r"""What a hand does while something is written; nothing, by default.

    Attributes:
        weights: a row of $\alpha$ by step, in place of the computed one; must be as long as the source and sum to one.
        temperature: the scores are divided by it: below 1 sharpens the weights, above 1 flattens them.
        forbidden: positions of the source that may not be looked at.
        words: a word by step, in place of the most probable one. Words that the model does not know raise ValueError.
        sampling: 0 writes the most probable word; otherwise words are drawn from softmax(logits / sampling).
        seed: of the drawing.
    """

    weights: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    temperature: float = 1.0
    forbidden: frozenset[int] = frozenset()
    words: Mapping[int, str] = field(default_factory=dict)
    sampling: float = 0.0
    seed: int = 0

    def nothing(self) -> bool:
        return not (self.weights or self.forbidden or self.words or self.sampling) and self.temperature == 1


UNTOUCHED = Touch()


class Decoded(NamedTuple):
    """What was written word by word: what the network kept of the source, a step a word, and the words' numbers."""

    memory: Memory
    steps: list[Step]
    words: list[int]


class WordByWord(ABC):
    """What a network writes while it looks at a source, watched and touched. What the source is, is the subclass's."""

    network: Decoder
    target_words: Vocabulary
    card: Card

    @abstractmethod
    def columns(self, tokens: Sequence[str]) -> tuple[str, ...]:
        """Everything that can be looked at, `tokens` being the source."""

    @abstractmethod
    def number(self, word: str, tokens: Sequence[str]) -> int:
        """The number by which a word is written, `tokens` being the source. Raises ValueError for one that cannot be."""

    @abstractmethod
    def longest(self, source: int) -> int:
        """Where decoding gives up, for a source of so many tokens."""

    @abstractmethod
    def text(self, trace: Trace) -> str:
        """What was written, as one would write it."""

    def spelled(self, tokens: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002 - who copies knows more words
        """Every word that can be written, by its number, `tokens` being the source."""
        return self.target_words.words

    def search(self, tokens: Sequence[str], source: Tensor, beam: int, length: int = 0) -> Beam:
        """The whole beam search of a source; with a `length`, among sentences of so many words."""
        return search(self.network, source, beam, self.longest(len(tokens)), length)

    @torch.no_grad()
    def written(self, tokens: Sequence[str], source: Tensor, touch: Touch, beam: int, length: int) -> Trace:
        """Write, and tell all: `write` once the source is read."""
        if beam > 1:
            best = self.search(tokens, source, beam, length).sentences(0, self.network.normalised)[0][0]
            touch = Touch(words={t: self.spelled(tokens)[word] for t, word in enumerate([*best, END])})
        return self._trace(tokens, source, self._decode(tokens, source, touch, length), touch)

    @torch.no_grad()
    def _decode(self, tokens: Sequence[str], source: Tensor, touch: Touch, length: int) -> Decoded:
        network, columns = self.network, len(self.columns(tokens))
        generator = torch.Generator().manual_seed(touch.seed)
        allowed = torch.tensor([position not in touch.forbidden for position in range(columns)])
        memory = network.remember(source)
        state, decoded = network.start(memory), Decoded(memory, [], [])
        longest = max(self.longest(columns), length + 1, 1 + max(touch.words, default=0))
        word = BEGIN
        while word != END and (t := len(decoded.words)) < longest:
            hand = partial(touched, allowed=allowed, touch=touch, step=t)
            step = network.step(torch.tensor([[word]]), state, memory, hand)
            logits = writable(step.logits[0], network.barred)
            logits = unrepeated(logits, torch.tensor(decoded.words, dtype=torch.long), network.no_repeat)
            logits = of_length(logits, t, length)
            word = self._choose(tokens, logits, touch, t, generator)
            decoded.steps.append(step._replace(logits=logits))
            decoded.words.append(word)
            state = step.state
        return decoded

    def _choose(
        self,
        tokens: Sequence[str],
        logits: Float[Tensor, " words"],
        touch: Touch,
        step: int,
        generator: torch.Generator,
    ) -> int:
        if step in touch.words:
            return self.number(touch.words[step], tokens)
        if touch.sampling:
            return int(torch.multinomial((logits / touch.sampling).softmax(-1), 1, generator=generator))
        return int(logits.argmax())

    def _trace(
        self,
        tokens: Sequence[str],
        source: Tensor,  # noqa: ARG002 - who copies has more to tell of a step
        decoded: Decoded,
        touch: Touch,
    ) -> Trace:
        memory, steps, words = decoded
        spelled = self.spelled(tokens)
        p = torch.stack([step.logits.log_softmax(-1) for step in steps])
        best = p.exp().topk(min(CANDIDATES, p.shape[-1]))
        return Trace(
            source=self.columns(tokens),
            target=tuple(spelled[word] for word in words),
            heads=("attention",),
            scores=torch.stack([step.attention.scores[0, 0] for step in steps])[None].numpy(),
            weights=torch.cat([step.attention.weights[0] for step in steps])[None].numpy(),
            log_p=p[range(len(words)), words].numpy(),
            candidates=tuple(
                tuple((spelled[word], chance) for word, chance in zip(words, chances, strict=True))
                for words, chances in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ),
            values={
                **{name: kept[0].numpy() for name, kept in memory.items()},
                **{name: torch.cat([step.values[name][0] for step in steps]).numpy() for name in steps[0].values},
                "word": torch.tensor(words).numpy(),
            },
            notes={t: "forced" for t in touch.weights if t < len(steps)},
        )


@dataclass(frozen=True)
class Writer(WordByWord):
    """A network with the words it reads and writes. What reads which language is the subclass's."""

    network: Seq2Seq
    source_words: Vocabulary
    target_words: Vocabulary
    card: Card

    @abstractmethod
    def read(self, text: str) -> tuple[list[str], Int[Tensor, "1 source"]]:
        """The tokens of a text and their numbers with `END`. Raises ValueError, in plain words, for what cannot be read."""

    @abstractmethod
    def numbers(self, tokens: Sequence[str]) -> Int[Tensor, "1 source"]:
        """The numbers of a source with `END`."""

    def columns(self, tokens: Sequence[str]) -> tuple[str, ...]:
        return (*tokens, SPECIAL[END])

    def beams(self, text: str, beam: int, length: int = 0) -> Beam:
        """The whole beam search of a sentence; with a `length`, among sentences of so many words."""
        return self.search(*self.read(text), beam, length)

    def write(self, text: str, touch: Touch = UNTOUCHED, beam: int = 1, length: int = 0) -> Trace:
        """Read, write, and tell all. With a `beam` over one, the best sentence of the beam, which a touch then cannot change.

        With a `length`, so many words are written, neither more nor less.
        """
        return self.written(*self.read(text), touch, beam, length)

    def forced(self, text: str, target: list[str]) -> Trace:
        """The trace of a text that is given, as tokens: what the model would look at if it wrote that."""
        return self.write(text, Touch(words=dict(enumerate([*target, SPECIAL[END]]))))


def touched(
    attention: Attention, V: Float[Tensor, "1 source d"], allowed: Tensor, touch: Touch, step: int
) -> Attention:
    r"""The attention after a hand was laid on it.

    $\alpha = \text{softmax}(e / \tau)$ over what is allowed, or the forced row. $c = \alpha V$ again.
    """
    if not attention.weights.shape[-1]:
        return attention
    scores = attention.scores / touch.temperature
    weights = softmax(scores, allowed.expand_as(scores))
    if step in touch.weights:
        weights = torch.tensor(touch.weights[step], dtype=V.dtype).expand_as(scores)
    return Attention(scores, weights, weights @ V)


def beam_tree(beam: Beam, spelled: Sequence[str]) -> tuple[tuple[str, int, float], ...]:
    """A beam search of one sentence as a tree: for each node its word, its parent's number (−1: none) and log p up to it."""
    nodes: list[tuple[str, int, float]] = []
    before: list[int] = []
    for step in range(len(beam.words)):
        now = []
        for k in range(beam.words.shape[2]):
            word, log_p = int(beam.words[step, 0, k]), float(beam.log_p[step, 0, k])
            parent = before[int(beam.parents[step, 0, k])] if before else -1
            if word == PAD:  # it has ended: the node stays the one of its end
                now.append(parent)
            else:
                now.append(len(nodes))
                nodes.append((spelled[word], parent, log_p))
        before = now
    return tuple(nodes)
