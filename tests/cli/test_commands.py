from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shallot.cli import commands
from shallot.cli.commands import COMMANDS, main

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in ("open_door", "hello", "fruits"):
        sys.modules.pop(name, None)


def run(*arguments: str) -> int:
    return main([*arguments, "--app-dir", str(EXAMPLES)])


OPEN_DOOR = """
from shallot import build_server, standard_not_found, websocket
from shallot.middlewares import apply_middleware, wrap_cookies, wrap_routes

@websocket
async def talk(scope, receiver):
    yield {}

app = build_server(apply_middleware(wrap_cookies(), wrap_routes([("/", ["WS"], talk)]))(standard_not_found))
"""


def test_check_prints_a_table_and_fails_on_errors(capsys: Any, tmp_path: Path) -> None:
    (tmp_path / "open_door.py").write_text(OPEN_DOOR)
    assert main(["check", "open_door:app", "--app-dir", str(tmp_path)]) == 1
    said = capsys.readouterr()
    head, first, *_ = said.out.splitlines()
    assert head.split() == ["level", "id", "where", "fix"]
    assert first.split()[:2] == ["error", "ws-origin-missing"]
    assert said.err == "1 error, 3 warnings, 1 hint\n"


def test_check_is_content_with_warnings(capsys: Any) -> None:
    assert run("check", "hello:app", "--json") == 0
    assert [finding["id"] for finding in json.loads(capsys.readouterr().out)] == ["hosts-missing", "security-headers-missing"]


def test_check_prints_no_table_of_nothing(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "check", lambda app: [])
    assert run("check", "hello:app") == 0
    assert tuple(capsys.readouterr()) == ("", "0 errors, 0 warnings, 0 hints\n")


def test_routes_prints_the_rows_with_their_layers(capsys: Any) -> None:
    assert run("routes", "fruits:app") == 0
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "GET      /fruits                      list_fruits  wrap_routes > wrap_json",
        "GET      /fruits/{number:int}  fruit  show_fruit   wrap_routes > wrap_json",
    ]
    assert run("routes", "fruits:app", "--json") == 0
    assert json.loads(capsys.readouterr().out)[2] == {
        "methods": "PUT",
        "path": "/fruits/{number:int}",
        "name": "",
        "handler": "put_fruit",
        "layers": "wrap_routes > wrap_json",
    }


def test_routes_of_an_app_that_has_none(capsys: Any) -> None:
    assert run("routes", "hello:app") == 0
    assert capsys.readouterr().err == "no routes: the app has no wrap_routes, and one handler answers all\n"


def test_a_handler_without_a_name_is_shown_as_it_is() -> None:
    assert commands._name(3) == "3"


def test_a_wrong_target_is_told(capsys: Any) -> None:
    assert run("check", "hello:ap") == 2
    assert capsys.readouterr().err == "python -m shallot check: hello has no 'ap'; did you mean 'app'?\n"


@pytest.mark.parametrize("arguments", [[], ["chek", "hello:app"], ["check"], ["check", "hello:app", "--app"]], ids=str)
def test_mistakes_are_argparse_s(arguments: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m shallot")


def test_every_command_is_in_the_help(capsys: Any) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert all(f"    {name} " in told for name in COMMANDS)


def test_it_is_run_as_a_module() -> None:
    command = [sys.executable, "-W", "error", "-m", "shallot", "check", "hello:app"]
    ran = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stderr) == (0, "0 errors, 2 warnings, 0 hints\n")
