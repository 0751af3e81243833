"""Two runs in step: each difficulty is there, goes wrong as the lecture says, and its cure helps; runs go on where they stopped."""

from pathlib import Path

import pytest
import torch

from training import domain, report_difficulties
from training.difficulties import BETTER, DIFFICULTIES, TINT, WORSE, coloured, in_two_colours, train
from training.shipping import record
from training.snapshot import Snapshot


def end(difficulty: str, value: float, side: str, metric: str) -> float:
    """After all updates of the run, on one seed."""
    options = DIFFICULTIES[difficulty].sides(value)[(WORSE, BETTER).index(side)]
    return report_difficulties._end(options, 1, None)[metric]


def test_a_colour_goes_along_with_the_class_as_often_as_the_correlation_says() -> None:
    random = torch.Generator().manual_seed(0)
    y = torch.randint(2, (20_000,), generator=random)
    x = torch.rand(20_000, 8, 8, generator=random)
    for correlation in (0.0, 0.6, 1.0):
        pictures, d = in_two_colours(x, y, correlation, random)
        signs = (2 * d - 1).float(), (2 * y - 1).float()
        assert float((signs[0] * signs[1]).mean()) == pytest.approx(correlation, abs=0.02)
        planes = pictures.reshape(-1, 2, 8, 8)
        assert torch.equal(planes[torch.arange(len(y)), d], x)
        assert torch.equal(planes[torch.arange(len(y)), 1 - d], TINT * x)


def test_no_digit_is_learned_and_asked_and_a_coin_is_in_no_picture() -> None:
    known, thrown = coloured(0.9, False, None, 1), coloured(0.9, True, None, 1)
    ours = {tuple(row.reshape(2, 64).sum(0).tolist()) for row in known.labelled.x}
    asked = [tuple(row.reshape(2, 64).sum(0).tolist()) for row in known.held["fair"].x]
    assert sum(row in ours for row in asked) < 0.01 * len(asked)  # scikit-learn's digits have a few twins
    colour = thrown.labelled.x.reshape(-1, 2, 64).sum(2).argmax(1)
    assert 0.45 < float((colour == thrown.labelled.d).float().mean()) < 0.55
    assert 0.9 < float((colour == thrown.labelled.y).float().mean()) < 1.0


def test_a_bias_is_cured_by_the_judge_and_a_coin_cures_nothing() -> None:
    biased, cured = (end("bias", 0.9, side, "accuracy_fair") for side in (WORSE, BETTER))
    assert cured > biased + 3
    assert cured > end("model", 0.9, WORSE, "accuracy_fair") + 3


def test_to_forget_a_colour_that_tells_the_class_costs_where_it_may_be_used() -> None:
    plain, judged = (end("bias", 0.9, side, "accuracy_learned") for side in (WORSE, BETTER))
    assert plain > 97 and judged < plain - 3


def test_a_bad_beginning_is_not_made_good() -> None:
    reached = [end("beginning", 100.0, side, "accuracy_target") for side in (WORSE, BETTER)]
    assert reached[0] < reached[1] - 5


def test_both_runs_go_on_where_they_stopped(tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    for snapshot in train(difficulty="bias", epochs=3):
        assert {name.split(" ")[0] for name in snapshot.metrics} == {WORSE, BETTER}
        if snapshot.step == 1:
            snapshot.save(path)
    rest = list(train(difficulty="bias", epochs=3, resume=Snapshot.load(path)))
    assert [each.step for each in rest] == [2, 3]
    for name, tensor in snapshot.state.items():
        assert torch.equal(rest[-1].state[name], tensor), name
    with pytest.raises(ValueError, match="another run"):
        next(train(difficulty="bias", value=0.8, resume=snapshot))


@pytest.mark.parametrize(
    ("options", "words"), [({"difficulty": "luck"}, "no difficulty luck"), ({"value": 7}, "not 7")]
)
def test_what_there_is_not_is_said(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        next(train(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("difficulty", list(DIFFICULTIES))
def test_both_sides_of_every_value_are_tasks_with_known_settings(difficulty: str) -> None:
    found = DIFFICULTIES[difficulty]
    assert found.first in found.values
    for value in found.values:
        for options in found.sides(value):
            task = domain.named(options["task"])
            domain.changed(task.settings, {name: v for name, v in options.items() if name != "task"})


def test_the_report_names_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.zoo.ASSETS", tmp_path)
    found = report_difficulties.report(tmp_path, tmp_path, 2, updates=1)
    record("difficulties", found)
    assert found["seeds"] == 2 and set(found["rows"]) == set(DIFFICULTIES)
    for key, rows in found["rows"].items():
        assert [row["value"] for row in rows] == list(DIFFICULTIES[key].values)
        for side in (WORSE, BETTER):
            assert all(
                f"{side} {metric}" in rows[0] for metric in (*DIFFICULTIES[key].metrics, "judge", "probe", "seconds")
            )
