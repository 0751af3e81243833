r"""What can be wanted of a network that looks before it speaks: other words, these words, or another look.

Losses of logits $z_t$ and maps $\alpha_t$, small when the aim is reached; with `loss(x)` made of them any attack of `attacks`
follows them to the pixels. Whose logits and maps these are, they do not know.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

KAPPA = 5.0  # by how much a word shall win (logits): the picture is rounded and decoded by a beam after that
TINY = 1e-9


def lead(logits: Float[Tensor, "batch steps words"], words: Sequence[int]) -> Float[Tensor, "batch steps"]:
    r"""$\max_{k \ne y_t} z_{tk} - z_{t y_t}$: by how much another word leads at each step; below 0 where $y_t$ wins."""
    mine = torch.nn.functional.one_hot(torch.tensor(words), logits.shape[-1]).bool()
    others = logits.masked_fill(mine, -torch.inf).amax(-1)
    return others - logits.masked_fill(~mine, 0).sum(-1)


def word_for_word(
    logits: Float[Tensor, "batch steps words"], words: Sequence[int], kappa: float = KAPPA
) -> Float[Tensor, " batch"]:
    r"""$\sum_t \max(\max_{k \ne S_t} z_{tk} - z_{t S_t}, -\kappa)$: every word of the sentence $S$ shall win by $\kappa$.

    Source: Chen 2018, *Attacking Visual Language Grounding with Adversarial Examples* (Show-and-Fool), the targeted caption's loss.
    """
    return lead(logits, words).clamp_min(-kappa).sum(1)


def somewhere(logits: Float[Tensor, "batch steps words"], word: int, kappa: float = KAPPA) -> Float[Tensor, " batch"]:
    r"""$\min_t \max(\max_{k \ne K} z_{tk} - z_{tK}, -\kappa)$: the keyword $K$ shall win where it is nearest to it.

    Source: Chen 2018, the targeted keyword's loss, of one keyword.
    """
    return lead(logits, [word] * logits.shape[1]).clamp_min(-kappa).amin(1)


def unsaid(logits: Float[Tensor, "batch steps words"], words: Sequence[int]) -> Float[Tensor, " batch"]:
    r"""$\sum_t \log p(y_t)$: what is said now shall become unlikely."""
    log_p = logits.log_softmax(-1)
    return log_p[:, range(len(words)), list(words)].sum(1)


def onto(
    maps: Float[Tensor, "batch looks regions"], t: int, region: Bool[Tensor, " regions"]
) -> Float[Tensor, " batch"]:
    r"""$-\log \sum_{i \in R} \alpha_{ti}$: look $t$ shall fall onto the regions $R$. 0 if all of it does."""
    return -(maps[:, t] * region).sum(-1).clamp_min(TINY).log()


def as_before(
    maps: Float[Tensor, "batch looks regions"], before: Float[Tensor, "others regions"]
) -> Float[Tensor, " batch"]:
    r"""$\sum_t \mathrm{KL}(\alpha_t \,\|\, \alpha'_t)$, the looks shall stay what they were, as far as both go. In nats."""
    both = min(maps.shape[1], len(before))
    alpha, now = before[:both].clamp_min(TINY), maps[:, :both].clamp_min(TINY)
    return (alpha * (alpha.log() - now.log())).sum((1, 2))
