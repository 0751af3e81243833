"""What components share: their files, and how their data travel: one block of bytes, not sent again while it is the same."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def files(name: str) -> tuple[str, str, str]:
    """HTML, CSS and JavaScript of a component; the script begins with what all of them share."""
    html, css, script = ((HERE / name / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return html, css, (HERE / "shared.js").read_text(encoding="utf-8") + script


def pack(head: dict[str, Any], *arrays: bytes) -> bytes:
    """The length of the header (4 bytes, little-endian), the header as JSON, the arrays."""
    text = json.dumps(head, ensure_ascii=False).encode()
    return len(text).to_bytes(4, "little") + text + b"".join(arrays)
