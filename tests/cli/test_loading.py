from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from shallot.cli.loading import WrongTarget, load_app

PROGRAM = """
from shallot import build_server, standard_not_found

class shop:
    app = build_server(standard_not_found)

app = build_server(standard_not_found)
routes = []
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder with programs, which nobody remembers afterwards."""
    (tmp_path / "orchard").mkdir()
    (tmp_path / "orchard" / "__init__.py").write_text("")
    (tmp_path / "orchard" / "web.py").write_text(PROGRAM)
    (tmp_path / "orchard" / "needy.py").write_text("import orchard_tools_that_nobody_has")
    (tmp_path / "orchard" / "broken.py").write_text("1 / 0")
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "orchard"]:
        del sys.modules[name]


def test_an_app_is_found(folder: Path) -> None:
    assert load_app("orchard.web:app", str(folder)) is load_app("orchard.web:app", str(folder))
    assert load_app("orchard.web:shop.app", str(folder)).limits
    assert sys.path.count(str(folder)) == 1


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("orchard.web", "expected module:app, like myproject.web:app, got 'orchard.web'"),
        (":app", "expected module:app, like myproject.web:app, got ':app'"),
        ("orchard.web:", "expected module:app, like myproject.web:app, got 'orchard.web:'"),
        ("orchard web:app", "expected module:app, like myproject.web:app, got 'orchard web:app'"),
        ("orchard.web:ap", "orchard.web has no 'ap'; did you mean 'app'?"),
        ("orchard.web:shop.ap", "orchard.web has no 'shop.ap'; did you mean 'app'?"),
        ("orchard.web:zzz", "orchard.web has no 'zzz'"),
        ("orchard.web:routes", "orchard.web:routes is a list, not what build_server(...) gives"),
        ("orchard/web.py:app", "'orchard/web.py' is a file; write it as a module, 'web:app', and name its folder with --app-dir if it is another one"),
        ("orchard.wep:app", "no module 'orchard.wep' in {folder}; stand in the folder that has it, or name that with --app-dir"),
        ("garden.web:app", "no module 'garden' in {folder}; stand in the folder that has it, or name that with --app-dir"),
    ],
)
def test_what_leads_nowhere(folder: Path, target: str, error: str) -> None:
    with pytest.raises(WrongTarget) as caught:
        load_app(target, str(folder))
    assert str(caught.value) == error.format(folder=folder)


@pytest.mark.parametrize(("target", "kind"), [("orchard.needy:app", ModuleNotFoundError), ("orchard.broken:app", ZeroDivisionError)])
def test_what_the_module_itself_raises_is_its_own(folder: Path, target: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        load_app(target, str(folder))
