"""Train the captcha reader: one network for the real captchas of four characters and for drawn ones of three to eight.

Wants `DIR/captcha/wordpress_4chars.npz`: `x` (9,955 pictures of 24 × 72 grey pixels) and `y` (their texts). The hash of its pixels
decides where a picture belongs, so that it is the same for everybody: two twentieths are "test", the tenth that is held out, one
is "val", which the snapshots measure, and the rest is "train". Drawn captchas are decided by their seeds, which do not overlap
either. The first epoch is the real ones alone: from what is easy it is soon learned where to look. Every other draws 2,000 new ones
and sees each three times, disturbed in three ways, beside a ninth of the real ones, another one each time.
"""

import hashlib
import random
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from models import zoo
from models.draw import CHARACTERS, CURVES, DOTS, LONGEST, SHORTEST, draw, random_text
from models.grid import squash
from models.reader import HEIGHT, WIDTH, Reader, lightness
from models.reading import texts, vocabulary
from models.words import BEGIN, END, PAD
from training.shipping import ship
from training.snapshot import Snapshot, restore, state_of

NAME = "captcha"
KNOWN = vocabulary(CHARACTERS)
FILE = "wordpress_4chars"
EPOCHS, TIMES, PARTS = 30, 3, 9
DRAWN, DRAWN_VAL, DRAWN_TEST = 2_000, 500, 2_000  # captchas
FIRST_VAL, FIRST_TEST = 8 * 10**9, 9 * 10**9  # seeds
SIX = 6  # characters of the drawn captchas that are measured, and of two thirds of those that are trained on
BATCH = 32
AT_ONCE = 100  # captchas that are drawn or read together
PEAK = 2e-3  # learning rate
WARM_UP = 0.02  # part of the run until it is reached; then it falls to zero in a straight line
SMOOTHING = 0.02
TURN, STRETCH, SHIFT, GRAIN = 0.06, 0.08, 0.04, 0.1  # radians, shares of the size, and of the standard deviation


class Captchas(NamedTuple):
    """Pictures as the reader squashes them, grey, and what stands in them."""

    x: UInt8[Tensor, "n 32 96"]
    texts: list[str]


def real(data: Path, split: str) -> Captchas:
    """The "train", "val" or "test" part of the real captchas; another name is a file of its own, `DIR/captcha/SPLIT.npz`.

    Raises OSError or ValueError for a file that is missing or unfit.
    """
    own = data / "captcha" / f"{split}.npz"
    path = own if own.exists() or split not in ("train", "val", "test") else own.with_stem(FILE)
    try:
        with np.load(path, allow_pickle=False) as file:
            pictures, texts = file["x"], [str(text) for text in file["y"]]
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged or does not hold the arrays x and y: fetch it again.") from error
    if path != own:
        kept = [i for i, picture in enumerate(pictures) if part(picture) == split]
        pictures, texts = pictures[kept], [texts[i] for i in kept]
    grey = torch.from_numpy(pictures)
    return Captchas(seen(grey.unsqueeze(-1).expand(*grey.shape, 3)), texts)


def part(picture: UInt8[np.ndarray, "height width"]) -> str:
    """Where a real captcha belongs: by the first byte of its hash."""
    twentieth = hashlib.sha256(picture.tobytes()).digest()[0] * 20 // 256
    return {0: "test", 1: "test", 2: "val"}.get(twentieth, "train")


def seeds(seed: int, epoch: int, count: int) -> range:
    """Those of the captchas that an epoch draws: no other epoch, run or part has them."""
    begin = (1000 * seed + epoch) * DRAWN
    return range(begin, begin + count)


def drawn(seeds: Sequence[int]) -> Captchas:
    """A captcha of six characters a seed, with the package's own noise."""
    return _drawn([(random_text(random.Random(seed), SIX), seed, DOTS, CURVES) for seed in seeds])


def varied(seeds: Sequence[int]) -> Captchas:
    """The same to train on: a third has any length, another third any noise between none and twice the package's."""
    asked = []
    for seed in seeds:
        chance = random.Random(seed)
        length = SIX if chance.random() < 2 / 3 else chance.randint(SHORTEST, LONGEST)
        noise = (DOTS, CURVES) if chance.random() < 2 / 3 else (chance.randint(0, 2 * DOTS), chance.randint(0, 3))
        asked.append((random_text(chance, length), seed, *noise))
    return _drawn(asked)


def _drawn(asked: list[tuple[str, int, int, int]], at_once: int = AT_ONCE) -> Captchas:
    chunks = [
        seen(torch.from_numpy(np.stack([draw(*each) for each in asked[start : start + at_once]])))
        for start in range(0, len(asked), at_once)
    ]
    return Captchas(torch.cat(chunks), [text for text, *_ in asked])


def seen(pixels: UInt8[Tensor, "n height width 3"]) -> UInt8[Tensor, "n 32 96"]:
    """Pictures as the reader squashes them, their lightness in whole numbers."""
    x = squash(pixels.permute(0, 3, 1, 2) / 255, HEIGHT, WIDTH)
    return (255 * lightness(x)).round().byte()


def together(*parts: Captchas) -> Captchas:
    return Captchas(torch.cat([part.x for part in parts]), [text for part in parts for text in part.texts])


def train(
    data: Path, seed: int = 1, epochs: int = EPOCHS, limit: int | None = None, resume: Snapshot | None = None
) -> Iterator[Snapshot]:
    """A snapshot an epoch with the loss, and the whole captchas that are read right (%), of real ones and of drawn ones.

    Args:
        limit: only so many captchas of each kind (to try it out).
        resume: a snapshot of the same run; the rest is as if it had never stopped.

    Raises:
        OSError, ValueError: the data are missing, damaged or empty; `resume` is of another run.
    """
    run = f"{NAME}, seed {seed}, {epochs} epochs, {f'{limit} captchas' if limit else 'all captchas'}"
    if resume:
        resume.check(run)
    paper, held_out = (first(real(data, split), limit) for split in ("train", "val"))
    count = min(limit or DRAWN, DRAWN)
    unseen = drawn(range(FIRST_VAL, FIRST_VAL + min(count, DRAWN_VAL)))
    torch.manual_seed(seed)
    model = Reader(len(KNOWN))
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    begin, seconds = 0, 0.0
    if resume:
        restore(model, optimizer, resume.state)
        begin, seconds = resume.step, resume.seconds
    for epoch in range(begin, epochs):
        torch.manual_seed(1000 * seed + epoch)
        began, losses = time.perf_counter(), []
        made = together(varied(seeds(seed, epoch, count)), paper)
        letters, chosen = numbered(made.texts), epoch_batches(count, len(paper.x), epoch)
        for number, rows in enumerate(chosen):
            rate = learning_rate((epoch + number / len(chosen)) / epochs)
            losses.append(update(model, optimizer, disturbed(made.x[rows]), letters[rows], rate))
        seconds += time.perf_counter() - began
        metrics = {
            "loss": sum(losses) / len(losses),
            "exact": exact(model, held_out),
            "exact_drawn": exact(model, unseen),
        }
        yield Snapshot(epoch + 1, epochs, seconds, metrics, state_of(model, optimizer), run)


def first(captchas: Captchas, limit: int | None) -> Captchas:
    """So many of them. Raises ValueError if there are none."""
    if not captchas.texts:
        raise ValueError("There are no captchas in this part of the data.")
    return Captchas(captchas.x[:limit], captchas.texts[:limit])


def epoch_batches(drawn: int, real: int, epoch: int) -> list[Int[Tensor, " batch"]]:
    """Rows of all drawn captchas, three times, and of a ninth of the real ones behind them, mixed by torch's own generator.

    Of the first epoch: of all the real ones.
    """
    rows = torch.cat([torch.arange(drawn).repeat(TIMES), drawn + torch.arange(real)[epoch % PARTS :: PARTS]])
    if not epoch:
        rows = drawn + torch.arange(real)
    return list(rows[torch.randperm(len(rows))].split(BATCH))


def numbered(texts: Sequence[str]) -> Int[Tensor, "n longest+2"]:
    """`BEGIN`, the letters and `END` of each text, then `PAD`."""
    rows = [[BEGIN, *KNOWN.encode(text), END] for text in texts]
    return torch.tensor([row + [PAD] * (LONGEST + 2 - len(row)) for row in rows])


def disturbed(x: UInt8[Tensor, "batch height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Each picture a little turned, stretched, moved and grainy, by torch's own generator."""
    light = x.unsqueeze(1) / 255
    turn, across, down = (torch.empty(len(x)).uniform_(-size, size) for size in (TURN, STRETCH, STRETCH))
    ratio = x.shape[2] / x.shape[1]
    to_source = torch.stack([1 + across, turn / ratio, -turn * ratio, 1 + down], dim=-1).view(-1, 2, 2)
    moved = torch.cat([to_source, torch.empty(len(x), 2, 1).uniform_(-2 * SHIFT, 2 * SHIFT)], dim=-1)
    grid = nn.functional.affine_grid(moved, list(light.shape), align_corners=False)
    light = nn.functional.grid_sample(light, grid, padding_mode="border", align_corners=False)
    grain = GRAIN * light.std((2, 3), keepdim=True) * torch.rand(len(x), 1, 1, 1)
    return (light + grain * torch.randn(light.shape)).expand(-1, 3, -1, -1)


def update(
    model: Reader,
    optimizer: torch.optim.Optimizer,
    x: Float[Tensor, "batch 3 height width"],
    letters: Int[Tensor, "batch time"],
    rate: float,
) -> float:
    """One step of Adam on −log p of the letters of a batch, in bfloat16 where that is safe. Returns the loss, nats a letter."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    letters = letters[:, : int((letters != PAD).sum(1).max())]
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.train()(x, letters[:, :-1]).float()
    loss = nn.functional.cross_entropy(
        logits.flatten(0, 1), letters[:, 1:].flatten(), ignore_index=PAD, label_smoothing=SMOOTHING
    )
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def learning_rate(done: float) -> float:
    """Up to `PEAK` in the first part of a run, `WARM_UP`, then down to zero in a straight line; `done` is the part behind it."""
    return PEAK * min((done + 1e-4) / WARM_UP, (1 - done) / (1 - WARM_UP))


def exact(model: Reader, captchas: Captchas) -> float:
    """The share of captchas of which every letter is right, and no letter too much, in %."""
    chunks = captchas.x.split(AT_ONCE)
    read = [text for x in chunks for text in texts(model.eval(), KNOWN, (x / 255).unsqueeze(1).expand(-1, 3, -1, -1))]
    return 100 * sum(one == other for one, other in zip(read, captchas.texts, strict=True)) / len(read)


def evaluate(data: Path, split: str = "test", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}` of the shipped weights: `exact` of real captchas, `exact_drawn` of 2,000 drawn ones."""
    model = zoo.reader().network
    paper = first(real(data, split), limit)
    made = drawn(range(FIRST_TEST, FIRST_TEST + min(limit or DRAWN_TEST, DRAWN_TEST)))
    metrics = {"exact": exact(model, paper), "exact_drawn": exact(model, made)}
    return {
        "name": NAME,
        "split": split,
        "n": len(paper.texts),
        "metrics": {key: round(value, 2) for key, value in metrics.items()},
    }


def export(data: Path, run: Snapshot, seed: int) -> None:
    """Write what the app ships: the weights in fp16, and the card with what `evaluate` measures on them."""
    ship(
        NAME,
        run,
        seed,
        lambda: evaluate(data)["metrics"],
        title="Captcha reader, a glimpse a letter",
        paper="Ba 2015 (a glimpse a letter), Wojna 2017 (soft attention over a grid with its places)",
        data=f"8,465 real captchas of a WordPress plugin (MIT) and {(run.step - 1) * DRAWN:,} drawn by the package captcha",
        licence="MIT, as its data",
        published={"exact_svhn": 96.1, "exact_fsns": 84.2},
        published_on="house numbers, SVHN (Ba 2015), and French street signs, FSNS (Wojna 2017): other data; as cited, not "
        "checked again",
        measured_on=f"whole captchas, every letter right: the held-out tenth of the real ones, and {DRAWN_TEST:,} drawn with "
        f"{SIX} characters, random fonts and the package's noise; fp16 weights",
    )
