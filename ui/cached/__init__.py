"""Everything the server keeps: networks, and what was computed for a picture. The only `st.cache_*` of the app.

Results are keyed by digests and small values, never by arrays (Streamlit hashes a large array by a sample, so that a
one-pixel attack would be given the clean answer). All of it is shared by all visitors, so nothing here is changed in
place but `Sweep`, whose parts are each set once. One semaphore (`ui.turns.inference`) lets one network work at a time: on
two cores, two networks at once are slower than one after the other.
"""

from ui.cached import adapt, fool, generate, harden, heads, pictures, room, sentences, smooth, sway, words

__all__ = ["adapt", "fool", "generate", "harden", "heads", "pictures", "room", "sentences", "smooth", "sway", "words"]
