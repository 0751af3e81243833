"""Any network of transformers that answers questions about pictures (ViLT, BLIP), by its name on huggingface.co or a local folder.

It is asked as `Answerer` is: `features` once a picture, then `answer_from`. Rows of the trace are layers, as hops are of ours. All
rules of `models.hub` hold: only numbers are read, nothing is unpickled, no code of a repository runs.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from models import hub
from models.answering import CANDIDATES, UNTOUCHED, Without
from models.captioning import regions
from models.grid import squash
from models.hub import Kind
from models.hub_captioning import WHOLE, patches, processing
from models.trace import Trace
from models.writer import Touch
from models.zoo import WeightsUnavailableError

KINDS = {"vilt": "ViltForQuestionAnswering", "blip": "BlipForQuestionAnswering"}
LONGEST_ANSWER = 10  # tokens
BEAM = 5  # answers that are looked for

Candidates = tuple[tuple[str, float], ...]


def _answers(config: Any) -> bool:
    loader = KINDS.get(config.model_type)
    return loader is not None and loader in (config.architectures or [])


ANSWERS = Kind(
    "AutoModelForVisualQuestionAnswering",
    _answers,
    "one that answers questions about a picture (ViLT or BLIP, trained for it)",
    "Salesforce/blip-vqa-base",
)


class Seen(NamedTuple):
    """What a network made of a question about a picture.

    Attributes:
        weights: of each layer's heads, how much the question looked at each column.
        columns: names of the columns that are no patch.
        states: what the question is after each layer.
    """

    weights: Float[Tensor, "layers heads columns"]
    columns: tuple[str, ...]
    states: tuple[Float[Tensor, "1 tokens d"], ...]


@dataclass(frozen=True)
class HubAnswerer(ABC):
    """A network of transformers with its tokenizer.

    Attributes:
        size: height and width of what it sees.
        mean, std: how its pixels are normalised; resample: how a picture is brought to that size.
        longest: tokens of a question.
        grid: rows and columns of its patches.
    """

    name: str
    model: Any
    tokenizer: Any
    size: tuple[int, int]
    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]
    resample: str
    longest: int
    grid: tuple[int, int] = (0, 0)
    lock: Any = field(default_factory=Lock, repr=False, kw_only=True)

    def shown(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 h w"]:
        """Pictures in [0, 1] as the network is shown them; differentiable."""
        return (squash(x, *self.size, self.resample) - self.mean) / self.std

    @property
    @abstractmethod
    def layers(self) -> int:
        """How often it looks."""

    @abstractmethod
    def features(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch states d"]:
        """What is made of pictures before anything is asked: patches row by row, then the whole picture. Differentiable."""

    @abstractmethod
    def see(self, features: Float[Tensor, "1 states d"], words: Int[Tensor, "1 tokens"]) -> Seen:
        """Read a question beside a picture."""

    @abstractmethod
    def others(self, words: Int[Tensor, "1 tokens"]) -> tuple[str, ...]:
        """Names of what a question can look at that is no patch."""

    @abstractmethod
    def teach(
        self, features: Float[Tensor, "batch states d"], words: Int[Tensor, "1 tokens"], answer: Sequence[int]
    ) -> tuple[Float[Tensor, "batch steps answers"], Float[Tensor, "batch layers columns"]]:
        """Logits of an answer's numbers, and where the question looked: the mean of each layer's heads. Differentiable."""

    @abstractmethod
    def numbers(self, answer: str) -> tuple[int, ...]:
        """The numbers of an answer, as `teach` counts them. Raises ValueError, in plain words, for what cannot be answered."""

    @abstractmethod
    def answer_named(self, text: str) -> str:
        """The answer that a person typed, as it would be given. Raises ValueError, in plain words, for what cannot be answered."""

    @abstractmethod
    def decide(self, states: Sequence[Float[Tensor, "1 tokens d"]]) -> tuple[Candidates, ...]:
        """What would be answered after each layer, the most probable first; the last row is the answer."""

    @abstractmethod
    def p(self, state: Float[Tensor, "1 tokens d"], answer: str) -> float:
        """The probability of an answer, as `decide` counts it."""

    def read(self, question: str) -> Int[Tensor, "1 tokens"]:
        """The numbers of a question's tokens. Raises ValueError, in plain words, for what cannot be read."""
        if not question.strip():
            raise ValueError("Type a question: there is nothing to answer yet.")
        with self.lock:
            numbers = self.tokenizer(question, verbose=False)["input_ids"]
        if len(numbers) > self.longest:
            raise ValueError(
                f"This question has {len(numbers)} tokens; at most {self.longest} can be read. Shorten it."
            )
        return torch.tensor([numbers])

    @torch.no_grad()
    def answer_from(self, features: Float[Tensor, "1 states d"], question: str, touch: Touch = UNTOUCHED) -> Trace:
        """Answer, and tell all. Raises ValueError for a touch: its looks are computed inside transformers.

        Returns:
            A row a layer; heads are the layer's. Columns are the patches (`values["grid"]`), "the whole picture", and, where one
            attention sees both, the question's own tokens. Scores are NaN: these networks tell weights alone.
        """
        if not touch.nothing():
            raise ValueError("Of this model nothing can be touched: its looks are computed inside transformers.")
        seen = self.see(features, self.read(question))
        decided = self.decide(seen.states)
        weights = seen.weights.transpose(0, 1).float()
        return Trace(
            source=(*regions(*self.grid), *seen.columns),
            target=tuple(f"layer {layer + 1}" for layer in range(len(decided))),
            heads=tuple(f"head {head + 1}" for head in range(len(weights))),
            scores=np.full(tuple(weights.shape), np.nan, dtype=np.float32),
            weights=weights.numpy(),
            log_p=np.log(np.array([row[0][1] for row in decided], dtype=np.float32)),
            candidates=decided,
            values={"grid": np.array(self.grid)},
        )

    @torch.no_grad()
    def without_words_from(self, features: Float[Tensor, "1 states d"], question: str) -> Without:
        """Ask again with each word left out in turn; a question of one word has nothing to leave out."""

        def asked(text: str) -> Tensor:
            return self.see(features, self.read(text)).states[-1]

        words, state = question.split(), asked(question)
        (best, whole), *_ = self.decide([state])[-1]
        if len(words) == 1:
            return Without(tuple(words), best, whole, np.zeros(0), ())
        left = [asked(" ".join(words[:i] + words[i + 1 :])) for i in range(len(words))]
        said = tuple(self.decide([state])[-1][0][0] for state in left)
        return Without(tuple(words), best, whole, np.array([self.p(state, best) for state in left]), said)


class Vilt(HubAnswerer):
    """One transformer over question and picture (Kim 2021): [CLS] reads both and decides among the answers it knows.

    The probabilities are the softmax of its logits; it was trained on each answer alone, so they are only to compare.
    """

    def features(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch states d"]:
        """The embeddings of the patches; transformers hands them out shuffled, so they are put in order."""
        shown = self.shown(x)
        everywhere = torch.ones(len(x), *shown.shape[-2:])
        made, _, (place, (_, columns)) = self.model.vilt.embeddings.visual_embed(shown, everywhere, max_image_length=-1)
        order = (place[..., 0] * columns + place[..., 1]).argsort(1).unsqueeze(-1).expand(-1, -1, made.shape[-1])
        return torch.cat([made[:, 1:].gather(1, order), made[:, :1]], 1)

    @property
    def layers(self) -> int:
        return int(self.model.config.num_hidden_layers)

    def see(self, features: Float[Tensor, "1 states d"], words: Int[Tensor, "1 tokens"]) -> Seen:
        """The row of [CLS], which decides."""
        told = self._told(features, words)
        return Seen(self._rows(told, words)[0], self.others(words), told.hidden_states[1:])

    def teach(
        self, features: Float[Tensor, "batch states d"], words: Int[Tensor, "1 tokens"], answer: Sequence[int]
    ) -> tuple[Float[Tensor, "batch 1 answers"], Float[Tensor, "batch layers columns"]]:
        assert len(answer) == 1
        told = self._told(features, words)
        return self._logits(told.hidden_states[-1])[:, None], self._rows(told, words).mean(2)

    def _told(self, features: Float[Tensor, "batch states d"], words: Int[Tensor, "1 tokens"]) -> Any:
        return self.model.vilt(
            input_ids=words.expand(len(features), -1),
            image_embeds=features,
            pixel_mask=torch.ones(features.shape[:2]),
            output_attentions=True,
            output_hidden_states=True,
        )

    def _rows(self, told: Any, words: Int[Tensor, "1 tokens"]) -> Float[Tensor, "batch layers heads columns"]:
        """Where [CLS] looked: patches, the whole picture, then the question."""
        weights, read = torch.stack([layer[:, :, 0] for layer in told.attentions], 1), words.shape[1]
        return torch.cat([weights[..., read:], weights[..., :read]], -1)

    def others(self, words: Int[Tensor, "1 tokens"]) -> tuple[str, ...]:
        with self.lock:
            tokens = self.tokenizer.convert_ids_to_tokens(words[0].tolist())
        return (WHOLE, *(f"“{token}” of the question" for token in tokens))

    def numbers(self, answer: str) -> tuple[int, ...]:
        return (self._known[self.answer_named(answer)],)

    def answer_named(self, text: str) -> str:
        if text.strip() not in self._known:
            raise ValueError(
                f"“{hub.shorten(text.strip())}” is none of the {len(self._known)} answers that this model can give."
            )
        return text.strip()

    @property
    def _known(self) -> dict[str, int]:
        return {str(name): number for number, name in self.model.config.id2label.items()}

    def decide(self, states: Sequence[Float[Tensor, "1 tokens d"]]) -> tuple[Candidates, ...]:
        """After an earlier layer: what the last layers make of its states."""
        best = [self._probabilities(state).topk(min(CANDIDATES, self.model.num_labels)) for state in states]
        names = self.model.config.id2label
        return tuple(
            tuple((str(names[k]), chance) for k, chance in zip(row.indices.tolist(), row.values.tolist(), strict=True))
            for row in best
        )

    def p(self, state: Float[Tensor, "1 tokens d"], answer: str) -> float:
        return float(self._probabilities(state)[self._known[answer]])

    def _probabilities(self, state: Float[Tensor, "1 tokens d"]) -> Float[Tensor, " answers"]:
        return self._logits(state)[0].softmax(-1)

    def _logits(self, state: Float[Tensor, "batch tokens d"]) -> Float[Tensor, "batch answers"]:
        network = self.model.vilt
        return self.model.classifier(network.pooler(network.layernorm(state)))


class Blip(HubAnswerer):
    """A question encoder that looks at the picture, and a decoder that reads the question's states and writes (Li 2022)."""

    def features(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch states d"]:
        seen = self.model.vision_model(pixel_values=self.shown(x)).last_hidden_state
        return torch.cat([seen[:, 1:], seen[:, :1]], 1)

    @property
    def layers(self) -> int:
        return int(self.model.config.text_config.num_hidden_layers)

    def see(self, features: Float[Tensor, "1 states d"], words: Int[Tensor, "1 tokens"]) -> Seen:
        """The mean of the tokens' looks: the decoder reads them all."""
        told = self._told(features, words)
        return Seen(self._means(told)[0], self.others(words), told.hidden_states[1:])

    def teach(
        self, features: Float[Tensor, "batch states d"], words: Int[Tensor, "1 tokens"], answer: Sequence[int]
    ) -> tuple[Float[Tensor, "batch steps answers"], Float[Tensor, "batch layers columns"]]:
        told = self._told(features, words)
        given = torch.tensor([[self.model.config.text_config.bos_token_id, *answer[:-1]]]).expand(len(features), -1)
        return self._decoded(given, told.hidden_states[-1]), self._means(told).mean(2)

    def _told(self, features: Float[Tensor, "batch states d"], words: Int[Tensor, "1 tokens"]) -> Any:
        words = words.expand(len(features), -1)
        return self.model.text_encoder(
            input_ids=words,
            attention_mask=torch.ones_like(words),
            encoder_hidden_states=features,
            encoder_attention_mask=torch.ones(features.shape[:2], dtype=torch.long),
            output_attentions=True,
            output_hidden_states=True,
        )

    def _means(self, told: Any) -> Float[Tensor, "batch layers heads columns"]:
        return torch.stack([layer.mean(-2) for layer in told.cross_attentions], 1)

    def others(self, words: Int[Tensor, "1 tokens"]) -> tuple[str, ...]:  # noqa: ARG002 - it looks at the picture alone
        return (WHOLE,)

    def numbers(self, answer: str) -> tuple[int, ...]:
        with self.lock:
            numbers = self.tokenizer(answer, add_special_tokens=False, verbose=False)["input_ids"]
        if not numbers or self.tokenizer.unk_token_id in numbers:
            raise ValueError(
                f"The model does not know every part of “{hub.shorten(answer.strip())}”: type another answer."
            )
        if len(numbers) > LONGEST_ANSWER:
            raise ValueError(
                f"This answer has {len(numbers)} tokens; at most {LONGEST_ANSWER} can be given. Shorten it."
            )
        end = (self.model.config.text_config.sep_token_id,) if len(numbers) < LONGEST_ANSWER else ()  # cut: it has none
        return (*numbers, *end)

    def answer_named(self, text: str) -> str:
        numbers = self.numbers(text)
        with self.lock:
            return str(self.tokenizer.decode(numbers, skip_special_tokens=True)).strip()

    def decide(self, states: Sequence[Float[Tensor, "1 tokens d"]]) -> tuple[Candidates, ...]:
        """After an earlier layer: what the decoder writes, reading its states. Of the last layer the best of a beam."""
        *earlier, last = states
        rows = []
        if earlier:
            together = torch.cat(earlier)
            rows = [(answer,) for answer in self._named(self._written(together, 1), together)]
        found = dict(self._named(self._written(last, BEAM), last.expand(BEAM, -1, -1)))
        return (*rows, tuple(sorted(found.items(), key=lambda each: -each[1])))

    def p(self, state: Float[Tensor, "1 tokens d"], answer: str) -> float:
        config = self.model.config.text_config
        with self.lock:
            numbers = self.tokenizer(answer, add_special_tokens=False, verbose=False)["input_ids"]
        return float(self._p(torch.tensor([[config.bos_token_id, *numbers, config.sep_token_id]]), state)[0])

    def _written(self, states: Float[Tensor, "sources tokens d"], beam: int) -> Int[Tensor, "answers words"]:
        config = self.model.config.text_config
        return self.model.text_decoder.generate(
            input_ids=torch.full((len(states), 1), config.bos_token_id),
            encoder_hidden_states=states,
            encoder_attention_mask=torch.ones(states.shape[:2], dtype=torch.long),
            num_beams=beam,
            num_return_sequences=beam,
            do_sample=False,
            max_new_tokens=LONGEST_ANSWER,
            eos_token_id=config.sep_token_id,
            pad_token_id=config.pad_token_id,
        )

    def _named(
        self, written: Int[Tensor, "answers words"], states: Float[Tensor, "answers tokens d"]
    ) -> list[tuple[str, float]]:
        with self.lock:
            texts = self.tokenizer.batch_decode(written, skip_special_tokens=True)
        return list(
            zip((text.strip() or "⟨nothing⟩" for text in texts), self._p(written, states).tolist(), strict=True)
        )

    def _p(
        self, written: Int[Tensor, "answers words"], states: Float[Tensor, "answers tokens d"]
    ) -> Float[Tensor, " answers"]:
        r"""$\prod_t p(y_t)$ of answers, the end counted."""
        log_p = self._decoded(written[:, :-1], states).log_softmax(-1).gather(-1, written[:, 1:, None]).squeeze(-1)
        return log_p.masked_fill(written[:, 1:] == self.model.config.text_config.pad_token_id, 0).sum(1).exp()

    def _decoded(
        self, given: Int[Tensor, "answers words"], states: Float[Tensor, "answers tokens d"]
    ) -> Float[Tensor, "answers words vocabulary"]:
        """The logits of the word after each that is given."""
        told = self.model.text_decoder(
            input_ids=given,
            attention_mask=torch.ones_like(given),
            encoder_hidden_states=states,
            encoder_attention_mask=torch.ones(states.shape[:2], dtype=torch.long),
            use_cache=False,
        )
        return told.logits


def load(name_or_folder: str) -> HubAnswerer:
    """The answerer of this name on huggingface.co ("dandelin/vilt-b32-finetuned-vqa") or in this folder, frozen and ready.

    What this machine has is not asked of the network. Raises WeightsUnavailableError, one plain sentence, for what cannot be had.
    """
    folder, name = hub.place(name_or_folder, ANSWERS)
    with hub.loading:
        model, tokenizer = hub.opened(folder, name, ANSWERS)
        size, mean, std, resample = processing(folder, name)
        limits = hub.positions(getattr(model.config, "text_config", model.config))
        of = Vilt if model.config.model_type == "vilt" else Blip
        unready = of(name, model, tokenizer, size, mean, std, resample, min([hub.LONGEST, *limits]))
        try:
            with torch.no_grad():
                states = unready.features(torch.zeros(1, 3, *size)).shape[1]
        except (RuntimeError, ValueError) as error:
            raise WeightsUnavailableError(f"{name} cannot read pictures of the size that its files name.") from error
        return replace(unready, grid=patches(states, size, name))
