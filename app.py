"""Attend & Attack: the server. `make run` starts it, `ui/shell.py` is what a visitor sees.

Why not a plain script: beside a `pages/` folder Streamlit would show a first deep link without the shell, and the
lifespan loads torch and the networks before the first visitor comes.
"""

import os

# Before torch is loaded: a thread of its that waits shall spin for microseconds only. With the usual milliseconds a second
# busy process made a gradient a hundred times slower; without any spinning a single picture loses the second core.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import streamlit as st

from ui.warm import lifespan

app = st.App("ui/shell.py", lifespan=lifespan)
