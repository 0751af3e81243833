r"""Self-critical training: a captioner writes captions by chance and learns from how good they are, not word by word.

The gradient of the expected reward is $-(r(w) - b) \nabla \log p(w)$ for a sampled caption $w$ (Rennie 2017, eq. 8). The reward
$r$ is CIDEr-D (Vedantam 2015) against the photo's own captions; the baseline $b$ is the mean reward of the photo's other samples.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.captioner import Captioner, doubly_stochastic
from models.captioning import LONGEST
from models.decoder import writable
from models.words import BEGIN, END, PAD

SAMPLES = 5  # captions that are drawn for each photo
N = 4  # the longest run of words that is compared
SIGMA = 6.0  # words by which two lengths may differ
TEN = 10.0  # the scale of CIDEr-D

Runs = Counter[tuple[int, ...]]
Sentence = Sequence[int]


class Vector(NamedTuple):
    """A sentence as CIDEr sees it: for each length of a run, weights of its runs and their norm; and how long it is."""

    weights: list[dict[tuple[int, ...], float]]
    norms: list[float]
    words: int


class Cider:
    r"""CIDEr-D of sentences of word numbers, the end counted as a word so that none is cut short (Rennie 2017, section 4).

    A run $\omega_k$ of 1 to 4 words weighs as often as it occurs times $\log(|I| / \text{photos it is said of})$.

    Args: references: for each photo its captions.
    """

    def __init__(self, references: Sequence[Sequence[Sentence]]):
        self.seen: Runs = Counter()
        for captions in references:
            self.seen.update(set(chain.from_iterable(runs([*caption, END]) for caption in captions)))
        self.photos = len(references)
        self.references = [[self.vector([*caption, END]) for caption in captions] for captions in references]

    def vector(self, sentence: Sentence) -> Vector:
        weights: list[dict[tuple[int, ...], float]] = [{} for _ in range(N)]
        for run, count in runs(sentence).items():
            weights[len(run) - 1][run] = count * math.log(self.photos / max(1, self.seen[run]))
        return Vector(weights, [math.hypot(*w.values()) for w in weights], len(sentence))

    def score(self, photo: int, sentence: Sentence) -> float:
        """How like the captions of a photo a sentence (without `END`) is: about 1 for a good one."""
        made, known = self.vector([*sentence, END]), self.references[photo]
        return TEN * sum(_alike(made, reference) for reference in known) / len(known) / N


def runs(sentence: Sentence) -> Runs:
    """How often each run of 1 to 4 words occurs."""
    return Counter(tuple(sentence[i : i + n]) for n in range(1, N + 1) for i in range(len(sentence) - n + 1))


def _alike(made: Vector, reference: Vector) -> float:
    """The sum over the lengths of runs of the cosine, no run counting more often than in the reference."""
    total = 0.0
    for w, v, norm, other in zip(made.weights, reference.weights, made.norms, reference.norms, strict=True):
        if norm and other:
            total += sum(min(weight, v[run]) * v[run] for run, weight in w.items() if run in v) / norm / other
    return total * math.exp(-((made.words - reference.words) ** 2) / (2 * SIGMA**2))


@torch.no_grad()
def sampled(
    model: Captioner, features: Float[Tensor, "pictures regions D"], samples: int = SAMPLES
) -> Int[Tensor, "pictures*samples words"]:
    """Captions drawn word by word, `samples` a picture: `BEGIN`, words, `END`, `PAD`; cut after `LONGEST` words."""
    memory = {name: kept.repeat_interleave(samples, 0) for name, kept in model.remember(features).items()}
    state, words = model.start(memory), torch.full((len(features) * samples, 1), BEGIN)
    while words.shape[1] <= LONGEST:
        made = model.step(words[:, -1:], state, memory)
        drawn = writable(made.logits, model.barred).softmax(-1).multinomial(1)
        ended = (words[:, -1:] == END) | (words[:, -1:] == PAD)
        words, state = torch.cat([words, drawn.masked_fill(ended, PAD)], dim=1), made.state
        if bool(ended.all()):
            break
    return words


def advantages(
    reward: Cider, photos: Sequence[int], words: Int[Tensor, "captions words"], samples: int = SAMPLES
) -> tuple[Float[Tensor, " captions"], float]:
    """How much better each caption is than the mean of its photo's others; and the mean reward."""
    scores = []
    for number, row in enumerate(words[:, 1:].tolist()):
        written = [word for word in row if word not in (END, PAD)]
        scores.append(reward.score(photos[number // samples], written) if END in row else 0.0)
    r = torch.tensor(scores).view(-1, samples)
    others = (r.sum(1, keepdim=True) - r) / (samples - 1)
    return (r - others).flatten(), float(r.mean())


def update(
    model: Captioner,
    optimizer: torch.optim.Optimizer,
    features: Float[Tensor, "pictures regions D"],
    photos: Sequence[int],
    reward: Cider,
    spread: float,
) -> float:
    r"""One step of Adam on $-\frac{1}{T} \sum_w (r(w) - b) \log p(w)$ and `spread` times the doubly stochastic term.

    Dropout is off: what is drawn is what is learned from. Returns the mean reward.
    """
    model.eval()
    words = sampled(model, features)
    advantage, mean = advantages(reward, photos, words)
    order = (words != PAD).sum(1).argsort(descending=True, stable=True)
    words, advantage, picture = words[order], advantage[order], order // SAMPLES
    following, real = words[:, 1:], words[:, 1:] != PAD
    with torch.autocast("cpu", torch.bfloat16):
        memory = {name: kept[picture] for name, kept in model.remember(features).items()}
        deep, alpha = model.teach(memory, words[:, :-1].where(real, PAD))
        logits = writable(model.logits(deep[real]), model.barred).float()
    log_p = -nn.functional.cross_entropy(logits, following[real], reduction="none")
    weight = advantage.unsqueeze(1).expand(real.shape)[real]
    loss = -(weight * log_p).sum() / real.sum()
    optimizer.zero_grad()
    (loss + spread * doubly_stochastic(alpha.float()).sum() / real.sum()).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return mean
