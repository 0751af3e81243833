r"""What one number of a language model's step is made of: the products that add up to it, by Daniluk 2017, equations 4 to 11."""

import torch
from torch import Tensor

from models.key_value import PARTS, MemoryModel
from models.terms import Terms, counted, terms_of
from models.trace import Trace

NAMES = {1: "h", 2: "kv", 3: "kvp"}  # what the parts of a state are called


def label(network: MemoryModel, i: int) -> str:
    """What number `i` of a state is: of its key, its value, or what predicts."""
    return f"{NAMES[PARTS[network.kind]][i // network.d]}[{i % network.d}]"


@torch.no_grad()
def score_terms(network: MemoryModel, trace: Trace, t: int, i: int) -> Terms:
    r"""$w^\top \tanh(W^Y k_i + W^h k_t)$, before any temperature: a product a hidden unit. Daniluk, eq. 2 and 6."""
    k_i, k_t = (_key(network, trace, position) for position in (i, t))
    hidden = torch.tanh(k_i @ network.W_Y + k_t @ network.W_h)
    value = float(network.w @ hidden)
    names = "w", "tanh(W_Y k_i + W_h k_t)"
    return terms_of(f"score of “{trace.source[i]}”", counted(len(hidden)), names, network.w, hidden, "", value)


def context_terms(network: MemoryModel, trace: Trace, t: int, j: int) -> Terms:
    r"""$r_{t,j} = \sum_i \alpha_{ti} v_{i,j}$, a product a word that was looked at."""
    v = network.values(torch.from_numpy(trace.values["h"])[None])[0, :, j]
    alpha = torch.from_numpy(trace.weights[0, t])
    seen = [i for i in range(t) if alpha[i] > 0]
    labels = tuple(f"{i + 1} {trace.source[i]}" for i in seen)
    value = float(trace.values["c"][t, j])
    return terms_of(f"number {j} of r", labels, ("α", f"v[{j}]"), alpha[seen], v[seen], "", value)


@torch.no_grad()
def h_star_terms(network: MemoryModel, trace: Trace, t: int, j: int) -> Terms:
    r"""$h^*_{t,j} = \tanh(\sum W^r_j r_t + \sum W^x_j x_t + b_j)$, $x_t$ the state's last part."""
    x = torch.from_numpy(trace.values["h"][t])
    last = range(len(x) - network.d, len(x))
    inputs, W = [x[-network.d :]], [network.W_x.weight[j]]
    labels = [label(network, i) for i in last]
    if "c" in trace.values:
        r = torch.from_numpy(trace.values["c"][t])
        inputs, W = [r, *inputs], [network.W_r.weight[j], *W]
        labels = [*(f"r[{i}]" for i in range(len(r))), *labels]
    left, right = torch.cat([*W, network.W_x.bias[j : j + 1]]), torch.cat([*inputs, torch.ones(1)])
    value = float(trace.values["h_star"][t, j])
    return terms_of(f"number {j} of h*", (*labels, "bias"), ("W", "[r; x]"), left, right, "tanh", value)


@torch.no_grad()
def logit_terms(network: MemoryModel, trace: Trace, t: int, word: int, name: str) -> Terms:
    """The logit of a word: $E_w \\cdot h^*_t + b_w$."""
    inputs = torch.cat([torch.from_numpy(trace.values["h_star"][t]), torch.ones(1)])
    E = torch.cat([network.embedding.weight[word], network.b[word : word + 1]])
    labels = (*counted(len(inputs) - 1), "bias")
    return terms_of(f"logit of “{name}”", labels, ("E", "h*"), E, inputs, "", float(E @ inputs))


@torch.no_grad()
def state_terms(network: MemoryModel, trace: Trace, words: Tensor, t: int, i: int) -> Terms:
    r"""$h_{t,i} = o_i \tanh(c_i)$ with $c_i = f_i\, c_{t-1,i} + g_i \tilde c_i$: what the LSTM lets out of its cell.

    One product, computed from the text again up to here, `words` being its numbers. Hochreiter & Schmidhuber 1997.
    """
    lstm = network.lstm
    x = network.embedding(words)
    before = lstm(x[:, :t])[1] if t else tuple(x.new_zeros(2, 1, 1, lstm.hidden_size))
    h, c = (state[0, 0] for state in before)
    W_x, W_h, b_x, b_h = lstm.all_weights[0]
    take, keep, new, out = (W_x @ x[0, t] + b_x + W_h @ h + b_h).view(4, -1)[:, i]
    cell = torch.sigmoid(keep) * c[i] + torch.sigmoid(take) * torch.tanh(new)
    left, right = torch.sigmoid(out)[None], torch.tanh(cell)[None]
    value = float(trace.values["h"][t, i])
    return terms_of(f"{label(network, i)}", ("let out",), ("o", "tanh(cell)"), left, right, "", value)


def _key(network: MemoryModel, trace: Trace, position: int) -> Tensor:
    return torch.from_numpy(trace.values["h"][position, : network.d])
