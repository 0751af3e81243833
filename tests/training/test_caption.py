"""Training the captioner: on 20 drawn pictures, in the layout of the real data."""

import gzip
import json
import math
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from models import zoo
from models.captioner import Captioner
from models.captioning import PictureWriter
from models.card import read_card
from models.classifier import Classifier
from models.grid import Grid
from models.words import BEGIN, END, PAD, Vocabulary, unpunctuated
from training import caption, report_caption
from training.__main__ import main
from training.caption import Batch, Photo
from training.snapshot import Snapshot

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 230), "yellow": (230, 220, 30)}
SHAPES = ("square", "bar", "cross", "ring", "stripe")


def drawn(colour: str, shape: str) -> Image.Image:
    """A shape of a colour on grey, the same in a mirror."""
    y, x = np.mgrid[-112:112, -112:112] + 0.5
    inside = {
        "square": (abs(x) < 60) & (abs(y) < 60),
        "bar": (abs(x) < 25) & (abs(y) < 100),
        "cross": (abs(x) < 20) | (abs(y) < 20),
        "ring": abs(np.hypot(x, y) - 70) < 20,
        "stripe": abs(y) // 16 % 2 == 0,
    }[shape]
    pixels = np.full((224, 224, 3), 128, dtype=np.uint8)
    pixels[inside] = COLOURS[colour]
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 pictures to train on, eight of them to validate, four to test, with three captions each."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "flickr8k" / "images").mkdir(parents=True)
    rows = []
    for number, (colour, shape) in enumerate(product(COLOURS, SHAPES)):
        file = f"{number}.webp"
        drawn(colour, shape).save(folder / "flickr8k" / "images" / file, lossless=True)
        captions = [f"A {colour} {shape} .", f"A {shape} that is {colour} .", f"The {shape} looks {colour}"]
        for split, count in (("train", 20), ("val", 8), ("test", 4)):
            rows += [f"{split}\t{file}\t{text}" for text in captions if number % (20 // count) == 0]
    with gzip.open(folder / "flickr8k" / "captions.tsv.gz", "wt") as file:
        file.write("".join(f"{row}\n" for row in rows))
    return folder


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch: pytest.MonkeyPatch, lite0: Classifier) -> None:
    monkeypatch.setattr(zoo, "load", {zoo.EMBEDDED: lite0}.__getitem__)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network, a learning rate as small networks like it, and few pictures a batch, so that there are many updates."""
    monkeypatch.setattr(caption, "Captioner", partial(Captioner, d=32, d_a=16, m=32, n=48, dropout=0.1))
    monkeypatch.setattr(caption, "AT_LEAST", 1)
    monkeypatch.setattr(caption, "PHOTOS", 5)
    monkeypatch.setattr(caption, "WARM_UP", 10)
    monkeypatch.setattr(caption, "PEAK", 0.01)
    monkeypatch.setattr(caption, "TAUGHT", 25)


def copies(snapshots: Any) -> list[Snapshot]:
    """The state is shared with the run, so it must be copied at once."""
    return [
        Snapshot(s.step, s.steps, s.seconds, s.metrics, {k: t.clone() for k, t in s.state.items()}) for s in snapshots
    ]


@pytest.mark.usefixtures("small")
def test_it_learns_to_describe_what_was_drawn(folder: Path) -> None:
    found = list(caption.train(folder, epochs=28))
    first, taught, last = found[0].metrics, found[24].metrics, found[27].metrics
    assert taught["loss"] < 0.5 * first["loss"] and first["loss"] < math.log(20)
    assert taught["bleu1"] > 95 and taught["bleu4"] > 80
    assert "loss" not in last and last["reward"] > 1 and last["cider"] >= taught["cider"] - 5


@pytest.mark.usefixtures("small")
def test_stopped_and_resumed_is_as_never_stopped(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption, "TAUGHT", 3)  # so that one epoch learns from its own captions
    whole = copies(caption.train(folder, epochs=4))
    for stopped in islice(caption.train(folder, epochs=4), 2):
        stopped.save(tmp_path / "a.safetensors")
    rest = copies(caption.train(folder, epochs=4, resume=Snapshot.load(tmp_path / "a.safetensors")))
    assert [s.step for s in rest] == [3, 4] and rest[0].seconds > stopped.seconds
    for one, other in zip(whole[2:], rest, strict=True):
        assert dict(one.metrics) == dict(other.metrics) and one.state.keys() == other.state.keys()
        assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)
    assert not torch.equal(whole[1].state["model.L_o.bias"], whole[3].state["model.L_o.bias"])
    with pytest.raises(ValueError, match="another run"):
        next(caption.train(folder, epochs=4, seed=2, resume=Snapshot.load(tmp_path / "a.safetensors")))


def test_the_command_trains_the_real_network(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["caption", "--data", str(folder), "--out", str(tmp_path), "--epochs", "2", "--limit", "6"]
    assert main(arguments) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("caption 1/2  ") and second.startswith("caption 2/2  ")
    assert all(f"{name} " in second for name in ("loss", "bleu1", "bleu4"))
    assert Snapshot.load(tmp_path / "caption.safetensors").state["model.T.weight"].shape[0] == 4 * 512


def test_photos_come_with_all_their_captions(folder: Path) -> None:
    found = caption.photos(folder, "train")
    assert len(found) == 20 and len(caption.photos(folder, "test")) == 4
    assert found[1].file.name == "1.webp" and found[1].file.is_file()
    assert found[1].captions == [
        ["a", "red", "bar"],
        ["a", "bar", "that", "is", "red"],
        ["the", "bar", "looks", "red"],
    ]
    with pytest.raises(ValueError, match="not one photo of night"):
        caption.photos(folder, "night")


def test_captions_have_no_punctuation() -> None:
    assert unpunctuated("A tri-colored dog 's ball , 2 men_") == ["a", "tricolored", "dog", "s", "ball", "2", "men"]
    assert unpunctuated(" .!? ") == []


def test_features_are_those_of_the_picture_and_of_its_mirror_image(folder: Path, lite0: Classifier) -> None:
    given, grid = caption.photos(folder, "train")[:3], Grid(lite0)
    x = caption.pixels([photo.file for photo in given])
    assert x.shape == (3, 3, 224, 224)
    assert x[0, :, 112, 112].tolist() == pytest.approx([c / 255 for c in COLOURS["red"]])
    with torch.no_grad():
        straight, mirrored = grid(x), grid(x.flip(-1))
    assert torch.allclose(caption.features(grid, given).float(), straight, atol=5e-3)
    assert torch.allclose(caption.features(grid, given, mirrored=True).float(), mirrored, atol=5e-3)
    fast = caption.features(grid, given, fast=True).float()
    assert 0 < (fast - straight).norm() < 0.15 * straight.norm()  # of photos it is 0.06


def test_a_batch_has_every_caption_of_its_photos_the_longest_first() -> None:
    known = Vocabulary.count([["a", "dog", "runs", "cat"]], 1)
    given = [
        Photo(Path(), [["a", "dog"], ["a", "dog", "runs"]]),
        Photo(Path(), [["cat"]]),
        Photo(Path(), [["a"] * 40, ["zebra"]]),
    ]
    views = torch.arange(2 * 3).view(2, 3, 1, 1).float()  # 0, 1, 2, and mirrored 3, 4, 5
    torch.manual_seed(0)
    seen = set()
    for _ in range(20):
        made = caption.batch(given, views, known, torch.tensor([2, 0]))
        seen |= {tuple(made.features.flatten().tolist())}
        lengths = (made.words != PAD).sum(1).tolist()
        assert lengths == [caption.CUT + 2, 5, 4, 3] and made.words.shape == (4, caption.CUT + 2)
        assert made.picture.tolist() == [0, 1, 1, 0]
        assert made.words[:, 0].eq(BEGIN).all() and all(made.words[k, n - 1] == END for k, n in enumerate(lengths))
        assert made.words[2, :4].tolist() == [BEGIN, *known.encode(["a", "dog"]), END]
    assert seen == {(2, 0), (5, 0), (2, 3), (5, 3)}  # each photo as it is or mirrored


@torch.no_grad()
def test_the_losses_are_those_of_each_caption_alone() -> None:
    torch.manual_seed(0)
    model = Captioner(9, 5, d=8, d_a=4, m=8, n=8).eval()
    features, sentences = torch.rand(2, 4, 5), [[4, 5, 6, 7], [8, 4], [5]]
    picture = torch.tensor([1, 0, 1])
    words = torch.tensor([[BEGIN, *s, END] + [PAD] * (4 - len(s)) for s in sentences])
    surprise, spread = caption.losses(model, Batch(features, picture, words), smoothing=0)
    total = terms = 0.0
    for row, sentence in enumerate(sentences):
        given = torch.tensor([[BEGIN, *sentence]])
        source = features[picture[row]][None]
        logits, alpha = model(source, given)[0], model.teach(model.remember(source), given)[1][0]
        for t, word in enumerate([*sentence, END]):
            total -= float(logits[t].log_softmax(-1)[word])
        terms += sum((1 - float(alpha[:, i].sum())) ** 2 for i in range(4))
    assert float(surprise) == pytest.approx(total / 10, abs=0.02)  # in bfloat16
    assert float(spread) == pytest.approx(terms / 10, abs=0.02)


def test_the_doubly_stochastic_term_spreads_the_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption, "LAMBDA", 50.0)
    torch.manual_seed(0)
    model = Captioner(9, 5, d=8, d_a=4, m=8, n=8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    made = Batch(torch.rand(2, 4, 5), torch.tensor([0, 1]), torch.tensor([[BEGIN, 4, 5, 6, END]] * 2))
    before = float(caption.losses(model, made)[1].detach())
    for _ in range(40):
        caption.update(model, optimizer, made)
    assert float(caption.losses(model, made)[1].detach()) < 0.5 * before


def test_bleu_and_cider_of_a_reference_and_of_nonsense() -> None:
    given = [
        Photo(Path(), [["a", "dog", "runs", "on", "the", "grass"], ["the", "dog", "is", "running"]]),
        Photo(Path(), [["two", "girls", "play", "in", "the", "snow"]]),
    ]
    same = [photo.captions[0] for photo in given]
    assert list(caption.measure(same, given).values()) == pytest.approx([100] * 4)
    assert caption.cider([given[0].captions[1], same[1]], given) > caption.cider([same[1], same[0]], given) + 50
    half = caption.measure([["a", "dog", "sleeps", "on", "the", "grass"], same[1]], given)
    assert half["bleu1"] == pytest.approx(100 * 11 / 12)
    assert half["bleu2"] == pytest.approx(100 * math.sqrt(11 / 12 * 8 / 10))
    assert caption.measure([["a"], ["two"]], given)["bleu1"] == pytest.approx(
        100 * math.exp(1 - 10 / 2)
    )  # the nearest reference


def tiny_writer(folder: Path, lite0: Classifier) -> PictureWriter:
    known = Vocabulary.count((c for photo in caption.photos(folder, "train") for c in photo.captions), 1)
    torch.manual_seed(0)
    network = Captioner(len(known), d=16, d_a=8, m=16, n=16).eval()
    return PictureWriter(network, Grid(lite0), known, read_card("efficientnet_lite0"))


def test_evaluating_again(
    folder: Path, lite0: Classifier, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = tiny_writer(folder, lite0)
    monkeypatch.setattr(zoo, "captioner", lambda: writer)
    for split, limit, n in (("test", None, 4), ("val", 3, 3)):
        more = ["--limit", str(limit)] if limit else []
        assert main(["evaluate", "caption", "--data", str(folder), "--split", split, "--json", *more]) == 0
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (result["name"], result["split"], result["n"]) == ("caption", split, n)
        assert list(result["metrics"]) == ["bleu1", "bleu2", "bleu3", "bleu4", "cider", "bleu4_greedy"]
    given = caption.photos(folder, "val")[:3]
    beams = [writer.text(writer.write(caption.pixels([photo.file]), beam=caption.BEAM)).split() for photo in given]
    expected = {key: round(value, 2) for key, value in caption.measure(beams, given).items()}
    assert {key: result["metrics"][key] for key in expected} == expected  # what the page writes is what is measured


@pytest.mark.parametrize("missing", ["captions.tsv.gz", "images/3.webp"])
def test_missing_data_is_one_sentence_and_exit_code_2(
    missing: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder / "flickr8k").rglob("*.*"):
        name = path.relative_to(folder / "flickr8k").as_posix()
        if name != missing:
            (tmp_path / "flickr8k" / name).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / "flickr8k" / name).symlink_to(path)
    assert main(["caption", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("training: ") and said.err.count("\n") == 1
    assert Path(missing).name in said.err and not (tmp_path / "out").exists()


def test_the_stages_are_those_of_the_network_and_a_linear_reader_reads(
    folder: Path, lite0: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = caption.photos(folder, "train")
    words = report_caption.commonest(given)
    assert "red" in words and "a" not in words, "said of all photos"
    truth = report_caption.said(given, words)
    assert truth[:, words.index("red")].sum() == 5
    found = report_caption.stages(lite0, given[:3])
    assert [(cells, x.shape[1]) for cells, x in found.values()] == [(14, 112), (7, 320), (7, 1280)]
    expected = Grid(lite0)(caption.pixels([photo.file for photo in given[:3]])).mean(1)
    assert torch.allclose(found[report_caption.STAGES[2]][1], expected, atol=1e-4)
    x = torch.randn(60, 5)
    y = (x @ torch.randn(5, 3) > 0).float()
    assert report_caption.mean_average_precision(report_caption.ridge(x, y, x), y.bool()) > 0.9
    monkeypatch.setattr(report_caption, "PHOTOS", 20)
    rows = report_caption.report(folder, folder)["rows"]
    assert len(rows) == 3 and all(0 < row["mean_average_precision"] <= 100 for row in rows)
