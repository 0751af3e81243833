"""Train the headline writer: the first sentence of an article in, its headline out, with attention that may copy.

Wants `DIR/headlines/train.tsv.gz` (columns source, split, sentence, headline, …; lower case, digits as #) and, to measure,
`DIR/headlines/gigaword_test.jsonl.gz` (text, summaries: half of the test set of Rush 2015). Every epoch reads all sources; the
last ones only the two that are Gigaword's own, whose test it is measured on.
"""

import csv
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from models import zoo
from models.decoder import search
from models.pointer import Pointer, extended
from models.words import BEGIN, END, PAD, SPECIAL, Vocabulary
from training.data import lines
from training.shipping import ship
from training.snapshot import Snapshot, restore, state_of
from training.translate import Batch, batches

EPOCHS, LAST = 12, 3  # all of them, and those of Gigaword's own sources alone
OWN = ("gigaword10k", "gigaword_ap")
AT_LEAST = 4  # times that a word must occur to be known
LONGEST_SOURCE, LONGEST = 60, 24  # tokens of a sentence and of a headline that are trained on; longer sentences are cut
PEAK, WARM_UP = 1e-3, 400
LEAD = 12  # words of the sentence that the baseline calls a headline
SENTENCES = 64  # written at once


class Story(NamedTuple):
    """The tokens of a sentence and of its headline."""

    sentence: list[str]
    headline: list[str]
    source: str = ""


def stories(data: Path, split: str) -> list[Story]:
    """The split "train" or "valid" of `train.tsv.gz`. The upstream test parts of other corpora are trained on, too."""
    rows = csv.DictReader(lines(data / "headlines" / "train.tsv.gz"), delimiter="\t", quoting=csv.QUOTE_NONE)
    wanted = [row for row in rows if (row["split"] == "valid") == (split == "valid")]
    return [Story(row["sentence"].split(), row["headline"].split(), row["source"]) for row in wanted]


def gigaword(data: Path, split: str) -> list[Story]:
    """`DIR/headlines/SPLIT.jsonl.gz`: a JSON object a line, with "text" and "summaries"."""
    rows = [json.loads(line) for line in lines(data / "headlines" / f"{split}.jsonl.gz")]
    return [Story(row["text"].split(), row["summaries"][0].split()) for row in rows]


def vocabulary(training: list[Story]) -> Vocabulary:
    """One for sentences and headlines. Gigaword's own "unk" is no word."""
    known = Vocabulary.count((side for story in training for side in story[:2]), AT_LEAST)
    return Vocabulary(tuple(word for word in known.words if word != "unk"))


def train(
    data: Path,
    seed: int = 1,
    epochs: int = EPOCHS,
    limit: int | None = None,
    resume: Snapshot | None = None,
) -> Iterator[Snapshot]:
    """Train the writer; a snapshot an epoch with the loss (nats a word) and ROUGE F1 (%) of greedy headlines for held-out ones.

    Args:
        limit: only so many stories (to try it out).
        resume: a snapshot of the same run; the rest is as if it had never stopped.

    Raises:
        OSError, ValueError: the data are missing, damaged or empty; `resume` is of another run.
    """
    run = f"headline, seed {seed}, {epochs} epochs, {f'{limit} stories' if limit else 'all stories'}"
    if resume:
        resume.check(run)
    training, held_out = (stories(data, split)[:limit] for split in ("train", "valid"))
    if not training:
        raise ValueError(f"There is not one story in {data / 'headlines'}.")
    known = vocabulary(training)
    torch.manual_seed(seed)
    model = Pointer(len(known))
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98), fused=True)
    begin, seconds = 0, 0.0
    if resume:
        restore(model, optimizer, resume.state)
        begin, seconds = resume.step, resume.seconds
    for epoch in range(begin, epochs):
        torch.manual_seed(1000 * seed + epoch)
        started, losses = time.perf_counter(), []
        chosen = [story for story in training if epoch < epochs - LAST or story.source in OWN]
        made = epoch_batches(chosen, known)
        for number, batch in enumerate(made):
            rate = PEAK * min((number + 1 + epoch * len(made)) / WARM_UP, 1 - (epoch + number / len(made)) / epochs)
            losses.append(update(model, optimizer, batch, rate))
        seconds += time.perf_counter() - started
        metrics = {"loss": sum(losses) / len(losses), **rouge(written(model, held_out, known), held_out)}
        yield Snapshot(epoch + 1, epochs, seconds, metrics, state_of(model, optimizer), run)


def encode(story: Story, known: Vocabulary) -> tuple[list[int], list[int]]:
    """Numbers for a sentence with `END` and a headline from `BEGIN` to `END`; rare ones beyond the vocabulary."""
    sentence = story.sentence[:LONGEST_SOURCE]
    source = extended(sentence, known.encode(sentence), len(known))
    positions = dict(zip(sentence, source, strict=False))
    target = [
        positions.get(token, number) for token, number in zip(story.headline, known.encode(story.headline), strict=True)
    ]
    return source, [BEGIN, *target, END]


def epoch_batches(chosen: list[Story], known: Vocabulary) -> list[Batch]:
    """Batches of one source length, in an order that torch's own generator decides."""
    rows = [encode(story, known) for story in chosen if story.sentence and 0 < len(story.headline) <= LONGEST]
    made = batches([rows[number] for number in torch.randperm(len(rows)).tolist()])
    return [made[number] for number in torch.randperm(len(made)).tolist()]


def update(model: Pointer, optimizer: torch.optim.Optimizer, batch: Batch, rate: float) -> float:
    """One step of Adam. Returns the loss, nats a word."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = cross_entropy(model.train(), batch)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def cross_entropy(model: Pointer, batch: Batch) -> Tensor:
    r"""−log of See 2017's mixture for the words of a batch, nats a word, by torch's fused form of the vocabulary's part:
    $-\log(p_{gen} P_{vocab}(w) + (1 - p_{gen}) \sum_{s: w_s = w} \alpha_{ts})$. In bfloat16 where that is safe.
    """
    words, following = batch.target[:, :-1], batch.target[:, 1:]
    real = following != PAD
    with torch.autocast("cpu", torch.bfloat16):
        h_bar, fixed = model.encode(batch.source)
        h_t, _ = model.states(words, model.begin(fixed))
        read = model.read(h_t, h_bar, fixed)
        odds = model.generate_log_odds(read.context, h_t, words)[real].float()
        a_t = model.dropout(model.attention_vector(read.context, h_t))[real]
        surprise = nn.functional.linear_cross_entropy(
            a_t,
            model.target_embedding.weight.to(a_t.dtype),
            model.known(following[real]),
            linear_bias=model.b.to(a_t.dtype),
            reduction="none",
        ).float()
    written = nn.functional.logsigmoid(odds) - surprise
    written = written.masked_fill(following[real] >= model.words, -math.inf)
    here = batch.source.unsqueeze(1) == following.unsqueeze(-1)
    copied = nn.functional.logsigmoid(-odds) + (read.weights.float() * here).sum(-1)[real].clamp_min(1e-9).log()
    return -torch.logaddexp(written, copied).mean()


@torch.no_grad()
def written(
    model: Pointer, given: list[Story], known: Vocabulary, beam: int = 1, longest: int = LONGEST
) -> list[list[str]]:
    """The best headline of each story, in order."""
    model.eval()
    found: list[list[str]] = [[] for _ in given]
    by_length: dict[int, list[int]] = {}
    for number, story in enumerate(given):
        by_length.setdefault(len(story.sentence), []).append(number)
    for numbers in by_length.values():
        for start in range(0, len(numbers), SENTENCES):
            chunk = numbers[start : start + SENTENCES]
            tokens = [given[number].sentence for number in chunk]
            source = torch.tensor([extended(words, known.encode(words), len(known)) for words in tokens])
            result = search(model, source, beam, longest)
            for row, number in enumerate(chunk):
                spelled = [*known.words, *tokens[row], SPECIAL[END]]
                found[number] = [spelled[word] for word in result.sentences(row)[0][0]]
    return found


def rouge(headlines: list[list[str]], given: list[Story]) -> dict[str, float]:
    """ROUGE-1, 2 and L, mean F1 in %, by Google's rouge-score without stemming."""
    from rouge_score.rouge_scorer import RougeScorer

    names = ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(names)
    scores = [
        scorer.score(" ".join(story.headline), " ".join(words)) for story, words in zip(given, headlines, strict=True)
    ]
    return {name: 100 * sum(score[name].fmeasure for score in scores) / len(scores) for name in names}


def lead(given: list[Story]) -> list[list[str]]:
    """The baseline: the sentence's first words."""
    return [story.sentence[:LEAD] for story in given]


def evaluate(data: Path, split: str = "gigaword_test", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}` of the shipped weights: ROUGE F1 (%) with five beams, greedy, and of the lead."""
    writer, given = zoo.headline_writer(), gigaword(data, split)[:limit]
    if not given:
        raise ValueError(f"There is nothing to measure in {split}.")
    found = {
        "": written(writer.network, given, writer.target_words, beam=5),
        "_greedy": written(writer.network, given, writer.target_words),
        "_lead": lead(given),
    }
    metrics = {
        f"{key}{way}": round(value, 2) for way, made in found.items() for key, value in rouge(made, given).items()
    }
    return {"name": "headline", "split": split, "n": len(given), "metrics": metrics}


def export(data: Path, run: Snapshot, seed: int) -> None:
    """Write what the app ships: the weights in fp16, the words, and the card with what `evaluate` measures on them."""
    vocabulary(stories(data, "train")).write(zoo.WORDS / "headline.txt")
    ship(
        "headline",
        run,
        seed,
        lambda: evaluate(data)["metrics"],
        title="Headline writer",
        paper="Rush 2015 (the task), See 2017 (pointing), Bahdanau 2014 (score)",
        data="50,758 pairs of sentence and headline: Gigaword (10k sample and AP), AG news, BBC, Reuters-21578, "
        "Yahoo finance, Wikinews (research only)",
        licence="research only, as its data: weights only",
        published={"rouge1": 29.55, "rouge2": 11.32, "rougeL": 26.42},
        published_on="Gigaword test, ABS (Rush 2015), F1 as Chopra 2016 reports it; learned from 3.8 million pairs",
        measured_on=f"half of the Gigaword test set (975 pairs), ROUGE F1 by rouge-score, no stemming, fp16 weights; with five "
        f"beams, greedy, and of the lead, the sentence's first {LEAD} words",
    )
