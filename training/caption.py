"""Train the captioner: a photo in, a sentence out, every word with the regions it looked at. The CNN stays as it is.

Wants `DIR/flickr8k/captions.tsv.gz` (columns split, file, caption; five a photo) and `DIR/flickr8k/images/FILE`, squashed to
224 × 224. Every photo goes through the CNN once before the training, and its mirror image too. The first epochs learn the words
of the captions; the last ones learn from captions of their own (`training.self_critical`).
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from models import zoo
from models.captioner import Captioner, doubly_stochastic
from models.captioning import LONGEST, SIZE
from models.decoder import search
from models.grid import Grid, squash
from models.words import BEGIN, END, PAD, Vocabulary, unpunctuated
from training import self_critical
from training.data import lines
from training.kept import kept
from training.shipping import ship
from training.snapshot import Snapshot, restore, state_of

TAUGHT, EPOCHS = 10, 18  # epochs that learn word by word, and all
PHOTOS = 32  # a batch, with all their captions
AT_LEAST = 5  # times that a word must occur to be known
CUT = 24  # words of a caption that is trained on; longer ones are cut
PEAK, WARM_UP = 1.5e-3, 200
CRITICAL = 1e-4  # the learning rate of the last epochs, falling
SMOOTHING = 0.1
LAMBDA = 0.1  # of the doubly stochastic term
LOOKED_AT = 32  # photos that go through the CNN at once
WRITTEN = 100  # photos described at once
BEAM = 3


class Photo(NamedTuple):
    """A photo's file and its captions' words."""

    file: Path
    captions: list[list[str]]


class Batch(NamedTuple):
    """Captions, the longest first, and which of the batch's pictures each describes."""

    features: Tensor  # (pictures, regions, D)
    picture: Tensor  # (captions,)
    words: Tensor  # (captions, target), BEGIN … END, then PAD


def photos(data: Path, split: str) -> list[Photo]:
    """The photos of a split, in the order of the file. Raises OSError, or ValueError if there are none."""
    folder, found = data / "flickr8k", dict[str, list[list[str]]]()
    for line in lines(folder / "captions.tsv.gz"):
        name, file, caption = line.split("\t")
        if name == split:
            found.setdefault(file, []).append(unpunctuated(caption))
    if not found:
        raise ValueError(f"There is not one photo of {split} in {folder / 'captions.tsv.gz'}.")
    return [Photo(folder / "images" / file, captions) for file, captions in found.items()]


def pixels(files: Sequence[Path]) -> Tensor:
    """Pictures as numbers in [0, 1], squashed: (batch, 3, 224, 224). Raises OSError."""
    made = []
    for file in files:
        with Image.open(file) as image:
            x = torch.from_numpy(np.array(image.convert("RGB")))
        made.append(squash(x.permute(2, 0, 1)[None].float() / 255, SIZE, SIZE))
    return torch.cat(made)


def features(grid: Grid, given: list[Photo], mirrored: bool = False, fast: bool = False) -> Tensor:
    """What the CNN makes of each photo, (photos, regions, D) in fp16, once; `fast` computes in bfloat16."""
    of = [SIZE, mirrored, fast, [photo.file.name for photo in given]]
    return kept("caption-grids", of, lambda: _features(grid, given, mirrored, fast))


@torch.no_grad()
def _features(grid: Grid, given: list[Photo], mirrored: bool, fast: bool) -> Tensor:
    made = []
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        for start in range(0, len(given), LOOKED_AT):
            x = pixels([photo.file for photo in given[start : start + LOOKED_AT]])
            made.append(grid(x.flip(-1) if mirrored else x).half())
    return torch.cat(made)


def vocabulary(training: list[Photo]) -> Vocabulary:
    return Vocabulary.count((caption for photo in training for caption in photo.captions), AT_LEAST)


def train(
    data: Path,
    seed: int = 1,
    epochs: int = EPOCHS,
    limit: int | None = None,
    resume: Snapshot | None = None,
) -> Iterator[Snapshot]:
    """Train the captioner; a snapshot an epoch with the loss (nats a word) or the reward, and BLEU and CIDEr of greedy captions.

    Args:
        limit: only so many photos of each split (to try it out).
        resume: a snapshot of the same run; the rest is as if it had never stopped.

    Raises:
        OSError, ValueError: the data are missing, damaged or empty; `resume` is of another run.
    """
    run = f"caption, seed {seed}, {epochs} epochs, {f'{limit} photos' if limit else 'all photos'}"
    if resume:
        resume.check(run)
    training, held_out = (photos(data, split)[:limit] for split in ("train", "val"))
    known, grid = vocabulary(training), zoo.grid()
    views = torch.stack([features(grid, training, mirrored, fast=True) for mirrored in (False, True)])
    seen = features(grid, held_out)
    torch.manual_seed(seed)
    model = Captioner(len(known))
    reward = self_critical.Cider([[known.encode(caption) for caption in photo.captions] for photo in training])
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98), fused=True)
    begin, seconds = 0, 0.0
    if resume:
        restore(model, optimizer, resume.state)
        begin, seconds = resume.step, resume.seconds
    for epoch in range(begin, epochs):
        torch.manual_seed(1000 * seed + epoch)
        started, losses = time.perf_counter(), []
        order = torch.randperm(len(training)).split(PHOTOS)
        for number, chosen in enumerate(order):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(epoch + number / len(order), epochs, len(order))
            if epoch < TAUGHT:
                losses.append(update(model, optimizer, batch(training, views, known, chosen)))
            else:
                x = views[torch.randint(2, chosen.shape), chosen].float()
                losses.append(self_critical.update(model, optimizer, x, chosen.tolist(), reward, LAMBDA))
        seconds += time.perf_counter() - started
        captions = written(model, seen, known)
        metrics = {
            "loss" if epoch < TAUGHT else "reward": sum(losses) / len(losses),
            **measure(captions, held_out),
            "cider": cider(captions, held_out),
        }
        yield Snapshot(epoch + 1, epochs, seconds, metrics, state_of(model, optimizer), run)


def learning_rate(done: float, epochs: int, updates: int) -> float:
    """Up to `PEAK` and down to zero in a straight line; then from `CRITICAL` down to zero. `done` epochs of `updates` each."""
    if done < TAUGHT:
        return PEAK * min((done * updates + 1) / WARM_UP, 1 - done / min(TAUGHT, epochs))
    return CRITICAL * (epochs - done) / (epochs - TAUGHT)


def batch(training: list[Photo], views: Tensor, known: Vocabulary, chosen: Tensor) -> Batch:
    """The photos `chosen` with all their captions, each photo as it is or mirrored."""
    mirrored = torch.randint(2, chosen.shape)
    rows = [
        (picture, [BEGIN, *known.encode(caption[:CUT]), END])
        for picture, number in enumerate(chosen.tolist())
        for caption in training[number].captions
    ]
    rows.sort(key=lambda row: -len(row[1]))
    longest = len(rows[0][1])
    words = torch.tensor([caption + [PAD] * (longest - len(caption)) for _, caption in rows])
    return Batch(views[mirrored, chosen], torch.tensor([picture for picture, _ in rows]), words)


def update(model: Captioner, optimizer: torch.optim.Optimizer, made: Batch) -> float:
    """One step of Adam. Returns the cross-entropy, nats a word."""
    surprise, spread = losses(model.train(), made)
    optimizer.zero_grad()
    (surprise + LAMBDA * spread).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(surprise.detach())


def losses(model: Captioner, made: Batch, smoothing: float = SMOOTHING) -> tuple[Tensor, Tensor]:
    """−log p of the captions' words and the doubly stochastic term, both a word; in bfloat16 where that is safe."""
    following = made.words[:, 1:]
    real = following != PAD
    with torch.autocast("cpu", torch.bfloat16):
        memory = {name: kept[made.picture] for name, kept in model.remember(made.features.float()).items()}
        deep, alpha = model.teach(memory, made.words[:, :-1].where(real, PAD))
        surprise = nn.functional.linear_cross_entropy(
            model.dropout(deep[real]),
            model.L_o.weight.to(deep.dtype),
            following[real],
            linear_bias=model.L_o.bias.to(deep.dtype),
            label_smoothing=smoothing,
        ).float()
    return surprise, doubly_stochastic(alpha.float()).sum() / real.sum()


@torch.no_grad()
def written(model: Captioner, seen: Tensor, known: Vocabulary, beam: int = 1) -> list[list[str]]:
    """The best caption of each picture, in order."""
    model.eval()
    found = []
    for part in seen.split(WRITTEN):
        result = search(model, part.float(), beam, LONGEST)
        for row in range(len(part)):
            found.append([known.words[word] for word in result.sentences(row, model.normalised)[0][0]])
    return found


def measure(captions: list[list[str]], given: list[Photo]) -> dict[str, float]:
    """BLEU-1 to BLEU-4 of the corpus with all references, without smoothing, by sacrebleu."""
    from sacrebleu.metrics import BLEU

    texts = [" ".join(words) for words in captions]
    most = max(len(photo.captions) for photo in given)
    references: list[Any] = [
        [" ".join(photo.captions[k]) if k < len(photo.captions) else None for photo in given] for k in range(most)
    ]
    return {
        f"bleu{n}": BLEU(max_ngram_order=n, tokenize="none", smooth_method="none").corpus_score(texts, references).score
        for n in range(1, 5)
    }


def cider(captions: list[list[str]], given: list[Photo]) -> float:
    """CIDEr-D by COCO's own evaluation, times 100; how rare a word is, is counted in the references."""
    from pycocoevalcap.cider.cider import Cider

    written = {number: [" ".join(words)] for number, words in enumerate(captions)}
    references = {number: [" ".join(words) for words in photo.captions] for number, photo in enumerate(given)}
    return 100 * float(Cider().compute_score(references, written)[0])


def evaluate(data: Path, split: str = "test", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}` of the shipped weights: BLEU-1 to 4 and CIDEr with a beam, BLEU-4 greedy."""
    captioner, given = zoo.captioner(), photos(data, split)[:limit]
    network, known, seen = captioner.network, captioner.target_words, features(captioner.grid, given)
    captions, greedy = (written(network, seen, known, beam) for beam in (BEAM, 1))
    metrics = measure(captions, given) | {
        "cider": cider(captions, given),
        "bleu4_greedy": measure(greedy, given)["bleu4"],
    }
    return {
        "name": "caption",
        "split": split,
        "n": len(given),
        "metrics": {key: round(value, 2) for key, value in metrics.items()},
    }


def export(data: Path, run: Snapshot, seed: int) -> None:
    """Write what the app ships: the weights in fp16, the words, and the card with what `evaluate` measures on them."""
    vocabulary(photos(data, "train")).write(zoo.WORDS / "caption.txt")
    ship(
        "caption",
        run,
        seed,
        lambda: evaluate(data)["metrics"],
        title="Captioner, soft attention",
        paper="Xu 2015, Show, Attend and Tell, soft attention; the CNN is EfficientNet-Lite0 (Tan & Le 2019), as it is; after "
        f"{TAUGHT} epochs word by word, {EPOCHS - TAUGHT} epochs on the CIDEr-D of whole captions (Rennie 2017)",
        data="Flickr8k (5,996 photos, 29,980 captions; no grant found)",
        licence="research only, as its data: weights only",
        published={"bleu1": 67, "bleu2": 44.8, "bleu3": 29.9, "bleu4": 19.5},
        published_on="Flickr8k test, soft attention over VGG",
        measured_on=f"half of Flickr8k's test photos (500), 5 references, lower case, no punctuation; BLEU by sacrebleu (no "
        f"smoothing), CIDEr-D by pycocoevalcap; {BEAM} beams, fp16 weights",
    )
