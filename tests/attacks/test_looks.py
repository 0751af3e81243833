"""The aims of an attack on attention, against sums done by hand, and an attack that ends when its aim is reached."""

import math

import pytest
import torch

from attacks.gradient import Step
from attacks.looks import as_before, lead, onto, somewhere, unsaid, word_for_word
from attacks.pursuit import pursue

Z = torch.tensor([[[3.0, 1.0, 0.0], [0.0, 2.0, 8.0]]])
MAPS = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]])


def test_the_lead_of_the_others() -> None:
    assert lead(Z, [0, 1]).tolist() == [[-2, 6]]
    assert lead(Z, [1, 2]).tolist() == [[2, -6]]


def test_what_is_never_said_leads_nowhere() -> None:
    z = Z.clone()
    z[..., 2] = -torch.inf
    assert lead(z, [0, 1]).tolist() == [[-2, -2]]


def test_a_sentence_counts_no_word_that_wins_by_more_than_kappa() -> None:
    assert float(word_for_word(Z, [0, 1], kappa=1)) == -1 + 6
    assert float(word_for_word(Z, [0, 2], kappa=5)) == -2 - 5


def test_a_keyword_counts_where_it_is_nearest() -> None:
    assert float(somewhere(Z, 1, kappa=5)) == 2
    assert float(somewhere(Z, 2, kappa=5)) == -5


def test_unsaid_is_the_sentences_log_p() -> None:
    p = Z[0, 0].softmax(0)[0] * Z[0, 1].softmax(0)[1]
    assert float(unsaid(Z, [0, 1])) == pytest.approx(math.log(p), rel=1e-6)


def test_a_look_onto_regions() -> None:
    assert float(onto(MAPS, 0, torch.tensor([True, True, False]))) == pytest.approx(-math.log(0.75), rel=1e-6)
    assert float(onto(MAPS, 1, torch.tensor([True, True, True]))) == pytest.approx(0, abs=1e-6)


def test_looks_that_stay_cost_nothing_and_others_their_divergence() -> None:
    assert float(as_before(MAPS, MAPS[0])) == 0
    other = torch.tensor([[0.25, 0.5, 0.25]])
    assert float(as_before(MAPS[:, :1], other)) == pytest.approx(0.25 * math.log(0.5) + 0.5 * math.log(2), rel=1e-5)
    assert float(as_before(MAPS, other)) == float(as_before(MAPS[:, :1], other))


def darkness(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(1).mean(1)


def test_a_pursuit_ends_when_the_rounded_picture_is_there() -> None:
    x, steps = torch.full((1, 3, 4, 4), 0.5), list[Step]()
    x = (x * 255).round() / 255
    found = pursue(
        darkness, x, 8 / 255, steps=40, every=2, reached=lambda x: float(x.mean()) < 124.5 / 255, watch=steps.append
    )
    assert found.reached and found.steps == len(steps) == len(found.perturbation.history) == 4
    assert float(found.perturbation.linf) * 255 == pytest.approx(4, abs=1e-3)


def test_a_pursuit_that_never_arrives_goes_all_its_steps_and_says_so() -> None:
    found = pursue(darkness, torch.full((1, 3, 4, 4), 0.6), 2 / 255, steps=7, every=2, reached=lambda _x: False)
    assert not found.reached and found.steps == len(found.perturbation.history) == 7


def test_whoever_watches_may_stop_it() -> None:
    def stop(_step: Step) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        pursue(darkness, torch.full((1, 3, 4, 4), 0.6), 2 / 255, steps=7, reached=lambda _x: True, watch=stop)
