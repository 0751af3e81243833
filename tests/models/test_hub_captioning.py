"""Captioners of transformers behind the contract of a picture's writer: tiny random ViT-GPT2 and BLIP, against transformers' own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from torch import Tensor

from models import hub_captioning
from models.captioning import regions
from models.grid import squash
from models.hub_captioning import WHOLE, HubCaptioner
from models.picture import gallery_picture
from models.trace import Trace
from models.writer import Touch
from models.zoo import WeightsUnavailableError

FAMILIES = ["vit-gpt2", "blip"]
SIZE, PATCH, GRID = 32, 8, 4
TEXT = "a dog runs on the green grass while two girls in red play with the ball"
LONGEST = 16


def byte_tokenizer(folder: Path) -> int:
    """As GPT-2's: a token may begin with a space."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=320,
        min_frequency=1,
        special_tokens=["<|endoftext|>"],
        show_progress=False,
        initial_alphabet=alphabet,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    end = "<|endoftext|>"
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end, unk_token=end)
    fast.save_pretrained(folder)
    return len(fast)


def piece_tokenizer(folder: Path) -> int:
    """As BERT's: a token that continues a word begins with ##. [DEC] begins a caption."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(TEXT.split()), "##s", "##ing", "[DEC]"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(
        vocab={word: number for number, word in enumerate(words)}, additional_special_tokens=["[DEC]"]
    ).save_pretrained(folder)
    return len(words)


def vit_gpt2(folder: Path) -> Any:
    words = byte_tokenizer(folder)
    seeing = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=SIZE,
        patch_size=PATCH,
    )
    writing = transformers.GPT2Config(
        vocab_size=words,
        n_embd=24,
        n_layer=2,
        n_head=3,
        n_positions=LONGEST,
        bos_token_id=0,
        eos_token_id=0,
        add_cross_attention=True,
        is_decoder=True,
        initializer_range=0.5,
    )
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        seeing, writing, decoder_start_token_id=0, pad_token_id=0, eos_token_id=0
    )
    return transformers.VisionEncoderDecoderModel(config=config)


def blip(folder: Path) -> Any:
    words = piece_tokenizer(folder)
    text = {
        "vocab_size": words,
        "hidden_size": 24,
        "encoder_hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "max_position_embeddings": LONGEST,
        "bos_token_id": words - 1,
        "eos_token_id": 2,
        "sep_token_id": 3,
        "pad_token_id": 0,
        "projection_dim": 8,
        "initializer_range": 0.5,
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
    config = transformers.BlipConfig(text_config=text, vision_config=vision, projection_dim=8)
    return transformers.BlipForConditionalGeneration(config)


def make(family: str, folder: Path) -> Path:
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = (vit_gpt2 if family == "vit-gpt2" else blip)(folder).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.dim() > 1 and "norm" not in name.lower():
                    parameter.normal_(std=0.5)
    model.tie_weights()
    model.save_pretrained(folder)
    size = {"height": SIZE, "width": SIZE}
    processor = transformers.ViTImageProcessor if family == "vit-gpt2" else transformers.BlipImageProcessor
    processor(size=size, image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4]).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random network of each family. Shared: leave them as they are."""
    return {family: make(family, tmp_path_factory.mktemp("hub") / family) for family in FAMILIES}


@pytest.fixture(scope="module")
def captioners(folders: dict[str, Path]) -> dict[str, HubCaptioner]:
    return {family: hub_captioning.load(str(folder)) for family, folder in folders.items()}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def captioner(family: str, captioners: dict[str, HubCaptioner]) -> HubCaptioner:
    return captioners[family]


def picture(seed: int = 0, height: int = 50, width: int = 40) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def original(family: str, folders: dict[str, Path]) -> Any:
    """The same checkpoint, loaded and computed by transformers alone."""
    kind = transformers.VisionEncoderDecoderModel if family == "vit-gpt2" else transformers.BlipForConditionalGeneration
    return kind.from_pretrained(folders[family], attn_implementation="eager").eval()


def shown(x: Tensor, family: str) -> Tensor:
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    return (squash(x, SIZE, SIZE, "bilinear" if family == "vit-gpt2" else "bicubic") - mean) / std


def test_a_picture_is_shown_as_the_networks_own_processor_shows_it(family: str, folders: dict[str, Path]) -> None:
    """To 1/255 of a pixel (trap 19), of pictures that get smaller and of ones that get larger."""
    captioner, pixels = hub_captioning.load(str(folders[family])), photograph()
    processor = transformers.AutoImageProcessor.from_pretrained(folders[family])
    for crop in (pixels, pixels[:20, :25]):
        theirs = processor(images=Image.fromarray(crop), return_tensors="pt")["pixel_values"]
        x = torch.from_numpy(crop.copy()).permute(2, 0, 1)[None] / 255
        assert ((captioner.shown(x) - theirs) * captioner.std).abs().max() <= 1.01 / 255


def photograph() -> np.ndarray:
    return gallery_picture("coffee").pixels[:200, :150]


@pytest.mark.parametrize("beam", [1, 3])
def test_the_caption_is_the_one_that_transformers_finds(
    beam: int, family: str, captioner: HubCaptioner, folders: dict[str, Path]
) -> None:
    network = original(family, folders)
    for seed in range(3):
        x = picture(seed)
        found = network.generate(pixel_values=shown(x, family), num_beams=beam, do_sample=False, max_new_tokens=LONGEST)
        assert captioner.write(x, beam=beam).values["word"].tolist() == found[0, 1:].tolist()


def test_a_trace_is_that_of_the_network_itself(family: str, captioner: HubCaptioner, folders: dict[str, Path]) -> None:
    network, x = original(family, folders), picture()
    trace = captioner.write(x)
    assert trace.source == (*regions(GRID, GRID), WHOLE) and trace.values["grid"].tolist() == [GRID, GRID]
    assert trace.heads[0] == "layer 1 · head 1" and trace.heads[-1] == "layer 2 · head 3" and len(trace.heads) == 6
    assert trace.weights.shape == trace.scores.shape == (6, len(trace.target), 17)
    np.testing.assert_allclose(trace.weights.sum(-1), 1, atol=1e-5)
    words = torch.tensor([[captioner.start, *trace.values["word"][:-1].tolist()]])
    with torch.no_grad():
        if family == "vit-gpt2":
            out = network(pixel_values=shown(x, family), decoder_input_ids=words, output_attentions=True)
            logits, seen = out.logits, network.enc_to_dec_proj(out.encoder_last_hidden_state)
        else:
            seen = network.vision_model(pixel_values=shown(x, family)).last_hidden_state
            out = network.text_decoder(input_ids=words, encoder_hidden_states=seen, output_attentions=True)
            logits = out.logits
    theirs = torch.cat([layer[0] for layer in out.cross_attentions])
    np.testing.assert_allclose(trace.weights[..., :16], theirs[..., 1:], atol=1e-5)  # theirs begin with the summary
    np.testing.assert_allclose(trace.weights[..., 16], theirs[..., 0], atol=1e-5)
    np.testing.assert_allclose(trace.values["h_bar"][:16], seen[0, 1:], atol=1e-5)
    log_p = logits[0].log_softmax(-1)
    np.testing.assert_allclose(trace.log_p, log_p[range(len(trace.target)), trace.values["word"]], atol=1e-4)
    assert trace.weights.std() > 0.01
    for t in range(len(trace.target)):
        assert trace.candidates[t][0][0] == trace.target[t] or t in trace.notes


def test_scores_are_told_or_said_to_be_unknown(captioners: dict[str, HubCaptioner]) -> None:
    told, untold = captioners["vit-gpt2"].write(picture()), captioners["blip"].write(picture())
    assert captioners["vit-gpt2"].told and not captioners["blip"].told
    np.testing.assert_allclose(torch.from_numpy(told.scores).softmax(-1), told.weights, atol=1e-5)
    assert np.isnan(untold.scores).all()


def test_what_was_seen_is_seen_once(captioner: HubCaptioner) -> None:
    x = picture()
    features, whole = captioner.features(x), captioner.write(x, beam=2)
    again = captioner.write_from(features, beam=2)
    assert again.target == whole.target and np.array_equal(again.weights, whole.weights)


def forced(captioner: HubCaptioner, numbers: list[int]) -> Touch:
    return Touch(words={t: captioner.show(number) for t, number in enumerate(numbers)})


@pytest.mark.parametrize("beam", [1, 3])
def test_a_forced_word_is_written_and_changes_only_what_follows(beam: int, captioner: HubCaptioner) -> None:
    x, numbers = picture(), [8, 9, 10, 11]
    plain = captioner.write(x, forced(captioner, numbers))
    other = captioner.write(x, forced(captioner, [8, 9, 12, 11]), beam)
    assert other.target[:4] == tuple(captioner.show(number) for number in (8, 9, 12, 11))
    np.testing.assert_allclose(other.weights[:, :3], plain.weights[:, :3], atol=1e-5)
    assert not np.allclose(other.weights[:, 3], plain.weights[:, 3], atol=1e-4)
    assert other.notes[2] == "forced"
    end = captioner.write(x, Touch(words={0: captioner.show(8), 1: "⟨end⟩"}), beam)
    assert end.target == (captioner.show(8), "⟨end⟩")
    with pytest.raises(ValueError, match="has no token “zebrafish”"):
        captioner.write(x, Touch(words={0: "zebrafish"}))


@pytest.mark.parametrize(
    "touch", [Touch(weights={0: (1.0,)}), Touch(forbidden=frozenset({1})), Touch(temperature=2), Touch(sampling=1)]
)
def test_only_words_can_be_touched(touch: Touch, captioner: HubCaptioner) -> None:
    with pytest.raises(ValueError, match="only the words can be touched"):
        captioner.write(picture(), touch)


def test_log_p_is_that_of_the_trace_and_its_gradient_gets_to_the_pixels(captioner: HubCaptioner) -> None:
    x = torch.cat([picture(0), picture(1)]).requires_grad_()
    words = [captioner.show(number) for number in (8, 9)]
    traces = [
        captioner.write(x[k : k + 1].detach(), Touch(words={**dict(enumerate(words)), 2: "⟨end⟩"})) for k in (0, 1)
    ]
    log_p = captioner.log_p(x, words)
    assert log_p.tolist() == pytest.approx([float(trace.log_p.sum()) for trace in traces], abs=1e-3)
    (gradient,) = torch.autograd.grad(log_p.sum(), x)
    assert gradient.isfinite().all() and (gradient.abs().amax((1, 2, 3)) > 0).all()
    step = 1e-2 * gradient / gradient.norm()
    with torch.no_grad():
        rise = captioner.log_p(x + step, words).sum() - captioner.log_p(x - step, words).sum()
    assert float(rise) == pytest.approx(2e-2 * float(gradient.norm()), rel=0.1)


def test_the_text_is_the_tokens_put_together(captioners: dict[str, HubCaptioner]) -> None:
    def text(family: str, *words: str) -> str:
        trace = captioners[family].write(picture(), Touch(words=dict(enumerate([*words, "⟨end⟩"]))))
        return captioners[family].text(trace)

    assert text("blip", "two", "dog", "s", "play", "ing") == "two dogs playing"
    assert text("vit-gpt2", "two", " dog", " on", " grass") == "two dog on grass"


# ---------------------------------------------------------------- loading


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def refused(folder: Path) -> str:
    with pytest.raises(WeightsUnavailableError) as refusal:
        hub_captioning.load(str(folder))
    text = str(refusal.value)
    assert text.endswith(".") and "\n" not in text and len(text) < 250
    return text


def processing(folder: Path) -> Path:
    return next(path for path in folder.glob("*processor_config.json"))


def test_a_captioner_without_its_processing_is_refused(family: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders[family], tmp_path / "mine")
    processing(folder).unlink()
    assert "how a picture is to be shown" in refused(folder)


@pytest.mark.parametrize(("size", "words"), [(40, "cannot read pictures of the size"), (5000, "5000 × 5000 pixels")])
def test_a_size_that_is_not_the_encoders_is_refused(
    size: int, words: str, family: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = copied(folders[family], tmp_path / "mine")
    path = processing(folder)
    said = json.loads(path.read_text())
    (said.get("image_processor") or said)["size"] = {"height": size, "width": size}
    path.write_text(json.dumps(said))
    assert words in refused(folder)


def test_other_models_are_refused_by_kind(folders: dict[str, Path], tmp_path: Path) -> None:
    answers = copied(folders["blip"], tmp_path / "answers")
    config = json.loads((answers / "config.json").read_text())
    (answers / "config.json").write_text(json.dumps({**config, "architectures": ["BlipForQuestionAnswering"]}))
    assert "of the kind blip, not one that looks at a picture and writes" in refused(answers)
    bart = tmp_path / "bart"
    bart.mkdir()
    (bart / "config.json").write_text(json.dumps({"model_type": "bart"}))
    assert "of the kind bart" in refused(bart)


def test_missing_weights_are_refused(family: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders[family], tmp_path / "mine")
    (folder / "model.safetensors").unlink()
    assert "no weights" in refused(folder)


def test_the_grid_of_any_encoder() -> None:
    for states, size, grid in (
        (197, (224, 224), (14, 14)),
        (198, (224, 224), (14, 14)),
        (49, (224, 224), (7, 7)),
        (577, (384, 384), (24, 24)),
        (1200, (640, 480), (40, 30)),
    ):
        assert hub_captioning.patches(states, size, "x") == grid
    with pytest.raises(WeightsUnavailableError, match="are no grid"):
        hub_captioning.patches(60, (224, 224), "x")


def test_heads_can_be_averaged(captioner: HubCaptioner) -> None:
    trace: Trace = captioner.write(picture())
    np.testing.assert_allclose(trace.mean().weights[0], trace.weights.mean(0), atol=1e-6)
    np.testing.assert_allclose(trace.mean().weights.sum(-1), 1, atol=1e-5)
