"""What the penalty on looks that see the same words does: TREC's classifier trained with it, without it, and with one look.

Written to `assets/recorded/question-type.json`, which the page shows. Wants what `training.classify` wants.
"""

from pathlib import Path
from statistics import mean
from typing import Any

import torch

from models import zoo
from models.attention import redundancy
from models.structured import PENALTY, SelfAttentive
from models.words import Vocabulary
from training.classify import D_WORD, QUESTION, Text, accuracy, batches, numbered, read, train, trec, vocabulary

SEEDS = (1, 2, 3)
TRAINED = ((QUESTION, PENALTY), (QUESTION, 0.0), (f"{QUESTION}-one", 0.0))


def report(data: Path) -> dict[str, Any]:
    """Accuracy and redundancy on the test questions. Raises OSError where data are missing."""
    texts, own = trec(data, "test"), vocabulary(QUESTION, data, read(QUESTION, data)[0])
    shipped = Vocabulary.read(zoo.WORDS / f"{QUESTION}.txt")
    table = []
    for name, penalty in TRAINED:
        known = shipped if name in zoo.ONE_LOOK else own
        found = [measured(trained(data, name, penalty, seed, known), texts, known) for seed in SEEDS]
        right, same = zip(*found, strict=True)
        table.append(
            {
                "looks": zoo.looks(name),
                "penalty": penalty,
                "accuracy": round(mean(right), 1),
                "accuracies": ", ".join(f"{one:.1f}" for one in right),
                "redundancy": round(mean(same), 2) if zoo.looks(name) > 1 else None,
            }
        )
    return {
        "command": f"python -m training report {QUESTION} --data DIR",
        "about": f"Means over {len(SEEDS)} seeds, {len(texts)} questions; one question is {100 / len(texts):.1f} points.",
        "table": table,
    }


def trained(data: Path, name: str, penalty: float, seed: int, known: Vocabulary) -> SelfAttentive:
    """Train one."""
    *_, last = train(data, name, seed=seed, penalty=penalty)
    model = SelfAttentive(len(known), len(zoo.CLASSES[name]), zoo.looks(name), D_WORD)
    model.load_state_dict({key.removeprefix("model."): t for key, t in last.state.items() if key.startswith("model.")})
    return model


@torch.no_grad()
def measured(model: SelfAttentive, texts: list[Text], known: Vocabulary) -> tuple[float, float]:
    r"""Accuracy in %, and the mean of $\lVert A A^\top - I \rVert^2$."""
    right = accuracy(model, texts, known)
    same = [redundancy(model(words).attention.weights) for words, _ in batches(numbered(texts, known))]
    return right, float(torch.cat(same).mean())
