"""GANs as they learn: each step moves its own network only (trap 27), the same z at every snapshot, and fixed seeds reach stated states."""

import math
import pickle
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models import gan as networks
from models.divergence import density
from training import gan
from training.gan import TASKS, Options, adam, changed, generator_step, judge_step, train
from training.snapshot import Snapshot

SIZES = list(networks.SIZES)
SHAPES = {"points": (2,), "small_digits": (1, 8, 8), "digits": (1, 28, 28), "drums": (1, 32, 32)}


def chance(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weights(network: torch.nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def moved(before: dict[str, Tensor], network: torch.nn.Module) -> set[bool]:
    return {not torch.equal(before[name], parameter) for name, parameter in network.named_parameters()}


def some(run: Iterator[Snapshot], n: int) -> list[Snapshot]:
    return [snapshot for _, snapshot in zip(range(n), run, strict=False)]


def copied(snapshot: Snapshot) -> dict[str, Tensor]:
    """Its weights; the state itself is the run's and goes on."""
    return {name: tensor.clone() for name, tensor in snapshot.state.items() if name.startswith("model.")}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", gan.KINDS)
def test_a_step_of_the_judge_leaves_the_generator_without_gradient_and_as_it_was(size: str, kind: str) -> None:
    network, options = networks.SIZES[size](1).train(), Options(kind=kind)
    made, judged = weights(network.generator), weights(network.judge)
    x = torch.rand(4, *SHAPES[size])
    judge_step(network, adam(network, options), x, network.draw_noise(4, chance()), options, chance())
    assert {parameter.grad for parameter in network.generator.parameters()} == {None}
    assert moved(made, network.generator) == {False}
    assert True in moved(judged, network.judge)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", [Options(), Options(saturating=True), Options(kind="wgan-gp")])
def test_a_step_of_the_generator_leaves_the_judge_without_gradient_and_as_it_was(size: str, options: Options) -> None:
    network = networks.SIZES[size](1).train()
    optimizer = adam(network, options)
    judge_step(network, optimizer, torch.rand(4, *SHAPES[size]), network.draw_noise(4, chance()), options, chance())
    made, judged = weights(network.generator), weights(network.judge)
    generator_step(network, optimizer, network.draw_noise(4, chance()), options)
    assert {parameter.grad for parameter in network.judge.parameters()} == {None}
    assert moved(judged, network.judge) == {False}
    assert True in moved(made, network.generator)


def test_the_steps_go_where_the_formula_says() -> None:
    """The judge's step raises V(D, G), the generator's lowers it."""
    network = networks.points(3)
    options = Options(judge_rate=1e-3, generator_rate=1e-3, saturating=True)
    optimizer, x, z = adam(network, options), torch.rand(64, 2), network.draw_noise(64, chance())

    def now() -> float:
        with torch.no_grad():
            return float(networks.value(network.logits(x), network.logits(network.make(z))))

    first = now()
    judge_step(network, optimizer, x, z, options, chance())
    second = now()
    generator_step(network, optimizer, z, options)
    assert second > first and now() < second


def test_the_same_z_are_looked_at_at_every_snapshot_and_looking_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Tensor] = []
    make = networks.GAN.make
    run = train(task="ring", every=2, batch=16)
    first = next(run)
    monkeypatch.setattr(networks.GAN, "make", lambda self, z: seen.append(z.clone()) or make(self, z))
    second, third = next(run), next(run)
    looked = [z for z in seen if len(z) == gan.JUDGED]
    assert len(looked) == 2 and torch.equal(*looked), "made of the same z"
    assert torch.equal(first.view["real"], third.view["real"])
    rest = [z for z in seen if len(z) == 16]
    assert len(rest) == 8 and not torch.equal(rest[0], rest[1]), "learned from others each time"
    assert not torch.equal(second.view["made"], third.view["made"])


def test_how_often_one_looks_does_not_change_what_is_learned() -> None:
    often, seldom = (list(train(task="ring", every=every, rounds=6, batch=16))[-1] for every in (1, 6))
    same = [torch.equal(often.state[name], seldom.state[name]) for name in often.state]
    assert often.step == seldom.step == 6 and all(same)


@pytest.mark.parametrize("task", ["ring", "digits"])
def test_a_run_is_repeatable_and_goes_on_where_it_was(task: str, tmp_path: Path) -> None:
    whole = list(train(task=task, every=3, rounds=9, batch=8))
    part = some(train(task=task, every=3, rounds=9, batch=8), 2)[-1]
    part.save(tmp_path / "part.safetensors")
    again = list(train(task=task, every=3, rounds=9, batch=8, resume=Snapshot.load(tmp_path / "part.safetensors")))
    assert [snapshot.step for snapshot in again] == [6, 9]
    for name, tensor in whole[-1].state.items():
        assert torch.equal(tensor, again[-1].state[name]), name
    assert torch.equal(whole[-1].view["made"], again[-1].view["made"])
    with pytest.raises(ValueError, match="another run"):
        next(train(task=task, seed=2, resume=part))


def test_a_snapshot_is_small_and_whole() -> None:
    for task in ("ring", "grid", "spiral", "moons", "digits"):
        first = next(train(task=task))
        assert len(pickle.dumps(first)) < 300_000
        assert all(math.isfinite(value) for value in first.metrics.values()), first.metrics
        assert first.view["made"].shape[0] == first.view["opinion"].shape[0] == TASKS[task].fixed


def test_the_judge_or_the_generator_learns_alone_when_it_is_its_turn() -> None:
    run = train(task="ring", every=1, batch=16)
    states = [copied(next(run)), *(copied(run.send({"turn": turn})) for turn in ("judge", "generator"))]
    for (before, after), mover in zip(pairwise(states), ("judge", "generator"), strict=True):
        parts = {name.split(".")[1] for name in before if not torch.equal(before[name], after[name])}
        assert parts == {mover}


def test_a_change_holds_from_there_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Options] = []
    rounds = gan.one_round
    monkeypatch.setattr(gan, "one_round", lambda *given: seen.append(given[3]) or rounds(*given))
    run = train(task="ring", every=1, batch=16)
    next(run)
    snapshot = run.send({"kind": "wgan-gp", "judge_rate": 0.5})
    next(run)
    assert [(each.kind, each.judge_rate, each.generator_rate) for each in seen] == [("wgan-gp", 0.5, 5e-4)] * 2
    assert "distance" in snapshot.metrics and "value" not in snapshot.metrics, "a critic gives no probabilities"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "vae"}, "no GAN of kind 'vae'"),
        ({"turn": "nobody"}, "where 'nobody' learns"),
        ({"smoothing": 0.5}, "below 0.5"),
        ({"judge_rate": -1.0}, "learning rate"),
        ({"n_critic": 0}, "judge steps a round"),
        ({"colour": 1}, "no colour to be changed"),
    ],
)
def test_what_cannot_be_run_is_said_at_the_beginning_and_in_mid_run(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        next(train(task="ring", **options))
    run = train(task="ring", every=1, batch=4)
    next(run)
    with pytest.raises(ValueError, match=words):
        run.send(options)


def test_tasks_that_are_not_there_or_lack_something_are_said() -> None:
    for task, words in (
        ("cats", "nothing called 'cats'"),
        ("drawn", "Draw something first"),
        ("mnist", "give --data DIR"),
    ):
        with pytest.raises(ValueError, match=words):
            next(train(task=task))


def test_what_is_drawn_is_what_is_real() -> None:
    drawn = [[0.5, 0.5], [-0.5, 0.25]]
    first = next(train(task="drawn", drawn=drawn))
    distance = torch.cdist(first.view["real"], torch.tensor(drawn)).min(1)
    assert distance.values.max() < 6 * gan.SMOOTH and set(distance.indices.tolist()) == {0, 1}


def test_a_perfect_copy_is_as_near_as_chance_allows_and_an_untrained_generator_is_far() -> None:
    first = next(train(task="ring"))
    assert first.metrics["js_floor"] < 0.03 < 0.8 < first.metrics["js"] <= 1
    assert first.metrics["kl"] > 1
    assert gan.divergences(first.view["real"], first.view["real"]) == {"js": 0, "kl": 0}
    assert float(density(first.view["real"]).sum()) == pytest.approx(1, abs=1e-5)


def test_the_field_and_the_warp_are_where_they_are_drawn() -> None:
    task, source = TASKS["ring"], gan.mixture(gan.RING, 0.04)
    network = networks.points(1)
    _, view = gan.Look(task, source, network, 1)(Options())
    row, column = 5, 30
    place = torch.tensor([[-gan.REACH + column * 2 * gan.REACH / 40, -gan.REACH + row * 2 * gan.REACH / 40]])
    with torch.no_grad():
        assert float(view["field"][row, column]) == pytest.approx(float(network.logits(place)), abs=1e-5)
        corner = network.make(torch.tensor([[-1.0, 1.0]]))
    torch.testing.assert_close(view["warp"][0, -1], corner[0])


def test_arrows_point_where_the_generators_loss_falls() -> None:
    network = networks.points(1)
    _, view = gan.Look(TASKS["ring"], gan.mixture(gan.RING, 0.04), network, 1)(Options())
    made, pull = view["made"][: gan.PULLED], view["pull"]
    with torch.no_grad():
        before, after = network.logits(made), network.logits(made + 1e-3 * pull)
    assert (after >= before - 1e-6).all() and (after > before).sum() > 90
    assert float(pull.norm(dim=1).max()) == pytest.approx(gan.LONGEST, rel=1e-3)


def test_a_fixed_seed_learns_the_moons() -> None:
    """From JS 0.76 to under 0.45 in 600 rounds."""
    first, last = train(task="moons", seed=1, rounds=600, every=600, batch=64)
    assert first.metrics["js"] > 0.7 and last.metrics["js"] < 0.45


def test_collapse_on_purpose_and_both_rates_mended() -> None:
    """With a judge too slow for its generator few of eight modes are covered; with the rates exchanged most are."""
    ends = {
        judge: list(train(task="ring", seed=1, rounds=800, every=800, batch=64, judge_rate=judge, generator_rate=made))[
            -1
        ]
        for judge, made in ((3e-4, 3e-3), (3e-3, 3e-4))
    }
    assert ends[3e-4].metrics["modes"] <= 3 and ends[3e-3].metrics["modes"] >= 6


def test_classes_are_counted_and_their_entropy_is_shannons() -> None:
    counted = gan.class_counts(torch.tensor([0] * 500 + [1] * 495 + [2] * 5))
    assert counted["modes"] == 2, "five of a thousand are less than a tenth of a tenth"
    p = torch.tensor([0.5, 0.495, 0.005])
    assert counted["entropy"] == pytest.approx(float(-(p * p.log2()).sum()), abs=1e-5)
    assert gan.class_counts(torch.arange(10))["entropy"] == pytest.approx(math.log2(10))


def test_the_small_digits_are_known_to_their_classifier() -> None:
    known = gan.annotate.pool("digits")
    right = (gan.digit_classifier()(known.x_test).argmax(1) == known.y_test).double().mean()
    assert right > 0.95


def test_a_filmed_run_keeps_what_was_made_and_its_snapshots_grow_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "drums", replace(TASKS["drums"], fixed=3))
    run = list(train(task="drums", rounds=5, every=1, batch=4, limit=6))
    film = {name: tensor for name, tensor in run[-1].state.items() if name.startswith("film.")}
    assert film["film.step"].tolist() == [snapshot.step for snapshot in run] == [0, 1, 2, 3, 4, 5]
    for k, snapshot in enumerate(run):
        assert torch.equal(film["film.made"][k], (snapshot.view["made"] * 255).round().byte())
        assert torch.equal(film["film.opinion"][k], snapshot.view["opinion"])
    assert math.isnan(float(film["film.loss_judge"][0])), "nothing was lost before the first round"
    assert float(film["film.loss_judge"][-1]) == pytest.approx(run[-1].metrics["loss_judge"])
    steps = [0]
    while steps[-1] < 9000:
        steps.append(gan.next_step(steps[-1], 9000, 25, True))
    gaps = [b - a for a, b in pairwise(steps)]
    assert gaps[0] == 25 and gaps[-2] > 500 and len(steps) < 60 and steps[-1] == 9000


def test_unknown_options_do_not_slip_through() -> None:
    assert changed(Options(), {"smoothing": 0.1}).smoothing == 0.1
    with pytest.raises(ValueError, match="no drawn, limit to be changed"):
        changed(Options(), {"limit": 3, "drawn": None})
