"""The report of the runs with and without virtual adversarial training, on a few made-up digits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models import zoo
from models.few_labels import DigitCNN
from training import report_smooth, virtual, virtual_tasks
from training.snapshot import Snapshot
from training.virtual import ALONE, REVIEWS_VAT, VAT, train


def digits(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.arange(count) % 10
    likenesses = torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    noise = 0.1 * torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    return (0.9 * likenesses[y] + noise).clamp(0, 1), y


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two seeds of each, of a small network."""
    halves = {"train": digits(1200, 1), "test": digits(60, 2)}
    monkeypatch.setattr(virtual_tasks, "mnist", lambda _data, split: halves[split])
    monkeypatch.setattr(report_smooth, "mnist", lambda _data, split: halves[split])
    real = virtual_tasks.digits

    def small(data: Path | None, seed: int, labels: int | None = None) -> virtual_tasks.Task:
        usual = real(data, seed, labels)
        return replace(usual, network=lambda: DigitCNN((4, 6), 20), batch=(20, 30), updates=10, every=5)

    monkeypatch.setitem(virtual.TASKS, "mnist", small)
    monkeypatch.setattr(report_smooth, "digits", small)
    monkeypatch.setattr(report_smooth, "FILM", tmp_path / "smooth.webp")
    monkeypatch.setattr(zoo, "recorded", lambda _: {})
    for seed in (1, 2):
        for name in (VAT, ALONE):
            for snapshot in train(Path("nowhere"), seed=seed, **virtual.TRAININGS[name]):
                snapshot.save(tmp_path / f"seed-{seed}" / f"{name}.safetensors")
    return tmp_path


def test_the_report_has_every_seed_its_curve_and_the_power_iteration(runs: Path) -> None:
    found = report_smooth.report(Path("nowhere"), runs, None)
    json.dumps(found)
    assert set(found["runs"]) == {VAT, ALONE}
    row = found["runs"][VAT]
    assert list(row["error"]) == ["1", "2"] and (row["test"], row["labels"], row["updates"]) == (60, 100, 10)
    assert row["mean"] == pytest.approx(sum(row["error"].values()) / 2, abs=0.01)
    kept_aside = Snapshot.load(runs / "seed-2" / f"{VAT}.safetensors").metrics["error"]
    assert row["curves"]["step"] == [0, 5, 10] and row["curves"]["error"]["2"][-1] == pytest.approx(
        kept_aside, abs=0.05
    )
    power = found["power"]
    assert [len(row) for row in power["float64"]] == [len(power["K"])] * len(power["xi"])
    assert all(0 <= value <= 1 for row in (*power["float64"], *power["float32"]) for value in row)
    at = report_smooth.XIS.index(1e-2)
    assert power["float64"][at][-1] > power["float64"][at][0] + 0.3


def test_without_runs_it_says_what_to_train(runs: Path, tmp_path: Path) -> None:
    assert runs.exists()
    with pytest.raises(ValueError, match="train them first"):
        report_smooth.report(Path("nowhere"), tmp_path / "elsewhere", None)


def test_of_runs_that_are_not_there_what_was_recorded_stays(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = report_smooth.report(Path("nowhere"), runs, None)
    before["runs"][REVIEWS_VAT] = {"updates": 3, "error": {"1": 9.0}}
    monkeypatch.setattr(zoo, "recorded", lambda _: before)
    assert report_smooth.report(Path("nowhere"), tmp_path / "elsewhere", None)["runs"] == before["runs"]
    again = report_smooth.report(Path("nowhere"), runs, None)
    assert again["runs"] == before["runs"] and again["power"] == before["power"]


def test_the_film_has_the_digits_and_every_moments_worst_directions(runs: Path) -> None:
    told = report_smooth.report(Path("nowhere"), runs, None)["film"]
    strips = (
        torch.tensor(np.asarray(Image.open(runs / "smooth.webp").convert("L"))).reshape(-1, 28, 10, 28).transpose(1, 2)
    )
    assert len(strips) == 1 + 3 * 2, "the digits, and three moments of two networks"
    for k, name in enumerate((VAT, ALONE)):
        state = Snapshot.load(runs / "seed-1" / f"{name}.safetensors").state
        drawn = (strips[1 + k :: 2].float() - 128) / 127 * told["scale"]
        torch.testing.assert_close(drawn, state["film.r"][:, :, 0], atol=0.6 * told["scale"] / 127, rtol=0)
        assert [list(map(int, answers)) for answers in told["answers"][name]] == state["film.p"].argmax(2).tolist()
        assert told["lds"][name] == pytest.approx(state["film.lds"].mean(1).tolist(), rel=0.01)
