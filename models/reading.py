r"""A captcha reader that can be watched and touched: a picture in, a `Trace` out, a row a letter and a column a region.

Each glimpse goes back into the decoder, so a touched step changes its own letter and where all later ones look.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from models.attention import Attention
from models.card import Card
from models.reader import COLUMNS, ROWS, Reader, State
from models.trace import Trace
from models.words import BEGIN, END, PAD, SPECIAL, UNKNOWN, Vocabulary
from models.writer import CANDIDATES, Touch, touched, writable

NEVER = (PAD, BEGIN, UNKNOWN)
LONGEST = 12  # letters, where reading gives up
UNTOUCHED = Touch()


class Step(NamedTuple):
    """One letter read."""

    h: Float[Tensor, "1 d"]
    attention: Attention
    a: Float[Tensor, "1 d"]
    logits: Float[Tensor, " letters"]
    letter: int


@dataclass(frozen=True)
class CaptchaReader:
    """A network with the characters it knows; `grid` is how many rows and columns of regions it looks at."""

    network: Reader
    characters: str
    card: Card
    grid: tuple[int, int] = (ROWS, COLUMNS)

    @property
    def known(self) -> Vocabulary:
        return vocabulary(self.characters)

    def features(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch regions d_k"]:
        """$a_i$: what the CNN makes of pictures of any size, pixels in [0, 1]; a gradient gets to the pixels."""
        return self.network.regions(x)

    @torch.no_grad()
    def read(self, x: Float[Tensor, "1 3 height width"], touch: Touch = UNTOUCHED) -> Trace:
        """Read a picture of any size, pixels in [0, 1], and tell all: `read_from` what the CNN makes of it."""
        return self.read_from(self.features(x), touch)

    @torch.no_grad()
    def read_from(self, features: Float[Tensor, "1 regions d_k"], touch: Touch = UNTOUCHED) -> Trace:
        """Read once the CNN has looked, and tell all.

        `values` has the `glimpse` of each step, the weighted mean of the regions' centres, and its `spread`, their weighted
        standard deviation: each (across, down) in [0, 1], from the top left. Raises ValueError for a letter that is not known.
        """
        network, a, generator = self.network, features, torch.Generator().manual_seed(touch.seed)
        allowed = torch.tensor([i not in touch.forbidden for i in range(a.shape[1])])
        state, letter, steps = network.begin(a), BEGIN, list[Step]()
        while letter != END and len(steps) < max(LONGEST, 1 + max(touch.words, default=0)):
            h, m = network.move(torch.tensor([letter]), state)
            attention = touched(network.glimpse(h, a), a, allowed, touch, len(steps))
            state = State(h, m, attention.context[:, 0])
            a_t = network.attention_vector(state.c, h)
            logits = writable(network.logits(a_t)[0], NEVER)
            letter = self._choose(logits, touch, len(steps), generator)
            steps.append(Step(h, attention, a_t, logits, letter))
        return self._trace(a, steps, touch)

    def text(self, trace: Trace) -> str:
        """What was read."""
        return "".join(letter for letter in trace.target if letter != SPECIAL[END])

    def log_p(self, x: Float[Tensor, "batch 3 height width"], text: str) -> Float[Tensor, " batch"]:
        r"""$\log p(\text{text} \mid x)$, the end included: differentiable at the pixels. Raises ValueError for unknown letters."""
        letters = self.numbers(text)
        given = torch.tensor([[BEGIN, *letters[:-1]]]).expand(len(x), -1)
        log_p = writable(self.network(x, given), NEVER).log_softmax(-1)
        return log_p.gather(-1, torch.tensor(letters).expand(len(x), -1).unsqueeze(-1)).sum((1, 2))

    def numbers(self, text: str) -> list[int]:
        """The numbers of a text with `END`."""
        return [*(self.number(letter) for letter in text), END]

    def number(self, letter: str) -> int:
        """The number of a letter or of the end. Raises ValueError for one that the reader does not know."""
        if letter == SPECIAL[END]:
            return END
        number = self.known.encode([letter.strip().upper()])[0]
        if number == UNKNOWN:
            raise ValueError(
                f"The reader does not know “{letter}”: it reads the digits 2 to 9 and the letters A to Z without I and O."
            )
        return number

    def _choose(self, logits: Float[Tensor, " letters"], touch: Touch, step: int, generator: torch.Generator) -> int:
        if step in touch.words:
            return self.number(touch.words[step])
        if touch.sampling:
            return int(torch.multinomial((logits / touch.sampling).softmax(-1), 1, generator=generator))
        return int(logits.argmax())

    def _trace(self, a: Float[Tensor, "1 regions d_k"], steps: list[Step], touch: Touch) -> Trace:
        rows, columns = self.grid
        p = torch.stack([step.logits.log_softmax(-1) for step in steps])
        best = p.exp().topk(CANDIDATES)
        weights = torch.cat([step.attention.weights[0] for step in steps])
        glimpse, spread = where(weights, rows, columns)
        return Trace(
            source=tuple(f"row {row + 1}, column {column + 1}" for row in range(rows) for column in range(columns)),
            target=tuple(self.known.words[step.letter] for step in steps),
            heads=("attention",),
            scores=torch.cat([step.attention.scores[0] for step in steps])[None].numpy(),
            weights=weights[None].numpy(),
            log_p=p[range(len(steps)), [step.letter for step in steps]].numpy(),
            candidates=tuple(
                tuple((self.known.words[letter], chance) for letter, chance in zip(letters, chances, strict=True))
                for letters, chances in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ),
            values={
                "h_bar": a[0].numpy(),
                "h": torch.cat([step.h for step in steps]).numpy(),
                "c": torch.cat([step.attention.context[0] for step in steps]).numpy(),
                "a": torch.cat([step.a for step in steps]).numpy(),
                "word": torch.tensor([step.letter for step in steps]).numpy(),
                "grid": np.array(self.grid),
                "glimpse": glimpse.numpy(),
                "spread": spread.numpy(),
            },
            notes={t: "forced" for t in touch.weights if t < len(steps)},
        )


@torch.no_grad()
def texts(network: Reader, known: Vocabulary, x: Float[Tensor, "batch 3 height width"]) -> list[str]:
    """What is read in each of many pictures."""
    a = network.regions(x)
    state, letters, rows = network.begin(a), torch.full((len(x),), BEGIN), list[list[int]]()
    for _ in range(LONGEST):
        h, m = network.move(letters, state)
        state = State(h, m, network.glimpse(h, a).context[:, 0])
        letters = writable(network.logits(network.attention_vector(state.c, h)), NEVER).argmax(-1)
        rows.append(letters.tolist())
    return ["".join(known.words[n] for n in [*row, END][: [*row, END].index(END)]) for row in zip(*rows, strict=True)]


def vocabulary(characters: str) -> Vocabulary:
    """A number a character, after the special ones."""
    return Vocabulary((*SPECIAL, *characters))


def where(
    weights: Float[Tensor, "target regions"], rows: int, columns: int
) -> tuple[Float[Tensor, "target 2"], Float[Tensor, "target 2"]]:
    r"""$\mu_t = \sum_i \alpha_{ti}\, p_i$ and $\sqrt{\sum_i \alpha_{ti} (p_i - \mu_t)^2}$, $p_i$ the centre of region $i$.

    Both (across, down) in [0, 1], from the top left.
    """
    down, across = ((torch.arange(n) + 0.5) / n for n in (rows, columns))
    p = torch.cartesian_prod(down, across).flip(1)
    glimpse = weights @ p
    spread = weights.unsqueeze(-1) * (p - glimpse.unsqueeze(1)).square()
    return glimpse, spread.sum(1).sqrt()
