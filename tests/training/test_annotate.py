"""Active learning: the runs are those of their seed, the strategies ask for what they say, and a label does what it says."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training import annotate, report_annotate
from training.annotate import DFAL, STRATEGIES, Settings, begin, go_on, nearest, network_of, paired, pool, train, truth
from training.snapshot import Snapshot

DIGITS = Settings(start=12, query=5)
MOONS = Settings("moons", start=4, query=3)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A pool of 200 digits: the walks to the boundary are what takes long."""
    whole = annotate.digits()
    monkeypatch.setitem(annotate.POOLS, "digits", lambda: replace(whole, x=whole.x[:200], y=whole.y[:200]))
    pool.cache_clear()
    yield
    pool.cache_clear()


def same(a: Snapshot, b: Snapshot) -> bool:
    return a.metrics == b.metrics and all(torch.equal(tensor, b.state[name]) for name, tensor in a.state.items())


def test_the_pool_and_the_test_have_nothing_in_common() -> None:
    known = annotate.digits()
    assert (len(known.x), len(known.x_test)) == (1297, 500)
    assert known.x.min() == 0 and known.x.max() == 1
    moons = pool("moons")
    assert moons.x.shape == (300, 1, 1, 2) and moons.x.min() > 0 and moons.x.max() < 1
    assert not (moons.x[:, None] == moons.x_test[None]).all(-1).any()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_is_that_of_its_seed_and_goes_on_from_a_file(strategy: str, tmp_path: Path) -> None:
    settings = replace(DIGITS, strategy=strategy)
    run = list(train(settings, 2))
    assert [snapshot.metrics["labels"] for snapshot in run] == [12, 17, 22]
    run[1].save(tmp_path / "run.safetensors")
    torch.manual_seed(99)
    (again,) = train(settings, 2, Snapshot.load(tmp_path / "run.safetensors"))
    assert same(run[2], again)
    assert not same(run[0], begin(replace(settings, seed=2)))


def test_all_strategies_begin_with_the_same_labels_and_the_same_network() -> None:
    starts = [begin(replace(DIGITS, strategy=strategy)) for strategy in STRATEGIES]
    first = starts[0]
    assert all(torch.equal(start.state["labelled"], first.state["labelled"]) for start in starts)
    assert len({start.metrics["accuracy"] for start in starts}) == 1
    assert set(first.state["labels"][:10].tolist()) == set(range(10))


@pytest.mark.parametrize("strategy", ["entropy", "margin", "deepfool"])
def test_what_is_asked_for_has_the_smallest_score_of_the_unlabelled(strategy: str) -> None:
    settings = replace(DIGITS, strategy=strategy)
    _, snapshot = train(settings, 1)
    known, state = pool("digits"), snapshot.state
    score = STRATEGIES[strategy](network_of(settings, snapshot), known.x)
    rest = torch.ones(len(known.x), dtype=torch.bool)
    rest[state["labelled"]] = False
    assert rest[state["picked"]].all() and len(set(state["picked"].tolist())) == 5
    rest[state["picked"]] = False
    assert score[state["picked"]].max() <= score[rest].min() + 1e-6


def test_random_asks_for_others_each_round() -> None:
    run = list(train(replace(DIGITS, strategy="random"), 3))
    picked = torch.cat([snapshot.state["picked"] for snapshot in run])
    assert len(picked.unique()) == 20
    assert not torch.equal(picked.sort().values, picked)


def test_a_partner_is_at_its_distance_and_on_the_boundary() -> None:
    snapshot = list(train(MOONS, 3))[-1]
    network, x = network_of(MOONS, snapshot), pool("moons").x
    found = nearest(network, x)
    torch.testing.assert_close((found.partner - x).flatten(1).norm(dim=1), found.distance)
    with torch.no_grad():
        lead = network(found.partner).gather(1, found.answer[:, None]) - network(found.partner).gather(
            1, found.rival[:, None]
        )
        little = x + 0.99 * (found.partner - x)
        assert torch.equal(network(little).argmax(1), found.answer), "nearer, the answer stands"
    assert (found.answer != found.rival).all() and lead.max() <= 1e-5


def test_a_straight_boundary_is_as_far_as_it_is() -> None:
    network = annotate.MLP(2, 2, ())
    (line,) = network.layers
    with torch.no_grad():
        line.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))  # z_0 − z_1 = 6 x_1 − 8 x_2 + 1
    x = torch.tensor([[[[0.5, 0.4]]], [[[0.4, 0.5]]]])
    torch.testing.assert_close(nearest(network, x).distance, torch.tensor([0.08, 0.06]), rtol=1e-2, atol=0)


def test_only_dfal_labels_the_partners_too() -> None:
    for strategy, partners in (("deepfool", 0), (DFAL, 5)):
        first, second = train(replace(DIGITS, strategy=strategy), 1)
        assert len(second.state["partners"]) == len(second.state["of_partners"]) == partners
        if partners:
            assert torch.equal(second.state["partners"], first.state["partner"])
            assert torch.equal(second.state["of_partners"], pool("digits").y[first.state["picked"]])


def test_a_wrong_label_is_learned_as_it_is() -> None:
    start = begin(DIGITS)
    wrong = (truth(DIGITS, start) + 1) % 10
    told = go_on(DIGITS, start, wrong)
    assert torch.equal(told.state["labels"][12:], wrong)
    with torch.no_grad():
        says = network_of(DIGITS, told)(pool("digits").x[start.state["picked"]]).argmax(1)
    assert torch.equal(says, wrong)
    assert not same(told, go_on(DIGITS, start, truth(DIGITS, start)))


def test_what_cannot_be_run_is_said() -> None:
    with pytest.raises(ValueError, match="pool is empty after 37 rounds"):
        next(train(DIGITS, 300))
    with pytest.raises(ValueError, match="a label for each of the 10 classes"):
        begin(replace(DIGITS, start=5))
    with pytest.raises(ValueError, match="another run"):
        next(train(replace(DIGITS, seed=2), 2, begin(DIGITS)))


def test_a_paired_comparison_is_students() -> None:
    difference, half, better = paired([3.0, 5.0, 4.0], [1.0, 4.0, 4.0])
    assert difference == pytest.approx(1) and better == 2
    assert half == pytest.approx(4.3027 / 3**0.5, abs=1e-3)  # standard deviation 1, t for 2 degrees of freedom
    with pytest.raises(ValueError, match="at least two"):
        paired([1.0], [2.0])


def test_the_report_compares_in_pairs_and_counts_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_annotate, "AT", (20, 50))
    found = report_annotate.report(Path("nowhere"), Path("nowhere"), 2, rounds=1)
    assert found["labels"] == [10, 20] and found["seeds"] == 2
    assert {name: [len(row) for row in rows] for name, rows in found["accuracy"].items()} == {
        name: [2, 2] for name in STRATEGIES
    }
    row = found["pairs"][0]
    assert (row["labels"], row["strategy"], row["other"]) == (20, "deepfool", "random")
    ours, others = ([run[1] for run in found["accuracy"][name]] for name in ("deepfool", "random"))
    assert row["difference"] == pytest.approx(sum(ours) / 2 - sum(others) / 2, abs=0.01)
    assert len(found["pairs"]) == 7 and "report annotate" in found["command"]
    json.dumps(found)


def test_labels_until_good_enough() -> None:
    rows = [[50.0, 89.0, 92.0], [70.0, 91.0, 93.0]]
    assert report_annotate.until(rows, [10, 20, 30], 90.0) == 20
    assert report_annotate.until(rows, [10, 20, 30], 95.0) is None
    assert report_annotate.band(rows)[0] == [60, 90, 92.5]
    assert report_annotate.band(rows[:1]) == ([50, 89, 92], [0, 0, 0])
