r"""The lecture's attention in code: one short function a formula, the symbols of the slides.

A query $Q$ (what the decoder holds, $h_t$) is scored against keys $K$ (what the encoder holds, $\bar h_s$); the softmax of the
scores are the weights $\alpha_{ts}$; the context $c_t$ is the weighted sum of the values $V$ (often $V = K$). Nothing here is
hooked or hidden: every function returns what the next one reads, so that a `Trace` can show it.

Every attending model of the app is built on these functions and on no others.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

Score = Callable[
    [Float[Tensor, "*batch target d_q"], Float[Tensor, "*batch source d_k"]], Float[Tensor, "*batch target source"]
]


class Attention(NamedTuple):
    """The parts of one attention, in the order in which they are computed."""

    scores: Float[Tensor, "*batch target source"]
    weights: Float[Tensor, "*batch target source"]
    context: Float[Tensor, "*batch target d_v"]


def dot(
    Q: Float[Tensor, "*batch target d"], K: Float[Tensor, "*batch source d"]
) -> Float[Tensor, "*batch target source"]:
    r"""$Q^\top K$: the query and the key must speak the same language. Luong 2015, eq. 8."""
    return Q @ K.mT


def scaled_dot(
    Q: Float[Tensor, "*batch target d"], K: Float[Tensor, "*batch source d"]
) -> Float[Tensor, "*batch target source"]:
    r"""$Q^\top K / \sqrt{d_k}$: a dot product of $d_k$ unit-variance terms, brought back to unit variance. Vaswani 2017, eq. 1."""
    return Q @ K.mT / math.sqrt(K.shape[-1])


def general(
    Q: Float[Tensor, "*batch target d_q"], K: Float[Tensor, "*batch source d_k"], W_a: Float[Tensor, "d_q d_k"]
) -> Float[Tensor, "*batch target source"]:
    r"""$Q^\top W_a K$: multiplicative attention, $W_a$ translates between the two. Luong 2015, eq. 8."""
    return Q @ W_a @ K.mT


def concat(
    Q: Float[Tensor, "*batch target d_q"], K: Float[Tensor, "*batch source d_k"], W_a: Float[Tensor, "d_q+d_k"]
) -> Float[Tensor, "*batch target source"]:
    r"""$W_a [Q; K] = w_q^\top Q + w_k^\top K$, as on the slide. Luong 2015, eq. 8 (first version).

    Linear, so the query adds the same number to every key, and the softmax cancels it: these weights cannot depend on the query.
    """
    w_q, w_k = W_a.split([Q.shape[-1], K.shape[-1]])
    return (Q @ w_q).unsqueeze(-1) + (K @ w_k).unsqueeze(-2)


def perceptron(
    Q: Float[Tensor, "*batch target d_q"],
    K: Float[Tensor, "*batch source d_k"],
    W_a: Float[Tensor, "d_q d_a"],
    U_a: Float[Tensor, "d_k d_a"],
    v_a: Float[Tensor, " d_a"],
) -> Float[Tensor, "*batch target source"]:
    r"""$v_a^\top \tanh(W_a Q + U_a K)$: additive attention, a perceptron with one hidden layer. Bahdanau 2014, A.1.2."""
    return additive(Q, K @ U_a, W_a, v_a)


def additive(
    Q: Float[Tensor, "*batch target d_q"],
    UK: Float[Tensor, "*batch source d_a"],
    W_a: Float[Tensor, "d_q d_a"],
    v_a: Float[Tensor, " d_a"],
) -> Float[Tensor, "*batch target source"]:
    r"""`perceptron` whose keys are $U_a K$ already: who asks the same keys word by word computes that product once."""
    return torch.tanh((Q @ W_a).unsqueeze(-2) + UK.unsqueeze(-3)) @ v_a


def softmax(
    scores: Float[Tensor, "*batch target source"], mask: Bool[Tensor, "*#batch #target source"] | None = None
) -> Float[Tensor, "*batch target source"]:
    r"""$\alpha_{ts} = \exp(e_{ts}) / \sum_{s'} \exp(e_{ts'})$ over the keys `mask` allows; a row that allows none is all zero."""
    if mask is None:
        return torch.softmax(scores, dim=-1)
    lowest = torch.finfo(scores.dtype).min
    return torch.softmax(scores.masked_fill(~mask, lowest), dim=-1).masked_fill(~mask, 0)


def attend(
    Q: Float[Tensor, "*batch target d_q"],
    K: Float[Tensor, "*batch source d_k"],
    V: Float[Tensor, "*batch source d_v"],
    score: Score,
    mask: Bool[Tensor, "*#batch #target source"] | None = None,
) -> Attention:
    r"""$\text{Attention}(Q, K, V) = \sum_i \text{softmax}(\text{score}(Q, K_i))\, V_i$. Vaswani 2017, section 3.2.

    Args:
        score: one of the functions above, its parameters bound (see `SCORES`).
        mask: True where a query may look; None allows everything.

    Returns:
        The scores (before the mask), the weights and the context.
    """
    scores = score(Q, K)
    weights = softmax(scores, mask)
    return Attention(scores, weights, weights @ V)


class Dot(nn.Module):
    """`dot`, which learns nothing."""

    def __init__(self, d_q: int, d_k: int):
        super().__init__()
        if d_q != d_k:
            raise ValueError(f"The dot product needs a query and a key of one length, not {d_q} and {d_k}.")

    def forward(self, Q: Tensor, K: Tensor) -> Tensor:
        return dot(Q, K)


class ScaledDot(Dot):
    """`scaled_dot`, which learns nothing either."""

    def forward(self, Q: Tensor, K: Tensor) -> Tensor:
        return scaled_dot(Q, K)


class General(nn.Module):
    """`general` with its $W_a$."""

    def __init__(self, d_q: int, d_k: int):
        super().__init__()
        self.W_a = nn.Parameter(_uniform(d_q, d_k, fan_in=d_q))

    def forward(self, Q: Tensor, K: Tensor) -> Tensor:
        return general(Q, K, self.W_a)


class Concat(nn.Module):
    """`concat` with its $W_a$."""

    def __init__(self, d_q: int, d_k: int):
        super().__init__()
        self.W_a = nn.Parameter(_uniform(d_q + d_k, fan_in=d_q + d_k))

    def forward(self, Q: Tensor, K: Tensor) -> Tensor:
        return concat(Q, K, self.W_a)


class Perceptron(nn.Module):
    """`perceptron` with its $W_a$, $U_a$ and $v_a$; the hidden layer has the query's size unless told."""

    def __init__(self, d_q: int, d_k: int, d_a: int | None = None):
        super().__init__()
        d_a = d_a or d_q
        self.W_a = nn.Parameter(_uniform(d_q, d_a, fan_in=d_q))
        self.U_a = nn.Parameter(_uniform(d_k, d_a, fan_in=d_k))
        self.v_a = nn.Parameter(_uniform(d_a, fan_in=d_a))

    def forward(self, Q: Tensor, K: Tensor) -> Tensor:
        return perceptron(Q, K, self.W_a, self.U_a, self.v_a)


SCORES: dict[str, Callable[[int, int], nn.Module]] = {
    "perceptron": Perceptron,
    "general": General,
    "dot": Dot,
    "concat": Concat,
    "scaled_dot": ScaledDot,
}


class StructuredSelfAttention(nn.Module):
    r"""$A = \text{softmax}(W_{s2} \tanh(W_{s1} H^\top))$, $M = A H$: $r$ looks at one sentence, without a decoder.

    Lin 2017, eqs. 6 and 7. With $r = 1$ it is the slide's $v_a^\top \tanh(W_a h_i)$.
    """

    def __init__(self, d: int, d_a: int, r: int = 1):
        super().__init__()
        self.W_s1 = nn.Parameter(_uniform(d, d_a, fan_in=d))
        self.W_s2 = nn.Parameter(_uniform(d_a, r, fan_in=d_a))

    def forward(
        self, H: Float[Tensor, "batch source d"], mask: Bool[Tensor, "batch source"] | None = None
    ) -> Attention:
        r"""$A = \text{softmax}(W_{s2} \tanh(W_{s1} H^\top))$, a row a look; the context is $M = A H$. Lin 2017, eqs. 6 and 7."""
        scores = (torch.tanh(H @ self.W_s1) @ self.W_s2).mT
        weights = softmax(scores, None if mask is None else mask.unsqueeze(-2))
        return Attention(scores, weights, weights @ H)


def redundancy(A: Float[Tensor, "batch r source"]) -> Float[Tensor, " batch"]:
    r"""$P = \lVert A A^\top - I \rVert_F^2$: how much the $r$ looks see the same words. Lin 2017, eq. 8."""
    return (A @ A.mT - torch.eye(A.shape[-2], dtype=A.dtype, device=A.device)).square().sum((-2, -1))


def key_value(
    h: Float[Tensor, "batch time parts"],
    d: int,
    W_Y: Float[Tensor, "d d"],
    W_h: Float[Tensor, "d d"],
    w: Float[Tensor, " d"],
    L: int,
) -> Attention:
    r"""$[k_i; v_i] = h_i$; each state looks at the values of the $L$ states before it, by their keys. Daniluk 2017, eqs. 5 to 8.

    $\alpha_t = \text{softmax}(w^\top \tanh(W^Y k_i + W^h k_t))$ over $i = t - L, \dots, t - 1$: a column each, the oldest first.
    The first $d$ numbers of a state are its key, the last $d$ its value (all of it is both if the state has $d$ numbers). What
    lies before the first state has no weight, and the first state nothing to look at: its weights are zero.
    """
    k, v = h[..., :d], h[..., -d:]
    scores = torch.tanh(last(k @ W_Y, L) + (k @ W_h).unsqueeze(2)) @ w
    there = torch.arange(h.shape[1], device=h.device).unsqueeze(-1) + torch.arange(L, device=h.device) >= L
    weights = softmax(scores, there)
    return Attention(scores, weights, (weights.unsqueeze(2) @ last(v, L)).squeeze(2))


def last(x: Float[Tensor, "batch time d"], L: int) -> Float[Tensor, "batch time L d"]:
    """For each of `time` states the `L` before it, the oldest first, not itself and nothing later; zeros before the first."""
    padded = nn.functional.pad(x, (0, 0, L, 0))
    return torch.stack([padded[:, i : i + x.shape[1]] for i in range(L)], 2) if L else x.unsqueeze(2)[:, :, :0]


class MultiHead(nn.Module):
    r"""$\text{head}_i = \text{Attention}(Q W_i^Q, K W_i^K, V W_i^V)$; the output is $[\text{head}_1; \dots; \text{head}_h] W^O$.

    Vaswani 2017, section 3.2.2.
    """

    def __init__(self, d: int, heads: int):
        super().__init__()
        if d % heads:
            raise ValueError(f"{d} numbers cannot be shared among {heads} heads.")
        self.heads = heads
        self.W_Q, self.W_K, self.W_V, self.W_O = (nn.Linear(d, d) for _ in range(4))

    def forward(
        self,
        Q: Float[Tensor, "batch target d"],
        K: Float[Tensor, "batch source d"],
        V: Float[Tensor, "batch source d"],
        mask: Bool[Tensor, "batch #target source"] | None = None,
    ) -> tuple[Float[Tensor, "batch target d"], Attention]:
        """The output and, a head each, the parts (`scores` is (batch, heads, target, source))."""
        q, k, v = (split_heads(W(x), self.heads) for W, x in ((self.W_Q, Q), (self.W_K, K), (self.W_V, V)))
        parts = attend(q, k, v, scaled_dot, None if mask is None else mask.unsqueeze(-3))
        return self.W_O(parts.context.transpose(-3, -2).flatten(-2)), parts


def split_heads(x: Float[Tensor, "batch time d"], heads: int) -> Float[Tensor, "batch heads time d_k"]:
    """The numbers of each word shared among the heads, first come first served."""
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def _uniform(*shape: int, fan_in: int) -> Tensor:
    """Numbers in ±1/√fan_in, as in `nn.Linear`."""
    bound = 1 / math.sqrt(fan_in)
    return torch.empty(*shape).uniform_(-bound, bound)
