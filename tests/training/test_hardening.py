"""Adversarial training: the loss by hand, the loop, and the traps of attack-traps.md that concern it (7, 15, 21)."""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.digit_classifier import DigitClassifier, grey, ink
from models.small import MLP
from training import hardening
from training.annotate import pool
from training.hardening import How, adversarial_loss, measure, overfitted, train
from training.snapshot import Snapshot

HOW: dict[str, Any] = {"task": "digits", "epochs": 12, "alpha": 0.5, "epsilon": 0.2}


class Line(nn.Module):
    """Two classes of one pixel: z = (0, w x)."""

    def __init__(self, w: float):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x)), self.w * x.flatten()], 1)


@pytest.mark.parametrize("inner", ["fgsm", "pgd"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_loss_and_its_gradient_are_those_of_the_formula_by_hand(inner: str, alpha: float) -> None:
    """Of a line the worst picture in the ball is its end: J = log(1 + exp(−w x)) for y = 1, so x_adv = x − ε for w > 0."""
    w, x, epsilon, line = 2.0, 0.6, 0.25, Line(2.0)
    loss = adversarial_loss(line, torch.tensor([[[[x]]]]), torch.tensor([1]), How(alpha, epsilon, inner, steps=5))
    J, J_adv = (float(np.log1p(np.exp(-w * at))) for at in (x, x - epsilon))
    assert float(loss) == pytest.approx(alpha * J + (1 - alpha) * J_adv, abs=1e-6)
    loss.backward()
    slope = [-at / (1 + np.exp(w * at)) for at in (x, x - epsilon)]
    assert float(line.w.grad) == pytest.approx(alpha * slope[0] + (1 - alpha) * slope[1], abs=1e-6)  # type: ignore[arg-type]


def test_it_is_told_the_true_label_also_where_the_network_is_wrong() -> None:
    """Trap 15: against its own answer the pixel would move the other way."""
    line, x = Line(-2.0), torch.tensor([[[[0.6]]]])
    loss = adversarial_loss(line, x, torch.tensor([1]), How(0.0, 0.25))
    assert float(loss) == pytest.approx(np.log1p(np.exp(2.0 * 0.85)), abs=1e-6)


@pytest.mark.parametrize("inner", list(hardening.INNER))
def test_making_the_pictures_leaves_gradients_modes_and_statistics(inner: str) -> None:
    """Trap 7."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 10)
    ).train()
    x, y = torch.rand(6, 1, 8, 8), torch.arange(6)
    F.cross_entropy(network(x), y).backward()
    grads = [p.grad.clone() for p in network.parameters()]  # type: ignore[union-attr]
    statistics = {name: b.clone() for name, b in network.named_buffers()}
    made = hardening.INNER[inner](hardening.cross_entropy(network, y), x, How(inner=inner, steps=3), 1)
    assert not made.requires_grad and (made - x).abs().max() <= 0.25 + 1e-6 and made.min() >= 0 and made.max() <= 1
    assert all(torch.equal(p.grad, g) for p, g in zip(network.parameters(), grads, strict=True))  # type: ignore[arg-type]
    assert all(torch.equal(b, statistics[name]) for name, b in network.named_buffers())
    assert all(module.training for module in network.modules())


def test_hardening_reaches_a_stated_loss_and_withstands_what_a_plain_network_does_not() -> None:
    plain = [*train(**HOW | {"inner": "none"})][-1].metrics
    hard = [*train(**HOW)][-1].metrics
    assert hard["loss"] < 1.2 and plain["loss"] < 0.1
    assert plain["clean"] > 94 and hard["clean"] > 92
    assert plain["pgd"] < 5 and hard["pgd"] > plain["pgd"] + 15
    assert plain["noise"] > 80, "the control: noise as large does little"


def test_fgsm_alone_overfits_and_pgd_with_restarts_sees_it() -> None:
    """Trap 21."""
    *_, last = train(task="digits", epochs=30, alpha=0.0, epsilon=0.3, inner="fgsm")
    assert last.metrics["fgsm"] > 35 and last.metrics["pgd"] < 5 and overfitted(last.metrics)
    *_, with_pgd = train(task="digits", epochs=12, alpha=0.5, epsilon=0.2, inner="pgd")
    assert not overfitted(with_pgd.metrics)


def test_no_attack_is_weaker_than_a_better_one_and_a_clean_error_is_never_robust() -> None:
    of = pool("digits")
    network = MLP(64, 10, seed=3)
    found, worst = measure(network, of.x_test[:100], of.y_test[:100], 0.1)
    assert found["pgd"] <= found["clean"] and (worst - of.x_test[:100]).abs().max() <= 0.1 + 1e-6
    at_zero, same = measure(network, of.x_test[:100], of.y_test[:100], 0.0)
    assert len(set(at_zero.values())) == 1 and torch.equal(same, of.x_test[:100])


def test_a_run_that_goes_on_is_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    options = HOW | {"epochs": 4, "inner": "pgd", "steps": 3, "limit": 300}
    whole = [*train(**options)]
    path = tmp_path / "run.safetensors"
    whole_again = train(**options)
    for snapshot in islice(whole_again, 3):
        snapshot.save(path)
    rest = [*train(**options, resume=Snapshot.load(path))]
    assert [s.step for s in rest] == [3, 4]
    assert rest[-1].metrics == whole[-1].metrics
    assert all(torch.equal(t, rest[-1].state[name]) for name, t in whole[-1].state.items())
    with pytest.raises(ValueError, match="another run"):
        next(train(**options | {"seed": 2}, resume=Snapshot.load(path)))


def test_what_is_sent_to_it_holds_from_there_on() -> None:
    run = train(**HOW | {"limit": 300})
    assert next(run).metrics["epsilon"] == 0.2
    changed = run.send({"epsilon": 0.1, "alpha": 0.9})
    assert (changed.metrics["epsilon"], changed.metrics["alpha"]) == (0.1, 0.9)
    other = train(**HOW | {"limit": 300})
    next(other)
    assert next(other).metrics["loss"] != changed.metrics["loss"]
    with pytest.raises(ValueError, match="α is a weight"):
        run.send({"alpha": 1.5})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"task": "dice"}, "no task 'dice'"),
        ({"epsilon": -0.1}, "ε is a size"),
        ({"inner": "magic"}, "no inner attack"),
        ({"steps": 0}, "1 step or more"),
        ({"task": "mnist"}, "--data DIR"),
    ],
)
def test_what_there_is_not_is_a_sentence(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        next(train(**HOW | wrong))


@pytest.mark.parametrize("task", ["moons", "digits"])
def test_a_snapshot_has_what_a_page_draws_and_is_small(task: str) -> None:
    import pickle

    first, second = islice(train(task=task), 2)
    assert len(pickle.dumps(second)) < 300_000
    assert first.step == 0 and "loss" not in first.metrics and second.metrics["loss"] > 0
    if task == "moons":
        p, x, x_adv, fooled = (second.view[name] for name in ("p", "x", "x_adv", "fooled"))
        assert p.shape == (60, 60) and x.shape == x_adv.shape and 0 <= p.min() and p.max() <= 1
        clean, pgd = second.metrics["clean"], second.metrics["pgd"]
        assert 100 * float(fooled.float().mean()) == pytest.approx(clean - pgd, abs=1e-3), (
            "the drawn adds up with the said"
        )
    else:
        assert second.view["weights"].shape == (64, 8, 8)
        assert not torch.equal(first.view["weights"], second.view["weights"]), "a snapshot is not changed by the next"


def test_the_run_on_mnist_keeps_its_history_and_warms_up(few_digits: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    run = hardening.recorded("digits-pgd", few_digits, epochs=2)
    for snapshot in islice(run, 2):
        snapshot.save(path)
    (last,) = hardening.recorded("digits-pgd", few_digits, epochs=2, resume=Snapshot.load(path))
    kept = {name.removeprefix(hardening.HISTORY): t for name, t in last.state.items() if name.startswith("history.")}
    assert {len(t) for t in kept.values()} == {3} and set(kept) == {"clean", "noise", "fgsm", "pgd", "ink", "grey"}
    assert kept["pgd"][-1] == pytest.approx(last.metrics["pgd"])
    assert last.metrics["epsilon"] == 0.3, "measured at the whole ε, from the first epoch on"


def test_ink_and_grey_are_differences_of_the_first_layer() -> None:
    torch.manual_seed(0)
    network = DigitClassifier()
    x = torch.zeros(2, 1, 28, 28)
    x[1, 0, 14, 12] = 1
    with torch.no_grad():
        off, on = network.conv1(network.pixel(x).relu())
    assert torch.allclose((on - off)[:, 7, 7], ink(network)[:, 2, 0], atol=1e-5), (
        "the pixel two left of the window's middle"
    )
    answers = grey(network, torch.tensor([0.0, 0.4, 1.0]))
    assert torch.allclose(answers[:, 0], torch.zeros(len(answers)), atol=1e-6)
    strongest = ink(network).flatten(1)
    assert torch.allclose(answers[:, 2].abs(), strongest.abs().amax(1), atol=1e-5)
