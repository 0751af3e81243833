"""Training the answerers: on made photos whose colour is asked for, and on a few of easy-VQA's drawings."""

import csv
import json
import random
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from models import card, zoo
from models.san import SAN, Dropout
from models.words import PAD, SPECIAL, UNKNOWN, Vocabulary
from training import ask, report_ask
from training.__main__ import main

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


class Colours(nn.Module):
    """A grid whose regions say what colour they have."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 32).flatten(2).mT


def made(folder: Path, split: str, first: int, count: int) -> None:
    """Photos of two colours, the left one asked for and the right one."""
    chance, rows = random.Random(first), []
    for number in range(first, first + count):
        left, right = chance.sample(list(COLOURS), 2)
        image = Image.new("RGB", (64, 32), COLOURS[left])
        image.paste(COLOURS[right], (32, 0, 64, 32))
        image.save(folder / "images" / f"image{number}.webp", lossless=True)
        rows += [
            ("which colors are there", ", ".join(sorted((left, right))), f"image{number}"),
            ("is this a wall ?", "yes", f"image{number}"),
        ]
    with (folder / f"{split}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("question", "answer", "image_id"), *rows])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hundred photos to learn from, twenty to measure on; a small network, and word vectors that need no encoder."""
    (tmp_path / "daquar" / "images").mkdir(parents=True)
    made(tmp_path / "daquar", "train", 0, 100)
    made(tmp_path / "daquar", "test", 100, 20)
    monkeypatch.setattr(zoo, "SIGHTS", {"daquar": (32, 64), "shapes": (64, 64)})
    monkeypatch.setattr(zoo, "CHANNELS", 3)
    monkeypatch.setattr(zoo, "grid", Colours)
    monkeypatch.setattr(zoo, "SAN", partial(SAN, d_word=12, d=16, d_a=8))
    monkeypatch.setattr(ask, "HELD_OUT", 4)
    monkeypatch.setattr(ask, "vectors", lambda known, d: torch.randn(len(known), d))
    quick = {
        "rate": 0.01,
        "dropout": Dropout(words=0.1, u=0.1),
        "warm_up": 5,
        "average": 0.9,
        "decay": 0.0,
        "named": False,
    }
    monkeypatch.setattr(ask, "PLANS", {name: ask.replace(plan, **quick) for name, plan in ask.PLANS.items()})
    return tmp_path


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somewhere else to ship to."""
    for name in ("weights", "words", "cards"):
        (tmp_path / "assets" / name).mkdir(parents=True)
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path / "assets" / "weights")
    monkeypatch.setattr(zoo, "WORDS", tmp_path / "assets" / "words")
    monkeypatch.setattr(card, "CARDS", tmp_path / "assets" / "cards")


def trained(folder: Path, name: str, **options: int) -> ask.Snapshot:
    return list(ask.train(folder, name, **options))[-1]


@pytest.mark.parametrize("name", ["ask-daquar", "ask-daquar-1"])
def test_it_learns_what_colours_a_photo_has(folder: Path, name: str) -> None:
    metrics = [s.metrics for s in ask.train(folder, name, epochs=20)]
    assert metrics[-1]["loss"] < 0.3 * metrics[0]["loss"]
    assert metrics[-1]["accuracy"] > 85


def test_without_a_look_it_cannot(folder: Path) -> None:
    assert trained(folder, ask.BLIND, epochs=20).metrics["accuracy"] < 85


def test_it_learns_the_colours_of_drawn_shapes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawings = ask.drawings

    def colours(split: str, limit: int | None) -> ask.Album:
        views, questions = drawings(split, limit)
        return ask.Album(views, [q for q in questions if "color" in q.words])

    monkeypatch.setattr(ask, "drawings", colours)
    losses = [s.metrics["loss"] for s in ask.train(folder, "ask-shapes", epochs=8, limit=1500)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_run_goes_on_as_if_it_had_never_stopped(folder: Path) -> None:
    whole = {k: t.clone() for k, t in trained(folder, "ask-daquar", epochs=3).state.items()}
    first = next(iter(ask.train(folder, "ask-daquar", epochs=3)))
    again = trained(folder, "ask-daquar", epochs=3, resume=first).state
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[key], again[key]) for key in whole)


def test_grids_are_computed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["image0", "image1"]
    found = ask.grids(folder, names)
    assert found.shape == (2, 2, 2, 3) and found.dtype == torch.float16
    assert torch.equal(found[1], found[0].flip(1)), "the second view is mirrored: two regions change places"
    monkeypatch.setattr(zoo, "grid", lambda: pytest.fail("computed again"))
    assert torch.equal(ask.grids(folder, names), found)
    monkeypatch.setattr(zoo, "grid", Colours)
    assert ask.grids(folder, ["image1"]).shape[1] == 1, "other photos: computed anew"


def test_a_mirrored_photo_has_its_left_on_the_right(folder: Path) -> None:
    album = ask.photos(folder, None)
    words, answers = ask.known([ask.Asked(0, ["what", "is", "left", "right"], "red")])
    torch.manual_seed(0)
    groups = [[ask.Asked(picture, ["what", "is", "left"], "red")] for picture in range(40)]
    batch = ask.seen(album.views, groups, words, answers)
    left, right = words.numbers["left"], words.numbers["right"]
    turned = 0
    for picture in range(40):
        is_mirrored = torch.equal(batch.x[picture], album.views[1, picture])
        assert is_mirrored != torch.equal(batch.x[picture], album.views[0, picture])
        assert int(batch.words[picture, 0, 2]) in {right if is_mirrored else left, UNKNOWN}
        turned += is_mirrored
    assert 10 < turned < 30


def test_a_network_begins_with_what_names_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """A region that the CNN takes for a lamp says “lamp” more than any other answer; a word and the answer of its name are alike."""
    given: list[Vocabulary] = []

    def vectors(known: Vocabulary, d: int) -> Tensor:
        given.append(known)
        return nn.functional.normalize(torch.randn(len(known), d, generator=torch.Generator().manual_seed(1)))

    monkeypatch.setattr(ask, "vectors", vectors)
    classes = [name.split(" (")[0] for name in zoo.imagenet_categories()]
    answers = ("table_lamp", "desk", "pillow", "refrigerator", "blue")
    words = Vocabulary((*SPECIAL, "desk", "what"))
    model = zoo.sighted("daquar", 2, len(words), len(answers))
    W = zoo.load(zoo.EMBEDDED).network.classifier.weight
    seen = torch.stack([W[classes.index(name)] for name in ("table lamp", "desk", "pillow", "refrigerator")])
    ask.begin_named(model, torch.rand(2, 50, 4, 1280), words, answers)
    v_I = model.san.regions(model.grid(seen[None]))[0]
    assert (v_I @ model.san.W_u.weight.T).argmax(-1).tolist() == [0, 1, 2, 3]
    desk = model.san.embedding.weight[len(SPECIAL)]
    assert torch.allclose(
        nn.functional.normalize(model.san.W_u.weight[1, : len(desk)], dim=0), nn.functional.normalize(desk, dim=0)
    )
    assert len(set(given[0].words)) == len(given[0].words), "a name that is word, answer and class has one vector"


def test_questions_are_filled_up_and_unlearnable_answers_left_out() -> None:
    groups = [[ask.Asked(0, ["a"], "x"), ask.Asked(0, ["a", "b"], "new")], [ask.Asked(1, ["b"], "y")]]
    assert ask.padded([[[5], [6, 7]], [[8]]]).tolist() == [[[5, PAD], [6, 7]], [[8, PAD], [PAD, PAD]]]
    assert ask.labels(groups, ("y", "x")).tolist() == [[1, ask.NONE], [0, ask.NONE]]


@pytest.mark.usefixtures("assets")
def test_shipped_and_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(folder, "ask-daquar", epochs=12)
    ask.export("ask-daquar", folder, run, 1)
    assert main(["evaluate", "ask-daquar", "--data", str(folder), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {key: result[key] for key in ("name", "split", "n")} == {"name": "ask-daquar", "split": "test", "n": 40}
    assert list(result["metrics"]) == ["accuracy", "accuracy_single", "wups_0.9", "wups_0.0"]
    assert result["metrics"]["accuracy"] > 85 and result["metrics"]["accuracy_single"] == 100
    assert result["metrics"] == card.read_card("ask-daquar").metrics
    x = ask.photo(folder, "image100")
    with (folder / "daquar" / "test.csv").open() as file:
        row = next(csv.DictReader(file))
    assert zoo.answerer("daquar").answer(x, row["question"]).candidates[-1][0][0] == row["answer"]


@pytest.mark.usefixtures("assets")
def test_the_report_has_a_row_a_system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_ask, "NAMES", {"ask-daquar": 2})
    ask.export("ask-daquar", folder, trained(folder, "ask-daquar", epochs=12), 1)
    trained(folder, ask.BLIND, epochs=4).save(folder / "runs" / f"{ask.BLIND}.safetensors")
    rows = {row["system"]: row for row in report_ask.report(folder, folder / "runs")["rows"]}
    assert list(rows) == ["majority", "look-up", "question only", "2 hops"]
    assert rows["majority"]["accuracy"] == 50, "yes, to every second question"
    assert rows["look-up"]["accuracy"] < 90 and rows["2 hops"]["accuracy"] > rows["question only"]["accuracy"]
    assert rows["majority"]["accuracy_single"] == 100


@pytest.mark.parametrize("name", ["ask-daquar", ask.BLIND])
def test_missing_data_are_said(tmp_path: Path, name: str) -> None:
    with pytest.raises((OSError, ValueError)):
        next(ask.train(tmp_path, name))


def test_easy_vqa_has_two_splits() -> None:
    assert len(ask.drawings("test", 20).questions) == 20
    with pytest.raises(ValueError, match="not val"):
        ask.drawings("val", 20)
