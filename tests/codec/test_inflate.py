from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.inflate import inflate
from shallot.errors import BadRequest, BodyTooLarge, PeerError, UnsupportedMedia

TEXT = b"hello " * 10


def opened(data: bytes, coding: str = "gzip", max_bytes: int = 1_000_000, max_ratio: int = 100) -> bytes:
    return inflate(data, coding, max_bytes=max_bytes, max_ratio=max_ratio)


@pytest.mark.parametrize(
    ("data", "coding"),
    [
        pytest.param(gzip.compress(TEXT), "gzip", id="gzip"),
        pytest.param(gzip.compress(TEXT), " X-GZip ", id="x-gzip"),
        pytest.param(zlib.compress(TEXT), "deflate", id="deflate"),
        pytest.param(TEXT, "identity", id="identity"),
        pytest.param(TEXT, "", id="empty"),
    ],
)
def test_inflate(data: bytes, coding: str) -> None:
    assert opened(data, coding) == TEXT


@pytest.mark.parametrize(
    ("data", "coding", "error"),
    [
        pytest.param(gzip.compress(bytes(10_000_000)), "gzip", BodyTooLarge, id="10 kB become 10 MB"),
        pytest.param(gzip.compress(gzip.compress(TEXT)), "gzip, gzip", UnsupportedMedia, id="gzip of gzip"),
        pytest.param(gzip.compress(TEXT)[:-1], "gzip", BadRequest, id="truncated"),
        pytest.param(gzip.compress(TEXT) + b"x", "gzip", BadRequest, id="something behind"),
        pytest.param(gzip.compress(TEXT) * 2, "gzip", BadRequest, id="two in a row"),
        pytest.param(b"x" + gzip.compress(TEXT), "gzip", BadRequest, id="something before"),
        pytest.param(gzip.compress(TEXT)[:-8] + bytes(8), "gzip", BadRequest, id="a wrong sum"),
        pytest.param(zlib.compress(TEXT), "gzip", BadRequest, id="the other format"),
        pytest.param(b"", "gzip", BadRequest, id="nothing"),
        pytest.param(TEXT, "br", UnsupportedMedia, id="another coding"),
    ],
)
def test_E12_compressed_bodies(data: bytes, coding: str, error: type[PeerError]) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(error):
            opened(data, coding)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_both_bounds() -> None:
    data = gzip.compress(bytes(5000))
    assert opened(data, max_bytes=5000, max_ratio=5000 // len(data) + 1) == bytes(5000)
    for bounds in ({"max_bytes": 4999, "max_ratio": 1000}, {"max_ratio": 5000 // len(data) - 1}):
        with pytest.raises(BodyTooLarge, match="^a compressed body that inflates to more than [0-9]+ bytes$"):
            opened(data, **bounds)


@given(st.binary(), st.sampled_from(["gzip", "deflate"]))
def test_what_is_compressed_inflates_to_the_same(data: bytes, coding: str) -> None:
    compressed = gzip.compress(data) if coding == "gzip" else zlib.compress(data)
    assert opened(compressed, coding) == data


@given(st.binary(), st.integers(0, 40))
def test_raises_nothing_else(noise: bytes, at: int) -> None:
    data = gzip.compress(TEXT)
    try:
        opened(data[:at] + noise + data[at:])
    except PeerError:
        pass
