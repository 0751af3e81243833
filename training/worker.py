"""What a worker of `jobs` has loaded before its first run, so that no run waits for it: `dask worker --preload training.worker`."""

import os
from typing import Any

import sklearn.datasets  # noqa: F401
import torch

import training.desk
import training.snapshot  # noqa: F401

NICENESS = 10  # beside the web process: pages come first

torch.optim.Adam([torch.zeros(1)])  # the first optimizer imports half of torch


def dask_setup(_worker: Any) -> None:
    """Called by Dask in each worker."""
    os.nice(NICENESS)
    torch.set_num_threads(1)
