"""Files, compressed pages and events over real servers, as a browser and a bare wire see them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from .servers import Server, serve
from .test_browser import chromium
from .wire import Wire

SIZE = 3_000_000
LARGE = 30_000_000
"""More than the buffers between us and a server hold."""
ENCODINGS = ("gzip", "br", "zstd")


class Site(NamedTuple):
    server: Server
    folder: Path


@pytest.fixture(scope="module", params=["uvicorn", "hypercorn", "granian"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "big").write_bytes(os.urandom(SIZE))
    environ = {"OUTPUT_FOLDER": str(folder)}
    with serve(request.param, "tests.live.output:app", folder.parent / f"{request.param}.log", environ=environ) as running:
        yield Site(running, folder)


async def ask(site: Site, path: str, **headers: str) -> Any:
    async with await Wire.connect(site.server.port) as wire:
        return await wire.request("GET", path, headers)


async def settled(site: Site, key: str, value: int) -> None:
    for _ in range(100):
        if json.loads((await ask(site, "/state")).body)[key] == value:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{site.server.name}: {key} never became {value}; its log ends:\n{site.server.log[-3000:]}")


async def test_files_and_their_parts(site: Site) -> None:
    content = (site.folder / "big").read_bytes()
    whole, part = await ask(site, "/files/big"), await ask(site, "/files/big", range="bytes=100-999999")
    assert (whole.body == content, part.status, part.body == content[100:1_000_000]) == (True, 206, True)
    parts = await ask(site, "/files/big", range="bytes=0-9,-10")
    assert (parts.status, parts.complete, content[:10] in parts.body, content[-10:] in parts.body) == (206, True, True, True)


@pytest.mark.parametrize(("size", "is_complete"), [(100_000, False), (2 * LARGE, True)], ids=["truncated", "grown"])
async def test_C7_a_file_that_changes_while_it_is_sent(site: Site, size: int, is_complete: bool) -> None:
    path = site.folder / "changing"
    path.write_bytes(bytes(LARGE))
    async with await Wire.connect(site.server.port) as wire:
        await wire.write(b"GET /files/changing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        await wire.until(b"\r\n\r\n")
        os.truncate(path, size)
        read = len(await wire.rest())
    assert (read == LARGE, read <= LARGE) == (is_complete, True)


async def test_C12_aborted_downloads_leave_no_file_open(site: Site) -> None:
    for _ in range(200):
        wire = await Wire.connect(site.server.port, receive_buffer=4096)
        await wire.write(b"GET /files/big HTTP/1.1\r\nhost: a\r\n\r\n")
        await wire.until(b"\r\n\r\n")
        wire.reset()
    await settled(site, "open", 0)


async def test_events_end_with_their_client(site: Site) -> None:
    before = json.loads((await ask(site, "/state")).body)["ended"]
    wire = await Wire.connect(site.server.port)
    await wire.write(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n")
    await wire.until(b"data: lines")
    wire.reset()
    await settled(site, "ended", before + 1)


@pytest.mark.needs("chromium")
async def test_a_browser_reads_all_of_it(site: Site) -> None:
    """Also what is put into the codings as padding."""
    async with chromium() as browser:
        page = await (await browser.new_context()).new_page()
        await page.goto(site.server.url)
        for encoding in ENCODINGS:
            for _ in range(10):
                read = await page.evaluate(PAGE, f"/page/{encoding}")
                assert (read[0], len(read[1])) == (encoding, 8507)
            assert await page.evaluate(CHUNKS, f"/live/{encoding}") == [f"chunk {number}\n" for number in range(3)]
        assert await page.evaluate(EVENTS) == [["tick", '{"n":1}', "1"], ["message", "two\nlines", "1"]]


PAGE = "async (path) => { const r = await fetch(path); return [r.headers.get('content-encoding'), await r.text()] }"
CHUNKS = """async (path) => {
    const reader = (await fetch(path)).body.getReader(), chunks = []
    for (;;) { const {done, value} = await reader.read(); if (done) return chunks; chunks.push(new TextDecoder().decode(value)) }
}"""
EVENTS = """() => new Promise(resolve => {
    const source = new EventSource('/events'), seen = []
    source.addEventListener('tick', e => seen.push(['tick', e.data, e.lastEventId]))
    source.onmessage = e => { seen.push(['message', e.data, e.lastEventId]); source.close(); resolve(seen) }
})"""
