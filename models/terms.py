"""What one number of a translation is made of: the products that add up to it, computed again from the numbers before it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.attention import Concat, General, Perceptron
from models.pointer import Pointer
from models.seq2seq import Seq2Seq
from models.trace import Trace
from models.words import BEGIN

FINISH: dict[str, Callable[[float], float]] = {
    "": float,
    "tanh": math.tanh,
    "exp": math.exp,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
}


@dataclass(frozen=True)
class Terms:
    """$f(\\sum_i \\text{left}_i\\, \\text{right}_i) = $ `value`; `finish` names $f$ ("" for none, "tanh", "exp", "sigmoid")."""

    title: str
    labels: tuple[str, ...]
    left_name: str
    left: np.ndarray
    right_name: str
    right: np.ndarray
    finish: str
    value: float

    @property
    def products(self) -> np.ndarray:
        return self.left * self.right

    def recomputed(self) -> float:
        """`value` once more, from the products."""
        total = float(self.products.sum(dtype=np.float64))
        return FINISH[self.finish](total)


@torch.no_grad()
def score_terms(network: Seq2Seq, trace: Trace, t: int, s: int) -> Terms:
    r"""The products of $\text{score}(h_t, \bar h_s)$, before any temperature."""
    h, k, score = _row(trace, "h", t), _row(trace, "h_bar", s), network.score
    left: Tensor
    match score:
        case Perceptron():
            return perceptron_terms(score, h, k, trace.source[s])
        case General():
            names, left, right = ("h W", "h̄"), h @ score.W_a, k
        case Concat():
            names, left, right = ("W", "[h; h̄]"), score.W_a, torch.cat([h, k])
        case None:
            raise ValueError("Without attention there are no scores.")
        case _:
            scale = 1 / math.sqrt(len(k)) if type(score).__name__ == "ScaledDot" else 1.0
            names, left, right = ("h", "h̄"), h * scale, k
    value = float((left * right).sum())
    return terms_of(f"score of “{trace.source[s]}”", counted(len(left)), names, left, right, "", value)


@torch.no_grad()
def perceptron_terms(
    score: Perceptron,
    q: np.ndarray | Tensor,
    k: np.ndarray | Tensor,
    name: str,
    names: tuple[str, str] = ("v", "tanh(W h + U h̄)"),
) -> Terms:
    r"""The products of $v_a^\top \tanh(W_a q + U_a k)$, before any temperature. Args: q (d_q,), k (d_k,); name: of the key."""
    hidden = torch.as_tensor(q) @ score.W_a + torch.as_tensor(k) @ score.U_a
    left, right = score.v_a, torch.tanh(hidden)
    return terms_of(f"score of “{name}”", counted(len(left)), names, left, right, "", float((left * right).sum()))


def exp_terms(trace: Trace, t: int, s: int, allowed: Sequence[bool]) -> Terms:
    r"""$\exp(e_{ts} - \max_{s'} e_{ts'})$: taking the largest off changes no weight and keeps exp small."""
    scores = trace.scores[0, t].astype(np.float64)
    summands = np.array([scores[s], -scores[list(allowed)].max()])
    value = float(np.exp(summands.sum()))
    return Terms(
        f"exp of “{trace.source[s]}”", ("score", "largest"), "number", summands, "sign", np.ones(2), "exp", value
    )


def weight_terms(trace: Trace, t: int, s: int, allowed: Sequence[bool]) -> Terms:
    r"""$\alpha_{ts} = \exp(e_{ts}) \cdot 1 / \sum_{s'} \exp(e_{ts'})$ over the source words allowed: one product."""
    exps = exp_scores(trace, t, allowed)
    value = float(trace.weights[0, t, s])
    return Terms(
        f"α of “{trace.source[s]}”", ("one",), "exp", exps[[s]], "1 / sum", np.array([1 / exps.sum()]), "", value
    )


def exp_scores(trace: Trace, t: int, allowed: Sequence[bool]) -> np.ndarray:
    r"""$\exp(e_{ts} - \max)$ for every source word, in float64; 0 for those that are not allowed."""
    scores = trace.scores[0, t].astype(np.float64)
    return np.where(allowed, np.exp(scores - scores[list(allowed)].max()), 0)


def context_terms(trace: Trace, t: int, i: int, head: int = 0, values: str = "h_bar", symbol: str = "h̄") -> Terms:
    r"""$c_{t,i} = \sum_s \alpha_{ts} \bar h_{s,i}$, a product a source word. Args: values: their name in the trace."""
    alpha, column = trace.weights[head, t], trace.values[values][:, i]
    value = float(trace.values["c"][t, i])
    return Terms(f"number {i} of c", trace.source, "α", alpha, f"{symbol}[{i}]", column, "", value)


@torch.no_grad()
def attention_vector_terms(network: Seq2Seq, trace: Trace, t: int, i: int) -> Terms:
    r"""$a_{t,i} = \tanh(\sum_j W_{c,ij} [c_t; h_t]_j + b_i)$."""
    inputs = torch.cat([_row(trace, "c", t), _row(trace, "h", t), torch.ones(1)])
    W = torch.cat([network.W_c.weight[i], network.W_c.bias[i : i + 1]])
    half = len(inputs) // 2
    labels = (*(f"c[{j}]" for j in range(half)), *(f"h[{j}]" for j in range(half)), "bias")
    return terms_of(f"number {i} of a", labels, ("W_c", "[c; h]"), W, inputs, "tanh", float(trace.values["a"][t, i]))


@torch.no_grad()
def logit_terms(network: Seq2Seq, trace: Trace, t: int, word: int, name: str) -> Terms:
    r"""The logit of a word: $E_w \cdot a_t + b_w$."""
    inputs = torch.cat([_row(trace, "a", t), torch.ones(1)])
    E = torch.cat([network.target_embedding.weight[word], network.b[word : word + 1]])
    labels = (*counted(len(inputs) - 1), "bias")
    return terms_of(f"logit of “{name}”", labels, ("E", "a"), E, inputs, "", float(E @ inputs))


@torch.no_grad()
def generate_terms(network: Pointer, trace: Trace, t: int) -> Terms:
    r"""$p_{gen} = \sigma(w_p \cdot [c_t; h_t; x_t] + b_p)$. See 2017, eq. 8."""
    before = torch.tensor(int(trace.values["word"][t - 1]) if t else BEGIN)
    x_t = network.target_embedding(network.known(before))
    inputs = torch.cat([_row(trace, "c", t), _row(trace, "h", t), x_t, torch.ones(1)])
    w = torch.cat([network.w_p.weight[0], network.w_p.bias])
    d = len(trace.values["h"][t])
    labels = (
        *(f"c[{i}]" for i in range(d)),
        *(f"h[{i}]" for i in range(d)),
        *(f"x[{i}]" for i in range(len(x_t))),
        "bias",
    )
    return terms_of("p_gen", labels, ("w_p", "[c; h; x]"), w, inputs, "sigmoid", float(trace.values["p_gen"][t]))


@torch.no_grad()
def mixture_terms(network: Pointer, trace: Trace, source: Tensor, t: int, word: int, name: str) -> Terms:
    r"""$P(w) = p_{gen} P_{vocab}(w) + (1 - p_{gen}) \sum_{s: w_s = w} \alpha_{ts}$, `source` being its numbers. See 2017, eq. 9."""
    p_gen = float(trace.values["p_gen"][t])
    P_vocab = network.logits(_row(trace, "a", t)[None, None])[0, 0].softmax(-1)
    written = float(P_vocab[word]) if word < network.words else 0.0
    pointed = float(trace.weights[0, t][(source[0] == word).numpy()].sum())
    left, right = np.array([p_gen, 1 - p_gen]), np.array([written, pointed])
    labels = ("written", "copied")
    return Terms(f"P of “{name}”", labels, "share", left, "P_vocab, Σα", right, "", float(left @ right))


@torch.no_grad()
def state_terms(network: Seq2Seq, trace: Trace, t: int, i: int) -> Terms:
    r"""$h_{t,i} = (1 - z_i)\, n_i + z_i\, h_{t-1,i}$: what the GRU keeps of the state before, and what it takes from the last word.

    Cho 2014, eq. 7.
    """
    W_x, W_h, b_x, b_h = network.decoder.all_weights[0]
    word = int(trace.values["word"][t - 1]) if t else BEGIN
    before = _row(trace, "h", t - 1) if t else network.begin(torch.from_numpy(trace.values["fixed"])[None])[0]
    x = network.target_embedding.weight[word]
    from_x = (W_x @ x + b_x).chunk(3)
    from_h = (W_h @ before + b_h).chunk(3)
    r, z = (torch.sigmoid(from_x[gate] + from_h[gate])[i] for gate in (0, 1))
    n = torch.tanh(from_x[2][i] + r * from_h[2][i])
    left, right = torch.stack([1 - z, z]), torch.stack([n, before[i]])
    return terms_of(
        f"number {i} of h", ("new", "kept"), ("gate", "value"), left, right, "", float(trace.values["h"][t, i])
    )


def _row(trace: Trace, name: str, number: int) -> Tensor:
    return torch.from_numpy(trace.values[name][number])


def counted(count: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(count))


def terms_of(
    title: str, labels: tuple[str, ...], names: tuple[str, str], left: Tensor, right: Tensor, finish: str, value: float
) -> Terms:
    return Terms(title, labels, names[0], left.numpy(), names[1], right.numpy(), finish, value)
