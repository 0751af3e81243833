r"""Does the attention link the words that a person would link? Measured against word alignments made by hand.

Fifty sentence pairs of Multi30k's test of 2016 carry sure and possible links (`links.json`: who made them, and how). Each
French word links to the English word it looks at most, $A = \{(\arg\max_s \alpha_{ts}, t)\}$, and the alignment error rate
compares these with the hand's: Luong 2015, section 5.4, by the measure of Och & Ney 2003. Wants
`DIR/multi30k/test_2016_flickr.{en,fr}.gz`.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from models.translation import Translator
from models.words import BEGIN, END
from training.data import Pair, multi30k

LINKS = Path(__file__).with_name("links.json")

Link = tuple[int, int]  # the places of an English and of a French token, from 0
Look = Callable[[Sequence[str], Sequence[str]], Tensor]  # the tokens of both sides → weights (target, source + END)


class Sentence(NamedTuple):
    r"""One pair aligned by hand: how many tokens each side has, its sure links $S$, and all its links $P \supseteq S$."""

    tokens: tuple[int, int]
    sure: frozenset[Link]
    possible: frozenset[Link]


@dataclass(frozen=True)
class HandLinks:
    """Sentence pairs of one split, by their number in it."""

    split: str
    sentences: dict[int, Sentence]

    def pairs(self, data: Path) -> list[Pair]:
        """The tokens of these sentences. Raises OSError, or ValueError where the text is not the one that was aligned."""
        split = multi30k(data, self.split)
        for number, sentence in self.sentences.items():
            found = tuple(map(len, split[number])) if number < len(split) else (0, 0)
            if found != sentence.tokens:
                raise ValueError(
                    f"Sentence {number} of {self.split} has {found[0]} English and {found[1]} French tokens here, but had "
                    f"{sentence.tokens[0]} and {sentence.tokens[1]} when its words were linked by hand: this is another text."
                )
        return [split[number] for number in self.sentences]


def hand_links(path: Path = LINKS) -> HandLinks:
    """What `links.json` holds. Raises OSError."""
    held = json.loads(path.read_text(encoding="utf-8"))
    sentences = {}
    for number, links in held["links"].items():
        sure, loose = (frozenset((s, t) for s, t in links[kind]) for kind in ("sure", "possible"))
        english, french = held["tokens"][number]
        sentences[int(number)] = Sentence((english, french), sure, sure | loose)
    return HandLinks(held["split"], sentences)


def agreement(translator: Translator | Look, data: Path, links: HandLinks) -> dict[str, float]:
    """How well a translator's attention agrees with the links; `diagonal` or `uniform` in its place gives a baseline.

    The reference translation is forced, so that the words linked are those that the hand linked.

    Returns:
        The metrics of `compare`, in %; nothing for a translator without attention.

    Raises:
        OSError, ValueError: the sentences are not there, or are others.
    """
    pairs = links.pairs(data)
    look = attention(translator) if isinstance(translator, Translator) else translator
    weights = [look(en, fr) for en, fr in pairs]
    if not all(alpha.shape[1] for alpha in weights):
        return {}
    return compare(weights, links.sentences.values())


def compare(weights: Iterable[Float[Tensor, "target source"]], sentences: Iterable[Sentence]) -> dict[str, float]:
    r"""Weights against links made by hand, in %, all sentences counted together. Och & Ney 2003.

    $\text{AER} = 1 - \frac{|A \cap S| + |A \cap P|}{|A| + |S|}$, precision $\frac{|A \cap P|}{|A|}$,
    recall $\frac{|A \cap S|}{|S|}$, and the share of the attention's mass that lies on $P$.

    Every French word that looks at any English one makes one link, also where the hand left it alone: such a link is wrong.
    Equal weights share the link: then the figures are those expected of a choice by chance.

    Args:
        weights: a row for each French token; the columns after the last English token (`END`) make no link, but hold mass.
    """
    counts = [_counts(alpha, sentence) for alpha, sentence in zip(weights, sentences, strict=True)]
    made, sure, possible, all_sure, mass, all_mass = (sum(column) for column in zip(*counts, strict=True))
    return {
        "alignment_error": 100 * (1 - (sure + possible) / (made + all_sure)),
        "alignment_precision": 100 * possible / max(made, 1),
        "alignment_recall": 100 * sure / all_sure,
        "alignment_mass": 100 * mass / all_mass,
    }


def _counts(alpha: Float[Tensor, "target source"], sentence: Sentence) -> tuple[float, ...]:
    r"""Of one sentence: $|A|$, $|A \cap S|$, $|A \cap P|$, $|S|$, the mass on $P$, and all mass."""
    (source, target), S, P = sentence
    words = alpha[:target, :source].double()
    A = ((words == words.amax(1, keepdim=True)) & (words > 0)).double()
    A /= A.sum(1, keepdim=True).clamp(min=1)
    in_S, in_P = mask(S, source, target), mask(P, source, target)
    sums = torch.stack([A.sum(), A[in_S].sum(), A[in_P].sum(), in_S.sum(), words[in_P].sum(), alpha.double().sum()])
    return tuple(sums.tolist())


def mask(links: Iterable[Link], source: int, target: int) -> Tensor:
    """True where the French token (row) and the English one (column) are linked."""
    linked = torch.zeros(target, source, dtype=torch.bool)
    for s, t in links:
        linked[t, s] = True
    return linked


def attention(translator: Translator) -> Look:
    r"""$\alpha_{ts}$ of a translator that is made to write the French tokens: row $t$ is the step that writes token $t$."""

    @torch.no_grad()
    def look(english: Sequence[str], french: Sequence[str]) -> Tensor:
        network = translator.network
        source = torch.tensor([[*translator.source_words.encode(english), END]])
        words = torch.tensor([[BEGIN, *translator.target_words.encode(french)]])
        h_bar, fixed = network.encode(source)
        h_t, _ = network.states(words, network.begin(fixed))
        return network.read(h_t, h_bar, fixed).weights[0, :-1]

    return look


def diagonal(english: Sequence[str], french: Sequence[str]) -> Tensor:
    """All the weight of French token $t$ on English token round(t · S / T), both counted from 0: word order alone."""
    weights = torch.zeros(len(french), len(english) + 1)
    for t in range(len(french)):
        weights[t, min(round(t * len(english) / len(french)), len(english) - 1)] = 1
    return weights


def uniform(english: Sequence[str], french: Sequence[str]) -> Tensor:
    """The same weight on every English token and on `END`: an attention that knows nothing."""
    return torch.full((len(french), len(english) + 1), 1 / (len(english) + 1))
