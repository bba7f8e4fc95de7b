"""``python -m shallot replay``: recorded through a real app, and played again."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from shallot.cli.commands import main
from shallot.testing import client

APP = """
from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.middlewares import apply_middleware, wrap_routes, wrap_transcript

lines = []
CONFIG = {"greeting": "hello"}
WRONG = 1


@websocket
async def echo(scope, receiver, room):
    async for message in receiver:
        yield ws_send(f"%s {room} {message}")


async def alone(scope, receiver):
    async for message in receiver:
        yield ws_send(scope["config"].get("greeting", "") + message)


alone = websocket(alone)
routes = [("/page", ["GET"], print), ("/{room}", ["GET"], print, {"name": "a page"}), ("/{room}", ["WS"], echo, {"mine": print})]
routed = build_server(apply_middleware(wrap_routes(routes), wrap_transcript(lines.append))(standard_not_found))
bare = build_server(apply_middleware(wrap_transcript(lines.append))(alone))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    sys.modules.pop("recorded_app", None)


def write_app(folder: Path, said: str) -> Any:
    sys.modules.pop("recorded_app", None)
    (folder / "recorded_app.py").write_text(APP.replace("%s", said))
    __import__("importlib").invalidate_caches()
    return __import__("recorded_app")


async def record(folder: Path, app: str, *, count: int = 3) -> Path:
    module = write_app(folder, "you said in")
    async with client(getattr(module, app)) as c:
        for number in range(count):
            async with c.websocket(f"/room{number}?token=secret") as ws:
                for text in ("hi", "ho"):
                    await ws.send(text)
                    await ws.expect()
    path = folder / "night.jsonl"
    path.write_text("".join(module.lines))
    return path


def replay(path: Path, app: str, *more: str) -> int:
    return main(["replay", str(path), f"recorded_app:{app}", "--app-dir", str(path.parent), *more])


@pytest.mark.parametrize("app", ["routed", "bare"])
async def test_twenty_conversations_without_a_difference(folder: Path, app: str, capsys: Any, off_the_loop: Any) -> None:
    path = await record(folder, app, count=20)
    assert "secret" not in path.read_text()
    assert await off_the_loop(replay, path, app) == 0
    assert capsys.readouterr().out == "20 conversations, 0 differences\n"


async def test_the_first_difference_is_told(folder: Path, capsys: Any, off_the_loop: Any) -> None:
    path = await record(folder, "routed")
    write_app(folder, "you say in")
    assert await off_the_loop(replay, path, "routed") == 1
    said = capsys.readouterr().out
    assert "(recorded_app:echo at /room0) differs after 1 message:" in said
    assert 'recorded: {"text":"you said in room0 hi"' in said and 'today:    {"text":"you say in room0 hi"' in said


async def test_a_handler_that_says_less(folder: Path, capsys: Any, off_the_loop: Any) -> None:
    path = await record(folder, "bare", count=1)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"message":"ho"' not in line))
    assert await off_the_loop(replay, path, "bare") == 1
    assert "today:    nothing" in capsys.readouterr().out


async def test_a_config_for_the_handlers(folder: Path, capsys: Any, off_the_loop: Any) -> None:
    path = await record(folder, "bare", count=1)
    assert await off_the_loop(replay, path, "bare", "--config", "recorded_app:CONFIG") == 1
    assert '"text":"hellohi"' in capsys.readouterr().out


async def test_a_file_of_tests(folder: Path, capsys: Any, off_the_loop: Any) -> None:
    path = await record(folder, "routed", count=2)
    assert await off_the_loop(replay, path, "routed", "--pytest") == 0
    names: dict[str, Any] = {}
    exec(capsys.readouterr().out, names)
    for name in ("test_conversation_1", "test_conversation_2"):
        await off_the_loop(names[name])


@pytest.mark.parametrize(
    "more, change, message",
    [
        (["--config", "recorded_app:WRONG"], None, "expected a dict, got int"),
        (["--config", "recorded_app:MISSING"], None, "MISSING"),
        ([], ("/{room}", "/{gone}"), "no WS route '/{gone}'"),
        ([], ('"kind":"open"', '"kind":"odd"'), "line 1: expected a record"),
    ],
    ids=["no dict", "no such name", "no such route", "no transcript"],
)
async def test_mistakes(folder: Path, more: list[str], change: Any, message: str, capsys: Any, off_the_loop: Any) -> None:
    path = await record(folder, "routed", count=1)
    if change is not None:
        path.write_text(path.read_text().replace(*change))
    assert await off_the_loop(replay, path, "routed", *more) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_is_not_there(folder: Path, capsys: Any) -> None:
    write_app(folder, "")
    assert replay(folder / "no.jsonl", "routed") == 2
    assert "no.jsonl" in capsys.readouterr().err


@pytest.fixture
def off_the_loop() -> Any:
    """Calls a function where no loop runs, as a command is called."""

    return asyncio.to_thread
