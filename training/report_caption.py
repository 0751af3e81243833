"""Which grid of the CNN should a captioner look at? What a linear reader finds in each, for `assets/recorded/caption.json`.

Wants Flickr8k as `training.caption` does. Of each stage of EfficientNet-Lite0 the mean over its regions is read by ridge
regression: which of the hundred commonest words (without those said of nearly all photos) do a photo's captions have?
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from timm.models import EfficientNet
from torch import Tensor

from models import zoo
from models.classifier import Classifier
from training.caption import LOOKED_AT, Photo, photos, pixels

WORDS = 100
TOO_COMMON = 0.5  # of the photos have such a word in a caption
PHOTOS = 2000  # of the training ones: enough to compare
STAGES = ("the last but one", "the last", "the last, widened: the captioner's")
RIDGE = 1.0  # times the mean variance of a feature


def report(data: Path, _out: Path, limit: int | None = None) -> dict[str, Any]:
    """A row a stage: its grid, its channels, and the mean average precision (%) with which words are read from it."""
    training, held_out = photos(data, "train")[: limit or PHOTOS], photos(data, "val")[:limit]
    words = commonest(training)
    classifier = zoo.load(zoo.EMBEDDED)
    seen, unseen = stages(classifier, training), stages(classifier, held_out)
    rows = []
    for stage, (cells, x) in seen.items():
        found = ridge(x, said(training, words).float(), unseen[stage][1])
        rows.append(
            {
                "stage": stage,
                "grid": f"{cells} × {cells}",
                "channels": x.shape[1],
                "mean_average_precision": round(100 * mean_average_precision(found, said(held_out, words)), 1),
            }
        )
    return {
        "command": "python -m training report caption --data DIR",
        "about": f"Which of the {len(words)} commonest words a photo's five captions have, read by ridge regression from the mean "
        f"over the regions of a stage of EfficientNet-Lite0: learned on {len(training):,} photos of Flickr8k, measured on "
        f"{len(held_out):,}.",
        "rows": rows,
    }


def commonest(given: Sequence[Photo]) -> tuple[str, ...]:
    """The words of most photos, without those that are said of nearly all."""
    counts = Counter(word for photo in given for word in {word for caption in photo.captions for word in caption})
    return tuple([word for word, n in counts.most_common() if n < TOO_COMMON * len(given)][:WORDS])


def said(given: Sequence[Photo], words: Sequence[str]) -> Bool[Tensor, "photos words"]:
    """Whether any caption of a photo has a word."""
    of_photo = [{word for caption in photo.captions for word in caption} for photo in given]
    return torch.tensor([[word in has for word in words] for has in of_photo])


@torch.no_grad()
def stages(classifier: Classifier, given: Sequence[Photo]) -> dict[str, tuple[int, Float[Tensor, "photos channels"]]]:
    """By stage: cells on a side, and the mean over them for each photo."""
    network = classifier.network
    assert isinstance(network, EfficientNet)
    found: dict[str, list[Tensor]] = {}
    cells: dict[str, int] = {}
    for start in range(0, len(given), LOOKED_AT):
        x = (pixels([photo.file for photo in given[start : start + LOOKED_AT]]) - classifier.mean) / classifier.std
        x = x.contiguous(memory_format=torch.channels_last)
        widened, parts = network.forward_intermediates(x, indices=[3, 4])
        for name, part in zip(STAGES, (*parts, widened), strict=True):
            found.setdefault(name, []).append(part.mean((2, 3)))
            cells[name] = part.shape[-1]
    return {name: (cells[name], torch.cat(means)) for name, means in found.items()}


def ridge(
    x: Float[Tensor, "photos channels"], y: Float[Tensor, "photos words"], unseen: Float[Tensor, "others channels"]
) -> Float[Tensor, "others words"]:
    r"""$\hat Y = X' (X^\top X + \lambda I)^{-1} X^\top Y$, centred; $\lambda$ is `RIDGE` times the mean of the diagonal."""
    mean = x.mean(0)
    x, unseen, y = (x - mean).double(), (unseen - mean).double(), (y - y.mean(0)).double()
    gram = x.T @ x
    return (unseen @ torch.linalg.solve(gram + RIDGE * gram.diag().mean() * torch.eye(len(gram)), x.T @ y)).float()


def mean_average_precision(scores: Float[Tensor, "photos words"], truth: Bool[Tensor, "photos words"]) -> float:
    """The mean over the words that occur of scikit-learn's average precision."""
    from sklearn.metrics import average_precision_score

    kept = [w for w in range(truth.shape[1]) if truth[:, w].any()]
    return float(sum(average_precision_score(truth[:, w].numpy(), scores[:, w].numpy()) for w in kept) / len(kept))
