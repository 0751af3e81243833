"""What components share: their files, and how their data travel: one block of bytes, not sent again while it is the same."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def files(name: str, *also: str) -> tuple[str, str, str]:
    """HTML, CSS and JavaScript of a component; style and script begin with what all of them share, and what some do (`also`)."""
    folder = HERE / name
    css = [*(HERE / f"{each}.css" for each in also), folder / f"{name}.css"]
    script = [HERE / "shared.js", *(HERE / f"{each}.js" for each in also), folder / f"{name}.js"]
    return _text(folder / f"{name}.html"), "".join(map(_text, css)), "".join(map(_text, script))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def pack(head: dict[str, Any], *arrays: bytes) -> bytes:
    """The length of the header (4 bytes, little-endian), the header as JSON, the arrays."""
    text = json.dumps(head, ensure_ascii=False).encode()
    return len(text).to_bytes(4, "little") + text + b"".join(arrays)
