"""Word vectors from plain text alone, for tasks whose own training sentences are few.

How often words stand near each other, as positive pointwise mutual information, in `d` numbers by a truncated SVD:
Levy, Goldberg & Dagan 2015. Deterministic, and minutes of work where word2vec takes hours.
"""

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import svds
from torch import Tensor

from models.words import Vocabulary

WINDOW = 5
SMOOTHING = 0.75  # of the context counts: rare words are no better company than frequent ones
CHUNK = 1_000_000  # words counted at once


def vectors(texts: list[list[str]], known: Vocabulary, d: int) -> Float[Tensor, "words d"]:
    """A row a word, standard deviation 0.1; rows of words that never occur are zero."""
    together = cooccurrences(texts, known)
    U, S, _ = svds(positive_information(together), k=d, random_state=0)
    rows = U * np.sqrt(S)
    return torch.tensor(0.1 * rows / rows.std(), dtype=torch.float32)


def cooccurrences(texts: list[list[str]], known: Vocabulary) -> csr_matrix:
    """(words, words): how often two stand at most `WINDOW` apart in one text, nearer counting more (1 / distance)."""
    gap = [-1] * WINDOW
    words = np.array([number for text in texts for number in (*known.encode(text), *gap)])
    size = len(known)
    counts = csr_matrix((size, size), dtype=np.float64)
    for start in range(0, len(words), CHUNK):
        for distance in range(1, WINDOW + 1):
            left = words[start : start + CHUNK]
            right = words[start + distance : start + distance + CHUNK]
            left = left[: len(right)]
            real = (left >= 0) & (right >= 0)
            pairs = (np.full(real.sum(), 1 / distance), (left[real], right[real]))
            counts = counts + coo_matrix(pairs, shape=(size, size)).tocsr()
    return counts + counts.T


def positive_information(counts: csr_matrix) -> csr_matrix:
    """max(0, log p(w, c) / (p(w) p(c))), with the contexts' counts smoothed."""
    rows = np.asarray(counts.sum(1)).ravel()
    columns = np.asarray(counts.sum(0)).ravel() ** SMOOTHING
    expected = [np.divide(1, side, out=np.zeros_like(side), where=side > 0) for side in (rows, columns / columns.sum())]
    information = diags(expected[0]) @ counts @ diags(expected[1])
    information.data = np.maximum(0, np.log(information.data))
    information.eliminate_zeros()
    return csr_matrix(information)
