"""Measure the encoder that comes with the app: does a question's nearest neighbour ask for the same kind of thing?

Wants `DIR/sst_trec_mr/TREC.{train,SPLIT}.all`, as `training.classify` does. Nothing is trained: every training question is read,
and a test question gets the kind of the one whose embedding has the largest cosine to its own.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from models import encoder
from models.encoder import Encoder, embedding
from training.classify import Text, trec

NAME = "heads"


def evaluate(data: Path, split: str = "test", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}`: how often the nearest question has the right kind, in %."""
    known, asked = trec(data, "train"), trec(data, split)[:limit]
    if not asked:
        raise ValueError(f"There is nothing to measure in {split}.")
    model = encoder.load()
    nearest = (embeddings(model, asked) @ embeddings(model, known).T).argmax(1).tolist()
    right = sum(known[i].label == question.label for i, question in zip(nearest, asked, strict=True))
    metrics = {"accuracy_nearest": round(100 * right / len(asked), 2)}
    return {"name": NAME, "split": split, "n": len(asked), "metrics": metrics}


def embeddings(model: Encoder, texts: list[Text]) -> Float[Tensor, "texts d"]:
    """A row a text, each of length 1."""
    states = (torch.from_numpy(model.trace(" ".join(text.words)).values["h"]) for text in texts)
    return torch.cat([embedding(h[None]) for h in states])
