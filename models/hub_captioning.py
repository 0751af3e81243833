"""Any captioner of transformers whose decoder looks at patches (ViT-GPT2, BLIP), by its name on huggingface.co or a local folder.

It is asked as `PictureWriter` is: `features` once a picture, then `write_from`. All rules of `models.hub` hold: only numbers are
read, nothing is unpickled, no code of a repository runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL.Image import Resampling
from torch import Tensor

from models import hub
from models.captioning import regions
from models.grid import squash
from models.hub import Forced, HubWriter, Kind, Told
from models.trace import Trace
from models.writer import UNTOUCHED, Touch
from models.zoo import WeightsUnavailableError

KINDS = {"vision-encoder-decoder": "VisionEncoderDecoderModel", "blip": "BlipForConditionalGeneration"}
LARGEST = 1024  # pixels on a side
WHOLE = "the whole picture"  # the name of a state that is no patch: the vision transformer's own summary


def _describes(config: Any) -> bool:
    """BLIP that answers questions or compares has the same configuration, but says what it is."""
    loader = KINDS.get(config.model_type)
    return loader is not None and loader in (config.architectures or [loader])


DESCRIBES = Kind(
    "AutoModelForImageTextToText",
    _describes,
    "one that looks at a picture and writes (BLIP for captions, or a vision encoder with a text decoder)",
    "Salesforce/blip-image-captioning-base",
    spare="pooler",
)


@dataclass(frozen=True)
class HubCaptioner(HubWriter):
    """A captioner of transformers; `model` is its decoder.

    Attributes:
        eyes: the whole network, whose encoder sees.
        start: the number of the token that a caption begins with.
        size: height and width of what the encoder sees.
        mean, std: how its pixels are normalised; resample: how a picture is brought to that size.
        grid: rows and columns of its patches; others: what it can look at that is no patch.
    """

    eyes: Any
    start: int
    size: tuple[int, int]
    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]
    resample: str
    grid: tuple[int, int] = (0, 0)
    others: tuple[str, ...] = ()

    def shown(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 h w"]:
        """Pictures in [0, 1] as the network's own processor hands them to it; differentiable."""
        return (squash(x, *self.size, self.resample) - self.mean) / self.std

    def features(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch regions d"]:
        """What the encoder makes of pictures in [0, 1], squashed to its size; a gradient gets to the pixels.

        Patches row by row, then what is no patch.
        """
        shown = self.shown(x)
        if hasattr(self.eyes, "vision_model"):
            seen = self.eyes.vision_model(pixel_values=shown).last_hidden_state
        else:
            seen = self.eyes.encoder(pixel_values=shown).last_hidden_state
            seen = self.eyes.enc_to_dec_proj(seen) if hasattr(self.eyes, "enc_to_dec_proj") else seen
        others = seen.shape[1] - self.grid[0] * self.grid[1] if self.grid[0] else 0
        return torch.cat([seen[:, others:], seen[:, :others]], 1)

    def write(self, x: Float[Tensor, "1 3 height width"], touch: Touch = UNTOUCHED, beam: int = 1) -> Trace:
        r"""Look, write, and tell all. Raises ValueError, in plain words, for what cannot be written.

        Args:
            touch: tokens may be forced, as the trace shows them (" dog", "⟨end⟩"), also on a beam; nothing else can be touched.
            beam: 1 writes the most probable token each time; otherwise the best caption of a beam as wide as this.

        Returns:
            All heads of all layers, "layer 1 · head 1" first. Row $t$ is the step that *emits* token $t$. Columns are the patches
            row by row (`values["grid"]`: how many rows and columns), then "the whole picture", where the encoder keeps a state for
            it. Scores are $q^\top k / \sqrt{d_k}$ as computed in that very forward, or NaN where the network does not tell them
            (BLIP). `values`: the decoder's last states $h$, what it looked at (`h_bar`), and `word`, the tokens' numbers.
        """
        with torch.no_grad():
            return self.write_from(self.features(x), touch, beam)

    @torch.no_grad()
    def write_from(self, features: Float[Tensor, "1 regions d"], touch: Touch = UNTOUCHED, beam: int = 1) -> Trace:
        """`write` once the encoder has looked."""
        if touch.weights or touch.forbidden or touch.sampling or touch.temperature != 1:
            raise ValueError("Of this model only the words can be touched: its looks are computed inside transformers.")
        with self.lock:
            forced = {step: self.number(word) for step, word in touch.words.items()}
        target = self.found(features, beam, forced)
        told = self._read(target[:, :-1], features)
        with self.lock:
            parts = Told(told.logits[0], told.hidden_states[-1][0], features[0], told.cross_attentions)
            trace = self._trace((*regions(*self.grid), *self.others), target[0, 1:], parts, forced, beam)
        return replace(trace, values={**trace.values, "grid": np.array(self.grid)})

    @torch.no_grad()
    def found(
        self, features: Float[Tensor, "1 regions d"], beam: int, forced: Mapping[int, int] = {}
    ) -> Int[Tensor, "1 words"]:
        """The numbers of the tokens that are written, the start and the end among them. Args: forced: a token by step."""
        start = torch.tensor([[self.start]])
        return self.model.generate(
            input_ids=start,
            attention_mask=torch.ones_like(start),
            encoder_hidden_states=features,
            encoder_attention_mask=torch.ones(features.shape[:2], dtype=torch.long),
            num_beams=beam,
            do_sample=False,
            max_new_tokens=self.longest,
            logits_processor=[Forced(dict(forced))],
        )

    def teach(
        self, features: Float[Tensor, "batch regions d"], words: Int[Tensor, "batch steps"]
    ) -> tuple[Float[Tensor, "batch steps words"], Float[Tensor, "batch steps regions"]]:
        """Logits and looks while it is made to read these tokens; a look is the mean of all heads of all layers. Differentiable."""
        told = self._read(words, features)
        layers = torch.stack([layer[1] if layer.dim() == 5 else layer for layer in told.cross_attentions])
        return told.logits, layers.mean((0, 2))

    def cut(self, text: str) -> list[int]:
        """The numbers of a text's tokens. Raises ValueError, in plain words, for what cannot be written."""
        with self.lock:
            numbers = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        most = self.model.get_output_embeddings().weight.shape[0]
        if any(number in self.tokenizer.all_special_ids or number >= most for number in numbers):
            raise ValueError(f"The model does not know every part of “{hub.shorten(text.strip())}”: type other words.")
        return list(numbers)

    def tokens(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """The tokens of these numbers as the tokenizer calls them, up to the end; `numbers` is the way back."""
        with self.lock:
            return tuple(
                self.tokenizer.convert_ids_to_tokens(number)
                for number in takewhile(lambda number: number not in self.ends, numbers)
            )

    def numbers(self, tokens: Sequence[str]) -> tuple[int, ...]:
        """The numbers of tokens as `tokens` gives them."""
        with self.lock:
            return tuple(self.tokenizer.convert_tokens_to_ids(list(tokens)))

    def joined(self, tokens: Sequence[str]) -> str:
        """Tokens as one would write them."""
        with self.lock:
            return str(self.tokenizer.convert_tokens_to_string(list(tokens))).strip()

    def log_p(self, x: Float[Tensor, "batch 3 height width"], words: Sequence[str]) -> Float[Tensor, " batch"]:
        r"""$\sum_t \log p(y_t \mid y_{<t}, x)$ of one caption (without ⟨end⟩, which is counted), tokens as the trace shows them.

        A gradient gets to the pixels.
        """
        with self.lock:
            numbers = [self.start, *(self.number(word) for word in words), *sorted(self.ends)[:1]]
        target = torch.tensor(numbers).expand(len(x), -1)
        log_p = self._read(target[:, :-1], self.features(x)).logits.log_softmax(-1)
        return log_p.gather(-1, target[:, 1:, None]).sum((1, 2))

    def text(self, trace: Trace) -> str:
        """What was written, as one would write it."""
        return "".join(word for word in trace.target if not word.startswith("⟨")).strip()

    def _read(self, words: Tensor, features: Float[Tensor, "batch regions d"]) -> Any:
        return self.model(
            input_ids=words,
            attention_mask=torch.ones_like(words),
            encoder_hidden_states=features,
            output_attentions=True,
            output_hidden_states=True,
            use_cache=False,
        )


def load(name_or_folder: str) -> HubCaptioner:
    """The captioner of this name on huggingface.co ("Salesforce/blip-image-captioning-base") or in this folder, frozen and ready.

    What this machine has is not asked of the network. Raises WeightsUnavailableError, one plain sentence, for what cannot be had.
    """
    folder, name = hub.place(name_or_folder, DESCRIBES)
    with hub.loading:
        model, tokenizer = hub.opened(folder, name, DESCRIBES)
        return _captioner(model, tokenizer, folder, name)


def _captioner(model: Any, tokenizer: Any, folder: Path, name: str) -> HubCaptioner:
    from transformers import GenerationConfig

    decoder = model.text_decoder if hasattr(model, "text_decoder") else model.decoder
    rules = _rules(model)
    start, ends = rules.pop("decoder_start_token_id"), rules["eos_token_id"]
    decoder.generation_config = GenerationConfig(**rules, use_cache=True)
    size, mean, std, resample = processing(folder, name)
    unready = HubCaptioner(
        name=name,
        model=decoder,
        tokenizer=tokenizer,
        told=False,
        longest=min([hub.LONGEST, *hub.positions(decoder.config)]),
        ends=frozenset(ends if isinstance(ends, list) else [ends] if ends is not None else []),
        special=hub.special_tokens(tokenizer),
        eyes=model,
        start=start,
        size=size,
        mean=mean,
        std=std,
        resample=resample,
    )
    try:
        with torch.no_grad():
            features = unready.features(torch.zeros(1, 3, *size))
    except (RuntimeError, ValueError) as error:
        raise WeightsUnavailableError(f"{name} cannot read pictures of the size that its files name.") from error
    given = {"input_ids": torch.full((1, 3), start), "encoder_hidden_states": features}
    told = hub.tells_scores(decoder, name, given, (3, features.shape[1]))
    grid = patches(features.shape[1], size, name)
    return replace(unready, told=told, grid=grid, others=(WHOLE,) * (features.shape[1] - grid[0] * grid[1]))


def _rules(model: Any) -> dict[str, Any]:
    """What the model's own settings say of generation. BLIP begins with [DEC] and ends with [SEP]; others say it themselves."""
    rules = {rule: getattr(model.generation_config, rule, None) for rule in hub.RULES}
    if hasattr(model, "text_decoder"):
        text = model.config.text_config
        return {
            **rules,
            "decoder_start_token_id": text.bos_token_id,
            "bos_token_id": text.bos_token_id,
            "eos_token_id": text.sep_token_id,
            "pad_token_id": text.pad_token_id,
        }
    for rule in ("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id"):
        said = (rules[rule], getattr(model.config, rule, None), getattr(model.config.decoder, rule, None))
        rules[rule] = next((number for number in said if number is not None), None)
    begins = (rules["decoder_start_token_id"], rules["bos_token_id"], rules["eos_token_id"])
    return {**rules, "decoder_start_token_id": next((number for number in begins if number is not None), 0)}


def processing(folder: Path, name: str) -> tuple[tuple[int, int], Tensor, Tensor, str]:
    """Height and width of what the encoder sees, mean and deviation that its pixels are normalised by, how it is resized."""
    from transformers import AutoImageProcessor

    try:
        said = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        height, width = (int(said.size.get(side) or said.size["shortest_edge"]) for side in ("height", "width"))
        normal = getattr(said, "do_normalize", True)
        mean, std = (
            torch.tensor([float(number) for number in (numbers if normal else plain)]).view(3, 1, 1)
            for numbers, plain in ((said.image_mean, (0, 0, 0)), (said.image_std, (1, 1, 1)))
        )
        resample = "bicubic" if int(said.resample) == Resampling.BICUBIC else "bilinear"
    except Exception as error:  # a foreign file makes it raise anything
        raise WeightsUnavailableError(
            f"{name} does not say how a picture is to be shown to it (preprocessor_config.json)."
        ) from error
    if not (0 < height <= LARGEST and 0 < width <= LARGEST):
        raise WeightsUnavailableError(
            f"{name} wants pictures of {width} × {height} pixels, which this app does not show."
        )
    return (height, width), mean, std, resample


def patches(states: int, size: tuple[int, int], name: str) -> tuple[int, int]:
    """Rows and columns of the patches, up to two states being none of them (the summary, and a distillation's)."""
    for patches in range(states, max(states - 3, 0), -1):
        rows = round((patches * size[0] / size[1]) ** 0.5)
        if rows and patches % rows == 0 and rows * size[1] == patches // rows * size[0]:
            return rows, patches // rows
    raise WeightsUnavailableError(f"The {states} parts that {name} looks at are no grid over the picture.")
