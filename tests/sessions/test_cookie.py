from __future__ import annotations

import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.sessions.cookie import cookie_store
from shallot.sessions.record import Record, format_record, new_id
from shallot.testing import session_store_cases

KEY = "0123456789abcdef0123456789ABCDEF"
OTHER = "fedcba9876543210fedcba9876543210"
RECORD: Record = {"id": new_id(), "version": 1, "created": 2, "seen": 3, "data": {"user": "ann"}}
CASES = session_store_cases(in_cookie=True)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_conforms(case: Any) -> None:
    await case(cookie_store(KEY))


async def test_what_is_deleted_is_given_back() -> None:
    store = cookie_store(KEY)
    key = await store.write(RECORD, 60)
    assert key is not None
    assert await store.delete(key) == RECORD


async def signed(store: Any) -> str:
    key: str = await store.write(RECORD, 60)
    return key


async def test_D7_each_flipped_bit_is_noticed() -> None:
    store = cookie_store(KEY)
    key = await signed(store)
    for place in range(len(key)):
        for bit in range(8):
            assert await store.read(key[:place] + chr(ord(key[place]) ^ (1 << bit)) + key[place + 1 :]) is None


async def test_D7_the_spare_bits_of_the_last_letter_are_no_way_round() -> None:
    """The last of 43 letters has two bits that no byte of the signature needs: four letters mean the same."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    store = cookie_store(KEY)
    key = await signed(store)
    for spare in (1, 2, 3):
        assert await store.read(key[:-1] + letters[letters.index(key[-1]) ^ spare]) is None


async def test_what_was_signed_before_an_update_is_still_read() -> None:
    """Whoever changes what is signed, how, or for what by default logs everybody out."""
    payload = "eyJpZCI6Iko3WHQwY3EyeDF5SjdYdDBjcTJ4MXlKN1h0MGNxMngxeUo3WHQwY3EyeDEiLCJ2ZXJzaW9uIjoxLCJjcmVhdGVkIjoyLCJzZWVuIjozLCJkYXRhIjp7InVzZXIiOiJhbm4ifX0"
    record = await cookie_store(KEY).read(f"{payload}.xj0YVSLGbWmHb1xG4J0r9PFwfdYCsgHztN37lsYWuIk")
    assert record == {"id": "J7Xt0cq2x1yJ7Xt0cq2x1yJ7Xt0cq2x1yJ7Xt0cq2x1", "version": 1, "created": 2, "seen": 3, "data": {"user": "ann"}}


@pytest.mark.parametrize(
    "reader",
    [
        pytest.param(cookie_store(OTHER), id="another key"),
        pytest.param(cookie_store(KEY, cookie_name="other"), id="another cookie"),
        pytest.param(cookie_store(KEY, purpose="reset"), id="another purpose"),
        pytest.param(cookie_store(KEY, purpose="session14", cookie_name=":__Host-session"), id="the border moved"),
    ],
)
async def test_D7_signed_for_something_else(reader: Any) -> None:
    assert await reader.read(await signed(cookie_store(KEY))) is None


async def test_D7_rotation_of_keys() -> None:
    old, both, new = cookie_store(OTHER), cookie_store([KEY, OTHER]), cookie_store(KEY.encode())
    assert await both.read(await signed(old)) == RECORD
    assert await new.read(await signed(both)) == RECORD
    assert await old.read(await signed(both)) is None


@pytest.mark.parametrize(
    ("keys", "error", "text"),
    [
        pytest.param([], ValueError, "^cookie_store: no key; give at least one of 32 random bytes", id="none"),
        pytest.param("secret", ValueError, "^cookie_store: a key must be 32 random bytes or more, this one has 6, 5 different; make one with", id="short"),
        pytest.param(
            "01234567" * 3 + "0123456", ValueError, "^cookie_store: a key .* this one has 31, 8 different; make one with secrets.token", id="a byte short"
        ),
        pytest.param("0123456" * 5, ValueError, "^cookie_store: a key must be 32 random bytes or more, this one has 35, 7 different", id="seven letters"),
        pytest.param("x" * 32, ValueError, "^cookie_store: a key must be 32 random bytes or more, this one has 32, 1 different", id="no randomness"),
        pytest.param([KEY, b"a"], ValueError, "^cookie_store: a key must be", id="the second"),
        pytest.param([1], TypeError, "^cookie_store: a key must be str or bytes, not int$", id="a number"),
    ],
)
def test_D7_weak_keys_are_found_at_the_start(keys: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        cookie_store(keys)


@pytest.mark.parametrize("key", ["01234567" * 4, b"01234567" * 4])
def test_the_weakest_key(key: Any) -> None:
    assert cookie_store(key).cookie_name == "__Host-session"


async def test_no_key_is_in_the_error() -> None:
    with pytest.raises(ValueError) as caught:
        cookie_store("hunter2")
    assert "hunter2" not in str(caught.value)


async def test_the_largest_one() -> None:
    store = cookie_store(KEY)
    largest = 0
    for size in range(2_700, 3_100):
        try:
            key = await store.write({**RECORD, "data": {"text": "x" * size}}, 60)
        except ValueError as error:
            assert "browsers keep 4096; keep less in it, or use a store on the server" in str(error)
            break
        largest = size
        assert key is not None
        assert len(key) + len("__Host-session") <= 4096
        assert await store.read(key) is not None
    assert 2_800 < largest < 3_050


async def test_the_border_is_4096_bytes_with_the_name() -> None:
    """A longer name makes the cookie larger by the byte: what still fits at 4096 is the last."""
    value = await cookie_store(KEY, cookie_name="n").write(RECORD, 60)
    assert value is not None
    fits = "n" * (4096 - len(value))
    assert await cookie_store(KEY, cookie_name=fits).write(RECORD, 60) is not None
    with pytest.raises(ValueError, match="browsers keep 4096"):
        await cookie_store(KEY, cookie_name=f"{fits}n").write(RECORD, 60)


@pytest.mark.parametrize("text", ["", "x", "xy", "xyz"])
async def test_the_letters_of_a_key_are_those_of_cookies(text: str) -> None:
    """However many bytes there are over three: no padding, and read again."""
    record: Record = {**RECORD, "data": {"text": text}}
    key = await cookie_store(KEY).write(record, 60)
    assert key is not None
    assert "=" not in key
    assert await cookie_store(KEY).read(key) == record
    payload, _, seal = key.partition(".")
    assert cookie_store(KEY).open(f"{payload}=.{seal}") is None
    assert cookie_store(KEY).open(f"{payload}.{seal}=") is None


@given(st.text(max_size=200) | st.from_regex(r"[\w-]{1,99}\.[\w-]{43}", fullmatch=True))
def test_what_nobody_signed_is_none(key: str) -> None:
    assert cookie_store(KEY).open(key) is None


@pytest.mark.parametrize("key", ["", ".", "a.", ".a", "a" * 5000, "é", "%", "=.="])
def test_no_keys(key: str) -> None:
    assert cookie_store(KEY).open(key) is None


async def test_what_no_cookie_holds_is_not_even_verified() -> None:
    """However well it is signed: a header may be much longer than a cookie."""
    store: Any = cookie_store(KEY)
    for size, is_read in ((2_880, True), (3_000, False)):
        record: Record = {**RECORD, "data": {"text": "x" * size}}
        key = store._signer.sign(urlsafe_b64encode(format_record(record)).rstrip(b"=")).decode()
        assert (len(key) <= 4096) is is_read
        assert store.open(key) == (record if is_read else None)


async def test_signed_but_no_record() -> None:
    store: Any = cookie_store(KEY)
    assert store.open(store._signer.sign(b"gASVEAAA").decode()) is None  # a pickle
    assert store.open(store._signer.sign(b"a").decode()) is None  # no base64


def test_without_itsdangerous_the_extra_is_named(tmp_path: Any) -> None:
    (tmp_path / "itsdangerous.py").write_text("raise ImportError('gone')")
    program = "import shallot.sessions as s\ntry:\n    s.cookie_store\nexcept ImportError as error:\n    print(error)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=True)
    assert ran.stdout == "cookie_store needs itsdangerous: pip install 'shallot[standard]', or itsdangerous itself\n"


def test_without_itsdangerous_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "itsdangerous", None)
    monkeypatch.delitem(sys.modules, "shallot.sessions.cookie")
    with pytest.raises(ImportError, match="pip install"):
        import shallot.sessions.cookie  # noqa: F401
