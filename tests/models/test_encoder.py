"""Encoders of transformers told head by head: every number is checked against transformers' own. Nothing here needs the network."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import WordPiece

from models import encoder, zoo
from models.attention import attend, scaled_dot
from models.card import read_card
from models.encoder import Encoder
from models.zoo import WeightsUnavailableError

ANIMAL = "The animal didn't cross the street because it was too tired."
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "runs", "the", "old", "cat", "sleep", "##s", "."]
LAYERS, HEADS, WIDTH = 3, 4, 16
SIZES = {"vocab_size": len(WORDS), "intermediate_size": 32, "max_position_embeddings": 24, "initializer_range": 0.5}
FAMILIES: dict[str, Any] = {
    "bert": lambda: transformers.BertConfig(
        **SIZES, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS
    ),
    "roberta": lambda: transformers.RobertaConfig(
        **SIZES, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, pad_token_id=0
    ),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=len(WORDS), dim=WIDTH, n_layers=LAYERS, n_heads=HEADS, hidden_dim=32, initializer_range=0.5
    ),
    "albert": lambda: transformers.AlbertConfig(
        **SIZES, embedding_size=8, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS
    ),
    "mpnet": lambda: transformers.MPNetConfig(
        **SIZES, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS
    ),
}
TELLING = ["bert", "roberta", "distilbert", "albert"]


def make(family: str, folder: Path) -> Path:
    """A random network of this family in a folder, with a tokenizer that knows a dozen words."""
    tokenizer = Tokenizer(WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{part}_token": f"[{part.upper()}]" for part in ("pad", "unk", "cls", "sep", "mask")}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=20, **names).save_pretrained(
        folder
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        transformers.AutoModel.from_config(FAMILIES[family]()).eval().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: make(family, tmp_path_factory.mktemp("encoder") / family) for family in FAMILIES}


@pytest.fixture(scope="session")
def minilm() -> Encoder:
    return encoder.load()


def own(folder: Path) -> Any:
    """The same network, loaded and computed by transformers alone."""
    return transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()


def answer(network: Any, asked: Encoder, a: str, b: str = "", **more: Any) -> Any:
    with torch.no_grad():
        return network(**asked.read(a, b)[0], output_attentions=True, **more)


# ---------------------------------------------------------------- the numbers are transformers' own


@pytest.mark.parametrize("pair", [(ANIMAL, ""), ("A man plays a guitar.", "Somebody makes music.")])
def test_minilm_answers_as_transformers_does(minilm: Encoder, pair: tuple[str, str]) -> None:
    out, trace = answer(own(zoo.minilm_folder()), minilm, *pair), minilm.trace(*pair)
    np.testing.assert_allclose(trace.weights, torch.cat([layer[0] for layer in out.attentions]), atol=1e-5)
    np.testing.assert_allclose(trace.values["h"], out.last_hidden_state[0], atol=1e-5)
    assert trace.weights.shape[0] == 72 and trace.weights.std() > 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_as_transformers_does(family: str, folders: dict[str, Path]) -> None:
    asked = encoder.load(str(folders[family]))
    assert asked.told == (family in TELLING)
    out, trace = answer(own(folders[family]), asked, "the old dog", "a cat"), asked.trace("the old dog", "a cat")
    np.testing.assert_allclose(trace.weights, torch.cat([layer[0] for layer in out.attentions]), atol=1e-5)
    np.testing.assert_allclose(trace.values["h"], out.last_hidden_state[0], atol=1e-5)
    assert trace.source == ("[CLS]", "the", "old", "dog", "[SEP]", "a", "cat", "[SEP]")
    assert trace.values["segment"].tolist() == [-1, 0, 0, 0, -1, 1, 1, -1]
    assert trace.weights.std() > 0.01 and trace.heads[5] == "layer 2 · head 2"
    assert np.isnan(trace.scores).all() == (family not in TELLING)


def test_scores_and_weights_are_those_of_the_lectures_functions(minilm: Encoder) -> None:
    trace = minilm.trace(ANIMAL)
    Q, K, V = (torch.from_numpy(trace.values[name]) for name in "QKV")
    parts = attend(Q, K, V, scaled_dot)
    np.testing.assert_allclose(trace.scores, parts.scores, atol=1e-5)
    np.testing.assert_allclose(trace.weights, parts.weights, atol=1e-6)
    terms = encoder.score_terms(trace, 37, 10, 2)
    assert terms.recomputed() == pytest.approx(trace.scores[37, 10, 2], abs=1e-4) and len(terms.products) == 32


def test_it_looks_at_the_animal_in_layer_4_head_2_counted_from_1(minilm: Encoder) -> None:
    trace = minilm.trace(ANIMAL)
    it, animal = trace.target.index("it"), trace.source.index("animal")
    alpha = trace.weights[:, it, animal]
    assert trace.heads[int(alpha.argmax())] == "layer 4 · head 2"
    assert alpha.max() == pytest.approx(0.6768, abs=5e-4)


def test_concurrent_visitors_do_not_meet(minilm: Encoder) -> None:
    texts = [ANIMAL, "A dog runs.", "The old cat sleeps in the warm sun.", "Where is the library?"]
    alone = {text: minilm.trace(text) for text in texts}
    with ThreadPoolExecutor(4) as pool:
        for text, trace in zip(texts * 5, pool.map(minilm.trace, texts * 5), strict=True):
            assert trace.source == alone[text].source
            np.testing.assert_allclose(trace.values["K"], alone[text].values["K"], atol=1e-5)


# ---------------------------------------------------------------- one head less


@pytest.mark.parametrize(("layer", "head"), [(0, 3), (1, 1), (2, 0)])
def test_an_ablation_is_a_zero_before_the_output_projection(layer: int, head: int, folders: dict[str, Path]) -> None:
    asked = encoder.load(str(folders["bert"]))
    network = own(folders["bert"])
    d = WIDTH // HEADS
    whole = encoder.embedding(answer(network, asked, "the old dog").last_hidden_state)
    with torch.no_grad():
        network.encoder.layer[layer].attention.output.dense.weight[:, head * d : (head + 1) * d] = 0
    without = encoder.embedding(answer(network, asked, "the old dog").last_hidden_state)
    found = asked.ablations("the old dog")
    assert found.shape == (LAYERS, HEADS) and found[layer, head] < 0.999
    assert found[layer, head] == pytest.approx(float(whole[0] @ without[0]), abs=1e-5)


def test_all_ablations_are_the_same_however_they_are_cut(minilm: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = minilm.ablations("A dog runs.")
    monkeypatch.setattr(encoder, "CHUNK", 1)
    np.testing.assert_allclose(minilm.ablations("A dog runs."), whole, atol=1e-5)
    assert whole.shape == (6, 12) and whole.min() < 0.99 and whole.max() <= 1 + 1e-5


def test_where_no_head_can_be_taken_out_it_says_so(folders: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="a way of its own"):
        encoder.load(str(folders["mpnet"])).ablations("a dog")


# ---------------------------------------------------------------- what is made of the weights


def test_rollout_by_hand() -> None:
    one, two = [[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [1.0, 0.0]]
    weights = np.array([[one, one], [two, [[1.0, 0.0], [0.0, 1.0]]]], dtype=np.float32)
    first, second = encoder.rollout(weights)
    np.testing.assert_allclose(first, [[1, 0], [0.25, 0.75]])
    np.testing.assert_allclose(second, [[0.75 + 0.0625, 0.1875], [0.25 + 0.1875, 0.5625]])


def test_norms_are_those_of_the_vectors_that_a_head_adds(folders: dict[str, Path]) -> None:
    """Each head's part of the output projection, by hand; all heads together make what the layer adds."""
    asked, network = encoder.load(str(folders["bert"])), own(folders["bert"])
    trace, d = asked.trace("the old dog"), WIDTH // HEADS
    W_O = network.encoder.layer[1].attention.output.dense.weight.detach().numpy()
    head = HEADS + 2
    f = trace.values["V"][head] @ W_O[:, 2 * d : 3 * d].T
    np.testing.assert_allclose(trace.values["f"][head], np.linalg.norm(f, axis=-1), atol=1e-5)
    added = np.linalg.norm(trace.weights[head, 1][:, None] * f, axis=-1)
    np.testing.assert_allclose(encoder.weighted_norms(trace)[head, 1], added, atol=1e-5)


def test_patterns_of_weights_made_by_hand(folders: dict[str, Path]) -> None:
    trace = encoder.load(str(folders["bert"])).trace("the old dog")
    n = len(trace.source)
    previous, last, flat = np.eye(n, k=-1), np.zeros((n, n)), np.full((n, n), 1 / n)
    previous[0, 0] = last[:, -1] = 1
    made = type(trace)(**{**vars(trace), "weights": np.stack([previous, last, flat] * 4).astype(np.float32)})
    found = {name: share[:3].astype(float).round(4).tolist() for name, share in encoder.patterns(made).items()}
    assert found["previous"] == [1, 0, 0.2] and found["separators"] == [0, 1, 0.2] and found["broad"] == [0, 0, 1]
    assert found["same"] == [0.2, 0.2, 0.2] and found["first"] == [0.4, 0, 0.2] and found["sharp"] == [1, 1, 0.2]
    assert found["next"] == [0, 0.25, 0.2]


def test_within_and_across_make_the_whole_row(minilm: Encoder) -> None:
    trace = minilm.trace("A man plays a guitar.", "Somebody makes music.")
    parts = [encoder.between(trace, 0, other) for other in (0, 1, -1)]
    np.testing.assert_allclose(sum(parts), 1, atol=1e-5)
    assert parts[1].max() > 0.05


# ---------------------------------------------------------------- what cannot be read or loaded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing to read"),
        ("  \n", "nothing to read"),
        ("word " * 500, "502 tokens; at most 128"),
        ("🎉🎉", "Not one word"),
        ("x" * 9999, "9,999 characters"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(minilm: Encoder, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        minilm.trace(text)


@pytest.mark.parametrize("text", ["我喜欢学习。", "<b>hi</b> $x$", "[SEP] [CLS]", "ﷺ\0\u202e!"])
def test_what_is_odd_is_read_as_it_is(minilm: Encoder, text: str) -> None:
    trace = minilm.trace(text)
    np.testing.assert_allclose(trace.weights.sum(-1), 1, atol=1e-5)


def test_128_tokens_can_be_read_and_no_more(minilm: Encoder) -> None:
    assert len(minilm.trace("dog " * 126).source) == 128
    with pytest.raises(ValueError, match="129 tokens"):
        minilm.trace("dog " * 127)


def test_a_tokenizer_with_fewer_places_is_heeded(folders: dict[str, Path]) -> None:
    assert encoder.load(str(folders["roberta"])).longest == 20


def test_the_weights_are_those_of_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    file, card = zoo.minilm_folder() / "model.safetensors", read_card(zoo.MINILM)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card.sha256
    assert file.stat().st_size / 1e6 == pytest.approx(card.megabytes, abs=0.1)
    monkeypatch.setattr(zoo, "read_card", lambda _: replace(card, sha256="0" * 64))
    with pytest.raises(WeightsUnavailableError, match="not the one that the model card names"):
        encoder.load()


def test_parameters_are_counted(minilm: Encoder) -> None:
    assert sum(part.numel() for part in minilm.model.parameters()) == read_card(zoo.MINILM).parameters


def test_another_kind_of_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(WeightsUnavailableError, match="of the kind gpt2, not an encoder that reads"):
        encoder.load(str(tmp_path))


@pytest.mark.parametrize("name", ["../up", "a b", "http://x/y"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(WeightsUnavailableError, match="bert-base-uncased"):
        encoder.load(name)
