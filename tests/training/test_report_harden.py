"""What is measured of hardened networks, on a few digits: errors that add up, curves as they were, AutoAttack within its ball."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.digit_classifier import DigitClassifier
from training import digits, hardening, report_harden
from training.__main__ import main
from training.report_harden import accuracy, autoattack, report, trained, under_fgsm
from training.shipping import as_lines
from training.snapshot import Snapshot


def test_the_report_is_about_the_runs_and_short(
    few_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardening, "STEPS", 3)
    runs = tmp_path / "runs"
    for name in hardening.RUNS:
        for snapshot in hardening.recorded(name, few_digits, epochs=1):
            snapshot.save(runs / f"{name}.safetensors")
    found = report(few_digits, runs)
    x, y = digits.mnist(few_digits, "test")
    assert list(found["runs"]) == list(hardening.RUNS) and found["n"] == len(x)
    plain = trained(Snapshot.load(runs / "digits-plain.safetensors"))
    for name, run in found["runs"].items():
        last = Snapshot.load(runs / f"{name}.safetensors")
        network = trained(last)
        assert run["error"]["clean"] == round(100 - accuracy(network, x, y), 2)
        assert run["error"]["fgsm"] == round(100 - accuracy(network, under_fgsm(network, x, y, 0.25), y), 2)
        assert found["transfer"][name] == round(100 - accuracy(network, under_fgsm(plain, x, y, 0.25), y), 2)
        assert run["curves"]["pgd"][-1] == round(last.metrics["pgd"], 1)
        assert {len(rows) for rows in (*run["curves"].values(), run["ink"], run["grey"])} == {2}
        ink, grey = torch.tensor(run["ink"]).view(2, 12, 5, 5), torch.tensor(run["grey"]).view(2, 12, 21)
        assert torch.all(grey[:, :, 0] == 0) and torch.all(grey.abs().amax(2) == 1)
        assert torch.all(ink[-1].flatten(1).abs().amax(1).diff() <= 0), "those that ink moves most come first"
    assert found["transfer"]["digits-plain"] == found["runs"]["digits-plain"]["error"]["fgsm"]
    lines = as_lines(found)
    assert json.loads(lines) == found and len(lines.splitlines()) < 250


def test_a_run_that_is_not_finished_is_not_reported(few_digits: Path, tmp_path: Path, capsys: Any) -> None:
    Snapshot(1, 2, 1.0, {}, {"model.w": torch.zeros(1)}).save(tmp_path / "digits-plain.safetensors")
    assert main(["report", "harden", "--data", str(few_digits), "--out", str(tmp_path)]) == 2
    assert "digits-plain is at epoch 1 of 2" in capsys.readouterr().err


def test_autoattack_breaks_what_has_learned_nothing() -> None:
    torch.manual_seed(0)
    network, x = DigitClassifier().eval().requires_grad_(False), torch.rand(6, 1, 28, 28)
    y = network(x).argmax(1)
    assert accuracy(network, x, y) == 100 and autoattack(network, x, y, 0.3) == 0


def test_an_autoattack_that_leaves_its_ball_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_far(_attack: Any, x: Tensor, y: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
        return (x + 0.31).clamp(0, 1), y

    monkeypatch.setattr(report_harden.AutoAttack, "run_standard_evaluation", too_far)
    with pytest.raises(ValueError, match="left its ball"):
        autoattack(DigitClassifier(), torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.long), 0.3)


def test_a_card_is_measured_on_what_is_shipped(few_digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = DigitClassifier().eval().requires_grad_(False)
    asked: list[tuple[int, float]] = []

    def as_if(_network: DigitClassifier, x: Tensor, _y: Tensor, epsilon: float) -> float:
        asked.append((len(x), epsilon))
        return 12.5

    monkeypatch.setattr(report_harden.zoo, "digit_classifier", lambda _: network)
    monkeypatch.setattr(report_harden, "autoattack", as_if)
    monkeypatch.setattr(report_harden, "ATTACKED", 10)
    found = report_harden.evaluate("digits-pgd", few_digits)
    x, y = digits.mnist(few_digits, "test")
    assert asked == [(10, 0.3)] and (found["n"], found["n_autoattack"]) == (32, 10)
    assert found["metrics"]["accuracy"] == round(accuracy(network, x, y), 2)
    assert list(found["metrics"]) == ["accuracy", "fgsm_0.25", "autoattack_0.3"]
    assert found["metrics"]["autoattack_0.3"] == 12.5
