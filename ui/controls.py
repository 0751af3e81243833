"""The widgets that pages share: network, picture, class. Each is in the link; what comes from a browser is checked again."""

import streamlit as st

from models import zoo
from models.picture import Picture, PictureError, gallery, gallery_picture, read_picture
from ui import cached

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
        cached.classifier(name)
    except zoo.WeightsUnavailableError as error:
        st.warning(f"{error} {zoo.card(zoo.EMBEDDED).title} stays.")
        return zoo.EMBEDDED
    return name


def picture() -> Picture | None:
    """The picture to attack: from the gallery, a file or the camera. None, with a word, while there is none."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.segmented_control(
            "Picture", SOURCES, default=SOURCES[0], required=True, key="source", bind="query-params"
        )
        with st.container(width=260):
            if source == "Upload":
                return _own(st.file_uploader("Your photo", max_upload_size=MEGABYTES, key="file"))
            if source == "Camera":
                return _own(st.camera_input("Take a photo", key="camera"))
            return _from_gallery()


def _from_gallery() -> Picture:
    entries = gallery()
    key = st.selectbox(
        "From the gallery",
        list(entries),
        format_func=lambda key: entries[key].title,
        key="gallery",
        bind="query-params",
    )
    return gallery_picture(key)


def _own(upload) -> Picture | None:
    """Read a visitor's file. After one that cannot be read, the last good one stays."""
    if upload is not None:
        try:
            st.session_state["own_picture"] = read_picture(upload.getvalue(), upload.name)
        except PictureError as error:
            st.error(f"{upload.name}: {error}")
    own = st.session_state.get("own_picture")
    if own is None:
        st.info("Drop a photo here, or choose one from the gallery.", icon=":material/add_photo_alternate:")
    return own


def category(label: str, otherwise: str, categories: tuple[str, ...], key: str, help: str) -> int | None:
    """One of the network's classes by typing a part of its name, or None for `otherwise`, the first in the list."""
    name = st.selectbox(label, [otherwise, *categories], key=key, bind="query-params", help=help)
    return categories.index(name) if name in categories else None
