"""FrameNet's full texts: words in their sentences, the frames they call up, and what an encoder reads in them."""

import gzip
import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from models import domain, encoder
from models.encoder import Encoder
from training.kept import kept

LAYERS, AT_ONCE = (0, 3, 6), 32  # of the encoder; sentences in one pass


def frames_known(rows: list[dict[str, Any]], aside: str) -> list[str]:
    """The frames of all texts but those of `aside`, by alphabet; the others count as wrong."""
    return sorted({row["frame"] for row in rows if row["domain"] != aside})


def read_frames(data: Path, split: str) -> tuple[list[dict[str, Any]], Float[Tensor, "n read"]]:
    """The rows of `DIR/framenet/SPLIT.jsonl.gz`, and the states of their targets, read once and kept."""
    path = data / "framenet" / f"{split}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    if not rows:
        raise ValueError(f"There is nothing in {path}.")
    return rows, kept("frames", [(row["text"], row["target"]) for row in rows], lambda: states(rows, encoder.load()))


@torch.no_grad()
def states(rows: list[dict[str, Any]], reader: Encoder) -> Float[Tensor, "n read"]:
    """Of each target: the means over its pieces in layers 0, 3 and 6 of all-MiniLM-L6-v2, which reads the whole sentence.

    Args: rows: `text`, and `target`, the spans of characters that are asked about.
    """
    tokenizer, network = reader.tokenizer, reader.model
    found = torch.zeros(len(rows), domain.READ, dtype=torch.float16)
    by_text: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        by_text.setdefault(row["text"], []).append(number)
    texts = sorted(by_text, key=len)
    for start in range(0, len(texts), AT_ONCE):
        some = texts[start : start + AT_ONCE]
        read = tokenizer(some, padding=True, truncation=True, return_tensors="pt", return_offsets_mapping=True)
        offsets = read.pop("offset_mapping")
        layers = network(**read, output_hidden_states=True).hidden_states
        h = torch.cat([layers[i] for i in LAYERS], dim=2)
        for i, text in enumerate(some):
            for number in by_text[text]:
                inside = torch.zeros(h.shape[1], dtype=torch.bool)
                for begin_, end in rows[number]["target"]:
                    inside |= (offsets[i, :, 0] < end) & (offsets[i, :, 1] > begin_)
                if inside.any():
                    found[number] = h[i, inside].mean(0).half()
    return found
