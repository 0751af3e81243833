r"""Attacks on sentences: words are not pixels, they cannot be moved a little.

A network begins with a vector $e_w$ a word, and of these a loss has a gradient. HotFlip follows it to other words; the fast
gradient method, in the space of the vectors, follows it to where there is no word. An attack knows no network, only
`loss(embedded) -> (batch,)`, the table $E$ of the vectors, and functions of the words' numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attacks.balls import LINF, Ball
from attacks.gradient import gradient

Words = Int[Tensor, "batch source"]
Embedded = Float[Tensor, "batch source d"]
Loss = Callable[[Embedded], Float[Tensor, " batch"]]
Similar = Callable[[Words], Float[Tensor, " batch"]]
Won = Callable[[Words], Bool[Tensor, " batch"]]

KEPT, BEHIND, UNLIKE, DOWN = "kept", "behind others", "too unlike", "the wrong way"
WINS = "wins"


class Flip(NamedTuple):
    """A word of a sentence replaced by another: the place, and the numbers of both words."""

    place: int
    old: int
    new: int


@dataclass(frozen=True)
class Candidate:
    r"""A sentence that was tried.

    Attributes:
        words: its words' numbers.
        flips: what was replaced, the last one here.
        estimate: what the last flip would change the loss by if it were linear.
        J: the loss of this sentence, in nats.
        change: by how much the last flip truly changed it.
        similarity: to the sentence at the beginning, 1 for the same.
        verdict: `WINS`, `KEPT` (it goes on to the next round), or why not: `UNLIKE`, `DOWN`, `BEHIND`.
    """

    words: tuple[int, ...]
    flips: tuple[Flip, ...]
    estimate: float
    J: float
    change: float
    similarity: float
    verdict: str

    @property
    def won(self) -> bool:
        return self.verdict == WINS


class Round(NamedTuple):
    """One flip more.

    Attributes:
        tried: every sentence tried, the steepest first.
        beam: what the next round begins from, the best loss first; where some have won, these, the most similar first.
        queries: how many sentences were read, forward or backward.
    """

    tried: tuple[Candidate, ...]
    beam: tuple[Candidate, ...]
    queries: int


def estimates(
    loss: Loss, words: Words, E: Float[Tensor, "vocabulary d"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch source vocabulary"]]:
    r"""What each word in each place would change the loss by, were it linear: $\nabla_{x_s} J^\top (e_{new} - e_{old})$.

    One backward pass for all of them. Source: Ebrahimi 2018, *HotFlip*, eqs. 3 and 4, with words in place of letters (section 6).
    Returns: $J$ and the estimates, both in nats.
    """
    x = E[words]
    J, grad = gradient(loss, x)
    return J, grad @ E.T - (grad * x).sum(-1, keepdim=True)


def hotflip(
    loss: Loss,
    words: Int[Tensor, "1 source"],
    E: Float[Tensor, "vocabulary d"],
    allowed: Bool[Tensor, "source vocabulary"],
    *,
    similar: Similar,
    won: Won,
    flips: int = 3,
    beam: int = 1,
    tries: int = 32,
    limit: float = 0.8,
    targeted: bool = False,
) -> Iterator[Round | float]:
    r"""Replace word after word: the gradient proposes, the true loss decides, and a limit keeps the sentence what it was.

    In each round every sentence of the beam is tried with the `tries` replacements that have the largest estimate,
    $\nabla J^\top (e_{new} - e_{old})$ (with `targeted`, where `loss` is that of what is wanted, the smallest). Each of these is
    read by the network, and compared with the sentence at the beginning. It ends with the first round in which one wins. No place
    is replaced twice, and of one place `SHARE` of the tries at most are taken, or a single steep word would take them all.

    Args:
        allowed: which words may stand in which place.
        won: whether the network has been fooled by these words.
        limit: on `similar`; what is below is not taken.

    Yields: a `Round` a flip, and between two of them how much of the next is done, so that it can be
    left. Source: Ebrahimi 2018, sections 3 and 4 (beam search).
    """
    uphill = -1.0 if targeted else 1.0
    lines: tuple[tuple[tuple[int, ...], tuple[Flip, ...]], ...] = ((tuple(words[0].tolist()), ()),)
    for _ in range(flips):
        now = torch.tensor([line for line, _ in lines])
        J, found = estimates(loss, now, E)
        picked = [
            (row, place, new)
            for row, (_, done) in enumerate(lines)
            for place, new in steepest(uphill * found[row], free(allowed, done), tries)
        ]
        if not picked:
            return
        rows, places, news = (torch.tensor(part) for part in zip(*picked, strict=True))
        changed = now[rows].scatter(1, places[:, None], news[:, None])
        with torch.no_grad():
            J_new = loss(E[changed])
        similarity = list[float]()
        for part in changed.split(AT_ONCE):
            similarity += similar(part).tolist()
            if len(similarity) < len(changed):
                yield len(similarity) / len(changed)
        tried = [
            Candidate(
                tuple(changed[i].tolist()),
                (*lines[row][1], Flip(place, lines[row][0][place], new)),
                float(found[row, place, new]),
                float(J_new[i]),
                float(J_new[i] - J[row]),
                similarity[i],
                WINS if wins else "",
            )
            for i, ((row, place, new), wins) in enumerate(zip(picked, won(changed).tolist(), strict=True))
        ]
        judged = judge(tried, uphill, limit, beam)
        won_now = sorted((one for one in judged if one.won), key=lambda one: -one.similarity)
        made = Round(
            tried=tuple(sorted(judged, key=lambda one: -uphill * one.estimate)),
            beam=tuple(won_now or (one for one in judged if one.verdict == KEPT)),
            queries=len(changed) + len(now),
        )
        yield made
        lines = tuple((one.words, one.flips) for one in made.beam)
        if not lines or made.beam[0].won:
            return


SHARE = 4  # of one place at most a quarter of the tries
AT_ONCE = 32  # sentences that are compared before a word is said


def steepest(
    estimate: Float[Tensor, "source vocabulary"], allowed: Bool[Tensor, "source vocabulary"], tries: int
) -> list[tuple[int, int]]:
    """The places and words with the largest estimates above 0; of one place a quarter (`SHARE`) of the tries at most."""
    within = estimate.masked_fill(~allowed, -torch.inf)
    values, news = within.topk(min(max(1, tries // SHARE), within.shape[1]), dim=1)
    best = values.flatten().topk(min(tries, values.numel()))
    return [
        (i // values.shape[1], int(news.flatten()[i]))
        for value, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        if value > 0
    ]


def free(allowed: Bool[Tensor, "source vocabulary"], done: tuple[Flip, ...]) -> Bool[Tensor, "source vocabulary"]:
    """What is allowed where nothing has been replaced yet."""
    left = allowed.clone()
    left[[flip.place for flip in done]] = False
    return left


def judge(tried: list[Candidate], uphill: float, limit: float, beam: int) -> list[Candidate]:
    """Every sentence with its verdict, the best loss first; the `beam` best that may be taken are kept, the same one once."""
    judged, kept = list[Candidate](), set[tuple[int, ...]]()
    for one in sorted(tried, key=lambda one: -uphill * one.J):
        if one.similarity < limit:
            verdict = UNLIKE
        elif one.won:
            verdict = WINS
        elif uphill * one.change <= 0:
            verdict = DOWN
        elif len(kept) < beam and one.words not in kept:
            verdict = KEPT
            kept.add(one.words)
        else:
            verdict = BEHIND
        judged.append(replace(one, verdict=verdict))
    return judged


def at_random(
    words: Int[Tensor, "1 source"], allowed: Bool[Tensor, "source vocabulary"], flips: int, draws: int, seed: int = 0
) -> Words:
    """The control: as many words replaced in random places by random ones of those allowed, `draws` times.

    Fewer where there are not so many places.
    """
    generator = torch.Generator().manual_seed(seed)
    places = allowed.any(1).nonzero().flatten()
    drawn = words.repeat(draws, 1)
    for row in drawn:
        for place in places[torch.randperm(len(places), generator=generator)[:flips]].tolist():
            row[place] = torch.multinomial(allowed[place].float(), 1, generator=generator)[0]
    return drawn


def moved(
    loss: Loss,
    x: Float[Tensor, "1 source d"],
    epsilons: Float[Tensor, " steps"],
    *,
    ball: Ball = LINF,
    targeted: bool = False,
) -> Float[Tensor, "steps source d"]:
    r"""The fast gradient method in the space of the vectors: $\tilde x = x + \epsilon\,\mathrm{sign}(\nabla_x J)$.

    For every $\epsilon$. In $L_2$ it is $x + \epsilon\, g / \|g\|_2$, $g$ the gradient of the whole sentence. Nothing is clipped:
    any numbers are a vector. With `targeted`, `loss` is that of what is wanted, and the step goes down.

    Source: Goodfellow 2014, section 3; on words Miyato 2017, *Adversarial training methods for semi-supervised text
    classification*, eq. 5. Units: $\epsilon$ in units of the vectors.
    """
    _, g = gradient(loss, x)
    direction = ball.optimize_linear((-g if targeted else g)[:, None], 1.0)[:, 0]
    return x + epsilons[:, None, None] * direction


def nearest(
    x: Float[Tensor, "source d"], E: Float[Tensor, "vocabulary d"], real: Bool[Tensor, " vocabulary"]
) -> tuple[Float[Tensor, " source"], Int[Tensor, " source"]]:
    r"""How far the nearest of the `real` words is from each vector, $\min_w \|x_s - e_w\|_2$, and which it is."""
    numbers = real.nonzero().flatten()
    closest = torch.cdist(x, E[numbers]).min(-1)
    return closest.values, numbers[closest.indices]
