"""A captioner that can be watched and touched: a picture in, a `Trace` out, its columns the regions of the picture.

The CNN is the dear part, so it runs once a picture: `features`, and all else from there (`write_from`, `beams`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from models.captioner import Captioner
from models.card import Card
from models.decoder import Beam, writable
from models.grid import CELL, Grid, squash
from models.trace import Trace
from models.words import BEGIN, END, SPECIAL, UNKNOWN, Vocabulary, unpunctuated
from models.writer import UNTOUCHED, Decoded, Touch, WordByWord

SIZE = 224  # pixels on a side of what the CNN sees
ROWS = COLUMNS = SIZE // CELL
LONGEST = 30  # words


@dataclass(frozen=True)
class PictureWriter(WordByWord):
    """A captioner with the CNN that sees for it and the words that it writes."""

    network: Captioner
    grid: Grid
    target_words: Vocabulary
    card: Card

    def features(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch regions D"]:
        """What the CNN makes of pictures in [0, 1], squashed to what it was trained on; a gradient gets to the pixels."""
        return self.grid(squash(x, SIZE, SIZE))

    def write(
        self, x: Float[Tensor, "1 3 height width"], touch: Touch = UNTOUCHED, beam: int = 1, length: int = 0
    ) -> Trace:
        r"""Look, write, and tell all. With a `beam` over one, the best sentence of the beam, which a touch then cannot change.

        With a `length`, so many words are written, neither more nor less. Raises ValueError, in plain words, for a touch of
        words that it does not know.

        Returns:
            One head. Row $t$ is the step that *emits* word $t$. Columns are the regions row by row, `values["grid"]` says how many
            rows and columns. Further `values`: of every region $a_i$ (`a`) and $U_a a_i$ (`U_a`); of every step $h_{t-1}$, which
            scores the regions (`asked`), $\sum_i \alpha_{ti} a_i$, before the gate (`c`), $\beta_t$ (`beta`),
            $\hat z_t = \beta_t \sum_i \alpha_{ti} a_i$, after it (`z`), the LSTM's $h_t$ and $c_t$ (`h`, `cell`), the deep
            output of eq. 7 (`deep`) and the word's number (`word`).
        """
        with torch.no_grad():
            return self.write_from(self.features(x), touch, beam, length)

    def write_from(
        self, features: Float[Tensor, "1 regions D"], touch: Touch = UNTOUCHED, beam: int = 1, length: int = 0
    ) -> Trace:
        """`write` once the CNN has looked."""
        return self.written(regions(), features, touch, beam, length)

    def beams(self, features: Float[Tensor, "1 regions D"], beam: int, length: int = 0) -> Beam:
        """The whole beam search; with a `length`, among sentences of so many words."""
        return self.search(regions(), features, beam, length)

    def log_p(self, x: Float[Tensor, "batch 3 height width"], words: Sequence[str]) -> Float[Tensor, " batch"]:
        r"""$\sum_t \log p(y_t \mid y_{<t}, x)$ of one caption (without ⟨end⟩, which is counted) for each picture.

        A gradient gets to the pixels. Raises ValueError for a word that is not known.
        """
        numbers = torch.tensor([BEGIN, *(self.number(word) for word in words), END]).expand(len(x), -1)
        log_p = writable(self.network(self.features(x), numbers[:, :-1]), self.network.barred).log_softmax(-1)
        return log_p.gather(-1, numbers[:, 1:, None]).sum((1, 2))

    def columns(self, tokens: Sequence[str]) -> tuple[str, ...]:
        return tuple(tokens)

    def number(self, word: str, tokens: Sequence[str] = ()) -> int:  # noqa: ARG002 - it copies nothing
        if word == SPECIAL[END]:
            return END
        found = unpunctuated(word)
        number = self.target_words.encode(found)[0] if len(found) == 1 else UNKNOWN
        if number == UNKNOWN:
            words = f"it can write {len(self.target_words) - len(SPECIAL):,} words, one at a time."
            raise ValueError(f"The model does not know the word “{word}”: {words}")
        return number

    def longest(self, source: int) -> int:  # noqa: ARG002 - every picture has as many regions
        return LONGEST

    def text(self, trace: Trace) -> str:
        return " ".join(word for word in trace.target if word != SPECIAL[END])

    def _trace(self, tokens: Sequence[str], source: Tensor, decoded: Decoded, touch: Touch) -> Trace:
        trace = super()._trace(tokens, source, decoded, touch)
        return replace(trace, values={**trace.values, "grid": np.array([ROWS, COLUMNS])})


def regions(rows: int = ROWS, columns: int = COLUMNS) -> tuple[str, ...]:
    """The names of a grid's regions, row by row from the top left."""
    return tuple(f"row {row}, column {column}" for row in range(1, rows + 1) for column in range(1, columns + 1))
