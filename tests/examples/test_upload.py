"""examples/upload.py"""

from __future__ import annotations

from hashlib import sha256

import pytest

from shallot.testing import client


@pytest.mark.parametrize("chunks", [[], [b"one"], [b"x" * 65536] * 40], ids=["nothing", "one chunk", "more than a body may hold"])
async def test_what_is_uploaded_is_read_chunk_by_chunk(program, capsys, chunks):
    async with client(program("upload").app) as c:
        answer = await c.post("/upload", chunks=chunks)
    assert (answer["status"], answer["body"]) == (201, b"thanks")
    assert capsys.readouterr().out == f"received {sha256(b''.join(chunks)).hexdigest()}\n"


async def test_other_paths_are_not_streamed(program):
    async with client(program("upload").app) as c:
        assert (await c.post("/elsewhere", body=b"x"))["status"] == 404
        assert (await c.post("/elsewhere", body=b"x" * 1_100_000))["status"] == 413
