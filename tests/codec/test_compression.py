from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec import compression
from shallot.codec.compression import ENCODINGS, LEVELS, open_encoder

from ..worlds import load_again

DECODERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31).decompress,
    "br": lambda: brotli.Decompressor().process,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
}
by_encoding = pytest.mark.parametrize("encoding", ENCODINGS)


def test_all_are_here() -> None:
    assert ENCODINGS == ("zstd", "br", "gzip") == tuple(LEVELS)


@given(st.sampled_from(ENCODINGS), st.integers(0, 100), st.lists(st.binary(max_size=300)))
def test_what_goes_in_comes_out(encoding: str, padding: int, pieces: list[bytes]) -> None:
    encoder, decode = open_encoder(encoding, padding=padding), DECODERS[encoding]()
    assert b"".join(decode(encoder.compress(piece)) for piece in pieces) + decode(encoder.finish()) == b"".join(pieces)


@given(st.sampled_from(ENCODINGS), st.integers(0, 100), st.lists(st.binary(min_size=1, max_size=300)))
def test_after_a_flush_all_can_be_read(encoding: str, padding: int, pieces: list[bytes]) -> None:
    encoder, decode = open_encoder(encoding, padding=padding), DECODERS[encoding]()
    for piece in pieces:
        assert decode(encoder.compress(piece) + encoder.flush()) == piece
    assert decode(encoder.finish()) == b""


@by_encoding
@pytest.mark.parametrize("padding", [0, 1, 2, 3, 50, 64, 100, 256])
def test_padding_has_its_length(encoding: str, padding: int) -> None:
    def made(padding: int) -> bytes:
        encoder = open_encoder(encoding, padding=padding)
        return encoder.compress(b"secret" * 1000) + encoder.finish()

    longer = len(made(padding)) - len(made(0))
    expected = {"gzip": padding, "br": padding + 2 if padding else 0, "zstd": padding // 3 * 3}
    assert longer == expected[encoding]
    assert DECODERS[encoding]()(made(padding)) == b"secret" * 1000


@by_encoding
def test_levels(encoding: str) -> None:
    text = b"".join(b"%d apples and %d pears;" % (n, n * n) for n in range(3000))
    sizes = []
    for level in (LEVELS[encoding][0], LEVELS[encoding][1], LEVELS[encoding][2], None):
        encoder = open_encoder(encoding, level)
        sizes.append(len(encoder.compress(text) + encoder.finish()))
    assert sizes[0] > sizes[2]
    assert sizes[1] == sizes[3]


def test_without_the_libraries_gzip_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = load_again(monkeypatch, compression, {"brotli": None, "zstandard": None})
    assert bare.ENCODINGS == ("gzip",)
