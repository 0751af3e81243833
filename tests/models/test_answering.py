"""The answerer that the page shows: its trace is the network's own, a touch moves what follows, gradients reach the pixels."""

import numpy as np
import pytest
import torch

from models.answering import Answerer, spoken
from models.card import read_card
from models.grid import SMALL_CHANNELS, SmallGrid
from models.san import SAN
from models.words import SPECIAL, UNKNOWN, Vocabulary
from models.writer import Touch

KNOWN = Vocabulary((*SPECIAL, "what", "color", "is", "the", "shape", "there", "a", "circle"))
ANSWERS = ("blue", "red", "yes", "no", "circle, red")
QUESTION = "What color is the shape?"


@pytest.fixture(scope="module")
def model() -> Answerer:
    torch.manual_seed(0)
    grid, san = SmallGrid(), SAN(len(KNOWN), len(ANSWERS), SMALL_CHANNELS, d_word=6, d=8, d_a=5)
    for parameter in san.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    for network in (grid, san):
        network.eval().requires_grad_(False)
    return Answerer(san, grid, (64, 64), (8, 8), KNOWN, ANSWERS, read_card("translate-perceptron"))


@pytest.fixture
def x() -> torch.Tensor:
    return torch.rand(1, 3, 90, 70, generator=torch.Generator().manual_seed(1))


def test_the_trace_is_what_the_network_says(model: Answerer, x: torch.Tensor) -> None:
    trace = model.answer(x, QUESTION)
    words = torch.tensor([[KNOWN.encode(["what", "color", "is", "the", "shape"])]])
    told = model.network(model.features(x), words)
    assert trace.target == ("hop 1", "hop 2") and trace.weights.shape == (1, 2, 64)
    assert trace.source[0] == "row 1, column 1" and trace.source[10] == "row 2, column 3"
    assert trace.values["grid"].tolist() == [8, 8]
    for hop in range(2):
        assert np.allclose(trace.weights[0, hop], told.looks[hop].weights[0, 0])
        assert np.allclose(trace.scores[0, hop], told.looks[hop].scores[0, 0])
        assert np.allclose(trace.values["u"][hop], told.u[hop][0, 0])
        p = told.logits[hop][0, 0].softmax(-1)
        assert trace.candidates[hop][0] == (ANSWERS[int(p.argmax())], pytest.approx(float(p.max())))
        assert sum(chance for _, chance in trace.candidates[hop]) == pytest.approx(1)
        assert trace.log_p[hop] == pytest.approx(float(p.max().log()), abs=1e-5)


def test_the_numbers_of_the_trace_can_be_computed_again(model: Answerer, x: torch.Tensor) -> None:
    trace = model.answer(x, QUESTION)
    values, weights = trace.values, trace.weights[0]
    assert np.allclose(weights.sum(-1), 1)
    assert np.allclose(values["c"], weights @ values["v_I"], atol=1e-5)
    assert np.allclose(values["u"][0], values["v_Q"] + values["c"][0], atol=1e-5)
    assert np.allclose(values["u"][1], values["u"][0] + values["c"][1], atol=1e-5)


def test_the_picture_is_looked_at_once_whatever_is_asked(model: Answerer, x: torch.Tensor) -> None:
    features = model.features(x)
    for question in (QUESTION, "is there a circle"):
        asked, again = model.answer(x, question), model.answer_from(features, question)
        assert np.array_equal(asked.weights, again.weights) and asked.candidates == again.candidates


def test_a_forced_first_map_moves_the_second_and_the_answer(model: Answerer, x: torch.Tensor) -> None:
    row = tuple(float(region == 17) for region in range(64))
    plain, forced = model.answer(x, QUESTION), model.answer(x, QUESTION, Touch(weights={0: row}))
    assert forced.weights[0, 0].tolist() == list(row) and forced.notes == {0: "forced"}
    assert np.allclose(forced.values["c"][0], forced.values["v_I"][17], atol=1e-6)
    assert not np.allclose(forced.weights[0, 1], plain.weights[0, 1])
    assert forced.candidates != plain.candidates


def test_a_forced_second_map_leaves_the_first(model: Answerer, x: torch.Tensor) -> None:
    row = tuple(float(region == 17) for region in range(64))
    plain, forced = model.answer(x, QUESTION), model.answer(x, QUESTION, Touch(weights={1: row}))
    assert np.array_equal(forced.weights[0, 0], plain.weights[0, 0])
    assert forced.candidates[0] == plain.candidates[0] and forced.candidates[1] != plain.candidates[1]


def test_forbidden_regions_are_not_looked_at(model: Answerer, x: torch.Tensor) -> None:
    trace = model.answer(x, QUESTION, Touch(forbidden=frozenset(range(32))))
    assert (trace.weights[0, :, :32] == 0).all() and np.allclose(trace.weights.sum(-1), 1)


def test_a_high_temperature_flattens(model: Answerer, x: torch.Tensor) -> None:
    assert model.answer(x, QUESTION, Touch(temperature=1e4)).weights == pytest.approx(1 / 64, rel=0.01)


def test_gradients_reach_the_pixels(model: Answerer, x: torch.Tensor) -> None:
    both = torch.cat([x, x.flip(-1)]).requires_grad_()
    log_p = model.log_p(both, QUESTION, "red")
    (gradient,) = torch.autograd.grad(log_p.sum(), both)
    assert log_p.shape == (2,) and (log_p < 0).all()
    assert gradient.isfinite().all() and (gradient.abs().sum((1, 2, 3)) > 0).all()
    said = dict(model.answer(x, QUESTION).candidates[-1])
    assert float(log_p[0].detach().exp()) == pytest.approx(said["red"], rel=1e-4)


def test_the_gradient_is_the_slope(model: Answerer, x: torch.Tensor) -> None:
    x = x.requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_p(x, QUESTION, "red").sum(), x)
    direction = gradient.sign()
    step = 1e-3
    with torch.no_grad():
        rise = model.log_p(x + step * direction, QUESTION, "red") - model.log_p(x - step * direction, QUESTION, "red")
    assert float(rise) == pytest.approx(2 * step * float(gradient.abs().sum()), rel=0.05)


def test_an_answer_that_cannot_be_given_is_said(model: Answerer, x: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="not among the 5 answers"):
        model.log_p(x, QUESTION, "mauve")


def test_words_left_out_one_by_one(model: Answerer, x: torch.Tensor) -> None:
    without = model.without_words(x, QUESTION)
    assert without.words == ("what", "color", "is", "the", "shape")
    assert without.whole == pytest.approx(dict(model.answer(x, QUESTION).candidates[-1])[without.answer])
    for i in range(5):
        words = [word for k, word in enumerate(without.words) if k != i]
        candidates = model.answer(x, " ".join(words)).candidates[-1]
        assert without.p[i] == pytest.approx(dict(candidates)[without.answer], rel=1e-4)
        assert without.answers[i] == candidates[0][0]


def test_a_question_of_one_word_has_nothing_to_leave_out(model: Answerer, x: torch.Tensor) -> None:
    without = model.without_words(x, "color?")
    assert without.words == ("color",) and len(without.p) == 0 and without.answers == ()


def test_unknown_words_are_one_word_and_are_named(model: Answerer, x: torch.Tensor) -> None:
    assert model.unknown("What colour is the ⟨pad⟩ giraffe?") == ("colour", "pad", "giraffe")
    trace = model.answer(x, "what giraffe")
    assert trace.values["word"].tolist() == [KNOWN.numbers["what"], UNKNOWN]
    assert np.array_equal(trace.weights, model.answer(x, "what zebra").weights)


@pytest.mark.parametrize("question", ["", "  ", "?!", "猫", "quelle couleur", "is " * 60])
def test_what_cannot_be_read_is_said(model: Answerer, x: torch.Tensor, question: str) -> None:
    with pytest.raises(ValueError, match=r"[A-Z].*\."):
        model.answer(x, question)


def test_punctuation_is_not_read() -> None:
    assert spoken("What's on the “tape_dispenser”, left?") == ["what", "'s", "on", "the", "tape_dispenser", "left"]
