r"""Two claims of the lecture about scores, measured: what $\sqrt{d_k}$ is for, and what an additive score costs."""

import time
import weakref
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from models.attention import SCORES, Score, softmax

CHUNK = 200  # queries drawn at a time: 8 MB of keys at d = 1024
PATIENCE = 0.25  # seconds: a score that is slow is timed fewer times, but never fewer than `FEWEST`
FEWEST, MOST = 3, 25


class Scaling(NamedTuple):
    """One score at one `d`: the variance of the scores, and means over the queries of what their softmax is like."""

    d: int
    variance: float
    entropy: float
    largest: float
    gradient: float


def scaling(score: Score, d: int, *, seed: int, n: int = 2_000, keys: int = 10) -> Scaling:
    r"""What a score does to queries and keys of `d` independent numbers of unit variance.

    $\operatorname{Var}(q^\top k) = \sum_i \operatorname{Var}(q_i k_i) = d$, so $q^\top k / \sqrt d$ has variance 1.
    Vaswani 2017, footnote 4.

    Args:
        score: `dot` or `scaled_dot`; the same seed and `d` give both the same queries and keys.
        n: queries, each with `keys` keys of its own. The variance is that of the `n` independent pairs (query, its first key).

    Returns:
        The variance; the mean entropy of the weights in nats, at most ln `keys`; the mean largest weight; the mean of
        `softmax_gradient`.
    """
    generator = torch.Generator().manual_seed(2048 * seed + d)
    scores = []
    for start in range(0, n, CHUNK):
        queries = min(CHUNK, n - start)
        Q = torch.randn(queries, 1, d, generator=generator)
        scores.append(score(Q, torch.randn(queries, keys, d, generator=generator)).squeeze(-2))
    e = torch.cat(scores)
    alpha = softmax(e)
    measured = (e[:, 0].var(), entropy(alpha).mean(), alpha.amax(-1).mean(), softmax_gradient(alpha).mean())
    return Scaling(d, *(float(value) for value in measured))


def entropy(alpha: Float[Tensor, "*batch source"]) -> Float[Tensor, "*batch"]:
    r"""$H = -\sum_s \alpha_s \ln \alpha_s$ in nats: 0 where one key has all the weight, $\ln S$ where all $S$ have the same."""
    return torch.special.entr(alpha).sum(-1)


def softmax_gradient(alpha: Float[Tensor, "*batch source"]) -> Float[Tensor, "*batch"]:
    r"""$\lVert \partial \alpha / \partial e \rVert_F$ with $\partial \alpha_i / \partial e_j = \alpha_i (\delta_{ij} - \alpha_j)$.

    It is what a step of training can still move: 0 where one key has all the weight.
    """
    jacobian = torch.diag_embed(alpha) - alpha.unsqueeze(-1) * alpha.unsqueeze(-2)
    return torch.linalg.matrix_norm(jacobian)


class Cost(NamedTuple):
    """What one score took on this machine: seconds and bytes of one forward pass, and the parameters it learns."""

    score: str
    n: int
    d: int
    seconds: float
    bytes: int
    parameters: int


def cost(name: str, n: int, d: int = 256) -> Cost:
    """Time and memory of one score of `SCORES` between `n` queries and `n` keys of `d` float32 numbers, here and now.

    The score alone is measured, forward, without gradients: the softmax and the weighted sum that follow are the same for
    all. The time is the median of 3 to 25 runs after one that is not counted, on as many threads as torch has now. The
    bytes are `peak_bytes`, of a run that is not timed.
    """
    torch_score = SCORES[name](d, d)
    Q, K = torch.randn(n, d), torch.randn(n, d)

    def forward() -> Tensor:
        return torch_score(Q, K)

    with torch.no_grad():
        parameters = sum(parameter.numel() for parameter in torch_score.parameters())
        return Cost(name, n, d, median_seconds(forward), peak_bytes(forward), parameters)


def median_seconds(function: Callable[[], Any]) -> float:
    """The median time of a call: `FEWEST` to `MOST` calls in about `PATIENCE` seconds, after one that warms up."""
    function()
    times: list[float] = []
    while len(times) < FEWEST or (len(times) < MOST and sum(times) < PATIENCE):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times)


def peak_bytes(function: Callable[[], Any]) -> int:
    """The most bytes that tensors made by `function` held at one moment, its result included.

    Every operation of torch is watched; the storage of each result counts from then on until it is freed. A view of a
    storage that is known costs nothing. What `function` was given is not counted, nor what a kernel needs for itself while it
    runs.
    """
    with _Watch() as watch:
        function()
    return watch.peak


class _Watch(TorchDispatchMode):
    """Adds up the storages that operations make and takes off those that are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self.held = 0
        self.known: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in _tensors((args, kwargs)):
            self._meet(tensor, 0)
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            self._meet(tensor, tensor.untyped_storage().nbytes())
        return result

    def _meet(self, tensor: Tensor, size: int) -> None:
        storage = tensor.untyped_storage()
        name = storage._cdata
        if name not in self.known:
            self.known[name] = weakref.ref(storage, lambda _: self._forget(name, size))
            self.held += size
            self.peak = max(self.peak, self.held)

    def _forget(self, name: int, size: int) -> None:
        del self.known[name]
        self.held -= size


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_iter(tree) if isinstance(leaf, Tensor)]
