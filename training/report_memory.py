"""What the four language models were measured to do, side by side: for `assets/recorded/memory.json`, which the page shows.

Wants `DIR/gutenberg_children/{train,test}.txt.gz`, and `DIR/ptb/{train,test}.txt.gz` for the runs `memory-KIND-ptb` in OUT.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models import zoo
from models.key_value import KINDS, PLAIN, L, MemoryModel
from models.language_model import LanguageModel
from models.looking_back import within
from models.trace import entropy
from models.words import Vocabulary
from training.memory import AT_LEAST, BOOKS, EPOCHS, PTB, PUBLISHED, numbers, perplexity, pieces, text, updates
from training.snapshot import Snapshot

LOOKS = (0, 1, 2, 3, 5, 7, 10, 15, 20)  # L
STREAMS, LONGEST = 16, 2500  # of the text on which every L is measured, so that every book has a share


def report(data: Path, out: Path, limit: int | None = None) -> dict[str, Any]:
    """Perplexity of all that ship, by L and on Penn Treebank, and how far back each looks.

    Args:
        out: where the runs on Penn Treebank are; a kind without one is left out, with a word.
        limit: only so many lines of each text.

    Raises OSError where data or weights are missing.
    """
    models = [zoo.language_model(kind) for kind in zoo.language_models()]
    train, held_out = (text(data, BOOKS, split, limit) for split in ("train", "test"))
    words = {model.kind: numbers(held_out, model.known) for model in models}
    treebank = on_treebank(data, out, limit)
    count = sum(len(line) + 1 for line in train)
    return {
        "command": "python -m training report memory --data DIR",
        "about": about(count, held_out),
        "L": L,
        "table": [row(model, count, treebank) for model in models],
        "by_L": {model.kind: by_L(model.network, words[model.kind]) for model in models},
        "distance": {
            model.kind: looking_back(model.network, words[model.kind]) for model in models if model.kind != PLAIN
        },
    }


def row(model: LanguageModel, count: int, treebank: dict[str, float]) -> dict[str, Any]:
    """One kind: the perplexities, what it cost, and what the paper reports."""
    return {
        "kind": model.kind,
        **model.card.metrics,
        **({"ppl_ptb": treebank[model.kind]} if model.kind in treebank else {}),
        "ppl_wikipedia": PUBLISHED[model.kind],
        "parameters": model.card.parameters,
        "width": model.network.d,
        "words": EPOCHS[BOOKS] * count,
        "updates": EPOCHS[BOOKS] * updates(count),
        "minutes": model.card.minutes,
    }


def by_L(model: MemoryModel, words: Tensor) -> list[tuple[int, float]]:
    """(L, perplexity) on a part of the text; one that does not look back has the same for every L."""
    rows = min(STREAMS, len(words) - 1)
    looks = LOOKS if model.kind != PLAIN else (L,)
    found = [(back, round(perplexity(model, words, back, rows, LONGEST), 2)) for back in looks]
    return found if model.kind != PLAIN else [(back, found[0][1]) for back in LOOKS]


def looking_back(model: MemoryModel, words: Tensor) -> dict[str, Any]:
    r"""How far back it looks at the trained $L$, over the whole text.

    Returns the mean weight by distance (of the state just before, of the one before that, ...), the mean entropy of a row in
    bits, and how many states back one must go for half of the weight, and for nine tenths.
    """
    rows = min(STREAMS, len(words) - 1)
    looks = [read.attention.weights for read, _ in pieces(model, words, L, rows) if read.attention]
    weights = torch.cat(looks, dim=1)[:, L:].flip(-1).flatten(0, 1).double()  # rows that have all L states before them
    mean = weights.mean(0)
    return {
        "weights": [round(weight, 4) for weight in mean.tolist()],
        "entropy": round(float(entropy(weights.numpy()).mean()), 3),
        "half": within(mean.numpy(), 0.5),
        "nine_tenths": within(mean.numpy(), 0.9),
    }


def on_treebank(data: Path, out: Path, limit: int | None = None) -> dict[str, float]:
    """The perplexity on Penn Treebank's test text of each kind that has a finished run in `out`."""
    runs = {}
    for kind in KINDS:
        path = out / f"memory-{kind}-{PTB}.safetensors"
        run = Snapshot.load(path) if path.exists() else None
        if run and run.step == run.steps:
            runs[kind] = run
        else:
            words_for_it = "is not finished" if run else "is not there"
            print(f"training: {path} {words_for_it}: no figure on Penn Treebank for {kind}", file=sys.stderr)
    if not runs:
        return {}
    known = Vocabulary.count(text(data, PTB, "train"), AT_LEAST[PTB])
    words = numbers(text(data, PTB, "test", limit), known)
    found = {}
    for kind, run in runs.items():
        model = MemoryModel(kind, len(known))
        model.load_state_dict({k.removeprefix("model."): t for k, t in run.state.items() if k.startswith("model.")})
        found[kind] = round(perplexity(model, words), 2)
    return found


def about(count: int, held_out: list[list[str]]) -> str:
    """What the columns mean, in a paragraph."""
    words = sum(len(line) + 1 for line in held_out)
    return (
        f"Perplexity a word. ppl: the books kept aside, {words:,} words read in one go, unknown words and ends of paragraphs "
        f"included. All were trained alike: {count:,} words of books {EPOCHS[BOOKS]} times, in the same order. "
        f"ppl_ptb: Penn Treebank's test text, each kind trained on its training text {EPOCHS[PTB]} times. ppl_wikipedia: "
        "Daniluk 2017, Wikipedia test, as cited, not re-checked; larger models on more words, so only the order compares. "
        f"By L: the first {LONGEST:,} words of each of {STREAMS} equal parts of the books kept aside, "
        f"the models being those that were trained with L = {L}. By distance: all words of these books with L = {L}. "
        "Minutes of training: on two cores that had other work, too."
    )
