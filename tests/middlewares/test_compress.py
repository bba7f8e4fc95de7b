from __future__ import annotations

import asyncio
import os
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from shallot import build_server
from shallot.codec import compression
from shallot.compose import apply_middleware
from shallot.middlewares import compress as module
from shallot.middlewares.compress import choose_encoding, compress_options, compress_response, wrap_compress
from shallot.middlewares.content_type import wrap_content_type
from shallot.middlewares.static import wrap_static
from shallot.response import event_stream, file, html, text
from shallot.testing import client

DECODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: zlib.decompress(data, wbits=31),
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}
PAGE = html("<p>apples and pears</p>" * 100)
BODY: bytes = PAGE["body"]  # type: ignore[typeddict-item]


def asking(accepted: str | None = "gzip", method: str = "GET", **more: Any) -> dict[str, Any]:
    headers = {} if accepted is None else {"accept-encoding": accepted}
    return {"type": "http", "method": method, "path": "/", "headers": {**headers, **more.pop("headers", {})}, **more}


async def answer(response: Any, request: Any = None, **options: Any) -> Any:
    async def handler(request: Any) -> Any:
        return response

    before = repr(response)
    answered: Any = await apply_middleware(wrap_compress(**options))(handler)(request or asking())
    assert repr(response) == before
    return answered


async def read(response: Any) -> bytes:
    try:
        return b"".join([chunk async for chunk in response["stream"]])
    finally:
        await response["stream"].aclose()


# ---- F7: which coding, and what caches must know


F7 = [
    (None, None),
    ("", None),
    ("identity", None),
    ("deflate", None),
    ("gzip", "gzip"),
    ("GZip", "gzip"),
    ("x-gzip", "gzip"),
    ("gzip, deflate", "gzip"),
    ("gzip, deflate, br", "br"),
    ("gzip, deflate, br, zstd", "zstd"),
    ("zstd;q=0, gzip", "gzip"),
    ("zstd;q=0.1, gzip;q=0.2", "gzip"),
    ("gzip;q=0", None),
    ("gzip;q=0.0", None),
    ("gzip;q=0, *", "zstd"),
    ("*", "zstd"),
    ("*;q=0", None),
    ("*;q=0, gzip", "gzip"),
    ("identity;q=0", None),
    ("identity;q=0, gzip;q=0.1", "gzip"),
    ("identity;q=1, gzip;q=0.5", None),
    ("gzip;q=high", None),
    ("g" * 10_000, None),
]


@pytest.mark.parametrize(("accepted", "encoding"), F7, ids=lambda value: str(value)[:40])
async def test_F7_accept_encoding_is_obeyed(accepted: str | None, encoding: str | None) -> None:
    response = await answer(PAGE, asking(accepted))
    assert (response["headers"].get("content-encoding"), response["headers"]["vary"]) == (encoding, "accept-encoding")
    assert (DECODE[encoding](response["body"]) if encoding else response["body"]) == BODY


VARY = {"vary": "accept-encoding"}


@pytest.mark.parametrize(
    ("headers", "coded"),
    [
        pytest.param({"etag": '"x"'}, {**VARY, "etag": 'W/"x"'}, id="a strong tag"),
        pytest.param({"ETag": '"x"'}, {**VARY, "etag": 'W/"x"'}, id="a strong tag in capitals"),
        pytest.param({"etag": 'W/"x"'}, {**VARY, "etag": 'W/"x"'}, id="a weak tag"),
        pytest.param({"Content-Length": str(len(BODY)), "accept-ranges": "bytes"}, VARY, id="what holds no more"),
        pytest.param({"vary": "origin"}, {"vary": "origin, accept-encoding"}, id="vary"),
        pytest.param({"Vary": "*"}, {"Vary": "*"}, id="vary on all"),
    ],
)
async def test_F7_headers_of_a_compressed_answer(headers: Any, coded: Any) -> None:
    response = await answer({"status": 200, "headers": {"content-type": "text/css", **headers}, "body": BODY})
    assert response["headers"] == {"content-type": "text/css", "content-encoding": "gzip", **coded}


@pytest.mark.parametrize(
    ("status", "etag", "asked", "kept"),
    [(304, '"x"', 'W/"x"', 'W/"x"'), (304, '"x"', '"x"', '"x"'), (304, 'W/"x"', 'W/"x"', 'W/"x"'), (206, '"x"', 'W/"x"', '"x"')],
)
async def test_F7_a_tag_that_the_client_knows_as_weak_stays_weak(status: int, etag: str, asked: str, kept: str) -> None:
    response = await answer({"status": status, "headers": {"etag": etag}}, asking(headers={"if-none-match": asked}))
    assert response == {"status": status, "headers": {"etag": kept, "vary": "accept-encoding"}}


async def test_F7_a_static_file_is_asked_for_again_by_its_weak_tag(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_bytes(BODY)
    app = build_server(apply_middleware(wrap_compress(), wrap_content_type(), wrap_static(str(tmp_path)))(lambda request: text("", 404)))
    async with client(app) as c:
        first = await c.get("/a.css", headers={"accept-encoding": "br"})
        assert (brotli.decompress(first["body"]), first["headers"]["etag"][:3]) == (BODY, 'W/"')
        assert first["headers"].keys() & {"content-length", "accept-ranges"} == set()
        again = await c.get("/a.css", headers={"accept-encoding": "br", "if-none-match": first["headers"]["etag"]})
        assert (again["status"], again["headers"]["etag"], again["body"]) == (304, first["headers"]["etag"], b"")
        part = await c.get("/a.css", headers={"accept-encoding": "br", "range": "bytes=0-2"})
        assert (part["status"], part["body"], part["headers"].get("content-encoding")) == (206, BODY[:3], None)
        head = await c.head("/a.css", headers={"accept-encoding": "br"})
        assert {**head["headers"]} == first["headers"]


# ---- F6: what is never compressed


def page(body: bytes = BODY, status: int = 200, **headers: Any) -> Any:
    return {"status": status, "headers": {"content-type": "text/html", **{name.replace("_", "-"): value for name, value in headers.items()}}, "body": body}


EXCLUDED = [
    pytest.param(page(set_cookie="a=b"), {}, id="it sets a cookie"),
    pytest.param(page(Set_Cookie=["a=b"]), {}, id="it sets cookies"),
    pytest.param({**page(), "cookies": {"a": {"value": "b"}}}, {}, id="it will set a cookie"),
    pytest.param({**page(), "compress": False}, {}, id="it is marked"),
    pytest.param(page(), {"route": {"data": {"compress": False}}}, id="its route is marked"),
    pytest.param(page(BODY[:1023]), {}, id="less than 1 KiB"),
    pytest.param(page(b""), {}, id="nothing"),
    pytest.param(page(content_encoding="br"), {}, id="coded already"),
    pytest.param(page(content_encoding="identity"), {}, id="coded by name"),
    pytest.param(page(status=206, content_range="bytes 0-1/2"), {}, id="a part"),
    pytest.param(page(content_range="bytes 0-1/2"), {}, id="a part with another status"),
    pytest.param(page(cache_control="public, No-Transform"), {}, id="no-transform"),
    pytest.param(page(cache_control=["public", "no-transform"]), {}, id="no-transform in a list"),
    pytest.param(page(content_digest="sha-256=:AA==:"), {}, id="a digest of the content"),
    pytest.param(page(content_type="text/event-stream"), {}, id="events"),
    pytest.param(page(content_type="Text/Event-Stream; charset=utf-8"), {}, id="events in capitals"),
    pytest.param(page(content_type="image/png"), {}, id="a picture"),
    pytest.param(page(content_type=""), {}, id="no type"),
    pytest.param(page(status=204, body=b""), {}, id="no body"),
    pytest.param({"status": 304, "headers": {"content-type": "text/html"}}, {}, id="not modified"),
    pytest.param(page(os.urandom(2000)), {}, id="what becomes no smaller"),
]


@pytest.mark.parametrize("accepted", ["gzip, br, zstd", "gzip;q=1, identity;q=0.5"])
@pytest.mark.parametrize(("response", "request_"), EXCLUDED)
async def test_F6_never_compressed(response: Any, request_: Any, accepted: str) -> None:
    answered = await answer(response, asking(accepted, **request_))
    assert {**answered, "headers": {key: value for key, value in answered["headers"].items() if key != "vary"}} == response
    assert answered["headers"]["vary"] == "accept-encoding"


async def test_F6_events_are_sent_as_they_come() -> None:
    async def ticks() -> AsyncIterator[str]:
        yield "tick"

    made = event_stream(ticks())
    response = await answer(made)
    assert response["stream"] is made["stream"]
    await response["stream"].aclose()


@pytest.mark.parametrize("encoding", compression.ENCODINGS)
async def test_F6_the_length_of_a_page_with_a_secret_varies(encoding: str) -> None:
    sizes = [len((await answer(PAGE, asking(encoding)))["body"]) for _ in range(100)]
    assert len(set(sizes)) >= 20
    assert len({len((await answer(PAGE, asking(encoding), padding_bytes=0))["body"]) for _ in range(10)}) == 1


@pytest.mark.parametrize(("accepted", "encoding"), [("identity;q=0, gzip", "gzip"), ("*;q=0, gzip", "gzip"), ("gzip", None), ("identity;q=0", None)])
async def test_a_small_body_is_compressed_only_for_who_refuses_it_as_it_is(accepted: str, encoding: str | None) -> None:
    response = await answer(page(b"x"), asking(accepted))
    assert response["headers"].get("content-encoding") == encoding
    assert (DECODE[encoding](response["body"]) if encoding else response["body"]) == b"x"


@pytest.mark.parametrize(
    ("content_type", "types", "is_compressed"),
    [
        ("text/plain", None, True),
        ("TEXT/HTML; charset=utf-8", None, True),
        ("application/json", None, True),
        ("application/problem+json", None, True),
        ("image/svg+xml", None, True),
        ("image/jpeg", None, False),
        ("application/octet-stream", None, False),
        ("application/zip", None, False),
        ("text/html", ["text/css"], False),
        ("text/css", ["text/css"], True),
        ("a/b", ["a/*"], True),
        ("a/b+c", ["*/*+c"], True),
        ("no type at all", ["a/*"], False),
    ],
)
async def test_types(content_type: str, types: Any, is_compressed: bool) -> None:
    options = {} if types is None else {"types": types}
    assert ("content-encoding" in (await answer(page(content_type=content_type), **options))["headers"]) is is_compressed


async def test_a_websocket_is_left_alone() -> None:
    for response in ({"status": 101, "headers": {}, "websocket": {}}, PAGE):
        assert await answer(response, {"type": "websocket", "method": "WS", "headers": {"accept-encoding": "gzip"}}) is response


# ---- streams and files


class Chunks(AsyncIterator[Any]):
    def __init__(self, *chunks: Any) -> None:
        self.chunks, self.closed = list(chunks), 0

    async def __anext__(self) -> Any:
        if not self.chunks:
            raise StopAsyncIteration
        return self.chunks.pop(0)

    async def aclose(self) -> None:
        self.closed += 1


def brotli_decoder() -> Callable[[bytes], bytes]:
    """It gives 32 KiB at a time."""
    decoder = brotli.Decompressor()
    return lambda data: decoder.process(data) + b"".join(iter(lambda: decoder.process(b""), b""))


@pytest.mark.parametrize("encoding", compression.ENCODINGS)
async def test_a_stream_can_be_read_chunk_by_chunk(encoding: str) -> None:
    decoders: Any = {
        "gzip": lambda: zlib.decompressobj(wbits=31).decompress,
        "br": brotli_decoder,
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    }
    chunks = Chunks(b"one", b"", b"two" * 20_000, b"three")
    response = await answer({"status": 200, "headers": {"content-type": "text/plain"}, "stream": chunks}, asking(encoding))
    decode = decoders[encoding]()
    assert [decode(chunk) async for chunk in response["stream"]] == [b"one", b"two" * 20_000, b"three", b""]
    await response["stream"].aclose()
    assert chunks.closed == 1


async def test_a_stream_of_a_known_length_is_compressed_as_one() -> None:
    chunks = Chunks(*[b"apples " * 100] * 50)
    headers = {"content-type": "text/plain", "content-length": "35000"}
    response = await answer({"status": 200, "headers": headers, "stream": chunks})
    sent = [chunk async for chunk in response["stream"]]
    assert zlib.decompress(b"".join(sent), wbits=31) == b"apples " * 5_000
    assert len(sent) < 10
    await response["stream"].aclose()


@pytest.mark.parametrize(("announced", "error"), [(2000, "is -1000 bytes off its content-length"), (999, r"is \+1 bytes off its content-length")])
async def test_a_stream_of_another_length_than_it_said(announced: int, error: str) -> None:
    headers = {"content-type": "text/plain", "content-length": str(announced)}
    response = await answer({"status": 200, "headers": headers, "stream": Chunks(b"x" * 1000)}, min_bytes=10)
    with pytest.raises(ValueError, match=error):
        await read(response)


async def test_a_stream_of_text_is_an_error() -> None:
    response = await answer({"status": 200, "headers": {"content-type": "text/plain"}, "stream": Chunks("text")})
    with pytest.raises(TypeError, match="a response's stream must yield bytes, got str"):
        await read(response)


@pytest.mark.parametrize("begun", [False, True])
async def test_aclose_reaches_what_is_compressed(begun: bool) -> None:
    ended = []

    class Source:
        def __aiter__(self) -> AsyncIterator[bytes]:
            return self.chunks()

        async def chunks(self) -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x"
            finally:
                ended.append("iterator")

        async def aclose(self) -> None:
            ended.append("source")

    response = await answer({"status": 200, "headers": {"content-type": "text/plain"}, "stream": Source()})
    if begun:
        assert await anext(response["stream"])
    await response["stream"].aclose()
    assert ended == [*(["iterator"] if begun else []), "source"]
    with pytest.raises(StopAsyncIteration):
        await anext(response["stream"])


async def test_a_stream_that_cannot_be_closed() -> None:
    class Bare(AsyncIterator[bytes]):
        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

    assert zlib.decompress(await read(await answer({"status": 200, "headers": {"content-type": "text/plain"}, "stream": Bare()})), wbits=31) == b""


@pytest.mark.parametrize(("size", "encoding"), [(5000, "gzip"), (100, None)])
async def test_a_file_is_read_to_be_compressed(tmp_path: Path, size: int, encoding: str | None) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * size)
    response = await answer(file(path))
    assert (response["headers"].get("content-encoding"), "file" in response) == (encoding, False)
    sent = await read(response)
    assert (zlib.decompress(sent, wbits=31) if encoding else sent) == b"a" * size


async def test_a_file_that_is_not_worth_it_is_left_to_the_server(tmp_path: Path) -> None:
    assert (await answer(file(tmp_path / "none.png")))["file"] == tmp_path / "none.png"
    with pytest.raises(FileNotFoundError):
        await answer(file(tmp_path / "none.txt"))


async def test_large_work_is_done_in_the_threads_of_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    where, real = [], compression.open_encoder

    def watched(*args: Any) -> Any:
        encoder = real(*args)
        return encoder._replace(compress=lambda data: (where.append((len(data), threading.get_ident() == here)), encoder.compress(data))[1])

    here = threading.get_ident()
    monkeypatch.setattr(module, "open_encoder", watched)
    await answer(page(bytes(20_000)))
    await answer(page(bytes(2_000)))
    await read(await answer({"status": 200, "headers": {"content-type": "text/plain"}, "stream": Chunks(bytes(20_000), bytes(2_000))}))
    assert where == [(20_000, False), (2_000, True), (20_000, False), (2_000, True)]


# ---- HEAD


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(PAGE, id="with the body of GET"),
        pytest.param({**PAGE, "body": b""}, id="without it"),
        pytest.param({"status": 200, "headers": {"content-type": "text/html"}, "stream": Chunks(BODY)}, id="a stream"),
    ],
)
async def test_head_is_get_without_the_bytes(response: Any) -> None:
    async def handler(request: Any) -> Any:
        return response

    async with client(build_server(apply_middleware(wrap_compress(padding_bytes=0))(handler))) as c:
        head = await c.head("/", headers={"accept-encoding": "gzip"})
    assert (head["status"], head["body"], head["headers"]["content-encoding"]) == (200, b"", "gzip")
    assert head["headers"].get("content-length") in {None, str(len((await answer(PAGE, padding_bytes=0))["body"]))}


async def test_an_answer_to_head_that_knows_only_its_length() -> None:
    response = await answer({**PAGE, "body": b""}, asking(method="HEAD"))
    assert (response["headers"].get("content-encoding"), [chunk async for chunk in response["stream"]]) == ("gzip", [])


async def test_an_empty_answer_to_head() -> None:
    assert (await answer(page(b""), asking(method="HEAD")))["headers"].get("content-encoding") is None


# ---- options


@pytest.mark.parametrize(
    ("options", "kind", "error"),
    [
        ({"encodings": "gzip"}, TypeError, "encodings must be a collection of names, not the str 'gzip'; write ['gzip']"),
        ({"types": "text/css"}, TypeError, "types must be a collection of names, not the str 'text/css'"),
        ({"encodings": ["deflate"]}, ValueError, "there is no content coding 'deflate'; there are zstd, br, gzip"),
        ({"levels": {"lzma": 1}}, ValueError, "there is no content coding 'lzma'"),
        ({"levels": {"gzip": 10}}, ValueError, "the level of gzip must be 1 to 9, not 10"),
        ({"levels": {"br": -1}}, ValueError, "the level of br must be 0 to 11, not -1"),
        ({"min_bytes": -1}, ValueError, "min_bytes must be at least 0, not -1"),
        ({"padding_bytes": 257}, ValueError, "padding_bytes must be 0 to 256, not 257"),
        ({"padding_bytes": -1}, ValueError, "padding_bytes must be 0 to 256, not -1"),
    ],
    ids=repr,
)
def test_wrong_options_are_found_at_build_time(options: Any, kind: type[Exception], error: str) -> None:
    with pytest.raises(kind) as caught:
        wrap_compress(**options)
    assert str(caught.value).startswith(f"wrap_compress: {error}")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENCODINGS", ("gzip",))
    assert compress_options().encodings == ("gzip",)
    with pytest.raises(ImportError, match=r"wrap_compress: br and zstd need a library: pip install 'shallot\[compress\]', or leave them out"):
        wrap_compress(["br", "gzip", "zstd"])


async def test_the_coding_that_we_like_best() -> None:
    assert (await answer(PAGE, asking("br, gzip"), encodings=["gzip", "br"]))["headers"]["content-encoding"] == "gzip"


async def test_levels() -> None:
    lengths = [len((await answer(PAGE, levels={"gzip": level}, padding_bytes=0))["body"]) for level in (1, 9)]
    assert lengths[0] > lengths[1]


def test_the_halves_are_plain_functions() -> None:
    options = compress_options(["gzip"], padding_bytes=0)
    assert choose_encoding(PAGE, asking(), options) == "gzip"
    assert DECODE["gzip"](compress_response(PAGE, asking(), "gzip", options)["body"]) == BODY


async def test_is_a_marked_factory() -> None:
    app = apply_middleware(wrap_compress)(lambda request: PAGE)
    assert (await asyncio.wait_for(app(asking()), 10))["headers"]["content-encoding"] == "gzip"
