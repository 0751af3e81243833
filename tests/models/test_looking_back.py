"""How far back a trace looks, and a step of a language model as a case: against the formulas and against the whole model."""

import math

import numpy as np
import pytest
import torch

from models.card import read_card
from models.faithful import examine
from models.key_value import ATTENTION, KINDS, PLAIN
from models.language_model import LanguageModel
from models.looking_back import LookingBack, by_distance, perplexity_of_given, unlooked, within
from models.trace import Trace
from models.writer import Touch
from tests.models.test_key_value import KNOWN, TEXT, made

T, L = 5, 3


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return LanguageModel(request.param, made(request.param), KNOWN, read_card("translate-perceptron"))


@pytest.fixture(scope="module")
def trace(model: LanguageModel) -> Trace:
    return model.tell(TEXT, more=3, L=L)


@pytest.fixture(scope="module")
def case(model: LanguageModel, trace: Trace) -> LookingBack:
    return LookingBack(model, trace, T, L)


def test_the_mean_by_distance_is_of_rows_that_have_all_before_them(model: LanguageModel, trace: Trace) -> None:
    mean, rows = by_distance(trace, L)
    if model.kind == PLAIN:
        assert rows == 0 and not mean.any()
        return
    assert rows == len(trace.target) - L and mean.sum() == pytest.approx(1)
    assert mean[0] == pytest.approx(np.mean([trace.weights[0, t, t - 1] for t in range(L, len(trace.target))]))
    short = model.tell("the cat", more=0, L=L)
    mean, rows = by_distance(short, L)
    assert rows == 1 and mean.tolist() == [1, 0, 0]


@pytest.mark.parametrize(("share", "states"), [(0.5, 1), (0.6, 2), (0.8, 3), (1.0, 4)])
def test_how_many_states_hold_a_share(share: float, states: int) -> None:
    assert within(np.array([0.5, 0.25, 0.125, 0.125]), share) == states


def test_the_perplexity_of_what_was_given_leaves_out_what_is_not_known(model: LanguageModel) -> None:
    trace = model.tell("the quark sat on", more=3, L=L)
    assert trace.log_p[0] == -math.inf
    found, words = perplexity_of_given(trace, 4)
    assert words == 2 and found == pytest.approx(math.exp(-float(trace.log_p[1:3].mean())))
    assert perplexity_of_given(model.tell("the", more=1), 1)[1] == 0


def test_its_own_weights_decide_as_the_model_did(trace: Trace, case: LookingBack) -> None:
    if case.attends:
        assert case.weights(0)[0] == pytest.approx(trace.weights[0, T, T - L : T])
        log_p = case.decide(0, case.weights(0)[None])[0]
        assert case.outcomes[int(log_p.argmax())] == trace.candidates[T][0][0]
        assert float(log_p[case.decided(0)]) == pytest.approx(float(trace.log_p[T]), abs=1e-5)
    assert case.source == trace.source[T - L : T]


def test_read_anew_in_full_it_is_what_the_trace_says(trace: Trace, case: LookingBack) -> None:
    whole = case.read(torch.ones(1, L, dtype=torch.bool), [0])
    assert float(whole) == pytest.approx(float(trace.log_p[T]), abs=1e-5)
    again = case.read_embedded(case.embedded(), torch.tensor([0]))
    assert float(again) == pytest.approx(float(trace.log_p[T]), abs=1e-5)


def test_without_a_word_it_is_the_shorter_text(model: LanguageModel, trace: Trace, case: LookingBack) -> None:
    kept = torch.ones(1, L, dtype=torch.bool)
    kept[0, 1] = False
    left = [word for i, word in enumerate(trace.source[: T + 1]) if i != T - L + 1]
    shorter = model.tell(" ".join(left), 1, Touch(words={len(left) - 1: trace.target[T]}), L)
    assert float(case.read(kept, [0])) == pytest.approx(float(shorter.log_p[len(left) - 1]), abs=1e-5)


def test_looking_at_nothing_is_L_nought(model: LanguageModel, case: LookingBack) -> None:
    if case.attends:
        blind = model.tell(TEXT, more=3, L=0)
        assert float(case.nothing_seen().max().exp()) == pytest.approx(blind.candidates[T][0][1], abs=1e-5)
        assert unlooked(case).word == blind.candidates[T][0][0]
        assert 0 < unlooked(case).tv < 1
    else:
        assert unlooked(case) is None


def test_a_step_is_examined(model: LanguageModel, case: LookingBack) -> None:
    found = examine(case, 0)
    assert found.source == case.source and np.isfinite(found.leave_one_out).all() and np.isfinite(found.gradient).all()
    if model.kind == PLAIN:
        assert found.weights is None
    else:
        assert found.weights.uniform.tv[0] >= 0 and found.weights.alpha.sum() == pytest.approx(1)


def test_forced_weights_are_not_followed() -> None:
    model = LanguageModel(ATTENTION, made(ATTENTION), KNOWN, read_card("translate-perceptron"))
    row = [0.0] * 10
    row[T - 1] = 1.0
    forced = model.tell(TEXT, 3, Touch(weights={T: tuple(row)}), L)
    assert forced.weights[0, T, T - 1] == 1
    assert LookingBack(model, forced, T, L).weights(0).max() < 1
