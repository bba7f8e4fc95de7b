"""``multipart/form-data``: parts or a refusal, the same however the body is cut; no bound is passed. The first byte says where it is cut."""

from __future__ import annotations

from shallot.codec.multipart import FormParser, Part, clean_filename
from shallot.codec.query import FormLimits
from shallot.errors import PeerError

LIMITS = FormLimits(max_fields=5, max_files=3, max_text_bytes=100, max_part_headers=3, max_header_bytes=500, max_preamble_bytes=20)

WORDS = {
    b"\x00": b"--x\r\n",
    b"\x01": b'Content-Disposition: form-data; name="a"',
    b"\x02": b'; filename="../b"',
    b"\x03": b"\r\n\r\n",
    b"\x04": b"\r\n",
    b"\x05": b"--x--\r\n",
}
"""Single bytes that stand for what a form is made of: few inputs would have any of it else."""

SEEDS = [b"\x05\x00\x01\x03v\x04\x00\x01\x02\x03file\x04\x05", b"\x20\x00\x01\x04Content-Length: 1\x03v\x04\x05end"]


def fuzz(data: bytes) -> None:
    body = data[1:]
    for letter, word in WORDS.items():
        body = body.replace(letter, word)
    at = data[0] if data else 0
    whole = _read([body])
    assert _read([body[:at], body[at:]]) == whole
    if whole is None:
        return
    texts = [content for part, content in whole if part.raw_filename is None]
    assert len(texts) <= 5 and len(whole) - len(texts) <= 3 and sum(map(len, texts)) <= 100
    for part, _ in whole:
        name = clean_filename(part.raw_filename or "")
        assert len(name.encode()) <= 255 and not set(name) & set("/\\\x00\r\n") and name not in (".", "..")


def _read(chunks: list[bytes]) -> list[tuple[Part, bytes]] | None:
    parser = FormParser("x", LIMITS)
    parts: list[tuple[Part, bytes]] = []
    try:
        for chunk in chunks:
            for event in parser.feed(chunk):
                if isinstance(event, Part):
                    parts.append((event, b""))
                elif event is not None:
                    parts[-1] = (parts[-1][0], parts[-1][1] + event)
        parser.end()
    except PeerError:
        return None
    return parts
