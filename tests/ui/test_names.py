"""Streamlit puts the folder of its main script, `ui`, on the path: no file there may have the name of a package."""

import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path

UI = Path(__file__).parents[2] / "ui"


def test_no_file_of_ui_hides_a_package() -> None:
    installed = [sysconfig.get_paths()["purelib"], sysconfig.get_paths()["stdlib"]]
    names = {path.stem for path in UI.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} - {
        "__init__"
    }
    assert len(names) > 10
    assert [name for name in sorted(names) if PathFinder.find_spec(name, installed)] == []
