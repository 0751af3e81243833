r"""A trained translator that can be watched and touched: a sentence in, a `Trace` out, every number of it recomputable.

`Touch` is what a hand does to the attention: a forced row of weights, a temperature, a forbidden source word, a forced target word.
The decoder's state $h_t$ depends on the words it wrote, so a touched step changes its own word, and by that word all that follow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.attention import Attention, softmax
from models.card import Card
from models.seq2seq import Beam, Seq2Seq, search, writable
from models.trace import Trace
from models.words import BEGIN, END, PAD, SPECIAL, UNKNOWN, Vocabulary, detokenize, tokenize

LONGEST_SOURCE = 128  # tokens; Multi30k's longest has 47
CANDIDATES = 10


@dataclass(frozen=True)
class Touch:
    r"""What a hand does to a translation; nothing, by default.

    Attributes:
        weights: a row of $\alpha$ by step, in place of the computed one; must be as long as the source and sum to one.
        temperature: the scores are divided by it: below 1 sharpens the weights, above 1 flattens them.
        forbidden: source positions that may not be looked at.
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


class Step(NamedTuple):
    """One word written: everything the lecture's slide names, for a batch of one."""

    h: Float[Tensor, "1 1 d"]
    attention: Attention
    a: Float[Tensor, "1 1 d_word"]
    logits: Float[Tensor, " words"]
    word: int


@dataclass(frozen=True)
class Translator:
    """A network with the words it reads and writes."""

    score: str
    network: Seq2Seq
    english: Vocabulary
    french: Vocabulary
    card: Card

    def read(self, text: str) -> tuple[list[str], Int[Tensor, "1 source"]]:
        """The tokens of an English sentence and their numbers with `END`.

        Raises ValueError, in plain words, for what cannot be read.
        """
        tokens = tokenize(text, "en")
        if not tokens:
            raise ValueError("Type an English sentence: there is nothing to translate yet.")
        if len(tokens) > LONGEST_SOURCE:
            raise ValueError(
                f"This text has {len(tokens)} words; at most {LONGEST_SOURCE} can be read at once. "
                "Nothing was translated: shorten it."
            )
        numbers = self.english.encode(tokens)
        if all(number == UNKNOWN for number in numbers):
            raise ValueError(
                "Not one word of this is known to the model, which reads English. Try an English sentence."
            )
        return tokens, torch.tensor([[*numbers, END]])

    def beams(self, text: str, beam: int, longest: int | None = None) -> Beam:
        """The whole beam search of a sentence."""
        tokens, source = self.read(text)
        return search(self.network, source, beam, longest or longest_target(len(tokens)))

    @torch.no_grad()
    def translate(self, text: str, touch: Touch = Touch(), beam: int = 1) -> Trace:
        """Translate, and tell all. With a `beam` over one, the best sentence of the beam, which a touch then cannot change."""
        tokens, source = self.read(text)
        if beam > 1:
            best = self.beams(text, beam).sentences(0)[0][0]
            touch = replace(Touch(), words={t: self.french.words[word] for t, word in enumerate([*best, END])})
        return self._trace(tokens, self._decode(source, touch), touch)

    def forced(self, text: str, target: list[str]) -> Trace:
        """The trace of a translation that is given, as tokens: what the model would look at if it wrote that."""
        return self.translate(text, Touch(words=dict(enumerate([*target, SPECIAL[END]]))))

    @torch.no_grad()
    def _decode(self, source: Int[Tensor, "1 source"], touch: Touch) -> tuple[Tensor, Tensor, list[Step]]:
        network = self.network
        generator = torch.Generator().manual_seed(touch.seed)
        allowed = torch.tensor([position not in touch.forbidden for position in range(source.shape[1])])
        h_bar, fixed = network.encode(source)
        h, word, steps = network.begin(fixed), BEGIN, list[Step]()
        longest = max(longest_target(source.shape[1]), 1 + max(touch.words, default=0))
        while word != END and len(steps) < longest:
            h_t, h = network.states(source.new_tensor([[word]]), h)
            attention = touched(network.read(h_t, h_bar, fixed), h_bar, allowed, touch, len(steps))
            a_t = network.attention_vector(attention.context, h_t)
            logits = writable(network.logits(a_t)[0, 0])
            word = self._choose(logits, touch, len(steps), generator)
            steps.append(Step(h_t, attention, a_t, logits, word))
        return h_bar, fixed, steps

    def _choose(self, logits: Float[Tensor, " words"], touch: Touch, step: int, generator: torch.Generator) -> int:
        if step in touch.words:
            return self.number(touch.words[step])
        if touch.sampling:
            return int(torch.multinomial((logits / touch.sampling).softmax(-1), 1, generator=generator))
        return int(logits.argmax())

    def number(self, word: str) -> int:
        """The number of a French word. Raises ValueError for one that the model does not know."""
        if word == SPECIAL[END]:
            return END
        if word == SPECIAL[UNKNOWN]:
            return UNKNOWN
        tokens = tokenize(word, "fr")
        number = self.french.encode(tokens)[0] if len(tokens) == 1 else UNKNOWN
        if number == UNKNOWN:
            raise ValueError(
                f"The model does not know the French word “{word}”: it can write {len(self.french):,} words, one at a time."
            )
        return number

    def _trace(self, tokens: list[str], decoded: tuple[Tensor, Tensor, list[Step]], touch: Touch) -> Trace:
        h_bar, fixed, steps = decoded
        weights = torch.cat([step.attention.weights[0] for step in steps])
        notes = {t: "forced" for t in touch.weights if t < len(steps)}
        written = [self.french.words[step.word] for step in steps]
        if weights.shape[1]:
            for t, step in enumerate(steps):
                if step.word == UNKNOWN:
                    written[t] = tokens[int(weights[t, : len(tokens)].argmax())]
                    notes[t] = (
                        f"The model wrote “unknown word”; “{written[t]}” is copied from the source word it looked at most."
                    )
        p = torch.stack([step.logits.log_softmax(-1) for step in steps])
        best = p.exp().topk(CANDIDATES)
        return Trace(
            source=(*tokens, SPECIAL[END]),
            target=tuple(written),
            heads=("attention",),
            scores=torch.stack([step.attention.scores[0, 0] for step in steps])[None].numpy(),
            weights=weights[None].numpy(),
            log_p=p[range(len(steps)), [step.word for step in steps]].numpy(),
            candidates=tuple(
                tuple((self.french.words[word], chance) for word, chance in zip(words, chances, strict=True))
                for words, chances in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ),
            values={
                "h_bar": h_bar[0].numpy(),
                "fixed": fixed[0].numpy(),
                "h": torch.cat([step.h[0] for step in steps]).numpy(),
                "c": torch.cat([step.attention.context[0] for step in steps]).numpy(),
                "a": torch.cat([step.a[0] for step in steps]).numpy(),
                "word": torch.tensor([step.word for step in steps]).numpy(),
            },
            notes=notes,
        )


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


def longest_target(source: int) -> int:
    """Where decoding gives up: no translation of Multi30k or Tatoeba is over twice its source and ten."""
    return 2 * source + 10


def sentence(trace: Trace) -> str:
    """The translation as one would write it."""
    return detokenize([word for word in trace.target if word != SPECIAL[END]], "fr")


def beam_tree(beam: Beam, vocabulary: Vocabulary) -> tuple[tuple[str, int, float], ...]:
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
                nodes.append((vocabulary.words[word], parent, log_p))
        before = now
    return tuple(nodes)
