"""Handwritten digits: MNIST, MNIST-M and USPS. Each function takes the folder of all data sets, and says which files it wants.

Pictures are floats in [0, 1], (n, channels, height, width); labels are integers, (n,).
"""

import gzip
from pathlib import Path

import h5py
import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

Pictures = Float[Tensor, "n channels height width"]
Labels = Int[Tensor, " n"]

FILES = {"train": "train", "test": "t10k"}
SIDE = 28


def mnist(data: Path, split: str) -> tuple[Pictures, Labels]:
    """60,000 digits to train and 10,000 to test, grey, 28 × 28. Wants the four `DIR/digits/*-ubyte.gz` of MNIST."""
    x, y = (_idx(data / "digits" / f"{FILES[split]}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    return torch.from_numpy(x)[:, None] / 255, torch.from_numpy(y).long()


def usps(data: Path, split: str) -> tuple[Pictures, Labels]:
    """7,291 digits from envelopes to train and 2,007 to test, grey, 16 × 16. Wants `DIR/digits/usps.h5`."""
    with h5py.File(data / "digits" / "usps.h5") as file:
        x, y = file[split]["data"][:], file[split]["target"][:]
    return torch.from_numpy(x).float().reshape(-1, 1, 16, 16), torch.from_numpy(y).long()


def mnist_m_test(data: Path, split: str = "mnist_m_test") -> tuple[Pictures, Labels]:
    """4,500 digits of the test half of MNIST-M, in colour. Wants `DIR/digits/SPLIT.npz`."""
    with np.load(data / "digits" / f"{split}.npz") as file:
        x, y = file["images"], file["labels"]
    return torch.from_numpy(x).permute(0, 3, 1, 2) / 255, torch.from_numpy(y).long()


def mnist_m(data: Path, x: Pictures, seed: int) -> Pictures:
    r"""Digits in the colours of photographs, as Ganin made them: $|x - \text{crop}|$ with a random part of a random photograph.

    Wants `DIR/bsds500/*.webp`. The same seed gives the same pictures.
    Source: Ganin et al. 2016, *Domain-Adversarial Training of Neural Networks*, section 5.2.4.
    """
    photographs = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((data / "bsds500").glob("*.webp"))]
    if not photographs:
        raise ValueError(f"There are no photographs in {data / 'bsds500'}.")
    random = np.random.default_rng(seed)
    crops = np.stack([_crop(photographs[random.integers(len(photographs))], random) for _ in x])
    return (x - torch.from_numpy(crops).permute(0, 3, 1, 2) / 255).abs()


def _crop(photograph: np.ndarray, random: np.random.Generator) -> np.ndarray:
    top, left = (random.integers(side - SIDE + 1) for side in photograph.shape[:2])
    return photograph[top : top + SIDE, left : left + SIDE]


def _idx(path: Path) -> np.ndarray:
    """An idx file: two zero bytes, type, number of dimensions, their sizes, then bytes."""
    with gzip.open(path) as file:
        content = file.read()
    shape = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape).copy()
