"""examples/photos.py"""

from __future__ import annotations

from hashlib import sha256

from shallot.codec.multipart import format_multipart
from shallot.testing import client


async def test_photos_are_received(program):
    files = [("photo", f"{name}.png", "image/png", content) for name, content in (("small", b"x"), ("large", b"y" * 2_000_000))]
    content_type, body = format_multipart({"title": ["me"]}, files, boundary="a-boundary")
    async with client(program("photos").app) as c:
        answer = await c.post("/upload", chunks=[body[at : at + 65_536] for at in range(0, len(body), 65_536)], headers={"content-type": content_type})
        photos = [{"name": name, "type": kind, "size": len(content), "sha256": sha256(content).hexdigest()} for _, name, kind, content in files]
        assert (answer["status"], answer["json"]) == (201, {"title": ["me"], "photos": photos})
        assert (await c.post("/upload", body=b"x"))["json"] == {"title": None, "photos": []}


async def test_too_many_are_refused(program):
    content_type, body = format_multipart({}, [("photo", "a", "image/png", b"x")] * 11, boundary="a-boundary")
    async with client(program("photos").app) as c:
        assert (await c.post("/upload", body=body, headers={"content-type": content_type}))["status"] == 413
