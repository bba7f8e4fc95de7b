"""Bytes -> fewer bytes, piece by piece: the content codings of RFC 9110 8.4.1, RFC 7932 and RFC 8878. The one place that imports brotli and zstandard.

Each coding can carry padding that its decoders leave out, which hides the exact length of what was compressed (BREACH).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

_brotli: Any
_zstandard: Any
try:
    import brotli  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it has no types
except ImportError:  # the extra "compress" is not installed
    _brotli = None
else:
    _brotli = brotli
try:
    import zstandard
except ImportError:
    _zstandard = None
else:
    _zstandard = zstandard

__all__ = ["ENCODINGS", "LEVELS", "Encoder", "open_encoder"]

LEVELS: Mapping[str, tuple[int, int, int]] = {"zstd": (1, 3, 19), "br": (0, 4, 11), "gzip": (1, 6, 9)}
"""Content coding -> its lowest level, the one that pays for what is made on the way, and its highest."""


class Encoder(NamedTuple):
    """One stream that is being compressed: three functions that give what can be sent now, perhaps nothing."""

    compress: Callable[[bytes], bytes]
    flush: Callable[[], bytes]
    """All that was put in so far can be read."""
    finish: Callable[[], bytes]


class _Coding(NamedTuple):
    library: object
    begin: Callable[[int], tuple[bytes, Encoder]]
    """A level -> what is sent in any case, and the rest of the stream."""
    pad: Callable[[bytes, int], bytes]
    """The first bytes of a stream -> the same with some bytes of padding."""


def _begin_gzip(level: int) -> tuple[bytes, Encoder]:
    stream = zlib.compressobj(level, wbits=31)
    return b"", Encoder(stream.compress, partial(stream.flush, zlib.Z_SYNC_FLUSH), stream.flush)


def _pad_gzip(first: bytes, padding: int) -> bytes:
    """A file name of that length (RFC 1952 2.3.1): the flag FNAME, and the name behind the ten bytes of the header."""
    return first[:3] + b"\x08" + first[4:10] + b"-" * (padding - 1) + b"\0" + first[10:]


def _begin_brotli(level: int) -> tuple[bytes, Encoder]:
    stream = _brotli.Compressor(quality=level)
    return stream.flush(), Encoder(stream.process, stream.flush, stream.finish)  # the header alone, up to a whole byte


def _pad_brotli(first: bytes, padding: int) -> bytes:
    """A metadata block of that length (RFC 7932 9.2) behind the header: 0, MNIBBLES 11, reserved 0, MSKIPBYTES 01, MSKIPLEN - 1 in a byte."""
    return first[:2] + ((padding - 1) << 6 | 0b010110).to_bytes(2, "little") + bytes(padding) + first[2:]


def _begin_zstd(level: int) -> tuple[bytes, Encoder]:
    stream = _zstandard.ZstdCompressor(level=level, write_content_size=False).compressobj()
    return b"", Encoder(stream.compress, partial(stream.flush, _zstandard.COMPRESSOBJ_FLUSH_BLOCK), stream.flush)


def _pad_zstd(first: bytes, padding: int) -> bytes:
    """Raw blocks of nothing (RFC 8878 3.1.1.2), three bytes each, behind the six bytes of a frame's header without size."""
    return first[:6] + b"\0\0\0" * (padding // 3) + first[6:]


_CODINGS: Mapping[str, _Coding] = {
    "zstd": _Coding(_zstandard, _begin_zstd, _pad_zstd),
    "br": _Coding(_brotli, _begin_brotli, _pad_brotli),
    "gzip": _Coding(zlib, _begin_gzip, _pad_gzip),
}

ENCODINGS: tuple[str, ...] = tuple(name for name, coding in _CODINGS.items() if coding.library is not None)
"""The content codings whose library is there, the best first."""


def open_encoder(encoding: str, level: int | None = None, padding: int = 0) -> Encoder:
    """Begin a stream in ``encoding``, one of ``ENCODINGS``, with up to 256 bytes of padding.

    >>> encoder = open_encoder("gzip", padding=100)
    >>> zlib.decompress(encoder.compress(b"apple") + encoder.finish(), wbits=31)
    b'apple'
    """
    coding = _CODINGS[encoding]
    begin, encoder = coding.begin(LEVELS[encoding][1] if level is None else level)
    unsent = [begin]

    def sent(data: bytes) -> bytes:
        if not unsent or not (data or begin):
            return data
        first = unsent.pop() + data
        return coding.pad(first, padding) if padding else first

    def compress(data: bytes) -> bytes:
        return sent(encoder.compress(data))

    return Encoder(compress, lambda: sent(encoder.flush()), lambda: sent(encoder.finish()))
