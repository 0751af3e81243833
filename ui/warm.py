"""The server's life: everything slow is done before the first visitor, and memory is tidied on a timer.

Streamlit collects garbage after every rerun, which stops all visitors at once (170–360 ms with torch in the process).
`.streamlit/config.toml` turns that off; here the objects of the start are frozen and the rest collected every ten seconds.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from models import memory

TIDY = 10  # seconds between collections


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[dict[str, Any]]:
    """Warm up, serve, and stop the timer and the runs at the end."""
    memory.keep_large_blocks()
    await asyncio.to_thread(warm_up)
    give_back()
    gc.freeze()
    timer = asyncio.create_task(tidy())
    yield {}
    timer.cancel()
    with suppress(asyncio.CancelledError):
        await timer
    from ui.room import ROOM

    await asyncio.to_thread(ROOM.close)


async def tidy() -> None:
    """Give back every `TIDY` seconds."""
    while True:
        await asyncio.sleep(TIDY)
        give_back()


def give_back() -> None:
    """Collect garbage, and give memory that nobody uses back to the system."""
    gc.collect()
    memory.trim()


def warm_up() -> None:
    """Import torch, load the networks of the first screens, and compute what these show."""
    from ui import (
        adapt,
        annotate,
        ask,
        caption,
        difficulties,
        fool,
        fooling,
        generate,
        glimpses,
        harden,
        headline,
        heads,
        self_attention,
        smooth,
        sway,
        translate,
    )
    from ui import memory as story
    from ui import words_under_attack as flipped

    attention = (translate, headline, self_attention, story, heads, caption, glimpses, ask)
    for page in (fool, *attention, fooling, sway, flipped, annotate, harden, smooth, adapt, generate, difficulties):
        page.first_screen()
