"""`python -m training`: measuring again on a small made-up data set, and one sentence where that cannot be."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models import key_value, zoo
from models.classifier import Classifier
from models.picture import from_pixels, png
from training import ask, domain_shipped, gan, hardening, imagenet, translate, virtual
from training.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch: pytest.MonkeyPatch, lite0: Classifier) -> None:
    monkeypatch.setattr(zoo, "load", {zoo.EMBEDDED: lite0}.__getitem__)


@pytest.fixture
def data(tmp_path: Path, lite0: Classifier, photographs: torch.Tensor) -> Path:
    """Three photographs that carry the network's own answers as labels in `labels.csv`, one of them wrong in `hard.csv`."""
    images = tmp_path / "imagenet-like" / "images"
    images.mkdir(parents=True)
    with torch.no_grad():
        labels = lite0(photographs[:3]).argmax(1).tolist()
    for k in range(3):
        (images / f"{k}.png").write_bytes(png(from_pixels(photographs[k : k + 1])))
    for split, said in (("labels", labels), ("hard", [*labels[:2], 0]), ("none", [])):
        with (tmp_path / "imagenet-like" / f"{split}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["image", "label"])
            rows.writerows((f"{k}.png", label) for k, label in enumerate(said))
    return tmp_path


def run(*arguments: object) -> int:
    """The exit status."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as leaving:  # as argparse leaves
        return int(leaving.code or 0)


def test_the_list_names_what_can_be_trained_and_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "training", "list"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [
        *(f"translate-{score}" for score in translate.NAMES),
        *("headline", "caption", "sentiment", "question-type", "sentiment-one", "question-type-one"),
        *(f"memory-{kind}" for kind in key_value.KINDS),
        *(f"memory-{kind}-ptb" for kind in key_value.KINDS),
        *ask.HOPS,
        "captcha",
        *hardening.RUNS,
        *virtual.TRAININGS,
        *domain_shipped.SHIPPED,
        *gan.SHIPPED,
        *(*imagenet.NAMES, "heads"),
    ]


def test_the_network_is_always_right_about_its_own_answers(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "imagenet", "--data", data, "--json") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(result) == ["name", "split", "n", "metrics"]
    assert (result["name"], result["split"], result["n"]) == ("imagenet", "labels", 3)
    # at one step the camera and the cat fool, the cup does not
    assert result["metrics"] == {"accuracy": 100.0, "fgsm_1/255": 33.33, "fgsm_4/255": pytest.approx(16, abs=18)}


def test_another_split_and_fewer_rows(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "imagenet", "--data", data, "--split", "hard", "--json") == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] == 66.67
    assert run("evaluate", "imagenet", "--data", data, "--split", "hard", "--limit", "2", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["split"], result["n"], result["metrics"]["accuracy"]) == ("hard", 2, 100.0)


def test_without_json_a_person_can_read_it(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "imagenet", "--data", data, "--limit", "1") == 0
    printed = capsys.readouterr().out
    assert "n: 1" in printed.splitlines() and "'accuracy': 100.0" in printed


def test_the_metrics_are_those_of_the_card(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("evaluate", "imagenet", "--data", data, "--limit", "1", "--json")
    assert list(json.loads(capsys.readouterr().out)["metrics"]) == list(zoo.card(zoo.EMBEDDED).metrics)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    status = run(*arguments)
    captured = capsys.readouterr()
    assert status == 2 and captured.out == "" and "Traceback" not in captured.err
    return captured.err.strip()


def test_a_missing_folder_or_split_is_one_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, "evaluate", "imagenet", "--data", data / "nowhere", "--json")
    assert text.startswith("training: ") and "nowhere" in text and "\n" not in text
    text = refused(capsys, "evaluate", "imagenet", "--data", data, "--split", "validation", "--json")
    assert text.startswith("training: ") and "validation.csv" in text and "\n" not in text


def test_a_missing_or_broken_image_is_one_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = data / "imagenet-like" / "images" / "1.png"
    broken.write_bytes(b"no picture")
    assert "not a picture" in refused(capsys, "evaluate", "imagenet", "--data", data, "--json")
    broken.unlink()
    text = refused(capsys, "evaluate", "imagenet", "--data", data, "--json")
    assert text.startswith("training: ") and "1.png" in text and "\n" not in text


@pytest.mark.parametrize("nothing", [["--split", "none"], ["--limit", "0"]])
def test_nothing_to_measure_is_one_line(data: Path, capsys: pytest.CaptureFixture[str], nothing: list[str]) -> None:
    text = refused(capsys, "evaluate", "imagenet", "--data", data, "--json", *nothing)
    assert text.startswith("training: ") and "\n" not in text


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "imagenet" in refused(capsys, "evaluate", "mnist", "--data", tmp_path)
