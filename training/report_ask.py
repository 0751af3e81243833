"""What the answerers were measured to do beside what knows less: for `assets/recorded/ask.json`, which the page shows.

Wants DAQUAR as `training.ask` does, and the snapshot of the network that never looks, `OUT/ask-daquar-0.safetensors`
(`python -m training ask-daquar-0 --data DIR`). All rows are measured by the same code on the same questions.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from models import zoo
from models.answering import ERRORS
from training.ask import BLIND, NAMES, Asked, answered, asked_of, averaged, evaluate, kind, known, metrics
from training.snapshot import Snapshot

PUBLISHED = {  # Yang 2016, table 1: DAQUAR-ALL
    "SAN(1, LSTM)": {"accuracy": 28.9, "wups_0.9": 34.7, "wups_0.0": 68.5},
    "SAN(2, LSTM)": {"accuracy": 29.3, "wups_0.9": 34.9, "wups_0.0": 68.1},
    "SAN(2, CNN)": {"accuracy": 29.3, "wups_0.9": 35.1, "wups_0.0": 68.6},
}


def report(data: Path, out: Path, limit: int | None = None) -> dict[str, Any]:
    """A row a system: majority, question looked up, question only, one hop, two hops; of photos, then of drawings.

    Raises OSError, ValueError where data, weights or the snapshot are missing.
    """
    training = asked_of(BLIND, data, "train")[0]
    questions = asked_of(BLIND, data, "test", limit)[0]
    truths = [question.answer for question in questions]
    found = {
        "majority": majority(training, questions),
        "look-up": looked_up(training, questions),
        "question only": blind(out, training, questions),
    }
    rows = [{"system": name, "of": "daquar", **metrics(BLIND, said, truths)} for name, said in found.items()]
    for name, hops in NAMES.items():
        rows.append(
            {
                "system": f"{hops} hop{'s' * (hops > 1)}",
                "of": kind(name),
                **evaluate(name, data, "test", limit)["metrics"],
            }
        )
    return {
        "command": "python -m training report ask --data DIR",
        "about": "Half of DAQUAR's test questions (2,803 about 327 photos), all of easy-VQA's (9,673 about 1,000 drawings); %. "
        "accuracy counts every question, one that wants a list of words too: the list is one answer, right only as a whole. "
        "accuracy_single leaves lists out, as the paper does. look-up: the answer most often given to the same question in "
        "training, the majority's where it was never asked. question only: the same network, which does not look.",
        "rows": rows,
        "published": PUBLISHED,
        "published_errors": ERRORS,
        "about_errors": "Where a network should have looked is written nowhere in these data, so how many errors had the right "
        "look cannot be measured here. These are the shares (%) that Yang 2016 report of 100 errors on COCO-QA.",
    }


def majority(training: Sequence[Asked], questions: Sequence[Asked]) -> list[str]:
    """The most frequent answer to everything."""
    return [Counter(question.answer for question in training).most_common(1)[0][0]] * len(questions)


def looked_up(training: Sequence[Asked], questions: Sequence[Asked]) -> list[str]:
    """The answer most often given to exactly this question."""
    given: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for question in training:
        given[tuple(question.words)][question.answer] += 1
    default = majority(training, questions)
    return [
        given[tuple(question.words)].most_common(1)[0][0] if tuple(question.words) in given else default[0]
        for question in questions
    ]


@torch.no_grad()
def blind(out: Path, training: Sequence[Asked], questions: Sequence[Asked]) -> list[str]:
    """What the network says that never looks."""
    words, answers = known(training)
    network = zoo.sighted(kind(BLIND), 0, len(words), len(answers))
    network.load_state_dict(averaged(Snapshot.load(out / f"{BLIND}.safetensors")))
    nothing = torch.zeros(1, 1, network.san.W_I.in_features)
    return answered(network.eval().san, lambda _picture: nothing, questions, words, answers)
