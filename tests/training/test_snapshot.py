"""A run that is stopped goes on as if nothing had happened, and never loses what it had."""

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training import snapshot
from training.snapshot import Snapshot, restore, state_of


def some(step: int = 3, **metrics: float) -> Snapshot:
    tensors = {
        "model.weight": torch.randn(2, 3, generator=torch.Generator().manual_seed(step)),
        "model.turned": torch.arange(6.0).view(2, 3).T,
        "optimizer.0.step": torch.tensor(7.0),
        "half": torch.tensor([1.5], dtype=torch.bfloat16),
        "none": torch.zeros(0, 4),
        "words": torch.tensor([2**40]),
    }
    return Snapshot(step, 12, 61.25, metrics, tensors)


def same(one: Snapshot, other: Snapshot) -> bool:
    numbers = [(s.step, s.steps, s.seconds, dict(s.metrics)) for s in (one, other)]
    return numbers[0] == numbers[1] and equal(one.state, other.state)


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[k].dtype == other[k].dtype and torch.equal(one[k], other[k]) for k in one
    )


def test_a_snapshot_is_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    saved = some(3, loss=2.5, bleu_beam5=41.0)
    saved.save(tmp_path / "runs" / "new" / "a.safetensors")
    loaded = Snapshot.load(tmp_path / "runs" / "new" / "a.safetensors")
    assert same(saved, loaded)
    assert not same(saved, some(4, loss=2.5))


def test_odd_figures_are_kept(tmp_path: Path) -> None:
    some(loss=math.nan, ppl=math.inf).save(tmp_path / "a.safetensors")
    metrics = Snapshot.load(tmp_path / "a.safetensors").metrics
    assert math.isnan(metrics["loss"]) and metrics["ppl"] == math.inf


def test_a_later_snapshot_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    for step in (1, 2):
        some(step).save(tmp_path / "a.safetensors")
    assert same(Snapshot.load(tmp_path / "a.safetensors"), some(2))
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_run_killed_while_writing_leaves_the_last_snapshot_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = tmp_path / "a.safetensors", snapshot.save_file
    some(1).save(path)

    def killed(state: dict[str, Tensor], file: Path, about: dict[str, str]) -> None:
        whole(state, file, about)
        file.write_bytes(file.read_bytes()[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(snapshot, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        some(2).save(path)
    assert same(Snapshot.load(path), some(1))
    monkeypatch.undo()
    some(3).save(path)  # the half-written neighbour is in nobody's way
    assert same(Snapshot.load(path), some(3))


def test_two_runs_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    for step, score in enumerate(("dot", "general")):
        some(step).save(tmp_path / f"translate-{score}.safetensors")
    assert same(Snapshot.load(tmp_path / "translate-dot.safetensors"), some(0))


def test_no_file_and_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"a\.safetensors"):
        Snapshot.load(tmp_path / "a.safetensors")
    some().save(tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged"):
        Snapshot.load(tmp_path / "a.safetensors")


def test_only_the_same_run_goes_on(tmp_path: Path) -> None:
    Snapshot(1, 2, 0.0, {}, {"x": torch.zeros(1)}, "a, seed 1").save(tmp_path / "a.safetensors")
    found = Snapshot.load(tmp_path / "a.safetensors")
    found.check("a, seed 1")
    with pytest.raises(ValueError, match="another run"):
        found.check("a, seed 2")


def test_the_line_for_a_terminal() -> None:
    assert some(3, loss=2.94123, bleu=46.881).line() == "3/12  61 s  loss 2.941  bleu 46.88"


def network() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    return model, torch.optim.Adam(model.parameters(), lr=0.01)


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()


def test_network_and_optimizer_go_on_where_they_were(tmp_path: Path) -> None:
    model, optimizer = network()
    learn(model, optimizer, range(3))
    Snapshot(3, 6, 0.0, {}, state_of(model, optimizer)).save(tmp_path / "a.safetensors")
    learn(model, optimizer, range(3, 6))
    again, its_optimizer = network()
    restore(again, its_optimizer, Snapshot.load(tmp_path / "a.safetensors").state)
    learn(again, its_optimizer, range(3, 6))
    assert equal(state_of(again, its_optimizer), state_of(model, optimizer))
    cold, _ = network()
    restore(cold, torch.optim.Adam(cold.parameters()), Snapshot.load(tmp_path / "a.safetensors").state)
    learn(
        cold, torch.optim.Adam(cold.parameters(), lr=0.01), range(3, 6)
    )  # without the optimizer's tensors it would differ
    assert not equal(dict(cold.state_dict()), dict(model.state_dict()))


def test_what_is_restored_is_not_shared_with_the_snapshot() -> None:
    model, optimizer = network()
    learn(model, optimizer, range(1))
    state = {name: tensor.clone() for name, tensor in state_of(model, optimizer).items()}
    before = {name: tensor.clone() for name, tensor in state.items()}
    again, its_optimizer = network()
    restore(again, its_optimizer, state)
    learn(again, its_optimizer, range(3))
    assert equal(state, before)
    assert not equal(state_of(again, its_optimizer), before)
