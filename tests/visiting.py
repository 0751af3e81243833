"""Visiting a page in process, without a browser."""

import re
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[1]


def visit_page(name: str, painted: str = "", **query: str) -> AppTest:
    """The page `name` with these values in its link; `painted` is the component that a browser would say has been drawn."""
    app = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=120)
    if painted:
        app.session_state[f"{painted}_painted"] = True
    for key, value in query.items():
        app.query_params[key] = value
    app.switch_page(str(ROOT / "pages" / f"{name}.py"))
    app.run()
    assert not app.exception
    return app


def control(widgets: Any, key: str) -> Any:
    """Of these widgets the one that shows the control `key`, however often it was put (`ui.address`)."""
    (found,) = (each for each in widgets if each.key and re.fullmatch(rf"{re.escape(key)}( \d+)?", each.key))
    return found


def said(app: AppTest) -> str:
    """All that the page says in words."""
    return "\n".join(element.value for element in (*app.markdown, *app.warning, *app.error, *app.info, *app.caption))
