"""Train the four language models of the memory page on equal terms: same words, same order, same updates, as many parameters.

Wants `DIR/gutenberg_children/{train,valid,test}.txt.gz` (39 children's books, public domain: these ship) or
`DIR/ptb/{train,valid,test}.txt.gz` (Penn Treebank: to compare, research only, nothing of it ships). One paragraph or
sentence a line, words parted by blanks.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models import zoo
from models.key_value import ATTENTION, KEY_VALUE, PLAIN, PREDICT, L, Memory, MemoryModel, Read
from models.words import END, Vocabulary
from training.data import lines
from training.shipping import ship
from training.snapshot import Snapshot, restore, state_of

BOOKS, PTB = "gutenberg_children", "ptb"
AT_LEAST = {BOOKS: 5, PTB: 1}  # how often a word must occur in the training text to be known
EPOCHS = {BOOKS: 3, PTB: 3}
PUBLISHED = {PLAIN: 85.2, ATTENTION: 82.0, KEY_VALUE: 78.2, PREDICT: 75.8}  # Daniluk 2017, Wikipedia test, perplexity
ROWS, TIME = 64, 35  # streams read at once, words a step
PEAK, WARM_UP = 3e-3, 400
COLUMNS = 200  # words of a stream read at once while measuring


def train(
    data: Path,
    kind: str = "key-value",
    corpus: str = BOOKS,
    seed: int = 1,
    epochs: int | None = None,
    limit: int | None = None,
    resume: Snapshot | None = None,
) -> Iterator[Snapshot]:
    """Train one language model; a snapshot an epoch with the loss (nats a word) and the perplexity on the validation text.

    Args:
        limit: only so many lines of each text (to try it out).
        resume: a snapshot of the same run; the rest is as if it had never stopped.

    Raises:
        OSError, ValueError: the data are missing, damaged or empty; `resume` is of another run.
    """
    epochs = epochs or EPOCHS[corpus]
    run = f"memory-{kind} on {corpus}, seed {seed}, {epochs} epochs, {f'{limit} lines' if limit else 'all lines'}"
    if resume:
        resume.check(run)
    texts = {split: text(data, corpus, split, limit) for split in ("train", "valid")}
    known = Vocabulary.count(texts["train"], AT_LEAST[corpus])
    words, held_out = (numbers(part, known) for part in texts.values())
    streams = words[: len(words) // ROWS * ROWS].view(ROWS, -1)
    torch.manual_seed(seed)
    model = MemoryModel(kind, len(known))
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.99), fused=True)
    begin, seconds = 0, 0.0
    if resume:
        restore(model, optimizer, resume.state)
        begin, seconds = resume.step, resume.seconds
    per_epoch = updates(len(words))
    for epoch in range(begin, epochs):
        torch.manual_seed(1000 * seed + epoch)
        started, losses, memory = time.perf_counter(), [], model.begin(ROWS)
        for number in range(per_epoch):
            piece = streams[:, number * TIME : (number + 1) * TIME + 1]
            rate = learning_rate(number + epoch * per_epoch, epochs * per_epoch)
            loss, memory = update(model, optimizer, piece, memory, rate)
            losses.append(loss)
        seconds += time.perf_counter() - started
        metrics = {"loss": sum(losses) / len(losses), "ppl": perplexity(model, held_out, rows=ROWS)}
        yield Snapshot(epoch + 1, epochs, seconds, metrics, state_of(model, optimizer), run)


def text(data: Path, corpus: str, split: str, limit: int | None = None) -> list[list[str]]:
    """The words of each line. Raises OSError, or ValueError if there are none."""
    read = [line.split() for line in lines(data / corpus / f"{split}.txt.gz")[:limit]]
    if not any(read):
        raise ValueError(f"There is not one word in {data / corpus / split}.txt.gz.")
    return read


def numbers(read: list[list[str]], known: Vocabulary) -> Tensor:
    """A whole text as one row of numbers, `END` after each line; Penn Treebank's <unk> is an unknown word."""
    return torch.tensor([number for line in read for number in (*known.encode(line), END)])


def update(
    model: MemoryModel, optimizer: torch.optim.Optimizer, piece: Tensor, memory: Memory, rate: float
) -> tuple[float, Memory]:
    """One step of Adam on a piece of each stream, (rows, time + 1). Returns the loss, nats a word, and the memory of its end."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16):
        read = model.train()(piece[:, :-1], memory)
        loss = cross_entropy(model, model.dropout(read.h_star), piece[:, 1:])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach()), Memory(*(part.detach().float() for part in read.memory))


def updates(words: int) -> int:
    """How many an epoch of so many words has."""
    return math.ceil((words // ROWS - 1) / TIME)


def cross_entropy(model: MemoryModel, h_star: Tensor, following: Tensor, reduction: str = "mean") -> Tensor:
    """−log p of the words that follow, nats."""
    return nn.functional.cross_entropy(
        model.logits(h_star).flatten(0, 1), following.flatten(), reduction=reduction
    ).float()


def learning_rate(update: int, updates: int) -> float:
    """Up to `PEAK` in `WARM_UP` updates, then down to zero in a straight line."""
    return PEAK * min((update + 1) / WARM_UP, 1 - update / updates)


@torch.no_grad()
def perplexity(model: MemoryModel, words: Tensor, L: int = L, rows: int = 1, longest: int | None = None) -> float:
    """exp of the mean −log p of every word but the first, read from the first to the last, in float32.

    Args:
        rows, longest: as `pieces` has them.
    """
    total, count = 0.0, 0
    for read, following in pieces(model, words, L, rows, longest):
        total += float(cross_entropy(model, read.h_star, following, reduction="sum"))
        count += following.numel()
    return math.exp(total / count)


@torch.no_grad()
def pieces(
    model: MemoryModel, words: Tensor, L: int, rows: int = 1, longest: int | None = None
) -> Iterator[tuple[Read, Tensor]]:
    """A text read from its first word on, piece by piece, and the words that follow each word of a piece.

    Args:
        rows: the text is read as so many streams at once: faster, and a little worse, as each begins without a memory.
        longest: only so many words of each stream.
    """
    model.eval()
    length = (len(words) - 1) // rows
    streams, following = (part[: rows * length].view(rows, -1)[:, :longest] for part in (words[:-1], words[1:]))
    memory = model.begin(rows)
    for part, after in zip(streams.split(COLUMNS, 1), following.split(COLUMNS, 1), strict=True):
        read = model(part, memory, L)
        memory = read.memory
        yield read, after


def evaluate(kind: str, data: Path, split: str = "test", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}` of the shipped weights: perplexity a word, every word of the books read in one go."""
    model = zoo.language_model(kind)
    words = numbers(text(data, BOOKS, split, limit), model.known)
    metrics = {"ppl": round(perplexity(model.network, words), 2)}
    return {"name": f"memory-{kind}", "split": split, "n": len(words) - 1, "metrics": metrics}


def export(kind: str, data: Path, run: Snapshot, seed: int) -> None:
    """Write what the app ships: the weights in fp16, the words, and the card with what `evaluate` measures on them."""
    Vocabulary.count(text(data, BOOKS, "train"), AT_LEAST[BOOKS]).write(zoo.WORDS / "memory.txt")
    ship(
        f"memory-{kind}",
        run,
        seed,
        lambda: evaluate(kind, data)["metrics"],
        title=f"Language model, {kind}",
        paper="Daniluk 2017",
        data="39 children's books of Project Gutenberg (public domain): 3.2 million words",
        licence="public domain data; the weights are this project's",
        published={"ppl_wikipedia": PUBLISHED[kind]},
        published_on="Wikipedia test (Daniluk 2017, as cited, not re-checked), which is not at hand",
        measured_on="the books kept aside (221,000 words; unknown words count as ⟨unk⟩), fp16 weights",
    )
