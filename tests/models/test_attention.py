"""The lecture's formulas: against torch's own attention, against numbers computed by hand, and against finite differences."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.func import functional_call

from models.attention import (
    SCORES,
    MultiHead,
    StructuredSelfAttention,
    attend,
    concat,
    dot,
    general,
    key_value,
    last,
    perceptron,
    redundancy,
    scaled_dot,
    softmax,
)

EVERY_SCORE = pytest.mark.parametrize("name", list(SCORES))


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(name: str, d: int) -> nn.Module:
    torch.manual_seed(0)
    return SCORES[name](d, d).double()


def some_mask(*shape: int, seed: int = 9) -> Tensor:
    """Random, but every row allows its first key."""
    mask = numbers(*shape, seed=seed) > 0
    mask[..., 0] = True
    assert not mask.all()
    return mask


def follow(*inputs: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.detach().clone().requires_grad_() for tensor in inputs)


@pytest.mark.parametrize("masked", [False, True])
def test_scaled_dot_is_torchs_own_attention(masked: bool) -> None:
    Q, K, V = numbers(2, 3, 4), numbers(2, 5, 4, seed=1), numbers(2, 5, 6, seed=2)
    mask = some_mask(2, 3, 5) if masked else None
    expected = nn.functional.scaled_dot_product_attention(Q, K, V, attn_mask=mask)
    assert torch.allclose(attend(Q, K, V, scaled_dot, mask).context, expected, atol=1e-12)


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_many_heads_are_torchs_own(heads: int, masked: bool) -> None:
    d, (Q, K, V) = 8, (numbers(2, 3, 8), numbers(2, 5, 8, seed=1), numbers(2, 5, 8, seed=2))
    ours, torchs = MultiHead(d, heads).double(), nn.MultiheadAttention(d, heads, batch_first=True).double()
    with torch.no_grad():
        torchs.in_proj_weight.copy_(torch.cat([W.weight for W in (ours.W_Q, ours.W_K, ours.W_V)]))
        torchs.in_proj_bias.copy_(torch.cat([W.bias for W in (ours.W_Q, ours.W_K, ours.W_V)]))
    torchs.out_proj.load_state_dict(ours.W_O.state_dict())
    mask = some_mask(2, 3, 5) if masked else None
    forbidden = None if mask is None else ~mask.repeat_interleave(heads, 0)
    output, parts = ours(Q, K, V, mask)
    expected, weights = torchs(Q, K, V, attn_mask=forbidden, average_attn_weights=False)
    assert torch.allclose(output, expected, atol=1e-12)
    assert parts.weights.shape == (2, heads, 3, 5) and torch.allclose(parts.weights, weights, atol=1e-12)


def test_general_by_hand() -> None:
    W_a = torch.tensor([[1.0, 0, 2], [0, 1, -1]])  # Q W_a = (1, 2, 0)
    assert general(torch.tensor([[1.0, 2]]), torch.tensor([[3.0, 4, 5]]), W_a).item() == 11


def test_concat_by_hand() -> None:
    W_a = torch.tensor([1, -1, 2, 0.5, 10])  # −1 from the query, 6 + 2 + 50 from the key
    assert concat(torch.tensor([[1.0, 2]]), torch.tensor([[3.0, 4, 5]]), W_a).item() == 57


def test_dot_by_hand() -> None:
    Q, K = torch.tensor([[1.0, 2, 3, 4]]), torch.tensor([[5.0, 6, 7, 8], [1, 0, 0, -1]])
    assert dot(Q, K).tolist() == [[70, -3]]
    assert scaled_dot(Q, K).tolist() == [[35, -1.5]]


def test_perceptron_by_hand() -> None:
    W_a, U_a = torch.tensor([[1.0, 0.5], [0, -1]]), torch.tensor([[0.1, 0.2], [0.3, 0], [0, -0.4]])
    Q, K = torch.tensor([[0.5, 0.25]]), torch.tensor([[1.0, 2, 3], [-1, 0, 1]])
    # Q W_a = (0.5, 0); K U_a = (0.7, −1) and (−0.1, −0.6)
    expected = [2 * math.tanh(1.2) - 3 * math.tanh(-1), 2 * math.tanh(0.4) - 3 * math.tanh(-0.6)]
    assert perceptron(Q, K, W_a, U_a, torch.tensor([2.0, -3]))[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_softmax_by_hand() -> None:
    scores = torch.tensor([[0, math.log(2), math.log(5)]])
    assert softmax(scores)[0].tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert softmax(scores, torch.tensor([[True, True, False]]))[0].tolist() == pytest.approx([1 / 3, 2 / 3, 0])


@EVERY_SCORE
def test_the_parts_follow_from_each_other(name: str) -> None:
    Q, K, V, score = numbers(2, 3, 4), numbers(2, 5, 4, seed=1), numbers(2, 5, 6, seed=2), made(name, 4)
    parts = attend(Q, K, V, score)
    e = score(Q, K)
    for row, t in ((0, 0), (1, 2)):
        alpha = torch.tensor([math.exp(x) for x in e[row, t].tolist()], dtype=torch.float64)
        alpha /= alpha.sum()
        c = torch.stack([float(alpha[s]) * V[row, s] for s in range(5)]).sum(0)
        assert torch.allclose(parts.scores[row, t], e[row, t])
        assert torch.allclose(parts.weights[row, t], alpha)
        assert torch.allclose(parts.context[row, t], c)
    assert torch.allclose(parts.weights.sum(-1), torch.ones(2, 3, dtype=torch.float64))


@EVERY_SCORE
def test_a_mask_forbids_wholly_and_the_rest_shares_one(name: str) -> None:
    mask = some_mask(2, 3, 5)
    Q, K, V = numbers(2, 3, 4), numbers(2, 5, 4, seed=1), numbers(2, 5, 6, seed=2)
    parts, score = attend(Q, K, V, made(name, 4), mask), made(name, 4)
    assert (parts.weights[~mask] == 0).all() and (parts.weights[mask] > 0).all()
    assert torch.allclose(parts.weights.sum(-1), torch.ones(2, 3, dtype=torch.float64))
    assert torch.equal(parts.scores, score(Q, K))  # before the mask
    few = mask[1, 2]
    alone = attend(Q[1:, 2:], K[1:, few], V[1:, few], score)
    assert torch.allclose(parts.weights[1, 2, few], alone.weights[0, 0])
    assert torch.allclose(parts.context[1, 2], alone.context[0, 0])


@EVERY_SCORE
def test_a_row_that_allows_nothing_is_zero_with_gradients(name: str) -> None:
    mask = some_mask(2, 3, 5)
    mask[0, 1] = False
    Q, K, V = follow(numbers(2, 3, 4), numbers(2, 5, 4, seed=1), numbers(2, 5, 6, seed=2))
    score = made(name, 4)
    parts = attend(Q, K, V, score, mask)
    assert (parts.weights[0, 1] == 0).all() and (parts.context[0, 1] == 0).all()
    grads = torch.autograd.grad(parts.context.square().sum(), [Q, K, V, *score.parameters()])
    assert all(grad.isfinite().all() for grad in grads)
    assert (grads[0][0, 1] == 0).all()


@EVERY_SCORE
def test_one_key_gets_all_the_weight(name: str) -> None:
    V = numbers(2, 1, 6, seed=2)
    parts = attend(numbers(2, 3, 4), numbers(2, 1, 4, seed=1), V, made(name, 4))
    assert (parts.weights == 1).all()
    assert torch.equal(parts.context, V.expand(2, 3, 6))


@EVERY_SCORE
@pytest.mark.parametrize(("target", "source"), [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("masked", [False, True])
def test_no_query_or_no_key(name: str, target: int, source: int, masked: bool) -> None:
    mask = torch.ones(2, target, source, dtype=torch.bool) if masked else None
    parts = attend(numbers(2, target, 4), numbers(2, source, 4), numbers(2, source, 6), made(name, 4), mask)
    assert parts.scores.shape == parts.weights.shape == (2, target, source)
    assert torch.equal(parts.context, torch.zeros(2, target, 6, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_scores_stay_numbers(dtype: torch.dtype) -> None:
    Q = torch.tensor([[[1e4], [-1e4], [0]]], dtype=dtype, requires_grad=True)
    K = torch.tensor([[[1.0], [0], [-1]]], dtype=dtype)
    parts = attend(Q, K, K, dot)
    assert parts.weights[0, :2].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert parts.weights[0, 2].tolist() == pytest.approx([1 / 3] * 3)
    forbidden = torch.tensor([[[False, True, True]]])
    assert attend(Q, K, K, dot, forbidden).weights[0, 0].tolist() == [0, 1, 0]
    assert torch.autograd.grad(parts.context.sum(), Q)[0].isfinite().all()


def test_concat_cannot_depend_on_the_query() -> None:
    Q, K = 5 * numbers(1, 7, 4), numbers(1, 6, 4, seed=1)
    weights = attend(Q, K, K, made("concat", 4)).weights
    assert torch.allclose(weights, weights[:, :1].expand_as(weights), atol=1e-12)
    assert weights.std(-1).min() > 1e-3  # but it does depend on the key


@pytest.mark.parametrize("name", sorted(set(SCORES) - {"concat"}))
def test_every_other_score_depends_on_the_query(name: str) -> None:
    weights = attend(5 * numbers(1, 7, 4), numbers(1, 6, 4, seed=1), numbers(1, 6, 4, seed=1), made(name, 4)).weights
    assert weights.std(1).max() > 0.01


@EVERY_SCORE
def test_finite_differences_through_a_score(name: str) -> None:
    score = made(name, 3)
    names, parameters = [key for key, _ in score.named_parameters()], list(score.parameters())
    mask = some_mask(2, 2, 4)
    mask[0, 1] = False

    def parts(Q: Tensor, K: Tensor, V: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        return attend(Q, K, V, lambda q, k: functional_call(score, dict(zip(names, values, strict=True)), (q, k)), mask)

    assert gradcheck(parts, follow(numbers(2, 2, 3), numbers(2, 4, 3, seed=1), numbers(2, 4, 2, seed=2), *parameters))


def test_finite_differences_through_many_heads() -> None:
    many = MultiHead(4, 2).double()
    mask = some_mask(2, 2, 3)
    inputs = follow(numbers(2, 2, 4), numbers(2, 3, 4, seed=1), numbers(2, 3, 4, seed=2))
    assert gradcheck(lambda Q, K, V: many(Q, K, V, mask)[0], inputs)


def test_finite_differences_through_structured_self_attention() -> None:
    looks, mask = StructuredSelfAttention(3, 4, 2).double(), some_mask(2, 5)

    def parts(H: Tensor, W_s1: Tensor, W_s2: Tensor) -> tuple[Tensor, ...]:
        return functional_call(looks, {"W_s1": W_s1, "W_s2": W_s2}, (H, mask))

    assert gradcheck(parts, follow(numbers(2, 5, 3), looks.W_s1, looks.W_s2))


def test_finite_differences_through_the_redundancy() -> None:
    assert gradcheck(redundancy, follow(numbers(2, 3, 4)))


def test_finite_differences_through_key_value() -> None:
    inputs = follow(numbers(2, 5, 4), numbers(2, 2, seed=1), numbers(2, 2, seed=2), numbers(2, seed=3))
    assert gradcheck(lambda h, W_Y, W_h, w: key_value(h, 2, W_Y, W_h, w, 2), inputs)


def test_one_look_is_the_slides_formula() -> None:
    looks = StructuredSelfAttention(3, 4).double()
    H = numbers(2, 5, 3)
    parts = looks(H)
    v_a, W_a = looks.W_s2[:, 0], looks.W_s1.T
    e = torch.stack([torch.stack([v_a @ torch.tanh(W_a @ h) for h in sentence]) for sentence in H])
    assert torch.allclose(parts.scores[:, 0], e)
    assert torch.allclose(parts.weights[:, 0], e.softmax(-1))
    assert torch.allclose(parts.context[:, 0], (e.softmax(-1).unsqueeze(-1) * H).sum(1))


def test_looks_leave_out_what_is_masked() -> None:
    looks, mask, H = StructuredSelfAttention(3, 4, r=2).double(), some_mask(2, 5), numbers(2, 5, 3)
    A = looks(H, mask).weights
    assert A.shape == (2, 2, 5)
    assert (A.mT[~mask] == 0).all()
    assert torch.allclose(A[1][:, mask[1]], looks(H[1:, mask[1]]).weights[0])


def test_redundancy() -> None:
    orthonormal = torch.linalg.qr(numbers(5, 5)).Q[:3]
    same_word = torch.tensor([[1.0, 0], [1, 0]], dtype=torch.float64).repeat(1, 1, 1)
    assert redundancy(orthonormal.unsqueeze(0)).item() == pytest.approx(0, abs=1e-20)
    assert redundancy(same_word).tolist() == [2]
    assert redundancy(torch.stack([same_word[0], torch.eye(2, dtype=torch.float64)])).tolist() == [2, 0]


def key_values(h: Tensor, L: int) -> tuple[Tensor, Tensor]:
    """The weights and the context, for keys and values of two numbers."""
    parts = key_value(h, 2, numbers(2, 2, seed=1), numbers(2, 2, seed=2), numbers(2, seed=3), L)
    return parts.weights, parts.context


@pytest.mark.parametrize("parts", [2, 4])
def test_key_value_by_a_loop(parts: int) -> None:
    L, h = 3, numbers(2, 6, parts)
    k, v = (h, h) if parts == 2 else (h[..., :2], h[..., 2:])
    W_Y, W_h, w = numbers(2, 2, seed=1), numbers(2, 2, seed=2), numbers(2, seed=3)
    weights, context = key_values(h, L)
    assert weights.shape == (2, 6, L)
    assert (weights[:, 0] == 0).all() and (context[:, 0] == 0).all()
    for row in range(2):
        for t in range(1, 6):
            seen = range(max(0, t - L), t)
            e = torch.stack([w @ torch.tanh(k[row, i] @ W_Y + k[row, t] @ W_h) for i in seen])
            assert torch.allclose(weights[row, t, L - len(seen) :], e.softmax(0))
            assert torch.allclose(context[row, t], sum(a * v[row, i] for a, i in zip(e.softmax(0), seen, strict=True)))
            assert weights[row, t].sum().item() == pytest.approx(1)


def test_key_value_sees_the_states_just_before_it_and_no_other() -> None:
    h, L, t = numbers(1, 8, 4), 2, 5
    _, before = key_values(h, L)
    for changed in range(8):
        other = h.clone()
        other[:, changed] += 1
        _, after = key_values(other, L)
        assert torch.equal(before[:, t], after[:, t]) == (changed not in (t - 2, t - 1, t)), changed


def test_the_last_states() -> None:
    x = torch.arange(1.0, 5).view(1, 4, 1)
    assert last(x, 2)[0, :, :, 0].tolist() == [[0, 0], [0, 1], [1, 2], [2, 3]]
    assert last(x, 0).shape == (1, 4, 0, 1) and last(x[:, :0], 2).shape == (1, 0, 2, 1)


@pytest.mark.parametrize("name", ["dot", "scaled_dot"])
def test_unequal_sizes_have_no_dot_product(name: str) -> None:
    with pytest.raises(ValueError, match="not 3 and 4"):
        SCORES[name](3, 4)


@pytest.mark.parametrize("name", ["perceptron", "general", "concat"])
def test_unequal_sizes_are_no_matter_to_the_others(name: str) -> None:
    assert SCORES[name](3, 4)(torch.ones(2, 5, 3), torch.ones(2, 6, 4)).shape == (2, 5, 6)


def test_heads_must_share_evenly() -> None:
    with pytest.raises(ValueError, match="8 numbers cannot be shared among 3 heads"):
        MultiHead(8, 3)
