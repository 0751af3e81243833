"""Attacks on words, on small problems whose answers are known."""

import itertools

import pytest
import torch
from torch import Tensor

from attacks import words
from attacks.balls import L2, LINF
from attacks.words import (
    BEHIND,
    DOWN,
    KEPT,
    UNLIKE,
    WINS,
    Flip,
    Round,
    at_random,
    estimates,
    free,
    hotflip,
    moved,
    nearest,
)

torch.manual_seed(0)
E = torch.randn(12, 5)
A = torch.randn(5)
SENTENCE = torch.tensor([[0, 1, 2, 3]])
ALL = torch.ones(4, 12, dtype=torch.bool)


def linear(x: Tensor) -> Tensor:
    """Twice as much of the second place."""
    return (x @ A) @ torch.tensor([1.0, 2.0, 1.0, 0.5])


def curved(x: Tensor) -> Tensor:
    return (x @ A).tanh().sum(1)


def alike(sentences: Tensor) -> Tensor:
    return torch.ones(len(sentences))


def never(sentences: Tensor) -> Tensor:
    return torch.zeros(len(sentences), dtype=torch.bool)


def search(loss=linear, allowed=ALL, similar=alike, won=never, **options):
    made = hotflip(loss, SENTENCE, E, allowed, similar=similar, won=won, **options)
    return [one for one in made if isinstance(one, Round)]


def test_of_a_linear_loss_the_estimate_is_the_truth() -> None:
    J, found = estimates(linear, SENTENCE, E)
    for place in range(4):
        for new in range(12):
            words = SENTENCE.clone()
            words[0, place] = new
            assert float(linear(E[words])) - float(J) == pytest.approx(float(found[0, place, new]), abs=1e-5)


def test_a_batch_is_many_sentences() -> None:
    words = torch.tensor([[0, 1, 2, 3], [5, 4, 9, 9]])
    together = estimates(curved, words, E)[1]
    apart = torch.cat([estimates(curved, row[None], E)[1] for row in words])
    torch.testing.assert_close(together, apart)


def test_greedy_on_a_linear_loss_finds_the_best_words_place_by_place() -> None:
    rounds = search(flips=4, tries=48)
    best = int((E @ A).argmax())
    assert rounds[0].beam[0].flips[-1] == Flip(1, 1, best)
    assert rounds[-1].beam[0].words == (best,) * 4
    assert len(rounds) == 4


@pytest.mark.parametrize("targeted", [False, True])
def test_the_loss_goes_the_way_that_is_asked(targeted: bool) -> None:
    heights = [float(curved(E[SENTENCE])), *(made.beam[0].J for made in search(curved, flips=3, targeted=targeted))]
    assert len(heights) > 1
    assert all((b < a) if targeted else (b > a) for a, b in itertools.pairwise(heights))


def test_every_candidate_has_its_true_loss_and_a_verdict() -> None:
    for made in search(curved, flips=2, beam=2, tries=20):
        assert len({one.words for one in made.tried if one.verdict == KEPT}) == len(made.beam) <= 2
        for one in made.tried:
            assert one.J == pytest.approx(float(curved(E[torch.tensor([one.words])])), abs=1e-5)
            assert one.verdict in (KEPT, BEHIND, DOWN)
            assert (one.verdict == DOWN) == (one.change <= 0)
        assert [one.estimate for one in made.tried] == sorted((one.estimate for one in made.tried), reverse=True)


def test_no_place_twice_and_only_what_is_allowed() -> None:
    allowed = ALL.clone()
    allowed[1] = False
    allowed[:, 6:] = False
    last = search(allowed=allowed, flips=5)[-1].beam[0]
    places = [flip.place for flip in last.flips]
    assert len(places) == len(set(places)) and 1 not in places
    assert all(flip.new < 6 for flip in last.flips)
    assert last.words[1] == 1
    assert not free(ALL, (Flip(2, 2, 5),))[2].any() and free(ALL, (Flip(2, 2, 5),))[3].all()


def test_what_is_too_unlike_is_tried_and_not_taken() -> None:
    def similar(words: Tensor) -> Tensor:
        return torch.where(words[:, 1] == 1, 0.9, 0.5)

    rounds = search(similar=similar, won=lambda words: words[:, 1] != 1, limit=0.8, flips=4)
    assert any(one.verdict == UNLIKE for one in rounds[0].tried)
    assert all(one.words[1] == 1 for made in rounds for one in made.beam)
    assert not any(one.won for made in rounds for one in made.tried)


def test_it_ends_with_the_first_round_that_wins_and_the_most_similar_is_first() -> None:
    def similar(words: Tensor) -> Tensor:
        return 0.8 + words[:, 1] / 100

    rounds = search(similar=similar, won=lambda words: words[:, 1] != 1, flips=4)
    assert len(rounds) == 1
    won = [one for one in rounds[0].tried if one.verdict == WINS]
    assert len(won) > 1 and rounds[0].beam[0].similarity == max(one.similarity for one in won)


def test_where_nothing_may_be_replaced_nothing_is_tried() -> None:
    assert search(allowed=torch.zeros_like(ALL)) == []


def test_of_one_place_at_most_a_quarter_is_tried() -> None:
    places = [one.flips[-1].place for one in search(tries=8)[0].tried]
    assert max(places.count(place) for place in set(places)) <= 2


def test_weights_have_no_gradient_afterwards() -> None:
    A_weights = torch.nn.Parameter(A.clone())
    with torch.no_grad():
        rounds = search(lambda x: (x @ A_weights).tanh().sum(1), flips=1)
    assert rounds and A_weights.grad is None


def test_the_control_replaces_as_many_and_only_what_is_allowed() -> None:
    allowed = ALL.clone()
    allowed[0] = False
    allowed[:, :6] = False
    drawn = at_random(SENTENCE, allowed, 2, 50, seed=1)
    changed = drawn != SENTENCE
    assert (changed.sum(1) == 2).all() and not changed[:, 0].any() and (drawn[changed] >= 6).all()
    assert len(drawn.unique(dim=0)) > 10
    assert torch.equal(drawn, at_random(SENTENCE, allowed, 2, 50, seed=1))
    assert ((at_random(SENTENCE, allowed, 9, 5) != SENTENCE).sum(1) == 3).all()


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("ball", [LINF, L2])
def test_vectors_are_moved_by_epsilon_and_uphill(ball, targeted: bool) -> None:
    x = E[SENTENCE]
    epsilons = torch.tensor([0.0, 0.01, 0.1])
    tilde = moved(curved, x, epsilons, ball=ball, targeted=targeted)
    eta = (tilde - x).flatten(1)
    size = eta.abs().amax(1) if ball is LINF else eta.norm(dim=1)
    torch.testing.assert_close(size, epsilons)
    assert torch.equal(tilde[0], x[0])
    J = curved(tilde)
    assert (J[1] < J[0]) if targeted else (J[1] > J[0])


def test_the_nearest_word_of_a_words_vector_is_itself_unless_it_is_not_real() -> None:
    real = torch.ones(12, dtype=torch.bool)
    distances, numbers = nearest(E[SENTENCE[0]], E, real)
    assert numbers.tolist() == SENTENCE[0].tolist() and distances.max() < 1e-2
    real[2] = False
    distances, numbers = nearest(E[SENTENCE[0]], E, real)
    others = [w for w in range(12) if w != 2]
    assert int(numbers[2]) == min(others, key=lambda w: float((E[w] - E[2]).norm()))
    assert float(distances[2]) == pytest.approx(min(float((E[w] - E[2]).norm()) for w in others), abs=1e-4)


def test_the_beam_has_the_best_loss_first() -> None:
    made = search(curved, flips=1, beam=3, tries=40)[0]
    heights = [one.J for one in made.beam]
    assert len(heights) == 3 and heights == sorted(heights, reverse=True)
    assert heights[0] == max(one.J for one in made.tried)


def test_a_long_round_tells_how_far_it_is_and_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = search(curved, flips=2, beam=2, tries=40)
    monkeypatch.setattr(words, "AT_ONCE", 5)
    parts = list(hotflip(curved, SENTENCE, E, ALL, similar=alike, won=never, flips=2, beam=2, tries=40))
    assert [one for one in parts if isinstance(one, Round)] == whole
    shares = [one for one in parts if isinstance(one, float)]
    assert len(shares) > 4 and all(0 < share < 1 for share in shares)
