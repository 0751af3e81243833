"""The loop of gradient reversal: what it reaches on the moons, how it stops, changes and goes on, and what it never looks at."""

import gzip
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from models import zoo
from models.domain import DomainAdversarial
from training import domain, report_domain
from training.domain import SOURCE, TARGET, TASKS, Domains, Settings, probe, train
from training.shipping import record
from training.snapshot import Snapshot


def last(**options: object) -> Snapshot:
    *_, snapshot = train(None, **options)  # type: ignore[arg-type]
    return snapshot


def test_the_adversary_carries_the_moons_over() -> None:
    """As in Ganin's figure 2: the source is learned either way, the target with the adversary only."""
    without, with_it = last(strength=0.0).metrics, last().metrics
    assert without["accuracy_source"] > 97 and with_it["accuracy_source"] > 97
    assert without["accuracy_target"] < 85
    assert with_it["accuracy_target"] > 93
    assert without["L_y"] < 0.05 and with_it["L_y"] < 0.1


def test_lambda_rises_with_the_run_or_is_held() -> None:
    rising = [snapshot.metrics["lambda"] for snapshot in train(None, epochs=4, every=1)]
    assert rising == pytest.approx([0.0, 0.84828, 0.98661, 0.99890, 0.99991], abs=1e-5)
    held = [snapshot.metrics["lambda"] for snapshot in train(None, epochs=2, every=1, scheduled=False, strength=0.3)]
    assert held == [0.3, 0.3, 0.3]


def test_what_is_sent_holds_from_there_on() -> None:
    run = train(None, epochs=3, every=1, scheduled=False)
    assert next(run).metrics["lambda"] == 1.0
    assert run.send({"strength": 2.5}).metrics["lambda"] == 2.5
    assert next(run).metrics["lambda"] == 2.5
    with pytest.raises(ValueError, match="no hyper-parameter speed"):
        run.send({"speed": 3})


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    for snapshot in train(None, epochs=4):
        if snapshot.step == 2:
            snapshot.save(path)
    rest = list(train(None, epochs=4, resume=Snapshot.load(path)))
    assert [other.step for other in rest] == [3, 4]
    assert rest[-1].metrics == snapshot.metrics
    for name, tensor in snapshot.state.items():
        assert torch.equal(rest[-1].state[name], tensor), name


def test_another_run_s_snapshot_and_another_task_are_refused() -> None:
    (snapshot,) = train(None, epochs=0)
    with pytest.raises(ValueError, match="another run"):
        next(train(None, seed=2, resume=snapshot))
    with pytest.raises(ValueError, match="no task weather"):
        next(train(None, task="weather"))
    with pytest.raises(ValueError, match="--data DIR"):
        next(train(None, task="mnist-m"))


def test_the_target_s_classes_are_never_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 25: with other classes for the target's examples the run is the same, number by number."""
    ours = last(epochs=3)
    wrong = replace(TASKS["moons"], load=lambda data, seed: mislabelled(domain.moons(data, seed)))
    monkeypatch.setitem(TASKS, "moons", wrong)
    domain.loaded.cache_clear()
    theirs = last(epochs=3)
    domain.loaded.cache_clear()
    for name, tensor in ours.state.items():
        assert torch.equal(theirs.state[name], tensor), name


def mislabelled(known: Domains) -> Domains:
    assert known.unlabelled is not None
    return replace(known, unlabelled=replace(known.unlabelled, y=1 - known.unlabelled.y))


def test_with_and_without_begin_alike_and_see_the_same_batches() -> None:
    """Trap 25: the source-only run differs by λ and by nothing else."""
    (without,), (with_it,) = train(None, epochs=0, strength=0.0), train(None, epochs=0)
    for name, tensor in without.state.items():
        assert torch.equal(with_it.state[name], tensor), name
    without, with_it = last(epochs=2, strength=0.0), last(epochs=2)
    assert torch.equal(without.state["generator"], with_it.state["generator"])


def network_of_two(judge_says: float) -> DomainAdversarial:
    """Its features are the input; its judge says `judge_says` · (first number), whatever it should say."""
    net = DomainAdversarial(nn.Identity(), nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        net.judge.weight.copy_(torch.tensor([[0.0, 0.0], [judge_says, 0.0]]))  # type: ignore[union-attr, operator]
    return net


def test_a_fresh_probe_sees_what_a_judge_that_lags_behind_does_not() -> None:
    """Trap 26: the judge of the game is wrong about features that give the domain away; the probe is not fooled by that."""
    d = torch.arange(400) % 2
    f = torch.randn(400, 2, generator=torch.Generator().manual_seed(0)) + 6 * d[:, None]
    lagging = network_of_two(-1.0)
    assert domain.accuracy(lagging.judge(f), d) < 40
    assert probe(lagging, f, d, seed=1) > 98
    mixed = torch.randn(400, 2, generator=torch.Generator().manual_seed(1))
    assert 35 < probe(lagging, mixed, d, seed=1) < 65


def test_the_probe_leaves_the_network_and_the_random_numbers_alone() -> None:
    net, d = network_of_two(1.0), torch.arange(40) % 2
    before, random = net.judge.weight.clone(), torch.get_rng_state()  # type: ignore[operator, union-attr]
    probe(net, torch.randn(40, 2, generator=torch.Generator().manual_seed(0)), d, seed=1)
    assert torch.equal(net.judge.weight, before) and net.judge.weight.grad is None  # type: ignore[arg-type, union-attr]
    assert torch.equal(torch.get_rng_state(), random)


def test_the_principal_axes_hold_what_they_say() -> None:
    generator = torch.Generator().manual_seed(0)
    f = torch.randn(500, 3, generator=generator) * torch.tensor([3.0, 2.0, 1.0])
    plane, share = domain.principal(f)
    assert share.tolist() == pytest.approx([9 / 14, 4 / 14], abs=0.05)
    assert plane.var(0).tolist() == pytest.approx([9, 4], rel=0.15)


def test_a_moment_of_the_moons_is_small_and_drawable() -> None:
    snapshot = last(epochs=1)
    assert len(pickle.dumps(snapshot)) < 300_000
    view = snapshot.view
    assert view["label"].shape == view["judge"].shape == (domain.GRID, domain.GRID)
    assert len(view["features"]) == len(view["points"]) == len(view["y"]) == len(view["d"])
    assert set(view["d"].tolist()) == {SOURCE, TARGET}


def write_frames(folder: Path) -> None:
    """Two text domains that know the frames A and B, and one aside, which has a C besides."""
    rows = [
        {
            "domain": name,
            "doc": name,
            "frame": frame,
            "lu": word,
            "target": [[4, 4 + len(word)]],
            "text": f"The {word} of {name} {i}.",
        }
        for name in ("ANC", "QA", "NTI")
        for frame, word in (("A", "gift"), ("B", "weapon"), *([("C", "rain")] if name == "NTI" else []))
        for i in range(6)
    ]
    (folder / "framenet").mkdir()
    with gzip.open(folder / "framenet" / "targets.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def test_an_open_domain_is_never_told_to_anybody(tmp_path: Path) -> None:
    write_frames(tmp_path)
    known = domain.frames("NTI", tmp_path, 1)
    assert (known.classes, known.domains, known.unlabelled) == (2, 2, None)
    assert set(known.labelled.d.tolist()) == {0, 1}
    assert (known.held["target"].d == domain.UNKNOWN).all() and len(known.held["target"]) == 18
    assert (known.held["target"].y == domain.UNKNOWN).sum() == 6  # of the frame C, which nobody was told of
    assert (known.labelled.x.norm(dim=1) > 0).all()
    _, d = domain.judged(TASKS["frames-NTI"].build(known, Settings()), known)
    assert (d != domain.UNKNOWN).all()


def test_a_report_keeps_every_run_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "mnist-m", replace(TASKS["moons"], epochs=1))
    monkeypatch.setattr(report_domain, "SEEDS", {"mnist-m": (2, 2)})
    monkeypatch.setattr(report_domain, "POINTS", 7)
    domain.loaded.cache_clear()
    found = report_domain.report(tmp_path, tmp_path)
    assert [len(each) for each in found["target"]["mnist-m"].values()] == [2, 2]
    course = found["mnist-m"]["adversarial"]
    assert course["d"] == [0] * 7 + [1] * 7 and [len(row) for row in course["across"]] == [14, 14]
    assert (
        course["metrics"]["L_y"][0] is None
        and course["metrics"]["probe"][1] == found["probe"]["mnist-m"]["adversarial"][0]
    )
    assert Snapshot.load(tmp_path / "adapt-mnist-m.safetensors").step == 1

    def never(*_: object) -> None:
        raise AssertionError("It was run already.")

    monkeypatch.setattr(report_domain, "run", never)
    assert report_domain.report(tmp_path, tmp_path) == found
    assert [len(each) for each in report_domain.report(tmp_path, tmp_path, 1)["target"]["mnist-m"].values()] == [1, 1]


def test_what_is_recorded_stands_a_list_of_numbers_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "ASSETS", tmp_path)
    found = {"each": [1.5, None, -2], "words": ["a [1, 2] b"], "rows": [{"x": [0.25]}]}
    text = record("some", found).read_text()
    assert json.loads(text) == found
    assert ' "each": [1.5, null, -2]' in text.splitlines()[1]


def test_the_judge_has_a_pace_and_adam_a_memory_of_its_own() -> None:
    settings = Settings(rate=0.01, pace=5.0, momentum=0.5)
    net = network_of_two(1.0)
    optimizer = torch.optim.Adam([{"params": list(net.label.parameters())}, {"params": list(net.judge.parameters())}])
    domain.paced(optimizer, settings)
    game, judge = optimizer.param_groups
    assert judge["lr"] == pytest.approx(5 * game["lr"]) and game["lr"] == 0.01
    assert game["betas"] == judge["betas"] == (0.5, 0.999)


def test_the_average_of_the_weights_is_what_is_measured_and_a_run_goes_on_from_both(tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    for snapshot in train(None, epochs=3, average=0.9):
        if snapshot.step == 1:
            snapshot.save(path)
    *_, rest = train(None, epochs=3, average=0.9, resume=Snapshot.load(path))
    name = "label.weight"
    assert not torch.equal(snapshot.state[f"model.{name}"], snapshot.state[f"learner.{name}"])
    assert (
        torch.equal(rest.state[f"model.{name}"], snapshot.state[f"model.{name}"]) and rest.metrics == snapshot.metrics
    )
    plain = last(epochs=3)
    assert torch.equal(plain.state[f"model.{name}"], plain.state[f"learner.{name}"])
    assert torch.equal(plain.state[f"learner.{name}"], snapshot.state[f"learner.{name}"])
