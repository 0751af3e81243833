"""The server's life: everything slow is done before the first visitor, and memory is tidied on a timer.

Streamlit collects garbage after every rerun, which stops all visitors at once (170–360 ms with torch in the process).
`.streamlit/config.toml` turns that off; here the objects of the start are frozen and the rest collected every ten seconds.
"""

import asyncio
import ctypes
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

TIDY = 10  # seconds between collections
C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
ARENA_MAX, MMAP_MAX, TRIM_THRESHOLD = -8, -4, -1  # the numbers of mallopt's options in glibc's malloc.h


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[dict[str, Any]]:
    """Warm up, serve, and stop the timer at the end."""
    keep_large_blocks()
    await asyncio.to_thread(warm_up)
    give_back()
    gc.freeze()
    timer = asyncio.create_task(tidy())
    yield {}
    timer.cancel()
    with suppress(asyncio.CancelledError):
        await timer


async def tidy() -> None:
    """Give back every `TIDY` seconds."""
    while True:
        await asyncio.sleep(TIDY)
        give_back()


def give_back() -> None:
    """Collect garbage, and give memory that nobody uses back to the system (glibc only)."""
    gc.collect()
    getattr(C_LIBRARY, "malloc_trim", lambda _: 0)(0)


def keep_large_blocks() -> None:
    """Where the C library is glibc: one arena for all threads, and blocks as large as a layer's result are kept for the next.

    Otherwise each is fetched from the system and given back, page by page, at every layer: 1.6 times the time of a batch
    of 16 (`benchmarks/attacks.py`), and each of Streamlit's threads keeps memory of its own.
    """
    mallopt = getattr(C_LIBRARY, "mallopt", None)
    if mallopt:
        for option, value in ((ARENA_MAX, 1), (MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1)):
            mallopt(option, value)


def warm_up() -> None:
    """Import torch, load the embedded network, and compute what the first screen shows."""
    from ui.fool import first_screen

    first_screen()
