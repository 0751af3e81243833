"""Virtual adversarial training: on two moons it does what it is for; a run is that of its seed, resumes, and may be changed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from attacks.virtual import r_vadv
from models.few_labels import DigitCNN, Review, ReviewCNN
from models.words import Vocabulary
from training import virtual, virtual_tasks
from training.classify import Text
from training.snapshot import Snapshot
from training.virtual import TWIN, Learner, alone, drawn, objective, train
from training.virtual_tasks import MOONS, SPIRALS, Knobs, Task, padded, perturbed_words


def last(**options: object) -> Snapshot:
    *_, snapshot = train(**options)  # type: ignore[arg-type]
    return snapshot


def same(a: Snapshot, b: Snapshot) -> bool:
    return a.metrics == b.metrics and all(
        torch.equal(tensor.nan_to_num(), b.state[name].nan_to_num()) for name, tensor in a.state.items()
    )


def test_eight_labels_are_enough_for_two_moons_and_not_without_it() -> None:
    found = last(task=MOONS, epochs=10)
    assert found.metrics["error"] < 3 < 6 < found.metrics["twin.error"]
    assert found.metrics["lds_mean"] < 0.2 * found.metrics["twin.lds_mean"]


def test_the_twin_is_a_run_without_it() -> None:
    beside = last(task=MOONS, epochs=2)
    by_itself = last(task=MOONS, epochs=2, weight=0.0)
    assert beside.metrics["twin.error"] == by_itself.metrics["error"]
    for name in (name for name in by_itself.state if name.startswith("model.")):
        assert torch.equal(by_itself.state[name], beside.state[TWIN + name])
        assert not torch.equal(by_itself.state[name], beside.state[name]) or beside.state[name].ndim == 1


def test_a_run_is_that_of_its_seed_and_goes_on_from_a_file(tmp_path: Path) -> None:
    run = train(task=SPIRALS, epochs=3)
    assert next(run).step == 0
    next(run).save(tmp_path / "run.safetensors")
    second, third = run
    torch.manual_seed(99)
    *_, again = train(task=SPIRALS, epochs=3, resume=Snapshot.load(tmp_path / "run.safetensors"))
    assert same(third, again) and again.state["curve"][:, 0].tolist() == [0, 20, 40, 60]
    assert second.metrics != third.metrics and not same(third, last(task=SPIRALS, epochs=3, seed=2))
    with pytest.raises(ValueError, match="another run"):
        next(train(task=SPIRALS, seed=2, resume=third))


def test_what_is_sent_holds_from_there_on() -> None:
    still, changed = train(task=MOONS, epochs=3), train(task=MOONS, epochs=3)
    assert same(next(still), next(changed))
    assert (
        same(
            still.send(None),
            changed.send({"weight": 0.0, "entropy": 0.0}),
        )
        is False
    )
    with pytest.raises(ValueError, match="nothing called speed"):
        changed.send({"speed": 3})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "suns"}, "no task 'suns'"),
        ({"task": MOONS, "labels": 1}, "label for each of the 2 classes"),
        ({"task": MOONS, "labels": 301}, "not more than 300"),
        ({"task": MOONS, "xi": 0.0}, "ξ must be above 0"),
        ({"task": MOONS, "epsilon": -1.0}, "ε, K and the weights"),
        ({"task": "mnist"}, "wants the folder"),
    ],
)
def test_what_makes_no_sense_is_said(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        next(train(**options))  # type: ignore[arg-type]


def test_no_label_is_read_that_was_not_given() -> None:
    task = virtual_tasks.TASKS[MOONS](None, 1, None)
    hidden = task.y.clone()
    rest = torch.ones(len(hidden), dtype=torch.bool)
    rest[task.labelled] = False
    hidden[rest] = 1 - hidden[rest]
    states = []
    for y in (task.y, hidden):
        learner = Learner(replace(task, y=y), 1)
        for step in range(3):
            learner.update(task.knobs, step, 1)
        states.append(learner.state())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_the_loss_is_the_sum_of_its_parts() -> None:
    task = virtual_tasks.TASKS[MOONS](None, 1, None)
    network, rows = task.network(), (task.labelled, torch.arange(300))
    torch.manual_seed(0)
    total, parts = objective(task, network, Knobs(0.1, 1e-3, weight=2.0, entropy=0.5), *rows)
    assert total.item() == pytest.approx(parts["loss"] + 2 * parts["lds"] + 0.5 * parts["entropy"], rel=1e-5)
    z = network(task.x[task.labelled])
    by_hand = -z.log_softmax(1)[torch.arange(8), task.y[task.labelled]].mean()
    assert parts["loss"] == pytest.approx(by_hand.item(), rel=1e-5)
    assert objective(task, network, alone(task.knobs), *rows)[0].item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_with_and_without_a_label_they_go_through_the_network_apart() -> None:
    """Batch norm sees each by itself, and its statistics are of those without a label, of one pass."""
    task, labelled, unlabelled = pictures(), torch.arange(10), torch.arange(10, 40)
    network, by_hand = small_digits(), small_digits()
    torch.manual_seed(0)
    _, parts = objective(task, network, Knobs(0.3, 1e-2, adversarial=1.0), labelled, unlabelled)
    J = -by_hand(task.x[labelled]).log_softmax(1)[torch.arange(10), task.y[labelled]].mean()
    assert parts["loss"] == pytest.approx(J.item(), rel=1e-4) and parts["adversarial"] > parts["loss"]
    by_hand = small_digits()
    by_hand(task.x[unlabelled])
    for name, tensor in by_hand.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor)
    alone_in_it = small_digits()
    objective(task, alone_in_it, Knobs(0.3, 1e-2, weight=0.0), labelled, unlabelled)
    by_hand = small_digits()
    by_hand(task.x[labelled])
    torch.testing.assert_close(alone_in_it.state_dict(), by_hand.state_dict())


def small_digits() -> DigitCNN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DigitCNN((4, 6), 20)


def pictures() -> Task:
    """Some digits that are none."""
    data = Data(40)
    return replace(virtual_tasks.TASKS[MOONS](None, 1, None), x=data.x, y=data.y)


def test_no_class_is_forgotten_by_the_last_batch_norm() -> None:
    z = small_digits()(pictures().x)
    torch.testing.assert_close(z.mean(0), torch.zeros(10), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(10), atol=1e-2, rtol=0)


def test_the_view_is_the_networks_own() -> None:
    snapshot = last(task=SPIRALS, epochs=1)
    task = virtual_tasks.TASKS[SPIRALS](None, 1, None)
    learner = Learner(task, 1)
    learner.put_back(snapshot.state)
    where = virtual_tasks.axes()
    with torch.no_grad():
        p = learner.network(torch.stack([where[7], where[30]])[None, None, None]).softmax(1)[0]
    torch.testing.assert_close(snapshot.view["p"][30, 7], p)
    torch.testing.assert_close(snapshot.view["r"].norm(dim=1), torch.full((300,), task.knobs.epsilon))
    assert snapshot.view["lds"].shape == snapshot.view["p"].shape[:2] and snapshot.view["lds"].min() >= 0


def test_the_rate_falls_where_it_shall() -> None:
    task = replace(virtual_tasks.TASKS[MOONS](None, 1, None), updates=10, falls=0.5)
    learner, rates = Learner(task, 1), []
    for step in range(10):
        learner.update(replace(task.knobs, rate=1.0), step, 1)
        rates.append(learner.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1.0] * 6 + [0.8, 0.6, 0.4, 0.2])


def test_batches_are_drawn_from_their_rows() -> None:
    rows = torch.tensor([3, 5, 9])
    assert torch.equal(drawn(rows, 0), rows)
    some = drawn(rows, 50)
    assert len(some) == 50 and set(some.tolist()) == {3, 5, 9}


class Data:
    """A few digits in the place of MNIST."""

    def __init__(self, count: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.y = torch.arange(count) % 10
        self.x = (torch.rand(10, 1, 28, 28, generator=generator)[self.y] + 0.1 * torch.rand(count, 1, 28, 28)).clamp(
            0, 1
        )


def test_digits_have_ten_labels_a_class_and_keep_some_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Data(1400)
    monkeypatch.setattr(virtual_tasks, "mnist", lambda _data, split: (data.x, data.y) if split == "train" else None)
    task = virtual_tasks.digits(Path("nowhere"), 1)
    assert torch.bincount(task.y[task.labelled]).tolist() == [10] * 10
    assert (len(task.x), len(task.x_kept)) == (400, 1000)
    assert not torch.equal(task.labelled, virtual_tasks.digits(Path("nowhere"), 2).labelled)
    small = replace(task, network=lambda: DigitCNN((4, 6), 20), batch=(20, 30), updates=30, every=15)
    monkeypatch.setitem(virtual.TASKS, "mnist", lambda *_: small)
    begin, first, second = train(Path("nowhere"), task="mnist")
    assert second.metrics["error"] <= first.metrics["error"] < begin.metrics["error"]
    for frame, snapshot in enumerate((begin, first, second)):
        for name in ("film.p", "film.r", "film.lds"):
            assert torch.equal(second.state[name][frame], snapshot.state[name][-1])
    torch.testing.assert_close(second.state["film.r"].flatten(2).norm(dim=2), torch.full((3, 10), small.knobs.epsilon))
    assert small.y_kept[[int((small.x_kept == x).flatten(1).all(1).nonzero()[0]) for x in small.filmed]].tolist() == [
        *range(10)
    ]
    assert not first.view and TWIN + "error" not in first.metrics
    assert int(second.state["model.layers.1.num_batches_tracked"]) == 30, "a batch an update"


def reviews(count: int = 12) -> tuple[ReviewCNN, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        f = torch.rand(30)
        f[0] = 0
        return ReviewCNN(f / f.sum(), d_word=6, filters=5), torch.randint(1, 30, (count, 8))


def test_word_vectors_are_normalised_by_frequency() -> None:
    network, _ = reviews()
    nn.init.normal_(network.embedding.weight, mean=3.0, std=7.0)
    v = network.embed(torch.arange(30)[None])[0]
    f = network.frequencies[:, None]
    torch.testing.assert_close((f * v).sum(0), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close((f * v**2).sum(0), torch.ones(6), atol=1e-4, rtol=0)


def test_padding_says_nothing_and_is_not_perturbed() -> None:
    network, words = reviews()
    network.eval()
    longer = torch.cat([words, torch.zeros(12, 4, dtype=torch.int64)], 1)
    logits, v = perturbed_words(network, longer)
    torch.testing.assert_close(logits(v), Review(network, words != 0)(network.embed(words)))
    r = r_vadv(logits, v.detach(), 2.0, K=1, seed=0)
    assert not r[:, 8:].any() and r[:, :8].any(-1).any()
    torch.testing.assert_close(r.flatten(1).norm(dim=1), torch.full((12,), 2.0))


def test_reviews_are_cut_to_their_end() -> None:
    known = Vocabulary.count([["a", "b"]], 1)
    rows = padded([Text(["b"] + ["a"] * 200, 0), Text(["a", "b"], 1)], known)
    assert rows.shape == (2, 200) and rows[0].unique().tolist() == [known.numbers["a"]]
    assert rows[1, :3].tolist() == [*known.encode(["a", "b"]), 0]
