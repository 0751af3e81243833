"""Whose turn it is with a network: what takes many steps lets others have it in between."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

inference = threading.Semaphore(1)


@contextmanager
def free(network: threading.Semaphore) -> Iterator[None]:
    """Between two steps of what holds `network`: it is free for others, who get a moment to take it."""
    network.release()
    try:
        yield
        time.sleep(0.001)
    finally:
        network.acquire()
