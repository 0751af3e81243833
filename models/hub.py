r"""Any encoder–decoder with cross-attention of transformers, by its name on huggingface.co or by a local folder, told as a `Trace`.

Only numbers are read (safetensors); nothing is unpickled, no code of a repository runs, no token of this machine is sent. The
sentence is found first, then read once more in one forward, so that every number of the trace belongs to the sentence shown.

transformers computes each attention with the function that it is told to use. While a network is loaded, `told` is tried in place
of its own: the lecture's `attend`, which hands out scores beside weights. It stays if the network then answers as before. We hook
nothing; transformers itself collects attentions in a variable of the calling thread, so concurrent calls do not meet.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.attention import Attention, attend, dot
from models.trace import Trace
from models.zoo import WeightsUnavailableError

LONGEST = 128  # tokens, of the source and of the target
CANDIDATES = 10
END = "⟨end⟩"
PATIENCE = 5  # seconds until huggingface.co must have answered; transformers' own retries without a network take 23
LARGEST = 3  # GB of weights that are fetched: mBART-50 has 2.4
TEXTS = (".json", ".spm", ".model", ".txt")  # what configurations and tokenizers are kept in
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack", ".ot")
CONVERTER = "SFconvertbot"  # huggingface.co's own converter: it offers safetensors where a repository has none
TOLD = "attend"  # the name under which transformers knows `told`
RULES = (
    "decoder_start_token_id",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "forced_bos_token_id",
    "bad_words_ids",
    "length_penalty",
)

loading = threading.Lock()  # transformers replaces some functions of torch while it builds a network


@dataclass(frozen=True)
class Kind:
    """What is asked of a network that is loaded by name or folder.

    Attributes:
        loader: the class of transformers that builds it.
        fits: whether a configuration of transformers is of this kind.
        words: what it is, for the sentence about a network that is another.
        example: a name on huggingface.co, for the sentence about a text that is no name.
        spare: parts that need not be in the file: they are not used.
    """

    loader: str
    fits: Callable[[Any], bool]
    words: str
    example: str
    spare: str = ""


def _translates(config: Any) -> bool:
    from transformers import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING

    return config.is_encoder_decoder and type(config) in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING


TRANSLATES = Kind(
    "AutoModelForSeq2SeqLM",
    _translates,
    "an encoder–decoder that reads and writes text",
    "Helsinki-NLP/opus-mt-en-fr",
)


class Told(NamedTuple):
    """What a decoder of transformers told of one sentence: its logits, its last states, what it looked at, a tensor a layer."""

    logits: Float[Tensor, "target words"]
    h: Float[Tensor, "target d"]
    h_bar: Float[Tensor, "source d_source"]
    cross_attentions: tuple[Tensor, ...]


@dataclass(frozen=True)
class HubWriter:
    """A decoder of transformers with cross-attention, and the tokenizer of what it writes. What it reads is the subclass's.

    Attributes:
        model: what writes, frozen.
        tokenizer: cuts text into tokens; used by one thread at a time.
        told: whether the network tells its scores.
        longest: tokens that can be read, and written.
        ends: the numbers of the tokens that end a sentence.
        special: tokens that are no text: the end, padding, languages.
    """

    name: str
    model: Any
    tokenizer: Any
    told: bool
    longest: int
    ends: frozenset[int]
    special: frozenset[str]
    lock: Any = field(default_factory=threading.Lock, repr=False, kw_only=True)

    def _trace(
        self,
        columns: tuple[str, ...],
        target: Int[Tensor, " target"],
        told: Told,
        forced: dict[int, int],
        beam: int,
    ) -> Trace:
        scores, weights = by_head(told.cross_attentions)
        log_p = told.logits.float().log_softmax(-1)
        best = log_p.exp().topk(min(CANDIDATES, log_p.shape[-1]))
        written = target.tolist()
        notes = {t: "forced" for t in forced if t < len(written)}
        if beam == 1:
            rule = "The model's own settings, not its probabilities, chose this token."
            notes |= {t: rule for t, word in enumerate(written) if t not in forced and word != int(best.indices[t, 0])}
        if written[-1] not in self.ends:
            notes[len(written) - 1] = f"No more than {self.longest} tokens are written: the sentence is cut here."
        return Trace(
            source=columns,
            target=tuple(self.show(number) for number in written),
            heads=tuple(
                f"layer {layer} · head {head}"
                for layer, heads in enumerate(told.cross_attentions, start=1)
                for head in range(1, heads.shape[-3] + 1)
            ),
            scores=scores.numpy(),
            weights=weights.numpy(),
            log_p=log_p[range(len(written)), written].numpy(),
            candidates=tuple(
                tuple((self.show(number), chance) for number, chance in zip(numbers, chances, strict=True))
                for numbers, chances in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ),
            values={"h": told.h.numpy(), "h_bar": told.h_bar.numpy(), "word": target.numpy()},
            notes=notes,
        )

    def show(self, number: int, reading: bool = False) -> str:
        """A token as a reader wants it: a space where a word begins, what is no text in ⟨ ⟩.

        A token says only in company whether it begins a word: two of it are put together, and the first is taken off.
        """
        if number in self.ends:
            return END
        token = self._source_token(number) if reading else self.tokenizer.convert_ids_to_tokens(number)
        if token is None:
            return f"⟨{number}⟩"
        if token in self.special:
            return f"⟨{token.strip('<>[]_/|')}⟩"
        if "▁" in token:
            return token.replace("▁", " ")
        join = self.tokenizer.convert_tokens_to_string
        text = join([token, token])[len(join([token])) :]
        return token if not text or "\N{REPLACEMENT CHARACTER}" in text else text

    def _source_token(self, number: int) -> str | None:
        """Marian's tokenizers with two vocabularies name tokens by the target's."""
        if getattr(self.tokenizer, "separate_vocabs", False):
            return next((token for token, known in self.tokenizer.encoder.items() if known == number), None)
        return self.tokenizer.convert_ids_to_tokens(number)

    def number(self, word: str) -> int:
        """The number of a token as `show` shows it; the space before it may be left out. Raises ValueError for one that is none."""
        if word == END:
            return min(self.ends)
        vocabulary = getattr(self.tokenizer, "target_encoder", None) or self.tokenizer.get_vocab()
        bare = word.lstrip(" ")
        tokens = [word, *self.special, *(f"{begin}{bare}" for begin in ("▁", "Ġ", "##", ""))]
        numbers = [vocabulary[token] for token in tokens if token in vocabulary]
        alone = self.tokenizer(text_target=word, add_special_tokens=False, verbose=False)["input_ids"] if bare else []
        numbers += alone if len(alone) == 1 and alone[0] != self.tokenizer.unk_token_id else []
        for same in (lambda shown: shown == word, lambda shown: shown.strip() == bare.strip()):
            for number in numbers:
                if bare and same(self.show(number)) and number < self.model.get_output_embeddings().weight.shape[0]:
                    return number
        raise ValueError(f"The model has no token “{shorten(word)}”: longer words are written in several, one a step.")


@dataclass(frozen=True)
class HubTranslator(HubWriter):
    """A network of transformers that reads a text and writes another."""

    def read(self, text: str) -> Int[Tensor, "1 source"]:
        """The numbers of a text's tokens and of those around them. Raises ValueError, in plain words, for what cannot be read."""
        with self.lock:
            numbers = self.tokenizer(text, verbose=False)["input_ids"]
        nothing, unknown = set(self.tokenizer.all_special_ids), self.tokenizer.unk_token_id
        words = [number for number in numbers if number not in nothing or number == unknown]
        if not text.strip() or not words:
            raise ValueError("Type a sentence: there is nothing to translate yet.")
        if len(numbers) > self.longest:
            limit = f"This text has {len(numbers)} tokens; at most {self.longest} can be read at once."
            raise ValueError(f"{limit} Nothing was translated: shorten it.")
        if all(number == unknown or number >= self.model.get_input_embeddings().num_embeddings for number in words):
            raise ValueError(
                "Not one word of this is known to the model. Try a sentence in the language that it reads."
            )
        return torch.tensor([numbers])

    @torch.no_grad()
    def translate(self, text: str, beam: int = 1, words: Mapping[int, str] = {}) -> Trace:
        r"""Translate, and tell all. Raises ValueError, in plain words, for what cannot be read or written.

        Args:
            text: as the model expects it: T5 wants its task in front ("translate English to French: …").
            beam: 1 writes the most probable token each time; otherwise the best sentence of a beam as wide as this.
            words: a token by step, in place of what the model would write, as the trace shows tokens (" chat", "⟨fr_XX⟩", "⟨end⟩").
                Nothing is written after the end.

        Returns:
            All heads of all layers, "layer 1 · head 1" first. Row $t$ is the step that *emits* target token $t$. The scores are
            $e_{ts} = q_t^\top k_s / \sqrt{d_k}$ (T5: not divided) as computed in that very forward. Of networks that do not tell
            them every score is NaN: the weights would give each row of scores only up to a constant. `values`: the decoder's last
            states $h$, the encoder's $\bar h$ (`h_bar`), and `word`, the numbers of the target's tokens. A token that begins a word
            begins with a space.
        """
        source = self.read(text)
        with self.lock:
            forced = {step: self.number(word) for step, word in words.items()}
        target = self.model.generate(
            input_ids=source,
            attention_mask=torch.ones_like(source),
            num_beams=beam,
            do_sample=False,
            max_new_tokens=self.longest,
            logits_processor=[Forced(forced)],
        )
        told = self.model(
            input_ids=source,
            attention_mask=torch.ones_like(source),
            decoder_input_ids=target[:, :-1],
            output_attentions=True,
            output_hidden_states=True,
            use_cache=False,
        )
        h, h_bar = told.decoder_hidden_states[-1][0], told.encoder_last_hidden_state[0]
        with self.lock:
            columns = tuple(self.show(number, reading=True) for number in source[0].tolist())
            return self._trace(
                columns, target[0, 1:], Told(told.logits[0], h, h_bar, told.cross_attentions), forced, beam
            )


def by_head(
    layers: tuple[Tensor, ...],
) -> tuple[Float[Tensor, "heads target source"], Float[Tensor, "heads target source"]]:
    """The scores and the weights of all layers' heads, from what `told` returned; scores are NaN if it was not `told`."""
    weights = torch.cat([layer[(1, 0) if layer.dim() == 5 else 0] for layer in layers]).float()
    if any(layer.dim() != 5 for layer in layers):
        return torch.full_like(weights, torch.nan), weights
    return torch.cat([layer[0, 0] for layer in layers]).float(), weights


class Forced:
    """What makes transformers write a given token at a given step, in every sentence of the beam."""

    def __init__(self, words: Mapping[int, int]):
        self.words = words

    def __call__(
        self, input_ids: Int[Tensor, "beam written"], scores: Float[Tensor, "beam words"]
    ) -> Float[Tensor, "beam words"]:
        word = self.words.get(input_ids.shape[1] - 1)
        if word is None:
            return scores
        only = torch.full_like(scores, -torch.inf)
        only[:, word] = scores[:, word].nan_to_num(neginf=0)
        return only


def attention(
    query: Float[Tensor, "batch heads target d_k"],
    key: Float[Tensor, "batch heads source d_k"],
    value: Float[Tensor, "batch heads source d_v"],
    attention_mask: Tensor | None,
    scaling: float | None = None,
    position_bias: Tensor | None = None,
) -> Attention:
    r"""The lecture's `attend` for what transformers hands to an attention; scores: $q^\top k$ times `scaling`, $1/\sqrt{d_k}$.

    The mask (0, or very negative where a query may not look) and T5's bias are added to the scores, as everywhere in transformers.
    """

    def score(Q: Tensor, K: Tensor) -> Tensor:
        scores = dot(Q, K) * (Q.shape[-1] ** -0.5 if scaling is None else scaling)
        return sum((part for part in (position_bias, attention_mask) if part is not None), scores)

    return attend(query, key, value, score)


def told(
    _: object,
    query: Float[Tensor, "batch heads target d_k"],
    key: Float[Tensor, "batch heads source d_k"],
    value: Float[Tensor, "batch heads source d_v"],
    attention_mask: Tensor | None,
    scaling: float | None = None,
    position_bias: Tensor | None = None,
    **__: object,
) -> tuple[Float[Tensor, "batch target heads d_v"], Float[Tensor, "2 batch heads target source"]]:
    """`attention` in the form in which transformers calls one; scores and weights where it expects weights."""
    parts = attention(query, key, value, attention_mask, scaling, position_bias)
    return parts.context.transpose(1, 2).contiguous(), torch.stack((parts.scores, parts.weights))


# ---------------------------------------------------------------- loading


def load(name_or_folder: str) -> HubTranslator:
    """The encoder–decoder of this name on huggingface.co ("Helsinki-NLP/opus-mt-en-fr") or in this folder, frozen and ready.

    What this machine has is not asked of the network. Raises WeightsUnavailableError, one plain sentence, for what cannot be had.
    """
    folder, name = place(name_or_folder, TRANSLATES)
    with loading:
        model, tokenizer = opened(folder, name, TRANSLATES)
        return _translator(model, tokenizer, name)


def opened(folder: Path, name: str, kind: Kind) -> tuple[Any, Any]:
    """The network in a folder, frozen, and its tokenizer; `name` is for the sentences of WeightsUnavailableError.

    Nothing is unpickled and no code of the folder runs. Call it with `loading` held.
    """
    config = _config(folder, name, kind)
    _weights_are_safe(folder, name)
    return _model(folder, name, config, kind), _tokenizer(folder, name)


def special_tokens(tokenizer: Any) -> frozenset[str]:
    """The tokens that are no text: the end, padding, languages."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return frozenset(tokenizer.all_special_tokens) | added


def _tokenizer(folder: Path, name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a foreign file makes it raise anything
        raise WeightsUnavailableError(f"The tokenizer of {name} is missing or damaged.") from error
    files = {file for kind, file in tokenizer.vocab_files_names.items() if kind != "tokenizer_config_file"}
    if files and not any((folder / file).is_file() for file in files):  # transformers makes up an empty one
        raise WeightsUnavailableError(f"The tokenizer of {name} is missing or damaged.")
    return tokenizer


def _translator(model: Any, tokenizer: Any, name: str) -> HubTranslator:
    rules = {rule: getattr(model.generation_config, rule, None) for rule in RULES}
    # transformers 5.23 makes T5's memory of past steps as deep as the encoder, and fails if the decoder is deeper
    layers = {
        getattr(model.config, kind) for kind in ("num_layers", "num_decoder_layers") if hasattr(model.config, kind)
    }
    from transformers import GenerationConfig

    model.generation_config = GenerationConfig(**rules, use_cache=len(layers) < 2)
    ends = model.generation_config.eos_token_id
    words = torch.arange(1, 5).remainder(model.get_input_embeddings().num_embeddings)[None]
    return HubTranslator(
        name=name,
        model=model,
        tokenizer=tokenizer,
        told=tells_scores(model, name, {"input_ids": words, "decoder_input_ids": words[:, :3]}, (3, 4)),
        longest=min([LONGEST, *positions(model.config)]),
        ends=frozenset(ends if isinstance(ends, list) else [ends] if ends is not None else []),
        special=special_tokens(tokenizer),
    )


def _config(folder: Path, name: str, kind: Kind) -> Any:
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise WeightsUnavailableError(f"{name} has no config.json: it is no model in the form of transformers.")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a foreign file makes it raise anything
        cause = "is damaged, or of a model that transformers knows only by running the model's own code"
        raise WeightsUnavailableError(f"The config.json of {name} {cause}.") from error
    if not kind.fits(config):
        raise WeightsUnavailableError(f"{name} is a model of the kind {shorten(config.model_type)}, not {kind.words}.")
    config.output_attentions = False  # asked for where they are wanted
    return config


def positions(config: Any) -> list[int]:
    """How many tokens the encoder and the decoder have positions for, if there is a limit."""
    parts = (config, config.get_text_config(encoder=True), config.get_text_config(decoder=True))
    limits = (getattr(part, "max_position_embeddings", None) for part in parts)
    return [limit for limit in limits if isinstance(limit, int) and limit > 0]


def _weights_are_safe(folder: Path, name: str) -> None:
    """Raises WeightsUnavailableError unless all safetensors are there."""
    if complete(folder):
        return
    raise WeightsUnavailableError(
        _no_weights(name, sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES))
    )


def _no_weights(name: str, pickles: list[str]) -> str:
    if not pickles:
        return f"{name} has no weights, or not all of them (safetensors)."
    return f"{name} has its weights only as {shorten(pickles[0])}, which could run code when opened: only safetensors are loaded."


def complete(folder: Path) -> bool:
    """Whether a folder has a config and all its safetensors, whole or in parts."""
    if not (folder / "config.json").is_file():
        return False
    if (folder / "model.safetensors").is_file():
        return True
    try:
        parts = set(json.loads((folder / "model.safetensors.index.json").read_bytes())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(parts) and all(part == Path(part).name and (folder / part).is_file() for part in parts)


def _model(folder: Path, name: str, config: Any, kind: Kind) -> Any:
    """The network in float32; all its weights come from the files, none that is used is left as it was drawn at random."""
    import transformers
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        model, report = getattr(transformers, kind.loader).from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # a foreign file makes it raise anything
        raise WeightsUnavailableError(
            f"The weights of {name} are damaged, or of another network than its config.json names."
        ) from error
    missing = [key for key in report["missing_keys"] if not (kind.spare and kind.spare in key)]
    if missing or report["mismatched_keys"]:
        raise WeightsUnavailableError(
            f"The weights of {name} are not all there, or of another network than its config.json names."
        )
    return model.eval().requires_grad_(False)


@torch.no_grad()
def tells_scores(model: Any, name: str, given: Mapping[str, Tensor], shape: tuple[int, int]) -> bool:
    """Have the network use `told` if it then answers as before.

    Args:
        given: something to read and to write, to try it with.
        shape: how many steps and how many columns a map of it has.

    Raises:
        WeightsUnavailableError: the network shows no cross-attention.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(TOLD, told)
    AttentionMaskInterface.register(TOLD, eager_mask)

    def answer() -> tuple[Tensor, Tensor, Tensor]:
        out = model(**given, output_attentions=True, use_cache=False)
        if not out.cross_attentions or out.cross_attentions[0].shape[-2:] != shape:
            raise WeightsUnavailableError(
                f"{name} does not tell how much each word it writes looked at each part it read."
            )
        return out.logits, *by_head(out.cross_attentions)

    logits, _, weights = answer()
    try:
        model.set_attn_implementation(TOLD)
        same_logits, scores, same_weights = answer()
        same = ((same_logits, logits), (same_weights, weights), (scores.softmax(-1), weights))
        agree = all(torch.allclose(ours, theirs, rtol=1e-3, atol=1e-5) for ours, theirs in same)
    except (RuntimeError, TypeError, ValueError, IndexError):
        agree = False
    if not agree:
        model.set_attn_implementation("eager")
    return agree


# ---------------------------------------------------------------- where it lies


def is_name(text: str) -> bool:
    """Whether this could be a name on huggingface.co: a repository, or an owner and a repository."""
    part = r"[A-Za-z0-9](?:[\w.\-]*[A-Za-z0-9_])?"
    return (
        bool(re.fullmatch(rf"(?:{part}/)?{part}", text, re.ASCII))
        and len(text) <= 96
        and not re.search(r"--|\.\.|\.git$", text)
    )


def shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def place(name_or_folder: str, kind: Kind) -> tuple[Path, str]:
    """The folder that holds the model, the one named or one in the cache, fetched if need be; and what to call the model."""
    folder = _folder(name_or_folder, kind)
    return folder, shorten(name_or_folder if is_name(name_or_folder) else folder.name)


def _folder(name: str, kind: Kind) -> Path:
    if not name.strip():
        raise WeightsUnavailableError(f"Type the name of a model, such as {kind.example}, or a folder.")
    if name.isprintable() and len(name) <= 1000 and ".." not in Path(name).parts and Path(name).is_dir():
        return Path(name).absolute()
    if not is_name(name):
        example = f"a name looks like {kind.example}"
        raise WeightsUnavailableError(f"This is neither a name of a model nor a folder on this machine: {example}.")
    return cached(name) or _fetch(name, kind)


def cached(name: str) -> Path | None:
    """Where huggingface_hub keeps this model, if all of it is on this machine; the network is not asked."""
    from huggingface_hub import constants

    snapshots = Path(constants.HF_HUB_CACHE, f"models--{name.replace('/', '--')}", "snapshots")
    found = [folder for folder in snapshots.glob("*") if complete(folder)]
    return max(found, key=lambda folder: folder.stat().st_mtime, default=None)


def _fetch(name: str, kind: Kind) -> Path:
    """Download configuration and tokenizer, then the weights. Raises WeightsUnavailableError within seconds if nobody answers."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
    from huggingface_hub.utils import httpx

    try:
        commit, texts, weights = _offered(name)
        get = partial(hf_hub_download, name, revision=commit, token=False, etag_timeout=PATIENCE)
        folder = Path(get("config.json")).parent
        _config(folder, name, kind)  # before gigabytes of another kind of model
        for file in (*texts, *weights):
            get(file)
    except WeightsUnavailableError:
        raise
    except GatedRepoError as error:
        raise WeightsUnavailableError(
            f"{name} is given only to those who agree to its terms: this app cannot."
        ) from error
    except RepositoryNotFoundError as error:
        raise WeightsUnavailableError(f"There is no public model named {name} on huggingface.co.") from error
    except (httpx.HTTPError, OSError, RuntimeError, ValueError, KeyError) as error:
        words = "is not on this machine and could not be fetched (no network, no answer, or no room)"
        raise WeightsUnavailableError(f"{name} {words}.") from error
    return folder


def _offered(name: str) -> tuple[str, list[str], list[str]]:
    """The commit on huggingface.co, its texts and its safetensors; huggingface.co's own conversion if the repository has none."""
    from huggingface_hub import HfApi

    api = HfApi(token=False)
    commit, sizes = _files(api, name)
    if not any(map(safetensors, sizes)):
        pickles = sorted(file for file in sizes if file.endswith(PICKLES))
        offers = api.get_repo_discussions(
            name, author=CONVERTER, discussion_type="pull_request", discussion_status="open"
        )
        number = next((offer.num for offer in offers if offer.author == CONVERTER), None)
        if number is None:
            raise WeightsUnavailableError(_no_weights(name, pickles))
        commit, sizes = _files(api, name, f"refs/pr/{number}")
    weights = [file for file in sizes if file == "model.safetensors"] or sorted(filter(safetensors, sizes))
    texts = sorted(file for file in sizes if "/" not in file and file.endswith(TEXTS))
    if not weights or "config.json" not in texts:
        raise WeightsUnavailableError(
            f"{name} has no config.json or no safetensors: it is no model in the form of transformers."
        )
    size = sum(sizes[file] for file in weights) / 1e9
    if size > LARGEST:
        raise WeightsUnavailableError(f"{name} has {size:.1f} GB of weights: no more than {LARGEST} GB are fetched.")
    return commit, texts, weights


def _files(api: Any, name: str, revision: str | None = None) -> tuple[str, dict[str, int]]:
    """The commit that a revision stands for, and its files with their sizes in bytes."""
    info = api.model_info(name, revision=revision, files_metadata=True, timeout=PATIENCE)
    return info.sha, {file.rfilename: file.size or 0 for file in info.siblings or []}


def safetensors(file: str) -> bool:
    """Whether a file is a model's weights, or a part of them, as transformers names them."""
    return bool(re.fullmatch(r"model(-\d+-of-\d+)?\.safetensors", file))
