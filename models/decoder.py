r"""What writes word by word while it looks at a source (a sentence, a picture); and the search for its best sentence.

A `Decoder` remembers its source once, and then takes one `Step` a word. Everything that the page shows is in the step.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.attention import Attention
from models.words import BEGIN, END, PAD

Memory = Mapping[str, Tensor]  # what is kept of the source, by the paper's symbols; a row a source
State = tuple[Tensor, ...]  # what the next step begins from; a row a sentence
Hand = Callable[
    [Attention, Tensor], Attention
]  # the attention of a step and what it looked at, to the attention that counts


def untouched(attention: Attention, _V: Tensor) -> Attention:
    """The hand that leaves everything as it is."""
    return attention


class Step(NamedTuple):
    """A word about to be written, for a batch of sentences.

    Attributes:
        state: what the next step begins from.
        attention: what this step looked at.
        logits: how well each word fits.
        values: every number on the way, by the paper's symbol; (batch, 1, ·).
    """

    state: State
    attention: Attention
    logits: Float[Tensor, "batch words"]
    values: Mapping[str, Tensor]


class Decoder(nn.Module, ABC):
    """A network that writes word by word while it looks at a source. What it looks at, and how, is the subclass's."""

    barred: tuple[int, ...] = (PAD, BEGIN)  # what is never written
    no_repeat: int = 0  # no run of so many words is written twice; 0: anything may be
    normalised: float = 1.0  # the best of a beam has the largest log p / length^normalised

    @abstractmethod
    def remember(self, source: Tensor) -> Memory:
        """What is kept of the sources of a batch: computed once, whatever is then written."""

    @abstractmethod
    def start(self, memory: Memory) -> State:
        """What the first step begins from."""

    @abstractmethod
    def step(self, words: Int[Tensor, "batch 1"], state: State, memory: Memory, hand: Hand = untouched) -> Step:
        """Look, and weigh every word that may follow `words`. `hand` may change where it looks."""


class Beam(NamedTuple):
    r"""A finished beam search over a batch: who came from whom. `beam` runs from the best to the worst of its step.

    Attributes:
        words: the word written at each step; `PAD` after the end of a sentence.
        parents: which of the step before it continues.
        log_p: $\log p$ of the sentence up to here, natural logarithm.
    """

    words: Int[Tensor, "steps batch beam"]
    parents: Int[Tensor, "steps batch beam"]
    log_p: Float[Tensor, "steps batch beam"]

    def sentences(self, row: int, normalised: float = 1.0) -> list[tuple[list[int], float]]:
        r"""The sentences of one row of the batch without `END`, and $\log p$ over length^`normalised`: a word; the best first.

        The end counts as a word, where it was reached.
        """
        found = []
        for leaf in range(self.words.shape[2]):
            words, beam = [], leaf
            for step in range(len(self.words) - 1, -1, -1):
                words.append(int(self.words[step, row, beam]))
                beam = int(self.parents[step, row, beam])
            written = [word for word in reversed(words) if word != PAD]
            log_p = float(self.log_p[-1, row, leaf])
            if log_p > -math.inf:
                found.append(([word for word in written if word != END], log_p / len(written) ** normalised))
        return sorted(found, key=lambda sentence: -sentence[1])


def writable(
    logits: Float[Tensor, "*batch words"], barred: Sequence[int] = Decoder.barred
) -> Float[Tensor, "*batch words"]:
    """The logits with $-\\infty$ for what is never written."""
    never = torch.zeros_like(logits, dtype=torch.bool)
    never[..., list(barred)] = True
    return logits.masked_fill(never, -math.inf)


def of_length(logits: Float[Tensor, "*batch words"], t: int, length: int) -> Float[Tensor, "*batch words"]:
    """The logits of step `t` of a sentence of `length` words: `END` after the last and not before; 0: as it comes."""
    if not length:
        return logits
    ends = torch.arange(logits.shape[-1]) == END
    return logits.masked_fill(ends if t < length else ~ends, -math.inf)


def unrepeated(
    logits: Float[Tensor, "*batch words"], written: Int[Tensor, "*batch before"], n: int
) -> Float[Tensor, "*batch words"]:
    r"""The logits with $-\infty$ for every word that would end a run of `n` words which was `written` before. Paulus 2017, 2.5."""
    if not n or written.shape[-1] < n:
        return logits
    runs = written.unfold(-1, n, 1)
    same = (runs[..., :-1] == written[..., None, written.shape[-1] - n + 1 :]).all(-1)
    words = runs[..., -1].where(same, PAD)
    return logits.scatter(-1, words, -math.inf)


@torch.no_grad()
def search(model: Decoder, source: Tensor, beam: int = 1, longest: int = 60, length: int = 0) -> Beam:
    """Write the most probable sentences for each source of a batch, `beam` of them at once; a beam of 1 is greedy.

    Every step continues each unfinished sentence by every word and keeps the best `beam`; a finished one stays as it is.
    Sentences are not cut short of `longest` words. With a `length` all have exactly so many words.
    """
    rows, memory = len(source), model.remember(source)
    memory = {name: kept.repeat_interleave(beam, 0) for name, kept in memory.items()}
    state = model.start(memory)
    words = torch.full((rows, beam), BEGIN)
    log_p = torch.full((rows, beam), -math.inf)
    log_p[:, 0] = 0
    history, written = [], words.new_zeros(rows, beam, 0)
    for t in range(length + 1 if length else longest):
        made = model.step(words.view(-1, 1), state, memory)
        logits = writable(made.logits, model.barred)
        logits = unrepeated(logits.view(rows, beam, -1), written, model.no_repeat)
        step = of_length(logits, t, length).log_softmax(-1)
        ended = (words == END) | (words == PAD)
        step = step.masked_fill(ended.unsqueeze(-1), -math.inf)
        step[..., PAD] = torch.where(ended, 0.0, -math.inf)
        log_p, chosen = (log_p.unsqueeze(-1) + step).flatten(1).topk(beam)
        parents, words = chosen // step.shape[-1], chosen % step.shape[-1]
        lines = (parents + beam * torch.arange(rows).unsqueeze(-1)).flatten()
        state = tuple(part[lines] for part in made.state)
        written = torch.cat([written.flatten(0, 1)[lines].view(rows, beam, t), words.unsqueeze(-1)], dim=-1)
        history.append((words, parents, log_p))
        if bool(((words == END) | (words == PAD)).all()):
            break
    return Beam(*(torch.stack(part) for part in zip(*history, strict=True)))
