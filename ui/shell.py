"""The frame around every page: page settings and the navigation table. Streamlit runs this for each visit."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:  # Streamlit puts this file's folder on the path, the rooms lie beside it
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from ui.navigation import PAGES  # noqa: E402

st.set_page_config(page_title="Attend & Attack", page_icon=str(ROOT / "assets" / "icon.png"), layout="wide")
st.navigation(
    {
        chapter: [st.Page(page.file, title=page.title, icon=page.icon, default=page.default) for page in pages]
        for chapter, pages in PAGES.items()
    },
    position="hidden" if st.query_params.get("presenter") == "1" else "top",
).run()
