"""The widgets that pages share: network, picture, class. Each is in the link; what comes from a browser is checked again."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from models import zoo
from models.picture import Picture, PictureError, gallery, gallery_picture, read_picture
from ui import address, cached

SOURCES = ["Gallery", "Upload", "Camera"]
MEGABYTES = 20


def network_title(name: str) -> str:
    """The name a person reads, also in a link."""
    return zoo.card(name).title


def network() -> str:
    """The name of a network that is loaded. Falls back to the embedded one, with a word, if the weights are not to be had."""
    name = st.selectbox(
        "Network",
        zoo.names(),
        format_func=network_title,
        key="network",
        bind="query-params",
        help="The first comes with the app. The others are torchvision's; their weights are fetched when first chosen.",
    )
    try:
        with st.spinner("Loading the network and its weights …"):
            cached.fool.classifier(name)
    except zoo.WeightsUnavailableError as error:
        st.warning(f"{error} {zoo.card(zoo.EMBEDDED).title} stays.")
        return zoo.EMBEDDED
    return name


def source(sources: Sequence[str] = SOURCES, key: str = "source") -> str:
    """Where the picture comes from, one of `sources`."""
    chosen = st.segmented_control(
        "Picture from", sources, default=sources[0], required=True, key=key, bind="query-params"
    )
    return chosen or sources[0]


def picture(source: str, first: str = "camera") -> Picture | None:
    """The picture to look at. None, with a word, while a visitor has not given one. `first`: of the gallery."""
    if source == "Upload":
        return _own(st.file_uploader("Your photo", max_upload_size=MEGABYTES, key="file"))
    if source == "Camera":
        return _own(st.camera_input("Take a photo", key="camera"))
    return _from_gallery(first)


def _from_gallery(first: str) -> Picture:
    entries = gallery()
    key = st.selectbox(
        "From the gallery",
        list(entries),
        index=list(entries).index(first),
        format_func=lambda key: entries[key].title,
        key="gallery",
        bind="query-params",
    )
    return gallery_picture(key)


def _own(upload: Any) -> Picture | None:
    """A visitor's own picture, read once. After a file that cannot be read, the last good picture stays."""
    if upload is not None:
        error = _read_once(upload)
        if error:
            st.error(error, icon=":material/broken_image:")
    own = st.session_state.get("own_picture")
    if own is None:
        st.info("Drop a photo here, or choose one from the gallery.", icon=":material/add_photo_alternate:")
    return own


def _read_once(upload: Any) -> str:
    """Keep the picture of a new file for the session. Returns the sentence about a file that cannot be read, or ""."""
    file, error = st.session_state.get("own_file", (None, ""))
    if file != upload.file_id:
        error = ""
        try:
            st.session_state["own_picture"] = read_picture(upload.getvalue(), upload.name)
        except PictureError as refusal:
            error = str(refusal)
        st.session_state["own_file"] = (upload.file_id, error)
    return error


def category(label: str, otherwise: str, categories: tuple[str, ...], key: str, help: str) -> int | None:
    """One of the network's classes by typing a part of its name, or None for `otherwise`, the first in the list."""
    name = st.selectbox(label, [otherwise, *categories], key=key, bind="query-params", help=help)
    return categories.index(name) if name in categories else None


def number(label: str, low: int, high: int, first: int, key: str, *, place: Any = st, **options: Any) -> int:
    """A whole number that the page's buttons may change, too; see `text`."""
    told = st.query_params.get(key, "")
    fits = told.isdecimal() and len(told) < 10 and low <= int(told) <= high
    me = address.widget(key)
    st.session_state.setdefault(me, int(told) if fits else first)
    chosen = int(place.number_input(label, low, high, st.session_state[me], key=me, **options))
    address.hold(key, str(chosen))
    return chosen


def fraction(
    label: str, low: float, high: float, first: float, step: float, key: str, *, place: Any = st, **options: Any
) -> float:
    """A number on a slider that the page's buttons may change, too; see `text`."""
    told = st.query_params.get(key, "")
    me = address.widget(key)
    st.session_state.setdefault(me, float(told) if is_fraction(told, high) else first)
    st.session_state[me] = min(max(st.session_state[me], low), high)  # another part of the page may allow more
    chosen = round(float(place.slider(label, low, high, step=step, key=me, **options)), 3)
    address.hold(key, f"{chosen:g}")
    return chosen


def is_fraction(text: str, high: float) -> bool:
    """Whether a link's text is a plain number from 0 to `high`."""
    whole, _, rest = text.partition(".")
    return whole.isdecimal() and (not rest or rest.isdecimal()) and len(text) < 10 and float(text) <= high


def one_of(label: str, names: Sequence[str], key: str, *, place: Any = st, **options: Any) -> str:
    """One of some names, at first the first, that the page's buttons may change, too; see `text`."""
    me, told = address.widget(key), st.query_params.get(key, names[0])
    st.session_state.setdefault(me, told if told in names else names[0])
    chosen = place.segmented_control(label, names, required=True, key=me, wrap=True, **options) or names[0]
    address.hold(key, chosen)
    return str(chosen)


def part(names: Sequence[str], first: str, key: str = "part") -> str:
    """Which part of a page is in view, chosen above all else. Args: first: before anyone chooses."""
    chosen: str | None = st.segmented_control(
        "Part", list(names), default=first, required=True, key=key, bind="query-params", label_visibility="collapsed"
    )
    return chosen or first


def text(label: str, first: str, key: str, widest: int, *, place: Any = st, **options: Any) -> str:
    """A text that the page's buttons may change, too: it is put into the link here, since a bound widget's place there then lags.

    What it holds is its default as well: a browser that missed the run in which it was set would show, and send, an empty field.

    Args: widest: characters of it that are taken from a link; place: where it is drawn, a column or the page.
    """
    me = address.widget(key)
    st.session_state.setdefault(me, st.query_params.get(key, first)[:widest])
    typed: str = place.text_input(label, st.session_state[me], key=me, **options)
    address.hold(key, typed[:widest])
    return typed
