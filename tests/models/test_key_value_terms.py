"""What a number of a language model's step is made of adds up to that number, for every kind."""

import pytest
import torch

from models.card import read_card
from models.key_value import KEY_VALUE, KINDS, PLAIN
from models.key_value_terms import context_terms, h_star_terms, label, logit_terms, score_terms, state_terms
from models.language_model import LanguageModel
from models.writer import Touch
from tests.models.test_key_value import KNOWN, TEXT, made

T = 5


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return LanguageModel(request.param, made(request.param), KNOWN, read_card("translate-perceptron"))


def test_every_product_adds_up(model: LanguageModel) -> None:
    trace, network = model.tell(TEXT, more=3, L=3), model.network
    words = model.read(TEXT)[1]
    terms = [h_star_terms(network, trace, T, j) for j in range(6)]
    terms += [state_terms(network, trace, words, t, i) for t in (0, T) for i in range(trace.values["h"].shape[1])]
    if model.kind != PLAIN:
        terms += [context_terms(network, trace, T, j) for j in range(4)]
        terms += [score_terms(network, trace, T, i) for i in range(T - 3, T)]
        assert [score_terms(network, trace, T, i).value for i in range(T - 3, T)] == pytest.approx(
            trace.scores[0, T, T - 3 : T].tolist(), abs=1e-5
        )
    for each in terms:
        assert each.recomputed() == pytest.approx(each.value, abs=1e-5)
        assert len(each.labels) == len(each.left) == len(each.right)


def test_logits_differ_as_log_p_does(model: LanguageModel) -> None:
    trace = model.tell(TEXT, more=3)
    (a, p), (b, q), *_ = trace.candidates[T]
    numbers = [KNOWN.words.index(word) for word in (a, b)]
    one, other = (logit_terms(model.network, trace, T, number, "") for number in numbers)
    assert one.value - other.value == pytest.approx(float(torch.tensor(p / q).log()), abs=1e-4)


def test_a_forced_row_is_what_r_is_made_of() -> None:
    model = LanguageModel(KEY_VALUE, made(KEY_VALUE), KNOWN, read_card("translate-perceptron"))
    row = [0.0] * 7
    row[3], row[4] = 0.25, 0.75
    trace = model.tell(TEXT, 0, Touch(weights={T: tuple(row)}), 3)
    terms = context_terms(model.network, trace, T, 1)
    assert terms.labels == ("4 on", "5 the")
    assert terms.recomputed() == pytest.approx(terms.value, abs=1e-5)


def test_the_parts_of_a_state_have_names() -> None:
    assert [label(made(KEY_VALUE), i) for i in (0, 3, 4, 7)] == ["k[0]", "k[3]", "v[0]", "v[3]"]
    assert label(made(PLAIN), 2) == "h[2]"
