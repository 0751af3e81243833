r"""A network that answers questions about a picture, to be watched and touched: a picture and a question in, a `Trace` out.

The CNN runs once a picture (`features`), whatever is asked of it then. Rows of the trace are hops, columns regions. A touched hop
changes $u$, and by it all hops that follow and the answer.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.attention import Attention
from models.card import Card
from models.grid import squash
from models.san import SAN
from models.trace import Trace
from models.words import UNKNOWN, Vocabulary, treebank
from models.writer import Touch, touched

CANDIDATES = 10
LONGEST = 40  # words of a question
UNTOUCHED = Touch()
ERRORS = {  # Yang 2016, section 4.6: of 100 questions of COCO-QA that its authors' network answered wrongly
    "looked at the wrong region": 22,
    "looked at the right region, answered wrongly": 42,
    "the question can be answered in more ways than one": 31,
    "the given answer is wrong": 5,
}


class Without(NamedTuple):
    """What each word of a question did for the answer.

    Attributes:
        words: of the question.
        answer: the answer to the whole question.
        whole: its probability.
        p: its probability when the word is left out; by word.
        answers: what would be answered then.
    """

    words: tuple[str, ...]
    answer: str
    whole: float
    p: Float[np.ndarray, " words"]
    answers: tuple[str, ...]


class Sighted(nn.Module):
    """What learns, and is shipped, together: the network, and the CNN if it was not learned before (otherwise `Even`)."""

    def __init__(self, grid: nn.Module, san: SAN):
        super().__init__()
        self.grid = grid
        self.san = san


@dataclass(frozen=True)
class Answerer:
    """A network with its eyes and its words.

    Attributes:
        grid: pixels in [0, 1] to regions, row by row from the top left.
        size: height and width in pixels of what the grid sees; every picture is squashed to it.
        cells: rows and columns of regions.
        words: those that are read.
        answers: those that can be given; a list ("book, lamp") is one answer.
    """

    network: SAN
    grid: nn.Module
    size: tuple[int, int]
    cells: tuple[int, int]
    words: Vocabulary
    answers: tuple[str, ...]
    card: Card

    def features(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch regions channels"]:
        """$f_I$: what the CNN says of each region of pictures of any size. Differentiable."""
        return self.grid(squash(x, *self.size))

    def read(self, question: str) -> tuple[list[str], Int[Tensor, "1 1 words"]]:
        """The words of a question and their numbers. Raises ValueError, in plain words, for what cannot be read."""
        tokens = spoken(question)
        if not tokens:
            raise ValueError("Type a question: there is nothing to answer yet.")
        if len(tokens) > LONGEST:
            raise ValueError(f"This question has {len(tokens)} words; at most {LONGEST} can be read. Shorten it.")
        numbers = self.words.encode(tokens)
        if set(numbers) == {UNKNOWN}:
            raise ValueError("Not one word of this is known to the model, which reads English. Ask in English.")
        return tokens, torch.tensor([[numbers]])

    def unknown(self, question: str) -> tuple[str, ...]:
        """The words of a question that the network does not know: all of them are one word to it."""
        return tuple(word for word in spoken(question) if word not in self.words.numbers)

    @torch.no_grad()
    def answer(self, x: Float[Tensor, "1 3 height width"], question: str, touch: Touch = UNTOUCHED) -> Trace:
        """Look at a picture and answer: `answer_from` its features."""
        return self.answer_from(self.features(x), question, touch)

    @torch.no_grad()
    def answer_from(
        self, features: Float[Tensor, "1 regions channels"], question: str, touch: Touch = UNTOUCHED
    ) -> Trace:
        """Answer, and tell all: rows are hops, columns regions, a row's candidates what would be answered after that hop.

        The candidates of the last hop are the answer. Those of an earlier one are what the last layer makes of that hop's $u$,
        which it learned to read, too. `touch.weights` forces the map of a hop.
        """
        _, words = self.read(question)
        network = self.network
        v_I = network.regions(features)
        allowed = torch.tensor([region not in touch.forbidden for region in range(v_I.shape[1])])
        told = network.ask(v_I, network.question(words), partial(_laid, allowed=allowed, touch=touch))
        hops = len(told.looks)
        log_p = torch.stack([logits[0, 0] for logits in told.logits]).log_softmax(-1)
        return Trace(
            source=self.regions(),
            target=tuple(f"hop {hop + 1}" for hop in range(hops)),
            heads=("attention",),
            scores=torch.cat([look.scores[0] for look in told.looks])[None].numpy(),
            weights=torch.cat([look.weights[0] for look in told.looks])[None].numpy(),
            log_p=log_p.amax(-1).numpy(),
            candidates=tuple(self._candidates(row) for row in log_p),
            values={
                "v_I": told.v_I[0].numpy(),
                "v_Q": told.v_Q[0, 0].numpy(),
                "c": torch.cat([look.context[0] for look in told.looks]).numpy(),
                "u": torch.stack([u[0, 0] for u in told.u]).numpy(),
                "logits": torch.stack([logits[0, 0] for logits in told.logits]).numpy(),
                "word": words[0, 0].numpy(),
                "grid": np.array(self.cells),
            },
            notes={hop: "forced" for hop in touch.weights if hop < hops},
        )

    def regions(self) -> tuple[str, ...]:
        """A name for each region, row by row, counted from 1 at the top left."""
        rows, columns = self.cells
        return tuple(f"row {row + 1}, column {column + 1}" for row in range(rows) for column in range(columns))

    def _candidates(self, log_p: Float[Tensor, " answers"]) -> tuple[tuple[str, float], ...]:
        best = log_p.exp().topk(min(CANDIDATES, len(log_p)))
        return tuple((self.answers[k], p) for k, p in zip(best.indices.tolist(), best.values.tolist(), strict=True))

    def number(self, answer: str) -> int:
        """The number of an answer. Raises ValueError for one that the network cannot give."""
        if answer not in self.answers:
            raise ValueError(f"“{answer}” is not among the {len(self.answers)} answers that the model can give.")
        return self.answers.index(answer)

    def log_p(self, x: Float[Tensor, "batch 3 height width"], question: str, answer: str) -> Float[Tensor, " batch"]:
        r"""$\log p_\text{ans}$ of an answer for each picture, natural logarithm; differentiable down to the pixels."""
        _, words = self.read(question)
        told = self.network(self.features(x), words.expand(len(x), -1, -1))
        return told.logits[-1][:, 0].log_softmax(-1)[:, self.number(answer)]

    def without_words(self, x: Float[Tensor, "1 3 height width"], question: str) -> Without:
        """The question's own influence: `without_words_from` the features of a picture."""
        return self.without_words_from(self.features(x), question)

    @torch.no_grad()
    def without_words_from(self, features: Float[Tensor, "1 regions channels"], question: str) -> Without:
        """Ask again with each word left out in turn, all in one batch; a question of one word has nothing to leave out."""
        tokens, words = self.read(question)
        network = self.network
        v_I = network.regions(features)
        whole = network.ask(v_I, network.question(words)).logits[-1][0, 0].softmax(-1)
        best, n = int(whole.argmax()), len(tokens)
        if n == 1:
            return Without(tuple(tokens), self.answers[best], float(whole[best]), np.zeros(0), ())
        left = words[:, 0].repeat(n, 1)[~torch.eye(n, dtype=torch.bool)].view(1, n, n - 1)
        p = network.ask(v_I, network.question(left)).logits[-1][0].softmax(-1)
        said = tuple(self.answers[k] for k in p.argmax(-1).tolist())
        return Without(tuple(tokens), self.answers[best], float(whole[best]), p[:, best].double().numpy(), said)


def spoken(question: str) -> list[str]:
    """The lower-case words of a question, without its punctuation."""
    return [token for token in treebank(question) if any(letter.isalnum() for letter in token)]


def _laid(look: Attention, v_I: Tensor, hop: int, allowed: Tensor, touch: Touch) -> Attention:
    return touched(look, v_I, allowed, touch, hop)
