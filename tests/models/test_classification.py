"""The self-attentive classifier: the paper's formulas by a loop, and what a hand can do to it."""

import numpy as np
import pytest
import torch

from models.attention import redundancy
from models.card import read_card
from models.classification import LONGEST, TextClassifier
from models.structured import SMOOTHING, SelfAttentive, loss
from models.words import SPECIAL, Vocabulary
from models.writer import Touch
from ui.self_attention import most_overlap, overlap

KNOWN = Vocabulary((*SPECIAL, "good", "bad", "film", "not", "a", "."))
TEXT = "Not a bad film."


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    torch.manual_seed(0)
    network = SelfAttentive(len(KNOWN), 3, r=2, d_word=5, d=8, d_a=6, d_m=7)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return TextClassifier(
        network.eval().requires_grad_(False), KNOWN, ("one", "two", "three"), read_card("translate-perceptron")
    )


def test_lin_by_hand(classifier: TextClassifier) -> None:
    network, (_, source) = classifier.network, classifier.read(TEXT)
    read = network(source)
    H = network.encoder(network.embedding(source))[0][0]
    scores = torch.stack([network.looks.W_s2.T @ torch.tanh(network.looks.W_s1.T @ h) for h in H], dim=1)
    A = scores.softmax(-1)
    assert torch.allclose(read.attention.weights[0], A, atol=1e-6)
    M = A @ H
    logits = network.W_y.weight @ torch.relu(network.W_m.weight @ M.flatten() + network.W_m.bias) + network.W_y.bias
    assert torch.allclose(read.logits[0], logits, atol=1e-5)


def test_the_loss_is_lins(classifier: TextClassifier) -> None:
    source, labels = torch.tensor([[4, 6, 9], [7, 5, 6]]), torch.tensor([2, 0])
    read = classifier.network(source)
    log_p = read.logits.log_softmax(-1)
    right, even = log_p[range(2), labels], log_p.mean(-1)
    wrong = -((1 - SMOOTHING) * right + SMOOTHING * even).mean()
    A = read.attention.weights
    same = sum(float(torch.dist(a @ a.T, torch.eye(2)) ** 2) for a in A) / 2
    assert same > 0.1
    assert float(loss(read, labels, 0.0)) == pytest.approx(float(wrong), rel=1e-5)
    assert float(loss(read, labels, 0.5)) == pytest.approx(float(wrong) + 0.5 * same, rel=1e-5)


def test_one_look_is_not_punished() -> None:
    torch.manual_seed(0)
    network = SelfAttentive(len(KNOWN), 3, r=1, d_word=5, d=8, d_a=6, d_m=7).eval().requires_grad_(False)
    read, labels = network(torch.tensor([[4, 6, 9]])), torch.tensor([1])
    assert float(redundancy(read.attention.weights)) > 0.1
    assert torch.equal(loss(read, labels, 100.0), loss(read, labels, 0.0))


def test_one_look_is_the_slides_formula() -> None:
    torch.manual_seed(0)
    network = SelfAttentive(len(KNOWN), 3, r=1, d_word=5, d=8, d_a=6, d_m=7).eval().requires_grad_(False)
    H = network.encode(torch.tensor([[4, 6, 9]]))[0]
    W_a, v_a = network.looks.W_s1.T, network.looks.W_s2[:, 0]
    e = torch.stack([v_a @ torch.tanh(W_a @ h) for h in H])
    read = network.looks(H[None])
    assert torch.allclose(read.weights[0, 0], torch.softmax(e, 0))
    assert torch.allclose(read.context[0, 0], torch.softmax(e, 0) @ H, atol=1e-6)


def test_a_batch_is_its_texts(classifier: TextClassifier) -> None:
    together = torch.tensor([[4, 6, 9], [7, 5, 6]])
    alone = torch.cat([classifier.network(row[None]).logits for row in together])
    assert torch.allclose(classifier.network(together).logits, alone, atol=1e-6)


def test_a_masked_word_is_not_looked_at(classifier: TextClassifier) -> None:
    mask = torch.tensor([[True, False, True]])
    assert (classifier.network(torch.tensor([[4, 6, 9]]), mask).attention.weights[..., 1] == 0).all()


def test_the_trace_adds_up(classifier: TextClassifier) -> None:
    trace = classifier.classify(TEXT)
    assert trace.source == ("not", "a", "bad", "film", ".")
    assert trace.target == ("look 1", "look 2")
    assert np.allclose(trace.weights.sum(-1), 1)
    assert np.allclose(trace.values["c"], trace.weights[0] @ trace.values["h_bar"], atol=1e-6)
    names, p = zip(*trace.candidates[0], strict=True)
    assert set(names) == set(classifier.classes) and list(p) == sorted(p, reverse=True)
    assert sum(p) == pytest.approx(1)
    expected = classifier.p(classifier.read(TEXT)[1])[0]
    assert [p[names.index(name)] for name in classifier.classes] == pytest.approx(expected.tolist(), abs=1e-6)
    assert np.allclose(np.exp(trace.log_p), p[0])


def test_a_touch_changes_its_row_and_the_decision(classifier: TextClassifier) -> None:
    before = classifier.classify(TEXT)
    row = (1.0, 0.0, 0.0, 0.0, 0.0)
    after = classifier.classify(TEXT, Touch(weights={1: row}))
    assert after.weights[0, 1].tolist() == list(row)
    assert np.array_equal(after.weights[0, 0], before.weights[0, 0])
    assert after.candidates[0] != before.candidates[0]
    assert after.notes == {1: "forced"}


def test_a_forbidden_word_has_no_weight_in_any_look(classifier: TextClassifier) -> None:
    trace = classifier.classify(TEXT, Touch(forbidden=frozenset({2})))
    assert (trace.weights[0, :, 2] == 0).all() and np.allclose(trace.weights.sum(-1), 1)


def test_sharpened_is_more_on_the_most(classifier: TextClassifier) -> None:
    plain, sharp = classifier.classify(TEXT), classifier.classify(TEXT, Touch(temperature=0.3))
    assert (sharp.weights.max(-1) > plain.weights.max(-1)).all()


@pytest.mark.parametrize("most", [True, False])
def test_dropping_by_a_loop(classifier: TextClassifier, most: bool) -> None:
    found = classifier.drop(TEXT, most, count=3)
    words = list(range(5))
    _, source = classifier.read(TEXT)
    chosen = int(classifier.p(source)[0].argmax())
    for n, gone in enumerate(found.words):
        read = classifier.network(source[:, words])
        assert found.p[n] == pytest.approx(float(read.logits.softmax(-1)[0, chosen]), abs=1e-6)
        mean = read.attention.weights[0].mean(0)
        assert words.index(gone) == int(mean.argmax() if most else mean.argmin())
        words.remove(gone)
    assert found.p[3] == pytest.approx(float(classifier.p(source[:, words])[0, chosen]), abs=1e-6)


def test_one_word_is_never_dropped(classifier: TextClassifier) -> None:
    assert classifier.drop("good").words == ()
    assert len(classifier.drop("good film", count=9).words) == 1


def test_overlap_is_the_papers_penalty(classifier: TextClassifier) -> None:
    trace = classifier.classify(TEXT)
    assert overlap(trace) == pytest.approx(float(redundancy(torch.from_numpy(trace.weights))), abs=1e-5)
    same = classifier.classify("good", Touch())
    assert overlap(same) == pytest.approx(most_overlap(same))


@pytest.mark.parametrize("text", ["", "  ", "猫", "🎉", "word " * (LONGEST + 1)])
def test_what_cannot_be_read_is_said(classifier: TextClassifier, text: str) -> None:
    with pytest.raises(ValueError, match=r"[A-Z].*\."):
        classifier.classify(text)
