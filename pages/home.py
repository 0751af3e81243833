"""The door: what this is, and every page there is."""

import streamlit as st

from ui.navigation import PAGES

st.title("Attend & Attack", anchor=False)
st.markdown("Attention and adversarial learning, on real trained models, one page for each system of the two lectures.")
for chapter, pages in PAGES.items():
    for page in pages:
        if page.lecture:
            with st.container(border=True):
                st.caption(f"{chapter} · {page.lecture}")
                st.page_link(str(page.file), label=f"**{page.title}**", icon=page.icon)
                st.markdown(page.claim)
