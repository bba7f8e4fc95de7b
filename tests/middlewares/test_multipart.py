from __future__ import annotations

import asyncio
import os
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from shallot import build_server
from shallot.codec.multipart import format_multipart
from shallot.compose import apply_middleware
from shallot.errors import BadRequest, BodyTooLarge, ClientDisconnect, UnsupportedMedia
from shallot.middlewares.multipart import Spool, multipart_request, multipart_response, wrap_multipart
from shallot.middlewares.parameters import wrap_parameters
from shallot.response import json
from shallot.testing import client

FILES = [("f", "a.txt", "text/plain", b"hello"), ("f", "../b.bin", "image/png", b"x" * 3000)]
CONTENT_TYPE, BODY = format_multipart({"a": ["1", "2"], "blank": [""]}, FILES, boundary="x")


def asking(body: bytes = BODY, content_type: str | None = CONTENT_TYPE, **keys: Any) -> Any:
    return {"type": "http", "headers": {} if content_type is None else {"content-type": content_type}, "body": body, **keys}


async def chunks_of(body: bytes, size: int = 100) -> Any:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def streamed(body: bytes = BODY, size: int = 100) -> Any:
    return asking(b"", stream=chunks_of(body, size))


async def answer(request: Any, **options: Any) -> Any:
    async def show(request: Any) -> Any:
        files = {
            name: [{**upload, "file": (await request.get("run_in_thread", asyncio.to_thread)(upload["file"].read))} for upload in uploads]
            for name, uploads in request["files"].items()
        }
        return {"status": 200, "files": files, "form": request["form_params"], "params": request.get("params")}

    return await apply_middleware(wrap_multipart(**options))(show)(request)


UPLOADS = [
    {"filename": "a.txt", "raw_filename": "a.txt", "content_type": "text/plain", "size": 5, "file": b"hello"},
    {"filename": "b.bin", "raw_filename": "../b.bin", "content_type": "image/png", "size": 3000, "file": b"x" * 3000},
]


@pytest.mark.parametrize("spool_bytes", [1, 1000, 1_000_000], ids=["on disk", "one on disk", "in memory"])
@pytest.mark.parametrize("request_of", [asking, streamed], ids=["body", "stream"])
async def test_a_form(request_of: Any, spool_bytes: int) -> None:
    assert await answer(request_of(), spool_bytes=spool_bytes) == {"status": 200, "files": {"f": UPLOADS}, "form": {"a": ["1", "2"]}, "params": None}


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({}, id="the smallest request"),
        pytest.param(asking(content_type=None), id="no type"),
        pytest.param(asking(content_type="application/json"), id="another type"),
        pytest.param(asking(b""), id="no body"),
        pytest.param({"type": "websocket", "headers": {}, "body": b""}, id="a WebSocket"),
    ],
)
async def test_no_form(request_: Any) -> None:
    assert await answer(request_) == {"status": 200, "files": {}, "form": {}, "params": None}


async def test_an_empty_stream_is_no_form() -> None:
    assert (await answer(streamed(b"")))["files"] == {}


async def test_blank_fields_and_unchosen_files() -> None:
    content_type, body = format_multipart({"a": [""]}, [("f", "", "application/octet-stream", b""), ("g", "", "text/plain", b"1")], boundary="x")
    given = await answer(asking(body, content_type), keep_blank_values=True)
    assert (given["form"], list(given["files"])) == ({"a": [""]}, ["g"])
    assert (await answer(asking(body, content_type)))["form"] == {}


async def test_fields_join_the_other_parameters() -> None:
    async def show(request: Any) -> Any:
        return {"status": 200, "all": [request["query_params"], request["form_params"], request["params"], request["nested_params"]]}

    content_type, body = format_multipart({"a[b]": ["1"]}, boundary="x")
    nested = {"q": ["2"], "a": {"b": ["1"]}}
    for pile, expected in (
        ([wrap_multipart, wrap_parameters(nested=True)], nested),
        ([wrap_parameters(nested=True), wrap_multipart], {"q": ["2"]}),
    ):
        response: Any = await apply_middleware(*pile)(show)(asking(body, content_type, query_string=b"q=2"))
        assert response["all"] == [{"q": ["2"]}, {"a[b]": ["1"]}, {"q": ["2"], "a[b]": ["1"]}, expected]


@pytest.mark.parametrize(
    ("request_", "options", "error"),
    [
        pytest.param(asking(b"--x\r\n"), {}, BadRequest, id="malformed"),
        pytest.param(asking(content_type="multipart/form-data"), {}, BadRequest, id="no boundary"),
        pytest.param(asking(), {"max_bytes": 3000}, BodyTooLarge, id="bytes"),
        pytest.param(asking(), {"max_files": 1}, BodyTooLarge, id="files"),
        pytest.param(asking(), {"max_fields": 2}, BodyTooLarge, id="fields"),
        pytest.param(asking(), {"max_text_bytes": 1}, BodyTooLarge, id="text"),
        pytest.param(asking(headers={"content-type": CONTENT_TYPE, "content-encoding": "gzip"}), {}, UnsupportedMedia, id="E12 compressed"),
    ],
)
async def test_refused(request_: Any, options: Any, error: Any) -> None:
    with pytest.raises(error):
        await answer(request_, **options)


async def test_a_declared_length_is_refused_before_anything_is_read() -> None:
    request = asking(b"", stream=None, headers={"content-type": CONTENT_TYPE, "content-length": "10485761"})
    with pytest.raises(BodyTooLarge, match="10485761 bytes was declared; the bound is 10485760"):
        await answer(request)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("cut", range(0, len(BODY), 150))
async def test_E5_the_files_of_a_form_that_breaks_off_are_closed(cut: int) -> None:
    before = descriptors()

    async def leaves() -> Any:
        async for chunk in chunks_of(BODY[:cut]):
            yield chunk
        raise ClientDisconnect

    with pytest.raises(ClientDisconnect):
        await answer(asking(b"", stream=leaves()), spool_bytes=1)
    with pytest.raises(BadRequest) if cut else ExitStack():
        await answer(streamed(BODY[:cut]), spool_bytes=1)
    assert descriptors() == before


@pytest.mark.parametrize("fails", [False, True], ids=["answered", "raised"])
async def test_files_are_closed_after_the_answer(fails: bool) -> None:
    kept: list[Any] = []

    async def keep(request: Any) -> Any:
        kept.extend(upload["file"] for upload in request["files"]["f"])
        assert not any(file.closed for file in kept)
        if fails:
            raise KeyError
        return {"status": 200}

    handler = apply_middleware(wrap_multipart(spool_bytes=10))(keep)
    if fails:
        with pytest.raises(KeyError):
            await handler(streamed())
    else:
        assert await handler(streamed()) == {"status": 200}
    assert [file.closed for file in kept] == [True, True]


class Twice:
    """An iterable and its iterator, which are closed each for itself."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.closed = 0

    def __aiter__(self) -> Any:
        return chunks_of(self.file.read())

    async def aclose(self) -> None:
        self.closed += 1


async def test_a_streamed_answer_may_still_read_the_files() -> None:
    async def echo(request: Any) -> Any:
        return {"status": 200, "stream": Twice(request["files"]["f"][1]["file"]), "uploads": request["files"]["f"]}

    response: Any = await apply_middleware(wrap_multipart(spool_bytes=10))(echo)(streamed())
    uploads = response["uploads"]
    assert not uploads[1]["file"].closed
    assert b"".join([chunk async for chunk in response["stream"]]) == b"x" * 3000
    await response["stream"].aclose()
    assert all(upload["file"].closed for upload in uploads)
    assert response["stream"]._stream.closed == 1


async def test_a_stream_without_an_end_of_its_own_is_closed_too() -> None:
    class Bare:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

    with ExitStack() as files:
        request = await multipart_request(asking(), files)
        response: Any = multipart_response({"status": 200, "stream": Bare()}, request, files)  # type: ignore[typeddict-item]
    file = request["files"]["f"][0]["file"]
    assert not file.closed
    await response["stream"].aclose()
    assert file.closed


async def test_a_stream_that_nobody_closes_takes_its_files_along() -> None:
    async def at_once(function: Any, *arguments: Any) -> Any:
        return function(*arguments)  # a thread may keep what it ran a moment longer than the test

    before = descriptors()
    with ExitStack() as files:
        request = await multipart_request({**streamed(), "run_in_thread": at_once}, files, spool_bytes=1)
        response: Any = multipart_response({"status": 200, "stream": chunks_of(b"")}, request, files)
    uploads = request["files"]["f"]
    assert descriptors() == before + 2
    del response
    assert all(upload["file"].closed for upload in uploads)
    assert descriptors() == before


async def test_a_stream_that_is_none_keeps_no_file_open() -> None:
    with pytest.raises(TypeError), ExitStack() as files:
        request = await multipart_request(asking(), files)
        multipart_response({"status": 200, "stream": [b"1"]}, request, files)  # type: ignore[typeddict-item]
    assert request["files"]["f"][0]["file"].closed


async def test_responses_without_a_need_stay() -> None:
    response: Any = {"status": 200, "stream": chunks_of(b"")}
    with ExitStack() as files:
        assert multipart_response(response, {"files": {}}, files) is response
        assert multipart_response({"status": 200}, {"files": {"a": []}}, files) == {"status": 200}
    await response["stream"].aclose()


async def test_the_disk_is_touched_in_threads_alone() -> None:
    async def run(function: Any, *args: Any) -> Any:
        threads.append(function.__name__)
        return await asyncio.to_thread(function, *args)

    threads: list[str] = []
    await answer(asking(run_in_thread=run), spool_bytes=1000)
    assert threads == ["_call_locked", "_call_locked", "read", "read"]


async def test_a_file_closed_while_it_is_written_is_closed_by_the_writer() -> None:
    entered, leave = threading.Event(), threading.Event()
    spool = Spool(1)
    write = spool.file.write

    def slow(data: bytes) -> int:
        entered.set()
        leave.wait(10)
        return write(data)

    async def run(function: Any, *args: Any) -> Any:
        return await asyncio.to_thread(function, slow if args[0] == write else args[0], *args[1:])

    task = asyncio.create_task(spool.write(b"12", run))
    await asyncio.to_thread(entered.wait, 10)
    spool.close()
    assert not spool.file.closed
    leave.set()
    await task
    assert spool.file.closed
    await spool.rewind(asyncio.to_thread)  # nothing happens any more
    spool.close()


def test_a_full_disk_does_not_disturb_the_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(1)
    closing = []

    class Full:
        def close(self) -> None:
            closing.append(True)
            raise OSError(28, "No space left on device")

    spool.file.close()
    spool.file = Full()  # type: ignore[assignment]
    spool.close()
    assert closing == [True]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_files": -1}, "wrap_multipart: max_files must be a whole number from 0 on, not -1"),
        ({"max_bytes": 0}, "wrap_multipart: max_bytes must be a whole number from 1 on, not 0"),
        ({"spool_bytes": 0}, "wrap_multipart: spool_bytes must be a whole number from 1 on, not 0"),
        ({"max_fields": True}, "wrap_multipart: max_fields must be a whole number from 0 on, not True"),
        ({"max_text_bytes": 1.5}, "wrap_multipart: max_text_bytes must be a whole number from 0 on, not 1.5"),
    ],
)
def test_options(options: Any, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        wrap_multipart(**options)
    assert str(caught.value) == error


async def test_an_upload_that_never_sits_in_memory() -> None:
    async def upload(request: Any) -> Any:
        return json({name: [upload["size"] for upload in uploads] for name, uploads in request["files"].items()}, 201)

    app = build_server(apply_middleware(wrap_multipart)(upload), stream_body=lambda scope: scope["path"].startswith("/upload"))
    content_type, body = format_multipart({}, [("f", "a", "text/plain", b"x" * 3_000_000)], boundary="x")
    headers = {"content-type": content_type}
    async with client(app) as c:
        answer = await c.post("/upload", chunks=[body[at : at + 65_536] for at in range(0, len(body), 65_536)], headers=headers)
        assert (answer["status"], answer["json"]) == (201, {"f": [3_000_000]})
        assert (await c.post("/elsewhere", body=body, headers=headers))["status"] == 413
        assert (await c.post("/elsewhere", body=BODY, headers=headers))["json"] == {"f": [5, 3000]}
        assert (await c.post("/upload", body=body[:-9], headers=headers))["status"] == 400
        assert (await c.post("/upload", chunks=[body] * 4, headers=headers))["status"] == 413
        assert (await c.post("/upload", body=body, headers={**headers, "content-encoding": "gzip"}))["status"] == 415
