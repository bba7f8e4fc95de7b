"""The HTTP side of the test app, and the window through which a test sees what the conversations wrote down."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import AsyncGeneratorType
from typing import Any

from shallot.response import json, text

from .journal import journal
from .notes import note, question

PAYLOAD = Path(__file__).with_name("rooms.py")
"""Any file whose contents the test can read too."""

# ---- the window


async def seen(request: Any, key: str) -> Any:
    """The lines under ``key``, as soon as one begins with ``?mark=``; at the latest after ``?seconds=``."""
    return json(await journal.wait(key, question(request, "mark"), float(question(request, "seconds", "5"))))


async def opens(request: Any, key: str) -> Any:
    journal.gate(key).set()
    return text("open")


async def gauges(request: Any) -> Any:
    """What must not grow."""
    gc.collect()
    alive = gc.get_objects()
    return json(
        {
            "tasks": len(asyncio.all_tasks()),
            "ours": sum(map(_is_ours, asyncio.all_tasks())),
            "generators": sum(isinstance(thing, AsyncGeneratorType) and thing.ag_frame is not None for thing in alive),
            "objects": len(alive),
            "fds": len(os.listdir("/proc/self/fd")),
            "threads": threading.active_count(),
            "rss": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE"),  # noqa: ASYNC240  # the kernel answers at once
        }
    )


def _is_ours(task: asyncio.Task[Any]) -> bool:
    """Whether ``task`` is somewhere inside shallot: a server may keep tasks of its own after we have returned."""
    inner: Any = task.get_coro()
    while inner is not None:
        code = getattr(inner, "cr_code", None)
        if code is not None and "/shallot/" in code.co_filename:
            return True
        inner = getattr(inner, "cr_await", None)
    return False


# ---- answers


async def plain(request: Any) -> Any:
    return text("hello")


async def show(request: Any, key: str) -> Any:
    note(request, f"the handler got {len(request['body'])}")
    return {"status": 200, "headers": {"content-type": "application/octet-stream"}, "body": request["body"]}


async def config(request: Any) -> Any:
    return json({name: value for name, value in request["config"].items() if isinstance(value, str)})


async def cookies(request: Any) -> Any:
    return {**json(request["cookies"]), "cookies": {"a": {"value": "1"}, "b": {"value": "2"}}}


async def bad(request: Any, what: str) -> Any:
    return _BAD[what]


_BAD: dict[str, Any] = {
    "none": None,
    "status": {"status": 99},
    "text-body": {"status": 200, "body": "text"},
    "header-value": {"status": 200, "headers": {"x-evil": "a\r\nset-cookie: e=1"}, "body": b""},
    "header-name": {"status": 200, "headers": {"x\r\ny": "a"}, "body": b""},
    "header-nul": {"status": 200, "headers": {"x": "a\0b"}, "body": b""},
    "too-long": {"status": 200, "headers": {"content-length": "10"}, "body": b"12345"},
    "too-short": {"status": 200, "headers": {"content-length": "2"}, "body": b"12345"},
    "204-with-body": {"status": 204, "body": b"no"},
    "101-to-http": {"status": 101},
}


async def fails(request: Any) -> Any:
    raise RuntimeError("secret of the handler")


async def hangs(request: Any, key: str) -> Any:
    try:
        await asyncio.sleep(3600)
    finally:
        note(request, "finally")


async def whole_file(request: Any) -> Any:
    return {"status": 200, "headers": {"content-type": "text/x-python"}, "file": PAYLOAD}


async def doubled(request: Any) -> Any:
    return {**text("done", 202), "effects": [{"type": "live.double", "number": 1}]}


# ---- a thread that can only go on if the loop is free

_released = threading.Event()


def blocks(request: Any) -> Any:
    return text("released" if _released.wait(10) else "the loop was blocked")


async def releases(request: Any) -> Any:
    _released.set()
    return text("yes")


# ---- streams


def streamed(chunks: Any) -> Any:
    return {"status": 200, "headers": {"content-type": "application/octet-stream"}, "stream": chunks}


async def counts(request: Any, key: str) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            for number in range(int(question(request, "to"))):
                yield b"%d\n" % number
        finally:
            note(request, "finally")

    return streamed(chunks())


async def drips(request: Any, key: str) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        task = asyncio.current_task()
        try:
            while True:
                yield b"drip"
                await asyncio.sleep(0.02)
        finally:
            note(request, "finally" if asyncio.current_task() is task else "finally in another task")

    return streamed(chunks())


async def silence(request: Any, key: str) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            note(request, "finally")

    return streamed(chunks())


async def breaks(request: Any, key: str) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            raise RuntimeError("secret of the stream")
        finally:
            note(request, "finally")

    return streamed(chunks())


async def firehose(request: Any, key: str) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        note(request, "begin")
        try:
            while True:
                yield b"x" * 1_000_000
        finally:
            note(request, "finally")

    return streamed(chunks())


async def swallows(request: Any, key: str) -> Any:
    """Reads a streamed body."""
    note(request, "begin")
    total = 0
    try:
        async for chunk in request["stream"]:
            total += len(chunk)
    finally:
        note(request, f"finally after {total}")
    return text(str(total))
