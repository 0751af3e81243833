"""How the C library keeps memory: torch asks for large blocks at every layer, and they should not be fetched anew each time."""

import ctypes
import sys

C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
ARENA_MAX, MMAP_MAX, TRIM_THRESHOLD = -8, -4, -1  # the numbers of mallopt's options in glibc's malloc.h


def keep_large_blocks() -> None:
    """Keep freed memory in one place for the next large block (glibc only; elsewhere nothing happens).

    Otherwise each is fetched from the system and given back, page by page, at every layer: 1.6 times the time of a batch
    of 16 (`benchmarks/attacks.py`), twice that of a training step with a softmax over 8,000 words, and each of Streamlit's
    threads keeps memory of its own.
    """
    mallopt = getattr(C_LIBRARY, "mallopt", None)
    if mallopt:
        for option, value in ((ARENA_MAX, 1), (MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1)):
            mallopt(option, value)


def trim() -> None:
    """Hand what is free back to the system (glibc only)."""
    malloc_trim = getattr(C_LIBRARY, "malloc_trim", None)
    if malloc_trim:
        malloc_trim(0)
