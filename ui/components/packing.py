"""How a component's data travels: one block of bytes, which Streamlit sends as it is and not again while it stays the same."""

import json
from typing import Any


def pack(head: dict[str, Any], *arrays: bytes) -> bytes:
    """The length of the header (4 bytes, little-endian), the header as JSON, the arrays."""
    text = json.dumps(head, ensure_ascii=False).encode()
    return len(text).to_bytes(4, "little") + text + b"".join(arrays)
