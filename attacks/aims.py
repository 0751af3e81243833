"""The aims of "Attention under attack": each a loss of pixels, made of what a network tells and of `attacks.looks`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Bool, Float
from torch import Tensor

from attacks.balls import Pictures
from attacks.gradient import Loss
from attacks.looks import as_before, onto, somewhere, unsaid, word_for_word

OTHER, EXACT, WORD, THERE, SAME = (
    "say something else",
    "say this, word for word",
    "say this word somewhere",
    "look there, say the same",
    "say something else, look the same",
)
KEPT = 1.0  # by how much a word that is said already shall go on winning, in logits; more would leave no room to move the look
STAY = 10.0  # the weight of the looks' loss beside that of the words, both in nats


class Tells(Protocol):
    """Logits, (batch, steps, words), and maps, (batch, looks, regions), of pictures while certain words are said."""

    @property
    def logits(self) -> Tensor: ...
    @property
    def maps(self) -> Tensor: ...


@dataclass(frozen=True)
class Aim:
    """What is wanted.

    Attributes:
        said: the numbers of what is said of the clean picture; `wanted`: of what shall be said.
        looks: the maps of the clean picture, (looks, regions).
        t, region: which look shall go where.
    """

    goal: str
    said: Sequence[int]
    wanted: Sequence[int]
    looks: Float[Tensor, "looks regions"]
    t: int
    region: Bool[Tensor, " regions"]


def towards(aim: Aim, told: Callable[[Pictures], Tells], told_wanted: Callable[[Pictures], Tells]) -> Loss:
    """The loss of an aim, to be made small.

    "word for word" and "somewhere" are Chen 2018's. "look there, say the same" is `onto`, and `word_for_word` of what is said,
    by `KEPT`.

    Args: told: what the network tells while it is made to say what it says now; told_wanted: while it is made to say what it shall.
    """

    def loss(x: Pictures) -> Float[Tensor, " batch"]:
        now = told_wanted(x) if aim.goal == EXACT else told(x)
        if aim.goal == EXACT:
            return word_for_word(now.logits, aim.wanted)
        if aim.goal == WORD:
            return somewhere(now.logits, aim.wanted[0])
        if aim.goal == THERE:
            return onto(now.maps, aim.t, aim.region) + word_for_word(now.logits, aim.said, KEPT)
        if aim.goal == SAME:
            return unsaid(now.logits, aim.said) + STAY * as_before(now.maps, aim.looks)
        return unsaid(now.logits, aim.said)

    return loss


def reached(
    aim: Aim, said: Sequence[str], before: Sequence[str], wanted: Sequence[str], looks: Float[Tensor, "looks regions"]
) -> bool:
    """Whether what is said of a picture, and where is looked while the words from before are said, is what was wanted."""
    if aim.goal == EXACT:
        return tuple(said) == tuple(wanted)
    if aim.goal == WORD:
        return wanted[0] in said
    if aim.goal == THERE:
        return tuple(said) == tuple(before) and bool(looks[aim.t][aim.region].sum() > 0.5)
    return tuple(said) != tuple(before)
