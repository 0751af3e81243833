"""What the five translators were measured to do, side by side: written to `assets/recorded/translate.json`, which the page shows.

Wants `DIR/multi30k/{train,val,test_2016_flickr}.{en,fr}.gz`. Run it on a machine that does nothing else: it takes times.
"""

import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from sacrebleu.metrics import BLEU

from models import zoo
from models.measure import peak_bytes
from models.seq2seq import Seq2Seq
from models.translation import Translator
from training import translate
from training.data import Pair, multi30k
from training.links import agreement, diagonal, hand_links, uniform

SPLIT = "test_2016_flickr"
LENGTHS = ((1, 8), (9, 11), (12, 14), (15, 18), (19, 99))  # tokens of the English sentence
STEPS = 12  # updates that are timed, of the same batches for every score


def report(data: Path) -> dict[str, Any]:
    """Quality by length, alignment with hand-made links, cost of a training step.

    Raises OSError where data or weights are missing.
    """
    pairs, held_out, links = multi30k(data, SPLIT), multi30k(data, "val"), hand_links()
    by_length: dict[str, list[tuple[str, float]]] = {}
    table = []
    rows = [(name, zoo.translator(name)) for name in zoo.TRANSLATORS]
    costs = step_costs(multi30k(data, "train"), rows)
    for name, translator in rows:
        written = translate.translations(
            translator.network, pairs, translator.source_words, translator.target_words, beam=1
        )
        by_length[name] = bleu_by_length(pairs, written)
        wide = translate.translations(
            translator.network, held_out, translator.source_words, translator.target_words, beam=12
        )
        table.append(
            {
                "score": name,
                **translator.card.metrics,
                "bleu_tokenised_val_beam12": round(tokenised_bleu(wide, [fr for _, fr in held_out]), 2),
                **{key: round(value, 1) for key, value in agreement(translator, data, links).items()},
                **costs[name],
                "minutes": translator.card.minutes,
            }
        )
    baselines = {name: agreement(look, data, links) for name, look in (("diagonal", diagonal), ("uniform", uniform))}
    return {
        "command": "python -m training report translate --data DIR",
        "about": about(pairs, baselines),
        "by_length": by_length,
        "table": table,
    }


def bleu_by_length(pairs: list[Pair], written: list[list[str]]) -> list[tuple[str, float]]:
    """Corpus BLEU of the sentences of each length."""
    found = []
    for shortest, longest in LENGTHS:
        chosen = [i for i, (en, _) in enumerate(pairs) if shortest <= len(en) <= longest]
        score = translate.bleu([written[i] for i in chosen], [pairs[i][1] for i in chosen])
        found.append((f"{shortest}–{longest}" if longest < 99 else f"{shortest} and more", round(score, 2)))
    return found


def tokenised_bleu(written: list[list[str]], references: list[list[str]]) -> float:
    """BLEU of the tokens as they are (Moses, lower case), as nmtpytorch reports it."""
    texts = [[" ".join(tokens) for tokens in side] for side in (written, references)]
    return BLEU(tokenize="none", force=True).corpus_score(texts[0], [texts[1]]).score


def step_costs(pairs: list[Pair], rows: list[tuple[str, Translator]]) -> dict[str, dict[str, float]]:
    """Milliseconds and peak MB of one training step a score: the same batches, the scores taking turns, the median of the turns."""
    english, french = rows[0][1].source_words, rows[0][1].target_words
    batches = translate.batches(translate.encode(pairs, english, french))
    batches = batches[len(batches) // 4 :: len(batches) // (2 * STEPS)][:STEPS]
    networks, times = {}, {name: list[float]() for name, _ in rows}
    for name, _ in rows:
        torch.manual_seed(0)
        network = Seq2Seq(name, len(english), len(french))
        networks[name] = (network, torch.optim.Adam(network.parameters(), fused=True))
        translate.update(*networks[name], batches[0], translate.PEAK)
    for batch in batches:
        for name, (network, optimizer) in networks.items():
            started = time.perf_counter()
            translate.update(network, optimizer, batch, translate.PEAK)
            times[name].append(time.perf_counter() - started)
    middle = batches[len(batches) // 2]
    costs = {}
    for name, (network, optimizer) in networks.items():
        memory = peak_bytes(partial(translate.update, network, optimizer, middle, translate.PEAK))
        costs[name] = {"step_ms": round(1000 * median(times[name]), 1), "step_mb": round(memory / 1e6, 1)}
    return costs


def about(pairs: list[Pair], baselines: dict[str, dict[str, float]]) -> str:
    """What the columns mean, in a paragraph."""
    counts = ", ".join(f"{low}–{high}: {sum(low <= len(en) <= high for en, _ in pairs)}" for low, high in LENGTHS)
    errors = ", ".join(f"{name} {found['alignment_error']:.1f}" for name, found in baselines.items())
    return (
        f"Multi30k test2016, {len(pairs)} sentences (by length: {counts}); "
        "sacreBLEU nrefs:1|case:lc|eff:no|tok:13a, greedy unless said; "
        "bleu_tokenised_val_beam12 is on the validation sentences as they are tokenised, to compare with nmtpytorch's 57.96. "
        f"alignment_*: against hand-made links of 50 test sentences (error: the lower the better; baselines: {errors}). "
        "step_ms, step_mb: a training step of about 2,000 words on 2 cores, medians of interleaved steps; "
        "peak of what torch holds in it."
    )
