"""`live_page.py` behind the server's own warm-up, freeze and timed collection. Started by `server.py`."""

import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # Streamlit put this folder first, and its attacks.py is not the package

from ui.warm import lifespan  # noqa: E402

app = st.App(str(HERE / "live_page.py"), lifespan=lifespan)
