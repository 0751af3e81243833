"""Encoder–decoders of transformers behind the contract of a Trace: every number is checked against transformers' own. Nothing here needs the network."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
import transformers
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import BPE, WordLevel
from tokenizers.trainers import BpeTrainer

from models import hub
from models.hub import HubTranslator
from models.trace import Trace
from models.zoo import WeightsUnavailableError

LAYERS, HEADS, LONGEST = 3, 4, 12  # of the decoder
ENGLISH = [
    "the",
    "dog",
    "sees",
    "a",
    "red",
    "house",
    "and",
    "the",
    "cat",
    "runs",
    "to",
    "a",
    "big",
    "tree",
    "while",
    "little",
    "birds",
    "sleep",
    "in",
    "old",
    "grey",
    "towers",
]
FRENCH = [
    "le",
    "chien",
    "voit",
    "une",
    "maison",
    "rouge",
    "été",
    "garçon",
    "où",
    "le",
    "chat",
    "court",
    "vers",
    "un",
    "grand",
    "arbre",
]
TEXT = "the dog sees a house"
FORCED = {2: 7, 4: 9, 5: 11}  # numbers of tokens by step
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
FAMILIES = ["marian", "bart", "t5", "mbart", "mvp"]


def assert_one_plain_sentence(text: str) -> None:
    """What is shown to a student: short, one line, no words of a traceback."""
    assert text.endswith(".") and "\n" not in text and 10 < len(text) < 200
    assert not re.search("error|exception|traceback|errno|0x|http", text, re.IGNORECASE)


# ---------------------------------------------------------------- tiny checkpoints


def save_tokenizer(folder: Path, tokenizer: Tokenizer, **more: Any) -> int:
    """Ends every sentence with </s>; returns how many tokens there are."""
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names, **more)
    fast.save_pretrained(folder)
    return len(fast)


def word_tokenizer(folder: Path, **more: Any) -> int:
    words = [*SPECIAL, *dict.fromkeys(ENGLISH)]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return save_tokenizer(folder, tokenizer, **more)


def byte_tokenizer(folder: Path) -> int:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=320,
        min_frequency=1,
        special_tokens=SPECIAL,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([" ".join(ENGLISH), " ".join(FRENCH)], trainer)
    return save_tokenizer(folder, tokenizer)


def marian_tokenizer(folder: Path) -> int:
    """SentencePiece for each language, and one vocabulary, in Marian's order: </s> first, <pad> last."""
    pieces: dict[str, None] = {}
    folder.mkdir()
    for name, words in (("source", ENGLISH), ("target", FRENCH)):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([" ".join(words), *words]),
            model_writer=model,
            vocab_size=60,
            model_type="bpe",
            minloglevel=2,
            num_threads=1,
        )
        (folder / f"{name}.spm").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        pieces |= dict.fromkeys(processor.id_to_piece(number) for number in range(3, processor.get_piece_size()))
    vocabulary = {piece: number for number, piece in enumerate(["</s>", "<unk>", *pieces, "<pad>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    transformers.MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json")
    ).save_pretrained(folder)
    return len(vocabulary)


def small(words: int, **more: Any) -> dict[str, Any]:
    sizes = {
        "d_model": 16,
        "encoder_layers": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "encoder_attention_heads": 2,
    }
    decoder = {
        "decoder_layers": LAYERS,
        "decoder_attention_heads": HEADS,
        "max_position_embeddings": LONGEST,
        "init_std": 0.7,
    }
    numbers = {
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": None,
    }
    return {**sizes, **decoder, **numbers, "vocab_size": words, **more}


def config_of(family: str, folder: Path) -> Any:
    if family == "marian":
        words = marian_tokenizer(folder)
        numbers = {"eos_token_id": 0, "pad_token_id": words - 1, "decoder_start_token_id": words - 1}
        return transformers.MarianConfig(**small(words, **numbers))
    if family == "bart":
        return transformers.BartConfig(**small(byte_tokenizer(folder)))
    if family == "mvp":
        return transformers.MvpConfig(**small(word_tokenizer(folder)))
    if family == "mbart":
        words = word_tokenizer(folder, additional_special_tokens=["en_XX", "fr_XX"])
        return transformers.MBartConfig(**small(words))
    return transformers.T5Config(
        vocab_size=word_tokenizer(folder),
        d_model=16,
        d_kv=4,
        num_heads=HEADS,
        num_layers=2,
        num_decoder_layers=LAYERS,
        d_ff=32,
        initializer_factor=3.0,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )


SEEDS = {"marian": 5, "bart": 9, "t5": 5, "mbart": 4, "mvp": 1}
RULES = {  # what generation_config.json of these families says
    "marian": lambda words: {"bad_words_ids": [[words - 1]]},
    "mbart": lambda words: {"forced_bos_token_id": words - 1},
}


def random_network(family: str, config: Any, seed: int) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.AutoModelForSeq2SeqLM.from_config(config).eval()
    for rule, value in RULES.get(family, lambda _: {})(config.vocab_size).items():
        setattr(model.generation_config, rule, value)
    return model


def make(family: str, folder: Path) -> Path:
    config = config_of(family, folder)
    random_network(family, config, SEEDS[family]).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random network of each family. Shared: leave them as they are."""
    return {family: make(family, tmp_path_factory.mktemp("hub") / family) for family in FAMILIES}


@pytest.fixture(scope="session")
def translators(folders: dict[str, Path]) -> dict[str, HubTranslator]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub, "LONGEST", LONGEST)
        return {family: hub.load(str(folder)) for family, folder in folders.items()}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def translator(family: str, translators: dict[str, HubTranslator]) -> HubTranslator:
    return translators[family]


@pytest.fixture(scope="session")
def traces(translators: dict[str, HubTranslator]) -> dict[str, Trace]:
    """What each network makes of the same text; some words are forced, because random networks like to repeat themselves."""
    traces = {}
    for family, translator in translators.items():
        words = {step: translator.show(number) for step, number in FORCED.items()}
        traces[family] = translator.translate(TEXT, words=words)
    return traces


@pytest.fixture
def trace(family: str, traces: dict[str, Trace]) -> Trace:
    return traces[family]


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A Marian of the test's own, to be broken."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in folders["marian"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


# ---------------------------------------------------------------- the numbers are transformers' own


@pytest.fixture(scope="session")
def originals(folders: dict[str, Path]) -> dict[str, Any]:
    """The same checkpoints, loaded and computed by transformers alone."""
    load = transformers.AutoModelForSeq2SeqLM.from_pretrained
    return {family: load(folder, attn_implementation="eager").eval() for family, folder in folders.items()}


def forward(original: Any, source: torch.Tensor, target: np.ndarray) -> tuple[Any, list[torch.Tensor]]:
    """The teacher-forced forward, and each cross-attention's $q^T k$ from the outputs of its projections."""
    start = original.generation_config.decoder_start_token_id
    projected: dict[str, torch.Tensor] = {}
    keep = lambda name: lambda _, __, output: projected.__setitem__(name, output[0])  # noqa: E731
    cross = [(n, m) for n, m in original.named_modules() if re.search(r"(encoder_attn|EncDecAttention)$", n)]
    handles = [
        projection.register_forward_hook(keep(f"{name}.{part[0]}"))
        for name, module in cross
        for part, projection in module.named_children()
        if part in ("q_proj", "k_proj", "q", "k")
    ]
    with torch.no_grad():
        out = original(
            input_ids=source, decoder_input_ids=torch.tensor([[start, *target[:-1].tolist()]]), output_attentions=True
        )
    for handle in handles:
        handle.remove()
    heads = [
        torch.einsum(
            "thd,shd->hts",
            projected[f"{name}.q"].unflatten(-1, (HEADS, -1)),
            projected[f"{name}.k"].unflatten(-1, (HEADS, -1)),
        )
        for name, _ in cross
    ]
    return out, heads


def test_all_heads_of_all_layers_are_named_and_sum_to_one(trace: Trace) -> None:
    assert trace.heads[0] == "layer 1 · head 1" and trace.heads[-1] == "layer 3 · head 4" and len(trace.heads) == 12
    assert trace.heads[5] == "layer 2 · head 2"
    assert trace.weights.shape == trace.scores.shape == (12, len(trace.target), len(trace.source))
    assert trace.weights.dtype == np.float32 and trace.weights.std() > 0.05
    np.testing.assert_allclose(trace.weights.sum(-1), 1, atol=1e-5)


def test_each_row_is_that_of_the_step_that_emits_its_word(
    family: str, translator: HubTranslator, trace: Trace, originals: dict[str, Any]
) -> None:
    out, _ = forward(originals[family], translator.read(TEXT), trace.values["word"])
    np.testing.assert_allclose(trace.weights, torch.cat([layer[0] for layer in out.cross_attentions]), atol=1e-5)
    log_p = out.logits[0].log_softmax(-1)
    np.testing.assert_allclose(trace.log_p, log_p[range(len(trace.target)), trace.values["word"]], atol=1e-4)
    assert len(set(trace.target)) > 3 and np.ptp(trace.log_p) > 0.1
    np.testing.assert_allclose(trace.values["h_bar"], out.encoder_last_hidden_state[0], atol=1e-4)
    assert trace.values["h"].shape == (len(trace.target), 16)


def test_the_scores_are_the_products_of_the_networks_own_projections(
    family: str, translator: HubTranslator, trace: Trace, originals: dict[str, Any]
) -> None:
    _, products = forward(originals[family], translator.read(TEXT), trace.values["word"])
    if family == "mvp":  # one of the architectures that transformers has not moved to its attention interface
        assert not translator.told and np.isnan(trace.scores).all()
        return
    d_k = 4
    expected = torch.cat(products) / (1 if family == "t5" else d_k**0.5)
    assert translator.told and expected.std() > 0.1
    np.testing.assert_allclose(trace.scores, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(torch.tensor(trace.scores).softmax(-1), trace.weights, atol=1e-6)


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("family", ["marian", "bart", "t5"], indirect=True)
def test_the_sentence_is_the_one_that_transformers_finds(
    beam: int, family: str, translator: HubTranslator, originals: dict[str, Any]
) -> None:
    expected = originals[family].generate(
        translator.read(TEXT), num_beams=beam, do_sample=False, max_new_tokens=LONGEST, use_cache=family != "t5"
    )
    assert translator.translate(TEXT, beam).values["word"].tolist() == expected[0, 1:].tolist()


def test_beam_search_can_find_another_sentence(translators: dict[str, HubTranslator]) -> None:
    pairs = [
        [translators[family].translate(text, beam).target for beam in (1, 4)]
        for family in ("bart", "mbart")
        for text in (TEXT, "red birds sleep", "the old tree")
    ]
    assert any(greedy != best for greedy, best in pairs)


def test_the_most_probable_candidate_is_what_was_written(family: str, trace: Trace) -> None:
    assert len(trace.candidates) == len(trace.target)
    for t, candidates in enumerate(trace.candidates):
        chances = [chance for _, chance in candidates]
        assert len(candidates) == 10 and chances == sorted(chances, reverse=True) and 0 < sum(chances) <= 1 + 1e-5
        if t in FORCED:
            assert trace.notes[t] == "forced" and trace.values["word"][t] == FORCED[t]
        elif "own settings" in trace.notes.get(t, ""):
            assert (family == "marian" or (family, t) == ("mbart", 0)) and candidates[0][0] != trace.target[t]
        else:
            assert candidates[0][0] == trace.target[t]
            assert candidates[0][1] == pytest.approx(np.exp(trace.log_p[t]), rel=1e-4)


def test_a_token_that_the_model_must_write_is_noted(traces: dict[str, Trace]) -> None:
    trace = traces["mbart"]
    assert trace.target[0] == "⟨fr_XX⟩" and trace.candidates[0][0][0] != "⟨fr_XX⟩"
    assert trace.notes[0] == "The model's own settings, not its probabilities, chose this token."


def test_a_sentence_without_an_end_is_noted(trace: Trace) -> None:
    assert (trace.target[-1] == "⟨end⟩") != ("cut here" in trace.notes.get(len(trace.target) - 1, ""))
    assert len(trace.target) <= LONGEST


# ---------------------------------------------------------------- tokens to read


def test_tokens_put_together_are_the_text(trace: Trace) -> None:
    assert trace.source[-1] == "⟨end⟩"
    assert "".join(trace.source[:-1]).strip() == TEXT
    assert not re.search("[▁Ġ]|</", "".join((*trace.source, *trace.target)))


def test_accents_are_read_though_the_tokens_are_bytes(translators: dict[str, HubTranslator]) -> None:
    source = translators["bart"].translate("le garçon été").source
    assert "".join(source[:-1]) == "le garçon été" and len(source) > 3


def test_every_token_that_is_shown_can_be_forced(translator: HubTranslator) -> None:
    shown = {translator.show(number) for number in range(translator.model.config.vocab_size)}
    assert len(shown) > 15
    for token in shown - {"", " "}:
        assert translator.show(translator.number(token)) == token


# ---------------------------------------------------------------- forced words


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("family", ["marian", "bart", "t5"], indirect=True)
def test_a_forced_word_is_written_and_changes_only_what_follows(beam: int, translator: HubTranslator) -> None:
    free = translator.translate(TEXT, beam)
    word = next(token for token, _ in free.candidates[1] if token not in (free.target[1], "⟨end⟩") and "⟨" not in token)
    trace = translator.translate(TEXT, beam, {1: word})
    assert trace.target[1] == word and trace.notes[1] == "forced"
    if beam == 1:
        np.testing.assert_allclose(trace.weights[:, :2], free.weights[:, :2], atol=1e-5)
        np.testing.assert_allclose(trace.log_p[0], free.log_p[0], atol=1e-5)
        chances = dict(free.candidates[1])
        assert trace.log_p[1] == pytest.approx(np.log(chances[word]), rel=1e-3)
        assert abs(trace.weights[:, 2] - free.weights[:, 2]).max() > 1e-3 or len(free.target) == 2


def test_nothing_is_written_after_a_forced_end(translator: HubTranslator) -> None:
    trace = translator.translate(TEXT, words={1: "⟨end⟩", 5: "⟨unk⟩"})
    assert len(trace.target) == 2 and trace.target[1] == "⟨end⟩" and set(trace.notes) <= {0, 1}


def test_the_space_before_a_forced_word_may_be_left_out(translators: dict[str, HubTranslator]) -> None:
    assert translators["t5"].translate(TEXT, words={0: "house"}).target[0] == " house"
    assert translators["marian"].show(translators["marian"].number("le")).strip() == "le"


@pytest.mark.parametrize("word", ["", "  ", "xylophone", "⟨fr_YY⟩", "x" * 500])
def test_a_word_that_the_model_has_not_is_refused(word: str, translator: HubTranslator) -> None:
    with pytest.raises(ValueError, match="has no token") as caught:
        translator.translate(TEXT, words={0: word})
    assert_one_plain_sentence(str(caught.value))


# ---------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize("text", ["", "  \n", "</s>", "\u200b"])
def test_nothing_to_translate(text: str, translators: dict[str, HubTranslator]) -> None:
    with pytest.raises(ValueError, match=r"nothing to translate|Not one word") as caught:
        translators["marian"].translate(text)
    assert_one_plain_sentence(str(caught.value).replace(". ", ", "))


def test_a_text_that_is_too_long(translator: HubTranslator) -> None:
    with pytest.raises(ValueError, match=rf"This text has \d+ tokens; at most {LONGEST} can be read at once") as caught:
        translator.translate("dog " * LONGEST)
    assert "Nothing was translated" in str(caught.value)


def test_the_longest_text_is_read(translators: dict[str, HubTranslator]) -> None:
    trace = translators["t5"].translate("dog " * (LONGEST - 1))
    assert len(trace.source) == LONGEST


def test_a_network_without_a_limit_of_its_own_reads_128_tokens(folders: dict[str, Path]) -> None:
    translator = hub.load(str(folders["t5"]))
    assert translator.longest == 128 and translator.read("dog " * 127).shape == (1, 128)
    with pytest.raises(ValueError, match="has 129 tokens; at most 128"):
        translator.read("dog " * 128)


def test_words_of_another_script(translators: dict[str, HubTranslator]) -> None:
    with pytest.raises(ValueError, match="Not one word of this is known"):
        translators["t5"].translate("собака видит дом")


# ---------------------------------------------------------------- many at once


@pytest.mark.parametrize("family", ["marian", "t5"], indirect=True)
def test_eight_threads_get_each_their_own_trace(
    family: str, folders: dict[str, Path], translator: HubTranslator
) -> None:
    texts = [" ".join(ENGLISH[k : k + 2 + k % 2]) for k in range(8)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub, "LONGEST", LONGEST)
        shared, alone = hub.load(str(folders[family])), translator
    gate = threading.Barrier(8)

    def visit(text: str) -> Any:
        gate.wait()
        return shared.translate(text, words={4: "⟨end⟩"})

    with ThreadPoolExecutor(8) as pool:
        traces = list(pool.map(visit, texts))
    for text, trace in zip(texts, traces, strict=True):
        expected = alone.translate(text, words={4: "⟨end⟩"})
        assert (trace.source, trace.target) == (expected.source, expected.target)
        np.testing.assert_allclose(trace.weights, expected.weights, atol=1e-5)
        np.testing.assert_allclose(trace.scores, expected.scores, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(trace.log_p, expected.log_p, rtol=1e-4, atol=1e-4)
    assert len({trace.source for trace in traces}) == 8


def test_a_loaded_network_is_ready(translator: HubTranslator) -> None:
    assert not any(module.training for module in translator.model.modules())
    assert not any(parameter.requires_grad for parameter in translator.model.parameters())
    assert {parameter.dtype for parameter in translator.model.parameters()} == {torch.float32}


# ---------------------------------------------------------------- what cannot be loaded


def refusal(name: str) -> str:
    with pytest.raises(WeightsUnavailableError) as caught:
        hub.load(name)
    assert_one_plain_sentence(str(caught.value))
    return str(caught.value)


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Any, ...]]:
    """An empty cache and no network; what is asked of the network is returned."""
    asked: list[tuple[Any, ...]] = []

    def nobody(*names: Any, **_: Any) -> None:
        asked.append(names)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    return asked


def test_without_a_network_it_says_so_at_once(cut_off: list[tuple[Any, ...]]) -> None:
    start = time.perf_counter()
    assert "Helsinki-NLP/opus-mt-en-fr is not on this machine" in refusal("Helsinki-NLP/opus-mt-en-fr")
    assert time.perf_counter() - start < 5 and 0 < len(cut_off) < 4


@pytest.mark.parametrize(
    "name",
    [
        "../../etc",
        "a/../b",
        "owner/../../etc/passwd",
        "/etc/nowhere",
        "a/b/c",
        "a b",
        "x\0y",
        "ünïcode/模型",
        "http://example.org/a",
        "-a",
        "a--b",
        "a.git",
        "x" * 5000,
        "C:\\models",
        "~",
        "a\nb",
        "models--a--b",
        "opus\n",
    ],
)
def test_a_name_that_is_none_asks_nobody(name: str, cut_off: list[tuple[Any, ...]]) -> None:
    assert "neither a name" in refusal(name)
    assert not cut_off


@pytest.mark.parametrize("name", ["", "  ", "\n"])
def test_an_empty_name(name: str, cut_off: list[tuple[Any, ...]]) -> None:
    assert "Type the name" in refusal(name)
    assert not cut_off


def test_a_way_up_is_no_folder(copy: Path) -> None:
    assert hub.load(str(copy)).told
    assert "neither a name" in refusal(f"{copy}/../mine")


def test_a_folder_without_a_config(copy: Path) -> None:
    (copy / "config.json").unlink()
    assert refusal(str(copy)).startswith("mine has no config.json")


@pytest.mark.parametrize("config", ["", "{", "[]", "{}", '{"model_type": "nothing"}', '{"model_type": 3}', "\xff"])
def test_a_damaged_config(config: str, copy: Path) -> None:
    (copy / "config.json").write_text(config, encoding="latin-1")
    assert "The config.json of mine is damaged" in refusal(str(copy))


@pytest.mark.parametrize("kind", ["bert", "gpt2", "vit", "whisper", "t5"])
def test_another_kind_of_model_is_named(kind: str, copy: Path) -> None:
    encoder = {"is_encoder_decoder": False} if kind == "t5" else {}
    (copy / "config.json").write_text(json.dumps({"model_type": kind, **encoder}))
    assert f"mine is a model of the kind {kind}, not an encoder–decoder" in refusal(str(copy))


def test_weights_that_are_only_pickled(copy: Path, tmp_path: Path) -> None:
    (copy / "model.safetensors").unlink()
    assert "has no weights" in refusal(str(copy))
    torch.save({"model": Evil(tmp_path / "done")}, copy / "pytorch_model.bin")
    assert "only as pytorch_model.bin, which could run code" in refusal(str(copy))
    assert not (tmp_path / "done").exists()


class Evil:
    """Makes a folder if it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


def test_code_that_comes_with_a_model_does_not_run(copy: Path, tmp_path: Path) -> None:
    (copy / "evil.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'done')!r})\nclass Evil: pass\n")
    config = json.loads((copy / "config.json").read_text())
    auto = dict.fromkeys(("AutoConfig", "AutoModelForSeq2SeqLM", "AutoTokenizer"), "evil.Evil")
    (copy / "config.json").write_text(json.dumps({**config, "auto_map": auto}))
    assert hub.load(str(copy)).translate(TEXT).heads
    (copy / "config.json").write_text(json.dumps({**config, "auto_map": auto, "model_type": "evil"}))
    assert "only by running the model's own code" in refusal(str(copy))
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("damage", ["empty", "cut off", "text", "lies about its length"])
def test_damaged_safetensors(damage: str, copy: Path) -> None:
    path = copy / "model.safetensors"
    whole = path.read_bytes()
    lie = (2**62).to_bytes(8, "little") + whole[8:]
    path.write_bytes(
        {"empty": b"", "cut off": whole[: len(whole) // 2], "text": b"<html>", "lies about its length": lie}[damage]
    )
    assert "The weights of mine are damaged" in refusal(str(copy))


def test_weights_of_another_network(copy: Path, folders: dict[str, Path]) -> None:
    (copy / "model.safetensors").write_bytes((folders["t5"] / "model.safetensors").read_bytes())
    assert "of another network" in refusal(str(copy))


@pytest.mark.parametrize(
    "part", ["model.encoder.layers.1.fc1.weight", "model.decoder.layers.2.encoder_attn.q_proj.bias"]
)
def test_no_weight_is_left_random(part: str, copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    del tensors[part]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert "not all there" in refusal(str(copy))


def test_weights_of_another_size(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    tensors["model.encoder.layers.1.fc1.weight"] = torch.zeros(3, 3)
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert "The weights of mine are" in refusal(str(copy))


def test_weights_in_parts(copy: Path) -> None:
    whole = hub.load(str(copy)).translate(TEXT)
    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    names = sorted(tensors)
    where = {name: f"model-0000{1 + k % 2}-of-00002.safetensors" for k, name in enumerate(names)}
    for file in set(where.values()):
        part = {name: tensors[name] for name in names if where[name] == file}
        save_file(part, copy / file, metadata={"format": "pt"})
    (copy / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    np.testing.assert_array_equal(hub.load(str(copy)).translate(TEXT).weights, whole.weights)
    (copy / "model-00002-of-00002.safetensors").unlink()
    assert "not all of them" in refusal(str(copy))


@pytest.mark.parametrize("file", ["source.spm", "target.spm", "vocab.json"])
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_missing_or_damaged_tokenizer(file: str, damage: str, copy: Path) -> None:
    (copy / file).write_bytes(b"nothing") if damage == "damaged" else (copy / file).unlink()
    assert refusal(str(copy)) == "The tokenizer of mine is missing or damaged."


@pytest.mark.parametrize("family", ["bart", "t5", "mbart"], indirect=True)
def test_a_folder_without_any_tokenizer(family: str, folders: dict[str, Path], tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "generation_config.json"):
        (tmp_path / name).write_bytes((folders[family] / name).read_bytes())
    assert "The tokenizer of" in refusal(str(tmp_path))


def test_importing_it_does_not_import_transformers() -> None:
    """(The zoo is left out: it takes seconds.)"""
    zoo = "sys.modules['models.zoo'] = t = types.ModuleType('zoo'); t.WeightsUnavailableError = RuntimeError"
    code = f"import sys, types; {zoo}; import models.hub; print([name for name in ('transformers', 'tokenizers') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- huggingface.co, played by this machine


class Hub:
    """A huggingface.co with repositories in memory: name → revision → files; it remembers what was asked, and with what token."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.sizes: dict[str, int] = {}
        self.offers: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.wait = 0.0
        self.refuse: str | None = None

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        path, _, _ = path.partition("?")
        if self.refuse:
            return 403, {"X-Error-Code": self.refuse}, b"{}"
        for name, revisions in self.repositories.items():
            if path.startswith(f"/api/models/{name}/discussions"):
                return 200, {}, json.dumps({"discussions": self.offers, "count": len(self.offers), "start": 0}).encode()
            if found := re.fullmatch(rf"/api/models/{name}(?:/revision/(.+))?", path):
                commit = (found[1] or "main").replace("%2F", "/")
                files = [
                    {"rfilename": f, "size": self.sizes.get(f, len(data))} for f, data in revisions[commit].items()
                ]
                return 200, {}, json.dumps({"id": name, "sha": self.commit(commit), "siblings": files}).encode()
            for revision, contents in revisions.items():
                for file, data in contents.items():
                    if path == f"/{name}/resolve/{self.commit(revision)}/{file}":
                        return 200, {"ETag": f'"{abs(hash(data))}"', "X-Repo-Commit": self.commit(revision)}, data
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    @staticmethod
    def commit(revision: str) -> str:
        return ("a" if revision == "main" else "b") * 40


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    played = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            played.asked.append(self.path)
            played.tokens.add(self.headers.get("Authorization"))
            time.sleep(played.wait)
            status, headers, data = played.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{http.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_this_is_a_secret_of_the_machine")
    yield played
    http.shutdown()
    http.server_close()


@pytest.fixture
def files(folders: dict[str, Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folders["marian"].iterdir()}


def test_a_model_is_fetched_once(server: Hub, files: dict[str, bytes], translators: dict[str, HubTranslator]) -> None:
    server.repositories["owner/tiny"] = {
        "main": {**files, "pytorch_model.bin": b"pickle", "onnx/model.safetensors": b""}
    }
    fetched = hub.load("owner/tiny")
    np.testing.assert_allclose(
        fetched.translate(TEXT).weights, translators["marian"].translate(TEXT).weights, atol=1e-6
    )
    assert fetched.name == "owner/tiny" and server.tokens == {None}
    assert not any(file in "".join(server.asked) for file in ("pytorch_model.bin", "onnx"))
    server.asked.clear()
    assert hub.load("owner/tiny").told and not server.asked


def test_a_model_that_is_half_there_is_fetched_to_the_end(server: Hub, files: dict[str, bytes]) -> None:
    server.repositories["owner/tiny"] = {"main": files}
    hub.load("owner/tiny")
    folder = hub.cached("owner/tiny")
    assert folder is not None
    (folder / "model.safetensors").unlink()
    assert hub.cached("owner/tiny") is None and hub.load("owner/tiny").told


def test_an_unknown_name(server: Hub) -> None:
    assert refusal("owner/nothing") == "There is no public model named owner/nothing on huggingface.co."
    assert len(server.asked) == 1


def test_a_model_for_those_who_agreed(server: Hub) -> None:
    server.refuse = "GatedRepo"
    assert "only to those who agree" in refusal("owner/tiny")


def test_a_server_that_does_not_answer(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.wait = 2
    monkeypatch.setattr(hub, "PATIENCE", 0.3)
    start = time.perf_counter()
    assert "could not be fetched" in refusal("owner/tiny")
    assert time.perf_counter() - start < 1.5


def test_a_name_with_pickles_only_fetches_nothing(server: Hub, files: dict[str, bytes]) -> None:
    del files["model.safetensors"]
    server.repositories["owner/tiny"] = {"main": {**files, "pytorch_model.bin": b"pickle"}}
    assert "owner/tiny has its weights only as pytorch_model.bin" in refusal("owner/tiny")
    assert not any("resolve" in path for path in server.asked)


@pytest.mark.parametrize("author", ["SFconvertbot", "somebody"])
def test_only_the_hubs_own_conversion_is_trusted(author: str, server: Hub, files: dict[str, bytes]) -> None:
    old = {name: data for name, data in files.items() if name != "model.safetensors"} | {"pytorch_model.bin": b"pickle"}
    server.repositories["owner/tiny"] = {"main": old, "refs/pr/7": {**old, **files}}
    offer = {"title": "Adding `safetensors` variant of this model", "num": 7, "status": "open", "isPullRequest": True}
    server.offers = [
        {
            **offer,
            "author": {"name": author},
            "createdAt": "2023-01-01T00:00:00.000Z",
            "repo": {"name": "owner/tiny", "type": "model"},
        }
    ]
    if author == "SFconvertbot":
        assert hub.load("owner/tiny").told
        server.asked.clear()
        assert hub.load("owner/tiny").told and not server.asked
    else:
        assert "only as pytorch_model.bin" in refusal("owner/tiny")
    assert not any("pytorch_model.bin" in path for path in server.asked) and server.tokens == {None}


def test_a_model_of_many_gigabytes_is_not_fetched(server: Hub, files: dict[str, bytes]) -> None:
    server.repositories["owner/tiny"] = {"main": files}
    server.sizes["model.safetensors"] = 80 * 10**9
    assert "80.0 GB" in refusal("owner/tiny")
    assert not any("resolve" in path for path in server.asked)


def test_the_weights_of_another_kind_of_model_are_not_fetched(server: Hub, files: dict[str, bytes]) -> None:
    server.repositories["owner/tiny"] = {"main": {**files, "config.json": b'{"model_type": "bert"}'}}
    assert "of the kind bert" in refusal("owner/tiny")
    assert not any("model.safetensors" in path for path in server.asked)
