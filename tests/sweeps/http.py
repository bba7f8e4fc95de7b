"""Scenes of HTTP: the app's line from scope to last event, with streams, uploads, files, errors, deadlines; the lifespan; sessions."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from shallot import build_server, publish, standard_not_found
from shallot.channels import memory_channels
from shallot.errors import BadRequest
from shallot.middlewares import apply_middleware, wrap_multipart, wrap_session, wrap_static
from shallot.response import text
from shallot.sessions import memory_store
from shallot.testing import http_scope
from shallot.testing.leaks import name_of

from .points import Sweep
from .servers import SlowServer, exchange, lifespan, pause, still_answers

FOLDER = Path(tempfile.gettempdir())
KEY = token_urlsafe(32)
LIFESPAN = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}


def plainly(handler: Any) -> Any:
    """``handler``, but for ``/plain``."""

    async def answer(request: Any) -> Any:
        return text("plain") if request["path"] == "/plain" else await handler(request)

    return answer


async def slow(request: Any) -> Any:
    await pause()
    return text("slow")


async def a_handler_that_waits(sweep: Sweep) -> None:
    await exchange(sweep, build_server(plainly(slow)))


async def a_plain_function_in_a_thread(sweep: Sweep) -> None:
    def plain(request: Any) -> Any:
        return text("in a thread")

    await exchange(sweep, build_server(plain))


async def a_body_in_pieces(sweep: Sweep) -> None:
    async def size(request: Any) -> Any:
        await pause()
        return text(str(len(request["body"])))

    await exchange(sweep, build_server(plainly(size)), http_scope("POST", headers={"content-length": "6"}), [b"ab", b"cd", b"ef"])


async def a_body_that_is_late(sweep: Sweep) -> None:
    """The deadline passes: 408."""
    scope = http_scope("POST", headers={"transfer-encoding": "chunked"})
    server = await exchange(sweep, build_server(plainly(slow), limits={"body_s": 1}), scope, [b"ab", b"cd"][:0])
    assert sweep.struck or server.sent[0]["status"] == 408


async def a_handler_past_its_deadline(sweep: Sweep) -> None:
    async def hangs(request: Any) -> Any:
        try:
            await asyncio.sleep(100)
        finally:
            await pause()

    sweep.allow("answering took longer than 1 s")
    server = await exchange(sweep, build_server(plainly(hangs), limits={"response_s": 1}))
    assert sweep.struck or server.sent[0]["status"] == 503


async def an_error(sweep: Sweep) -> None:
    async def fails(request: Any) -> Any:
        await pause()
        raise BadRequest("no")

    await exchange(sweep, build_server(plainly(fails)))


async def an_upload_read_whole(sweep: Sweep) -> None:
    async def reads(request: Any) -> Any:
        size = 0
        async for chunk in request["stream"]:
            await pause()
            size += len(chunk)
        return text(str(size))

    app = build_server(plainly(reads), stream_body=lambda scope: scope["method"] == "POST")
    await exchange(sweep, app, http_scope("POST", headers={"content-length": "6"}), [b"ab", b"cd", b"ef"])


async def an_upload_left_unread(sweep: Sweep) -> None:
    async def reads_one(request: Any) -> Any:
        async for _ in request["stream"]:
            break
        await pause()
        return {"status": 200, "stream": pieces(2)}

    app = build_server(plainly(reads_one), stream_body=lambda scope: scope["method"] == "POST")
    await exchange(sweep, app, http_scope("POST", headers={"transfer-encoding": "chunked"}), [b"ab", b"cd", b"ef"], {3: SlowServer.leave})


async def pieces(count: int, *, ended: list[str] | None = None) -> AsyncIterator[bytes]:
    try:
        for _ in range(count):
            yield b"piece"
            await pause()
    finally:
        await pause()
        if ended is not None:
            ended.append("ended")


async def a_stream(sweep: Sweep) -> None:
    ended: list[str] = []
    begun: list[str] = []

    async def streams(request: Any) -> Any:
        begun.append("begun")
        return {"status": 200, "stream": watched()}

    async def watched() -> AsyncIterator[bytes]:
        begun.append("stream")
        try:
            yield b"one"
            await pause()
            yield b"two"
        finally:
            ended.append("stream")

    await exchange(sweep, build_server(plainly(streams)))
    assert begun.count("stream") == ended.count("stream")


async def a_stream_whose_client_leaves(sweep: Sweep) -> None:
    ended: list[str] = []

    async def streams(request: Any) -> Any:
        return {"status": 200, "stream": pieces(1000, ended=ended)}

    await exchange(sweep, build_server(plainly(streams)), acts={0.05: SlowServer.leave}, after_leave="swallow")


async def a_stream_that_nobody_takes(sweep: Sweep) -> None:
    async def streams(request: Any) -> Any:
        return {"status": 200, "stream": pieces(1000)}

    await exchange(sweep, build_server(plainly(streams), limits={"send_s": 1}), stuck_after=3)


async def a_file(sweep: Sweep) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x" * 200_000)
        file.flush()

        async def gives(request: Any) -> Any:
            return {"status": 200, "file": file.name}

        await exchange(sweep, build_server(plainly(gives)))


async def a_file_that_the_server_sends(sweep: Sweep) -> None:
    with tempfile.NamedTemporaryFile() as file:

        async def gives(request: Any) -> Any:
            return {"status": 200, "file": file.name}

        await exchange(sweep, build_server(plainly(gives)), http_scope(extensions={"http.response.pathsend": {}}))


async def ranges_of_a_static_file(sweep: Sweep) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.txt").write_bytes(b"x" * 200_000)
        app = build_server(apply_middleware(wrap_static(folder))(plainly(standard_not_found)))
        server = await exchange(sweep, app, http_scope("GET", "/a.txt", headers={"range": "bytes=0-70000,100000-170000"}))
        assert sweep.struck or server.sent[0]["status"] == 206


async def a_form_with_a_file(sweep: Sweep) -> None:
    form = b'--x\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"some bytes" * 10 + b"\r\n--x--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": str(len(form))}

    async def takes(request: Any) -> Any:
        await pause()
        return text(str(len(request["files"])))

    app = build_server(apply_middleware(wrap_multipart(spool_bytes=1))(plainly(takes)), stream_body=lambda scope: scope["method"] == "POST")
    await exchange(sweep, app, http_scope("POST", headers=headers), [form[:50], form[50:120], form[120:]])


async def effects_before_the_answer(sweep: Sweep) -> None:
    async def says(request: Any) -> Any:
        return {"status": 200, "effects": [publish("news", 1), {"type": "my.kind"}, publish("news", 2)]}

    async def mine(effect: Any, scope: Any) -> None:
        await pause()

    app = build_server(plainly(says), resources={"channels": memory_channels()}, effects={"my.kind": mine})
    async with lifespan(app):
        await exchange(sweep, app)


async def a_session_that_changes(sweep: Sweep) -> None:
    class Slowly:
        """A store that waits before and after each of its doings."""

        def __init__(self) -> None:
            self.kept = memory_store()

        def __getattr__(self, name: str) -> Any:
            if name not in ("read", "write", "delete"):
                raise AttributeError(name)

            async def call(*args: Any) -> Any:
                await pause()
                result = await getattr(self.kept, name)(*args)
                await pause()
                return result

            return call

    async def counts(request: Any) -> Any:
        request["session"]["count"] = request["session"].get("count", 0) + 1
        return text(str(request["session"]["count"]))

    app = build_server(apply_middleware(wrap_session(store=Slowly()))(plainly(counts)))
    first = await exchange(Sweep(sweep.way, None), app, http_scope(scheme="https"))
    cookie = dict(first.sent[0]["headers"])[b"set-cookie"].decode().partition(";")[0]
    await exchange(sweep, app, http_scope(scheme="https", headers={"cookie": cookie}))
    last = await exchange(Sweep(sweep.way, None), app, http_scope(scheme="https", headers={"cookie": cookie}))
    assert json.loads(last.sent[-1]["body"]) in ((2, 3) if sweep.struck else (3,))


async def the_first_request_without_a_lifespan(sweep: Sweep) -> None:
    """The owner of the resources is a task of its own: a request that is cancelled does not take the start with it."""
    entered: list[str] = []

    @asynccontextmanager
    async def thing(config: Any) -> AsyncIterator[str]:
        await pause()
        entered.append("in")
        yield "thing"

    app = build_server(plainly(slow), resources={"thing": thing})
    try:
        await exchange(sweep, app)
        assert entered[-1] == "in"
    finally:
        for owner in [task for task in asyncio.all_tasks() if name_of(task.get_coro()) == "Lifecycle._own"]:
            owner.cancel()


async def many_requests_at_once(sweep: Sweep) -> None:
    """One is cancelled; the others never notice."""
    app = build_server(plainly(slow))
    others = [SlowServer(http_scope(), [{"type": "http.request"}]) for _ in range(3)]
    for other in others:
        other.start(app)
    await exchange(sweep, app)
    if sweep.way != "with all other tasks" or not sweep.struck:
        for other in others:
            await other.end()
            assert other.sent[0]["status"] == 200


# ---- the lifespan


async def a_life(sweep: Sweep) -> None:
    await _live(sweep)


async def a_life_whose_start_fails(sweep: Sweep) -> None:
    await _live(sweep, fails="on_start")


async def _live(sweep: Sweep, fails: str = "") -> None:
    doings: list[str] = []

    def thing(name: str) -> Any:
        @asynccontextmanager
        async def manager(config: Any) -> AsyncIterator[str]:
            await pause()
            doings.append(f"+{name}")
            try:
                yield name
            finally:
                try:
                    await pause()
                finally:
                    doings.append(f"-{name}")

        return manager

    async def on_start(context: Any) -> None:
        await pause()
        doings.append("+start")

    async def on_stop(context: Any) -> None:
        await pause()
        doings.append("-start")

    app = build_server(plainly(slow), resources={"one": thing("one"), "channels": memory_channels(), "two": thing("two")}, on_start=on_start, on_stop=on_stop)
    server = SlowServer(LIFESPAN, [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    await sweep(app(server.scope, server.receive, server.send))
    left = [name for name in ("one", "two") if doings.count(f"+{name}") != doings.count(f"-{name}")]
    if left:
        raise AssertionError(f"{left} entered and not left: {doings}")
    async with lifespan(app):  # another life
        await still_answers(app)


HTTP = {
    scene.__name__: scene
    for scene in (
        *(a_handler_that_waits, a_plain_function_in_a_thread, a_body_in_pieces, a_body_that_is_late, a_handler_past_its_deadline, an_error),
        *(an_upload_read_whole, an_upload_left_unread, a_stream, a_stream_whose_client_leaves, a_stream_that_nobody_takes),
        *(a_file, a_file_that_the_server_sends, ranges_of_a_static_file, a_form_with_a_file, effects_before_the_answer, a_session_that_changes),
        *(the_first_request_without_a_lifespan, many_requests_at_once, a_life),
    )
}
