"""Answerers of transformers behind the contract of ours: tiny random ViLT and BLIP, against transformers' own answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from torch import Tensor

from models import hub_answering
from models.captioning import regions
from models.grid import squash
from models.hub_answering import HubAnswerer
from models.hub_captioning import WHOLE
from models.picture import gallery_picture
from models.writer import Touch
from models.zoo import WeightsUnavailableError

FAMILIES = ["vilt", "blip"]
SIZE, PATCH, GRID, LAYERS, HEADS = 32, 8, 4, 3, 2
QUESTION = "what colour is the dog"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *QUESTION.split(), "red", "green", "two", "##s", "[DEC]"]
ANSWERS = ["red", "green", "two", "dogs", "yes"]


def vilt() -> Any:
    config = transformers.ViltConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=16,
        image_size=SIZE,
        patch_size=PATCH,
        max_position_embeddings=12,
        id2label=dict(enumerate(ANSWERS)),
        label2id={answer: number for number, answer in enumerate(ANSWERS)},
    )
    return transformers.ViltForQuestionAnswering(config)


def blip() -> Any:
    text = {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "encoder_hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": 12,
        "bos_token_id": len(WORDS) - 1,
        "eos_token_id": 2,
        "sep_token_id": 3,
        "pad_token_id": 0,
        "projection_dim": 8,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": SIZE,
        "patch_size": PATCH,
        "projection_dim": 8,
    }
    return transformers.BlipForQuestionAnswering(
        transformers.BlipConfig(text_config=text, vision_config=vision, projection_dim=8)
    )


def make(family: str, folder: Path) -> Path:
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizer(
        vocab={word: number for number, word in enumerate(WORDS)}, additional_special_tokens=["[DEC]"]
    ).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = (vilt if family == "vilt" else blip)().eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.dim() > 1 and "norm" not in name.lower():
                    parameter.normal_(std=0.5)
    model.tie_weights()
    model.save_pretrained(folder)
    if family == "vilt":
        processor = transformers.ViltImageProcessor(size={"shortest_edge": SIZE}, size_divisor=PATCH)
    else:
        processor = transformers.BlipImageProcessor(size={"height": SIZE, "width": SIZE})
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random network of each family. Shared: leave them as they are."""
    return {family: make(family, tmp_path_factory.mktemp("hub") / family) for family in FAMILIES}


@pytest.fixture(scope="module")
def answerers(folders: dict[str, Path]) -> dict[str, HubAnswerer]:
    return {family: hub_answering.load(str(folder)) for family, folder in folders.items()}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def answerer(family: str, answerers: dict[str, HubAnswerer]) -> HubAnswerer:
    return answerers[family]


def test_a_picture_is_shown_as_the_networks_own_processor_shows_it(
    family: str, answerer: HubAnswerer, folders: dict[str, Path]
) -> None:
    """To 1/255 of a pixel (trap 19). ViLT's own keeps the sides' ratio, ours does not: of a square one they are the same."""
    pixels = gallery_picture("coffee").pixels[:150, : 150 if family == "vilt" else 90]
    theirs = transformers.AutoImageProcessor.from_pretrained(folders[family])(
        images=Image.fromarray(pixels), return_tensors="pt"
    )
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    assert ((answerer.shown(x) - theirs["pixel_values"]) * answerer.std).abs().max() <= 1.01 / 255


def picture(seed: int = 0, height: int = 50, width: int = 40) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def original(family: str, folders: dict[str, Path]) -> tuple[Any, Any]:
    """The same checkpoint and its tokenizer, loaded by transformers alone."""
    loader = transformers.AutoModelForVisualQuestionAnswering
    return (
        loader.from_pretrained(folders[family], attn_implementation="eager").eval(),
        transformers.AutoTokenizer.from_pretrained(folders[family]),
    )


def test_a_trace_has_a_row_a_layer_and_all_that_was_looked_at(answerer: HubAnswerer, family: str) -> None:
    trace = answerer.answer_from(answerer.features(picture()), QUESTION)
    assert trace.target == ("layer 1", "layer 2", "layer 3") and trace.heads == ("head 1", "head 2")
    assert trace.values["grid"].tolist() == [GRID, GRID]
    assert trace.source[: GRID * GRID] == regions(GRID, GRID) and trace.source[GRID * GRID] == WHOLE
    own = trace.source[GRID * GRID + 1 :]
    assert own == (
        tuple(f"“{w}” of the question" for w in ["[CLS]", *QUESTION.split(), "[SEP]"]) if family == "vilt" else ()
    )
    assert trace.weights.shape == (HEADS, LAYERS, len(trace.source))
    assert np.allclose(trace.weights.sum(-1), 1, atol=1e-5) and np.isnan(trace.scores).all()
    for row, log_p in zip(trace.candidates, trace.log_p, strict=True):
        chances = [chance for _, chance in row]
        assert chances == sorted(chances, reverse=True) and 0 < sum(chances) <= 1 + 1e-5
        assert log_p == pytest.approx(np.log(chances[0]), abs=1e-4)


def test_vilt_answers_as_transformers_does(answerers: dict[str, HubAnswerer], folders: dict[str, Path]) -> None:
    model, tokenizer = original("vilt", folders)
    x = picture(3)
    shown = (squash(x, SIZE, SIZE, "bicubic") - 0.5) / 0.5
    expected = model(
        **tokenizer(QUESTION, return_tensors="pt"), pixel_values=shown, pixel_mask=torch.ones(1, SIZE, SIZE)
    )
    trace = answerers["vilt"].answer_from(answerers["vilt"].features(x), QUESTION)
    found = dict(trace.candidates[-1])
    p = expected.logits[0].softmax(-1).tolist()
    assert all(found[answer] == pytest.approx(p[k], abs=1e-5) for k, answer in enumerate(ANSWERS))


def test_vilts_patches_are_in_order(answerers: dict[str, HubAnswerer]) -> None:
    """A picture that changes in one cell changes the embedding of that cell alone."""
    vilt, x = answerers["vilt"], torch.full((1, 3, SIZE, SIZE), 0.5)
    other = x.clone()
    other[..., PATCH : 2 * PATCH, 2 * PATCH : 3 * PATCH] = 1
    changed = (vilt.features(x) - vilt.features(other)).abs().amax(-1)[0] > 1e-6
    assert changed.nonzero().flatten().tolist() == [1 * GRID + 2]


def test_blip_answers_as_transformers_does(answerers: dict[str, HubAnswerer], folders: dict[str, Path]) -> None:
    model, tokenizer = original("blip", folders)
    blip, x = answerers["blip"], picture(5)
    shown = (squash(x, SIZE, SIZE, "bicubic") - blip.mean) / blip.std
    numbers = tokenizer(QUESTION, return_tensors="pt").input_ids
    written = model.generate(input_ids=numbers, pixel_values=shown, num_beams=5, max_new_tokens=10)
    trace = blip.answer_from(blip.features(x), QUESTION)
    assert tokenizer.decode(written[0], skip_special_tokens=True) in dict(trace.candidates[-1])
    assert all(len(row) == 1 for row in trace.candidates[:-1])


def test_a_words_influence_is_the_difference_without_it(answerer: HubAnswerer) -> None:
    features = answerer.features(picture())
    found = answerer.without_words_from(features, QUESTION)
    best, p = answerer.answer_from(features, QUESTION).candidates[-1][0]
    assert found.words == tuple(QUESTION.split()) and (found.answer, found.whole) == (best, pytest.approx(p, abs=1e-5))
    less = answerer.answer_from(features, "colour is the dog").candidates[-1]
    assert found.answers[0] == less[0][0]
    if best in dict(less):
        assert found.p[0] == pytest.approx(dict(less)[best], abs=1e-5)
    assert len(answerer.without_words_from(features, "dog").p) == 0


def test_a_gradient_gets_to_the_pixels(answerer: HubAnswerer) -> None:
    x = picture().requires_grad_()
    (gradient,) = torch.autograd.grad(answerer.features(x).square().sum(), x)
    assert gradient.isfinite().all() and gradient.abs().sum() > 0


@pytest.mark.parametrize(("question", "words"), [("", "Type a question"), ("dog " * 40, "tokens; at most")])
def test_what_cannot_be_read_is_said(answerer: HubAnswerer, question: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        answerer.answer_from(answerer.features(picture()), question)


def test_nothing_can_be_touched(answerer: HubAnswerer) -> None:
    with pytest.raises(ValueError, match="nothing can be touched"):
        answerer.answer_from(answerer.features(picture()), QUESTION, Touch(forbidden=frozenset({1})))


@pytest.mark.parametrize("change", [{"model_type": "bert"}, {"architectures": ["BlipForConditionalGeneration"]}])
def test_another_kind_of_network_is_refused(change: dict[str, Any], folders: dict[str, Path], tmp_path: Path) -> None:
    config = json.loads((folders["blip"] / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((folders["blip"] / "model.safetensors").read_bytes())
    with pytest.raises(WeightsUnavailableError, match="not one that answers questions"):
        hub_answering.load(str(tmp_path))
