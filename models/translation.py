"""The translator: a `Writer` that reads English and writes French, and replaces unknown words through attention."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from models.trace import Trace
from models.words import END, SPECIAL, UNKNOWN, detokenize, tokenize
from models.writer import Decoded, Touch, Writer

LONGEST_SOURCE = 128  # tokens; Multi30k's longest has 47


@dataclass(frozen=True)
class Translator(Writer):
    """English to French, a word at a time."""

    def read(self, text: str) -> tuple[list[str], Int[Tensor, "1 source"]]:
        tokens = tokenize(text, "en")
        if not tokens:
            raise ValueError("Type an English sentence: there is nothing to translate yet.")
        if len(tokens) > LONGEST_SOURCE:
            raise ValueError(
                f"This text has {len(tokens)} words; at most {LONGEST_SOURCE} can be read at once. "
                "Nothing was translated: shorten it."
            )
        source = self.numbers(tokens)
        if (source[0, :-1] == UNKNOWN).all():
            raise ValueError(
                "Not one word of this is known to the model, which reads English. Try an English sentence."
            )
        return tokens, source

    def numbers(self, tokens: Sequence[str]) -> Int[Tensor, "1 source"]:
        return torch.tensor([[*self.source_words.encode(tokens), END]])

    def number(self, word: str, tokens: Sequence[str] = ()) -> int:  # noqa: ARG002 - it copies nothing
        if word == SPECIAL[END]:
            return END
        if word == SPECIAL[UNKNOWN]:
            return UNKNOWN
        found = tokenize(word, "fr")
        number = self.target_words.encode(found)[0] if len(found) == 1 else UNKNOWN
        if number == UNKNOWN:
            words = f"it can write {len(self.target_words):,} words, one at a time."
            raise ValueError(f"The model does not know the French word “{word}”: {words}")
        return number

    def longest(self, source: int) -> int:
        """No translation of Multi30k or Tatoeba is over twice its source and ten."""
        return 2 * source + 10

    def text(self, trace: Trace) -> str:
        return sentence(trace)

    def _trace(
        self,
        tokens: Sequence[str],
        source: Tensor,
        decoded: Decoded,
        touch: Touch,
    ) -> Trace:
        """With unknown words replaced by the source word most looked at. Luong 2015, section 4.1."""
        trace = super()._trace(tokens, source, decoded, touch)
        written, notes = list(trace.target), dict(trace.notes)
        if trace.weights.shape[2]:
            for t, word in enumerate(trace.values["word"].tolist()):
                if word == UNKNOWN:
                    written[t] = tokens[int(trace.weights[0, t, : len(tokens)].argmax())]
                    notes[t] = (
                        f"The model wrote “unknown word”; “{written[t]}” is copied from the source word it looked at most."
                    )
        return replace(trace, target=tuple(written), notes=notes)


def sentence(trace: Trace) -> str:
    """The translation as one would write it."""
    return detokenize([word for word in trace.target if word != SPECIAL[END]], "fr")
