"""A look of a classifier under doubt: every number by another way to it, as in `test_faithful` for a writer's steps."""

import copy
import math

import numpy as np
import pytest
import torch

from models import faithful, zoo
from models.card import read_card
from models.cases import Looking, Writing
from models.classification import TextClassifier
from models.faithful import Anew, examine, verdict
from models.structured import SelfAttentive
from models.trace import Trace
from models.words import SPECIAL, Vocabulary
from models.writer import Touch

KNOWN = Vocabulary((*SPECIAL, "good", "bad", "film", "not", "a", ".", "very"))
TEXT = "Not a very bad film."
BOTH = pytest.mark.parametrize("together", [False, True])


def small(r: int = 3, seed: int = 0) -> TextClassifier:
    torch.manual_seed(seed)
    network = SelfAttentive(len(KNOWN), 3, r=r, d_word=5, d=8, d_a=6, d_m=7).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.9)
    return TextClassifier(
        network.eval().requires_grad_(False), KNOWN, ("one", "two", "three"), read_card("translate-perceptron")
    )


def assert_decided(found: Anew, row: int, touched: Trace, chosen: str) -> None:
    """As the classifier touched by hand decides."""
    p = dict(touched.candidates[0])
    assert found.outcomes[row] == touched.candidates[0][0][0]
    assert found.p[row] == pytest.approx(p[chosen], rel=1e-6)


def by_hand(classifier: TextClassifier, rows: np.ndarray, first: int = 0) -> Trace:
    """Decided with these rows forced, from the look `first` on."""
    return classifier.classify(TEXT, Touch(weights={first + i: tuple(row.tolist()) for i, row in enumerate(rows)}))


@BOTH
def test_the_weights_are_the_networks_own_whatever_a_hand_forced(together: bool) -> None:
    classifier = small()
    plain, even = classifier.classify(TEXT), Touch(weights={1: (1 / 6,) * 6}, forbidden=frozenset({0}))
    case = Looking(classifier, classifier.classify(TEXT, even), together)
    expected = plain.weights[0] if together else plain.weights[0, 1:2]
    np.testing.assert_allclose(case.weights(0 if together else 1), expected, atol=1e-12)


@BOTH
def test_its_own_weights_change_nothing(together: bool) -> None:
    classifier = small()
    trace = classifier.classify(TEXT)
    case = Looking(classifier, trace, together)
    assert case.steps == (1 if together else 3)
    for step in range(case.steps):
        found = faithful.decide_anew(case, step, case.weights(step)[None])
        assert found.kept.all() and found.tv[0] < 1e-12
        assert found.p[0] == pytest.approx(trace.candidates[0][0][1])


@pytest.mark.parametrize("step", [0, 1, 2])
def test_one_look_is_changed_and_the_others_are_kept(step: int) -> None:
    classifier = small()
    trace = classifier.classify(TEXT)
    case, chosen = Looking(classifier, trace), trace.candidates[0][0][0]
    even = np.full((1, 6), 1 / 6)
    assert_decided(faithful.uniform(case, step), 0, by_hand(classifier, even, step), chosen)
    found, rows = faithful.shuffled(case, step, seed=4), faithful._permutations(case.weights(step), 4)
    for row in (0, 99):
        assert sorted(rows[row, 0]) == sorted(trace.weights[0, step])
        assert_decided(found.anew, row, by_hand(classifier, rows[row], step), chosen)


def test_all_looks_are_changed_alike() -> None:
    classifier = small()
    trace = classifier.classify(TEXT)
    case, chosen = Looking(classifier, trace, together=True), trace.candidates[0][0][0]
    assert_decided(faithful.uniform(case, 0), 0, by_hand(classifier, np.full((3, 6), 1 / 6)), chosen)
    rows = faithful._permutations(case.weights(0), 4)
    for row in (0, 99):
        order = [int(np.abs(trace.weights[0, 0] - w).argmin()) for w in rows[row, 0]]
        assert sorted(order) == list(range(6))
        np.testing.assert_array_equal(rows[row], trace.weights[0][:, order])
        assert_decided(faithful.shuffled(case, 0, 4).anew, row, by_hand(classifier, rows[row]), chosen)
    found = faithful.erased(case, 0)
    assert found.most == trace.weights[0].mean(0).argmax()
    left = np.where(np.arange(6) == found.most, 0, trace.weights[0])
    assert_decided(found.anew, found.most, by_hand(classifier, left / left.sum(-1, keepdims=True)), chosen)


def test_other_weights_for_one_look_change_less_than_for_all() -> None:
    classifier = small()
    trace = classifier.classify(TEXT)
    one = [faithful.uniform(Looking(classifier, trace), step).tv[0] for step in range(3)]
    assert faithful.uniform(Looking(classifier, trace, together=True), 0).tv[0] != pytest.approx(max(one))
    assert min(one) > 1e-6


@BOTH
def test_leave_one_out_is_the_shorter_text(together: bool) -> None:
    classifier = small()
    trace = classifier.classify(TEXT)
    case = Looking(classifier, trace, together)
    found = faithful.leave_one_out(case, range(case.steps))
    chosen = classifier.classes.index(trace.candidates[0][0][0])
    assert found.shape == (case.steps, 6) and (found == found[0]).all()
    for s in range(6):
        shorter = classifier.numbers([word for i, word in enumerate(trace.source) if i != s])
        p = math.log(float(classifier.p(shorter)[0, chosen]))
        assert found[0, s] == pytest.approx(trace.log_p[0] - p, abs=1e-6)


def test_long_texts_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = small()
    case = Looking(classifier, classifier.classify(TEXT))
    whole = faithful.leave_one_out(case, [0])
    monkeypatch.setattr(faithful, "TEXTS_AT_ONCE", 4)
    np.testing.assert_allclose(faithful.leave_one_out(case, [0]), whole, atol=1e-12)


def test_gradient_times_input_is_the_slope_when_the_embedding_grows() -> None:
    classifier, h = small(), 1e-5
    trace = classifier.classify(TEXT)
    chosen = classifier.classes.index(trace.candidates[0][0][0])
    found = faithful.gradient_times_input(Looking(classifier, trace), [0, 2])
    np.testing.assert_allclose(found[0], found[1])
    for s, word in enumerate(trace.source):
        log_p = []
        for factor in (1 + h, 1 - h):
            other = copy.deepcopy(classifier)
            other.network.embedding.weight[KNOWN.numbers[word]] *= factor
            log_p.append(math.log(float(other.p(other.numbers(trace.source))[0, chosen])))
        assert found[0, s] == pytest.approx((log_p[0] - log_p[1]) / (2 * h), abs=1e-7)
    assert np.abs(found).max() > 1e-3, "or nothing was compared"


@BOTH
def test_the_most_different_weights_keep_the_class(together: bool) -> None:
    classifier = small(seed=2)
    case = Looking(classifier, classifier.classify(TEXT), together)
    for step in range(case.steps):
        found = faithful.most_different(case, step, epsilon=0.2)
        again = faithful.decide_anew(case, step, found.A[None])
        assert again.kept[0] and again.tv[0] == pytest.approx(found.tv) and found.tv <= 0.2
        np.testing.assert_allclose(found.A.sum(-1), 1)
        assert 0 <= found.divergence <= math.log(2) and found.tried == 100 + 5 * 7


def test_moved_and_ranked_is_the_mean_of_the_looks() -> None:
    classifier = small()
    trace = classifier.classify(TEXT)
    weights = examine(Looking(classifier, trace, together=True), 0).weights
    assert weights is not None
    expected = (trace.weights[0] * np.linalg.norm(trace.values["h_bar"], axis=1)).sum(0)
    np.testing.assert_allclose(weights.moved, expected / expected.sum())
    np.testing.assert_allclose(weights.alpha, trace.weights[0].mean(0))


@BOTH
@pytest.mark.parametrize("r", [1, 3])
def test_a_text_of_one_word_can_be_examined(r: int, together: bool) -> None:
    classifier = small(r)
    found = examine(Looking(classifier, classifier.classify("film"), together), 0)
    assert found.weights is not None and np.isnan(found.leave_one_out).all()
    assert found.weights.erased.most == found.weights.erased.other == 0
    assert math.isnan(found.weights.tau_gradient.tau)
    assert "this test cannot tell" in verdict(found) and "cannot be compared" in verdict(found)


def test_a_verdict_speaks_of_classes_and_looks() -> None:
    classifier = small()
    trace = classifier.classify(TEXT)
    for together in (False, True):
        found = examine(Looking(classifier, trace, together), 0)
        assert found.decided == found.shown == trace.candidates[0][0][0]
        assert f"“{found.decided}”" in verdict(found) and "leaving words out" in verdict(found)
        assert "forced" not in verdict(found) and "write" not in verdict(found)
        assert found.p == pytest.approx(trace.candidates[0][0][1])


def test_a_look_that_is_not_there_is_a_plain_sentence() -> None:
    classifier = small()
    with pytest.raises(ValueError, match=r"There is no look 3: there are 0 to 2\."):
        examine(Looking(classifier, classifier.classify(TEXT)), 3)


def test_agreements_are_those_of_each_look() -> None:
    classifier = small()
    case = Looking(classifier, classifier.classify(TEXT))
    found = faithful.agreements(case)
    for step in range(3):
        weights = examine(case, step).weights
        assert weights is not None
        assert found.leave_one_out[step] == pytest.approx(weights.tau_leave_one_out.tau)
        assert found.gradient[step] == pytest.approx(weights.tau_gradient.tau)


def test_nothing_is_left_behind() -> None:
    classifier = small()
    network = classifier.network.requires_grad_(True)
    before = copy.deepcopy(network.state_dict())
    examine(Looking(classifier, classifier.classify(TEXT)), 1)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", zoo.CLASSES)
def test_the_trained_classifiers_can_be_doubted(name: str) -> None:
    classifier = zoo.text_classifier(name)
    trace = classifier.classify("What a wonderful film this is, who would have thought it?")
    assert len(trace.target) == zoo.looks(name)
    for together in (False, True):
        found = examine(Looking(classifier, trace, together), 0)
        assert found.weights is not None and np.isfinite(found.leave_one_out).all()
        assert found.p == pytest.approx(trace.candidates[0][0][1], rel=1e-4)


def test_a_writer_and_a_classifier_are_asked_the_same() -> None:
    assert not Writing.__abstractmethods__ and not Looking.__abstractmethods__
