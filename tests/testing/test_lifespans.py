from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shallot.testing import Unexpected, WrongEvent, virtual_time
from shallot.testing.lifespans import lifespan

COMPLETE = {"type": "lifespan.startup.complete"}
STOPPED = {"type": "lifespan.shutdown.complete"}


def speaking(*answers: dict[str, Any], log: list[str], error: Exception | None = None) -> Any:
    """An app that gives one answer to each event, and raises ``error`` at the end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        log.append(scope["type"])
        scope["state"]["db"] = "open"
        for answer in answers:
            log.append((await receive())["type"])
            await send(answer)
        log.append("end")
        if error is not None:
            raise error

    return app


async def test_start_and_stop() -> None:
    log: list[str] = []
    async with lifespan(speaking(COMPLETE, STOPPED, log=log)) as state:
        assert log == ["lifespan", "lifespan.startup"]
        assert state == {"db": "open"}
    assert log == ["lifespan", "lifespan.startup", "lifespan.shutdown", "end"]


async def test_the_app_is_stopped_when_the_block_fails() -> None:
    log: list[str] = []
    with pytest.raises(KeyError):
        async with lifespan(speaking(COMPLETE, STOPPED, log=log)):
            raise KeyError
    assert log[-2:] == ["lifespan.shutdown", "end"]


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([{"type": "lifespan.startup.failed", "message": "no database"}], "the app's startup failed: no database"),
        ([{"type": "lifespan.startup.failed"}], "the app's startup failed: "),
        ([COMPLETE, {"type": "lifespan.shutdown.failed", "message": "no way"}], "the app's shutdown failed: no way"),
    ],
    ids=["start", "start without message", "stop"],
)
@pytest.mark.parametrize("error", [None, ValueError("and raised")], ids=["quiet", "raising"])
async def test_a_failure_is_told(answers: list[dict[str, Any]], text: str, error: Exception | None) -> None:
    with pytest.raises(Unexpected) as caught:
        async with lifespan(speaking(*answers, log=[], error=error)):
            pass
    assert str(caught.value) == text


async def raising(scope: Any, receive: Any, send: Any) -> None:
    raise TypeError("what is a lifespan?")


async def returning(scope: Any, receive: Any, send: Any) -> None:
    return None


async def returning_later(scope: Any, receive: Any, send: Any) -> None:
    await receive()


@pytest.mark.parametrize("app", [raising, returning, returning_later])
async def test_an_app_need_not_speak_lifespan(app: Any) -> None:
    async with lifespan(app) as state:
        assert state == {}


async def test_what_is_raised_after_the_start_is_raised() -> None:
    with pytest.raises(ValueError, match="crash"):
        async with lifespan(speaking(COMPLETE, log=[], error=ValueError("crash"))):
            pass
    with pytest.raises(ValueError, match="crash"):
        async with lifespan(speaking(COMPLETE, STOPPED, log=[], error=ValueError("crash"))):
            pass


async def test_an_app_may_end_without_waiting_for_its_stop() -> None:
    async with lifespan(speaking(COMPLETE, log=[])):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("answers", "what"), [([], "the app's startup"), ([COMPLETE], "the app's shutdown")], ids=["start", "stop"])
@virtual_time
async def test_each_has_a_deadline(answers: list[dict[str, Any]], what: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for answer in answers:
            await receive()
            await send(answer)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Unexpected, match=rf"^waited 0\.01 s for {what}\nlifespan: the app waits in _serve "):
        async with lifespan(app, deadline_s=0.01):
            pass


async def test_a_wrong_event_is_raised() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        with pytest.raises(WrongEvent):
            await send(STOPPED)
        await send(COMPLETE)
        await receive()
        await send(STOPPED)

    with pytest.raises(WrongEvent, match=r"'lifespan.shutdown.complete' was sent where 'lifespan.startup.complete' or"):
        async with lifespan(app):
            pass
