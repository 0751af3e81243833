"""What √d_k is for and what an additive score costs: the laws behind the measurements, and no clock."""

import math

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from models.attention import SCORES, dot, scaled_dot, softmax
from models.measure import cost, entropy, median_seconds, peak_bytes, scaling, softmax_gradient


@pytest.mark.parametrize("d", [1, 3, 16, 100, 300])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_variance_of_a_dot_product_is_d_and_that_of_the_scaled_one_is_1(d: int, seed: int) -> None:
    n = 2_000
    fourth = 3 + 6 / d  # of q·k / √d: the mean fourth power of a sum of d products of two normal numbers
    error = math.sqrt((fourth - 1) / n)  # of a variance measured on n pairs
    plain, scaled = scaling(dot, d, seed=seed, n=n), scaling(scaled_dot, d, seed=seed, n=n)
    assert plain.variance / d == pytest.approx(1, abs=4 * error)
    assert scaled.variance == pytest.approx(plain.variance / d, rel=1e-4), "the same pairs"


def test_the_softmax_of_dot_sharpens_with_d_and_that_of_scaled_dot_does_not() -> None:
    d = [1, 4, 16, 64, 256]
    plain = [scaling(dot, at, seed=1) for at in d]
    scaled = [scaling(scaled_dot, at, seed=1) for at in d]
    assert [point.entropy for point in plain] == sorted((point.entropy for point in plain), reverse=True)
    assert plain[-1].entropy < 0.1 * math.log(10)
    assert max(point.entropy for point in scaled) - min(point.entropy for point in scaled) < 0.1
    assert plain[-1].largest > 0.9
    assert max(point.largest for point in scaled) < 0.35
    assert plain[-1].gradient < 0.3 * scaled[-1].gradient


def test_one_number_needs_no_root() -> None:
    assert scaling(dot, 1, seed=5, n=300) == scaling(scaled_dot, 1, seed=5, n=300)


def test_a_seed_draws_the_same_and_another_draws_others() -> None:
    assert scaling(dot, 7, seed=3, n=300) == scaling(dot, 7, seed=3, n=300)
    assert scaling(dot, 7, seed=3, n=300) != scaling(dot, 7, seed=4, n=300)


def test_entropy_is_0_for_one_key_and_the_logarithm_for_all_alike() -> None:
    alpha = torch.tensor([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    assert entropy(alpha).tolist() == pytest.approx([0, math.log(4)])


def test_the_gradient_is_the_norm_of_the_softmaxs_jacobian() -> None:
    e = torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    jacobian = torch.autograd.functional.jacobian(lambda e: softmax(e.unsqueeze(0))[0], e)
    assert float(softmax_gradient(softmax(e.unsqueeze(0)))) == pytest.approx(
        float(torch.linalg.matrix_norm(jacobian)), rel=1e-12
    )


@pytest.mark.parametrize(("n", "d"), [(16, 32), (32, 32), (64, 16)])
def test_the_additive_score_holds_two_hidden_layers_and_dot_its_scores_alone(n: int, d: int) -> None:
    assert cost("perceptron", n, d).bytes == 2 * 4 * n * n * d + 4 * n * d, "the sum, its tanh, and the keys' product"
    assert cost("dot", n, d).bytes == 4 * n * n
    assert cost("scaled_dot", n, d).bytes == 2 * 4 * n * n, "before and after the division"
    assert cost("general", n, d).bytes == 4 * n * n + 4 * n * d, "the scores and Q W_a"


def test_a_cost_knows_what_the_score_learns() -> None:
    learnt = {name: cost(name, 16, 32).parameters for name in ("perceptron", "general", "dot", "scaled_dot")}
    assert learnt == {"perceptron": 2 * 32 * 32 + 32, "general": 32 * 32, "dot": 0, "scaled_dot": 0}


@pytest.mark.parametrize("name", list(SCORES))
def test_the_peak_is_what_torchs_own_profiler_counts(name: str) -> None:
    score, Q, K = SCORES[name](48, 48), torch.randn(40, 48), torch.randn(40, 48)
    with torch.no_grad():
        score(Q, K)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
            score(Q, K)
        ours = peak_bytes(lambda: score(Q, K))
    events = watched.profiler.kineto_results.events()  # type: ignore[union-attr]
    held = peak = 0
    for _, size in sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"):
        held += size
        peak = max(peak, held)
    assert peak == pytest.approx(ours, rel=0.02, abs=1024), "the profiler also sees a kernel's few bytes for itself"


def test_what_is_freed_counts_no_more_and_what_was_given_never() -> None:
    given = torch.zeros(1000)

    def one_after_the_other() -> None:
        for _ in range(5):
            given.view(10, 100).t() + 1

    def all_kept() -> list[torch.Tensor]:
        return [given + 1 for _ in range(5)]

    assert peak_bytes(one_after_the_other) == 4_000
    assert peak_bytes(all_kept) == 20_000
    assert peak_bytes(lambda: given.view(-1)) == 0


def test_the_median_time_counts_no_warming_up() -> None:
    calls: list[int] = []
    assert median_seconds(lambda: calls.append(1)) >= 0
    assert 4 <= len(calls) <= 26
