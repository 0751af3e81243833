"""Attend & Attack: the server. `make run` starts it, `ui/shell.py` is what a visitor sees.

Why not a plain script: beside a `pages/` folder Streamlit would show a first deep link without the shell, and the
lifespan loads torch and the networks before the first visitor comes.
"""

import os

# Before torch is loaded: its threads, while they wait, shall not spin on the core that another visitor needs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import streamlit as st

from ui.warm import lifespan

app = st.App("ui/shell.py", lifespan=lifespan)
