"""Train the five translators, English to French, on equal terms: same data, same order, same updates, same seed; one score each.

Wants `DIR/multi30k/{train,val}.{en,fr}.gz` and `DIR/tatoeba/fra.txt.gz`. An epoch is all of Multi30k and a sixth of Tatoeba,
another one each time. Writes `OUT/NAME.safetensors` (the run, to resume) and, by `export`, the weights that the app ships.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from models import zoo
from models.decoder import search
from models.seq2seq import NONE, Seq2Seq, spell
from models.words import BEGIN, END, PAD, Vocabulary, detokenize
from training.data import Pair, multi30k, tatoeba
from training.shipping import ship
from training.snapshot import Snapshot, restore, state_of

NAMES = ("perceptron", "general", "dot", "concat", NONE)
PAPERS = {
    "perceptron": "Bahdanau, Cho & Bengio 2014 (score, bidirectional encoder), in the frame of Luong, Pham & Manning 2015",
    "general": "Luong, Pham & Manning 2015, score general",
    "dot": "Luong, Pham & Manning 2015, score dot",
    "concat": "Luong, Pham & Manning 2015, score concat as its first version and the slide have it: linear",
    NONE: "Cho et al. 2014: one fixed vector for the whole sentence, no attention",
}
EPOCHS, PARTS = 12, 6
BATCH = 2000  # target words
PEAK, WARM_UP = (
    1.5e-3,
    400,
)  # learning rate, and the updates until it is reached; then it falls to zero in a straight line
SMOOTHING = 0.1
SENTENCES = 64  # translated at once
LONGEST = 50  # tokens of a training sentence


class Batch(NamedTuple):
    """Sentences of one source length: nothing is padded on the source side, so no mask is needed."""

    source: Tensor  # (batch, source)
    target: Tensor  # (batch, target), BEGIN … END, then PAD


def train(
    data: Path,
    score: str = "perceptron",
    seed: int = 1,
    epochs: int = EPOCHS,
    limit: int | None = None,
    resume: Snapshot | None = None,
) -> Iterator[Snapshot]:
    """Train one translator; a snapshot an epoch with the loss, the perplexity and the greedy BLEU on Multi30k's validation pairs.

    Args:
        limit: only so many pairs of each corpus (to try it out).
        resume: a snapshot of the same run; the rest is as if it had never stopped.

    Raises:
        OSError, ValueError: the data are missing, damaged or empty; `resume` is of another run.
    """
    run = f"translate-{score}, seed {seed}, {epochs} epochs, {f'{limit} pairs' if limit else 'all pairs'}"
    if resume:
        resume.check(run)
    pairs, everyday, held_out = (
        part[:limit] for part in (multi30k(data, "train"), tatoeba(data), multi30k(data, "val"))
    )
    english, french = vocabularies(pairs, everyday)
    captions, others = (encode(part, english, french) for part in (pairs, everyday))
    torch.manual_seed(seed)
    model = Seq2Seq(score, len(english), len(french))
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98), fused=True)
    begin, seconds = 0, 0.0
    if resume:
        restore(model, optimizer, resume.state)
        begin, seconds = resume.step, resume.seconds
    per_epoch = len(epoch_batches(captions, others, seed, 0))
    for epoch in range(begin, epochs):
        torch.manual_seed(1000 * seed + epoch)
        started, losses = time.perf_counter(), []
        for number, batch in enumerate(epoch_batches(captions, others, seed, epoch)):
            rate = learning_rate(min(number, per_epoch - 1) + epoch * per_epoch, epochs * per_epoch)
            losses.append(update(model, optimizer, batch, rate))
        seconds += time.perf_counter() - started
        metrics = {"loss": sum(losses) / len(losses), **measure(model, held_out, english, french, beams={"bleu": 1})}
        yield Snapshot(epoch + 1, epochs, seconds, metrics, state_of(model, optimizer), run)


def update(model: Seq2Seq, optimizer: torch.optim.Optimizer, batch: Batch, rate: float) -> float:
    """One step of Adam on the label-smoothed cross-entropy of a batch, in bfloat16 where that is safe.

    Returns the loss, nats a word.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = cross_entropy(model.train(), batch, SMOOTHING)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def cross_entropy(model: Seq2Seq, batch: Batch, smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    """−log p of the words of a batch, nats.

    The logits of 8,000 words are the bulk of the work: torch's fused form, and only real words.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=model.training):
        a_t = model.attention_vectors(batch.source, batch.target[:, :-1])
        following = batch.target[:, 1:]
        real = following != PAD
        E = model.target_embedding.weight.to(a_t.dtype)
        return nn.functional.linear_cross_entropy(
            model.dropout(a_t[real]),
            E,
            following[real],
            linear_bias=model.b.to(a_t.dtype),
            label_smoothing=smoothing,
            reduction=reduction,
        ).float()


def learning_rate(update: int, updates: int) -> float:
    """Up to `PEAK` in `WARM_UP` updates, then down to zero in a straight line."""
    return PEAK * min((update + 1) / WARM_UP, 1 - update / updates)


def vocabularies(captions: list[Pair], everyday: list[Pair]) -> tuple[Vocabulary, Vocabulary]:
    """English and French: words that occur twice in the captions, or twelve times in everyday sentences."""
    english, french = (
        Vocabulary.count((pair[side] for pair in captions), 2).with_words_of(
            Vocabulary.count((pair[side] for pair in everyday), 12)
        )
        for side in (0, 1)
    )
    return english, french


def encode(pairs: list[Pair], english: Vocabulary, french: Vocabulary) -> list[tuple[list[int], list[int]]]:
    """Numbers for tokens: the source with `END`, the target from `BEGIN` to `END`. Sentences over `LONGEST` tokens are left out."""
    return [
        ([*english.encode(en), END], [BEGIN, *french.encode(fr), END])
        for en, fr in pairs
        if 0 < len(en) <= LONGEST and 0 < len(fr) <= LONGEST
    ]


def epoch_batches(captions: list[Any], others: list[Any], seed: int, epoch: int) -> list[Batch]:
    """All captions and one sixth of the others, in an order that only `seed` and `epoch` decide."""
    generator = torch.Generator().manual_seed(1000 * seed + epoch)
    chosen = captions + others[epoch % PARTS :: PARTS]
    order = torch.randperm(len(chosen), generator=generator).tolist()
    made = batches([chosen[number] for number in order])
    return [made[number] for number in torch.randperm(len(made), generator=generator).tolist()]


def batches(rows: list[Any]) -> list[Batch]:
    """Rows of one source length and similar target lengths, up to `BATCH` words of the target together."""
    ordered = sorted(rows, key=lambda row: (len(row[0]), len(row[1])))
    made: list[Batch] = []
    group: list[Any] = []
    for row in [*ordered, ([], [])]:
        if group and (len(row[0]) != len(group[0][0]) or (len(group) + 1) * len(row[1]) > BATCH):
            longest = len(group[-1][1])
            target = torch.tensor([words + [PAD] * (longest - len(words)) for _, words in group])
            made.append(Batch(torch.tensor([words for words, _ in group]), target))
            group = []
        group.append(row)
    return made


@torch.no_grad()
def measure(
    model: Seq2Seq, pairs: list[Pair], english: Vocabulary, french: Vocabulary, beams: dict[str, int]
) -> dict[str, float]:
    """Perplexity a token (end included, unknown words counted as ⟨unk⟩), and a sacreBLEU for each beam width."""
    model.eval()
    loss, words = 0.0, 0
    for batch in batches(encode(pairs, english, french)):
        loss += float(cross_entropy(model, batch, reduction="sum"))
        words += int((batch.target[:, 1:] != PAD).sum())
    figures = {"ppl": math.exp(loss / words)}
    for name, beam in beams.items():
        figures[name] = bleu(translations(model, pairs, english, french, beam), [fr for _, fr in pairs])
    return figures


def bleu(hypotheses: list[list[str]], references: list[list[str]]) -> float:
    """sacreBLEU of tokens put together into sentences again: lower case, its own tokenizer 13a."""
    from sacrebleu.metrics import BLEU

    texts = [[detokenize(tokens, "fr") for tokens in side] for side in (hypotheses, references)]
    return BLEU(lowercase=True).corpus_score(texts[0], [texts[1]]).score


@torch.no_grad()
def translations(
    model: Seq2Seq, pairs: list[Pair], english: Vocabulary, french: Vocabulary, beam: int
) -> list[list[str]]:
    """The best translation of each pair's English, in order; an unknown word is replaced by the source word most looked at."""
    found: list[list[str]] = [[] for _ in pairs]
    by_length: dict[int, list[int]] = {}
    for number, (en, _) in enumerate(pairs):
        by_length.setdefault(len(en), []).append(number)
    for numbers in by_length.values():
        for start in range(0, len(numbers), SENTENCES):
            chunk = numbers[start : start + SENTENCES]
            source = torch.tensor([[*english.encode(pairs[number][0]), END] for number in chunk])
            result = search(model, source, beam)
            for row, number in enumerate(chunk):
                found[number] = spell(
                    model, source[row : row + 1], result.sentences(row)[0][0], pairs[number][0], french
                )
    return found


def evaluate(name: str, data: Path, split: str = "test_2016_flickr", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}` of the shipped weights: sacreBLEU greedy and with five beams, and perplexity."""
    translator = zoo.translator(name.removeprefix("translate-"))
    pairs = multi30k(data, split)[:limit]
    if not pairs:
        raise ValueError(f"There is nothing to measure in {split}.")
    metrics = measure(
        translator.network, pairs, translator.source_words, translator.target_words, beams={"bleu": 1, "bleu_beam5": 5}
    )
    return {
        "name": name,
        "split": split,
        "n": len(pairs),
        "metrics": {key: round(value, 2) for key, value in metrics.items()},
    }


def export(score: str, data: Path, run: Snapshot, seed: int) -> None:
    """Write what the app ships: the weights in fp16, the words, and the card with what `evaluate` measures on them."""
    name = f"translate-{score}"
    english, french = vocabularies(multi30k(data, "train"), tatoeba(data))
    english.write(zoo.WORDS / "translate.en.txt")
    french.write(zoo.WORDS / "translate.fr.txt")
    ship(
        name,
        run,
        seed,
        lambda: evaluate(name, data)["metrics"],
        title=f"Translator, score {score}" if score != NONE else "Translator without attention",
        paper=PAPERS[score],
        data="Multi30k en–fr (non-commercial research and education) and Tatoeba (CC BY 2.0)",
        licence="non-commercial research and education, as its data",
        published={"bleu_tokenised": 57.96},
        published_on="Multi30k validation, attentive GRU (nmtpytorch: perceptron score, beam 12, tokenised BLEU)",
        measured_on="Multi30k test2016 (1,000 sentences), lower case, sacreBLEU nrefs:1|case:lc|eff:no|tok:13a; "
        "ppl a token, fp16 weights",
    )
