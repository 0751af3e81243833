"""The measured attack on captions: what is aimed at, and that a row counts what the file says."""

import json
from pathlib import Path

import pytest

from attacks.perturbation import STEPS
from models import zoo
from models.picture import read_picture, whole
from models.subject import Captions
from tests import untrained
from tests.training.test_caption import folder  # noqa: F401 - a fixture
from training import report_sway
from training.__main__ import main
from training.report_sway import attempt, targets


def test_a_photo_is_aimed_at_the_next_that_is_described_otherwise() -> None:
    assert targets([("a",), ("a",), ("b",)]) == [("b",), ("b",), ("a",)]
    assert targets([("a",), ("a",)]) == [(), ()]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Captions:
    """A captioner that has learned nothing, and few steps."""
    found = untrained.captioner()
    found.network.no_repeat = 0
    monkeypatch.setattr(zoo, "captioner", lambda: found)
    for name, value in (("MOST", 2), ("EPSILONS", (4,))):
        monkeypatch.setattr(report_sway, name, value)
    return Captions(found, report_sway.BEAM)


def test_an_attempt_is_judged_by_its_file(small: Captions, folder: Path) -> None:  # noqa: F811
    file = folder / "flickr8k" / "images" / "0.webp"
    picture = read_picture(file.read_bytes(), file.name)
    pursuit, hit, moved = attempt(small, picture, ("a", "dog"), 4)
    assert hit == (small.says(pursuit.perturbation.adversarial)[0] == ("a", "dog"))
    assert 0 < moved <= 1
    assert float(pursuit.perturbation.linf) * STEPS == pytest.approx(1, abs=1e-3)  # two steps of ε/8
    assert attempt(small, picture, small.says(whole(picture))[0], 0)[1:] == (True, 0)  # what it says anyway


def test_the_report_is_written_where_the_app_looks(
    small: Captions,  # noqa: ARG001
    folder: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report_sway, "targets", lambda written: [("a", "dog")] * len(written))
    monkeypatch.setattr(zoo, "ASSETS", tmp_path)
    assert main(["report", report_sway.NAME, "--data", str(folder), "--limit", "2"]) == 0
    (row,) = json.loads((tmp_path / "recorded" / f"{report_sway.NAME}.json").read_text())["rows"]
    assert (row["epsilon_255ths"], row["photos"]) == (4, 2)
    assert 0 <= row["success"] <= 100
