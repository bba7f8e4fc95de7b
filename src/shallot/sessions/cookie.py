"""The store that keeps nothing: the whole record travels in the cookie, signed. The one place that imports itsdangerous."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence

try:
    from itsdangerous import BadSignature, Signer
except ImportError as error:
    raise ImportError("cookie_store needs itsdangerous: pip install 'shallot[standard]', or itsdangerous itself") from error

from .record import Record, format_record, parse_record

__all__ = ["MAX_COOKIE_BYTES", "MIN_SECRET_BYTES", "CookieStore", "cookie_store"]

MIN_SECRET_BYTES = 32
"""The shortest key that signs: what HMAC-SHA-256 can make use of."""
MIN_SECRET_LETTERS = 8
"""The fewest different bytes of one, so that ``"x" * 32`` is none."""
MAX_COOKIE_BYTES = 4096
"""The longest signed value together with the cookie's name: browsers keep no more (RFC 6265bis 5.6)."""


def cookie_store(keys: str | bytes | Sequence[str | bytes], *, cookie_name: str = "__Host-session", purpose: str = "session") -> CookieStore:
    """A store that signs each record (HMAC-SHA-256) and hands it to the browser: nothing to run, nothing to clean up.

    | option | meaning | default |
    |---|---|---|
    | ``keys`` | one secret or several, each of 32 bytes or more: the first signs, all are accepted, so a new one is put in front | required |
    | ``cookie_name`` | as in ``wrap_session``: what was signed for one cookie is refused in another | ``"__Host-session"`` |
    | ``purpose`` | likewise: what was signed for one purpose is refused for another | ``"session"`` |

    A weak key is a ``ValueError`` now; a session of more than about 2,900 bytes of JSON one when it is written. The price: the user can *read* the data (it
    is signed, not encrypted); a cookie that was copied is good until it expires, whatever logout or rotation say; of two answers at the same time the last
    one's cookie wins; and a conversation cannot save. A store on the server has none of these.

        >>> from secrets import token_urlsafe
        >>> cookie_store(token_urlsafe(32)).cookie_name
        '__Host-session'
    """
    secrets = [keys] if isinstance(keys, (str, bytes)) else list(keys)
    return CookieStore([_secret(key) for key in secrets], cookie_name, purpose)


class CookieStore:
    """What ``cookie_store`` gives. Its keys are the signed records themselves."""

    def __init__(self, secrets: list[bytes], cookie_name: str, purpose: str) -> None:
        if not secrets:
            raise ValueError("cookie_store: no key; give at least one of 32 random bytes, e.g. secrets.token_urlsafe(32), from the environment")
        self.cookie_name = cookie_name
        # Lengths first: no name and purpose together look like another two.
        salt = f"shallot 1 {len(purpose.encode())}:{purpose}{len(cookie_name.encode())}:{cookie_name}".encode()
        # itsdangerous signs with the last key
        self._signer = Signer(secrets[::-1], salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)

    async def read(self, key: str) -> Record | None:
        """The record in ``key``; ``None`` unless one of the keys signed it for this cookie and purpose. Compares in constant time."""
        return self.open(key)

    async def write(self, record: Record, ttl_s: float) -> str | None:
        """``record``, signed. Never ``None``: there is nothing to compare it with."""
        value: str = self._signer.sign(urlsafe_b64encode(format_record(record)).rstrip(b"=")).decode()
        if len(value) + len(self.cookie_name) > MAX_COOKIE_BYTES:
            raise ValueError(f"the session is {len(value)} bytes as a cookie, browsers keep {MAX_COOKIE_BYTES}; keep less in it, or use a store on the server")
        return value

    async def delete(self, key: str) -> Record | None:
        """The record in ``key``. It cannot be forgotten: only the browser's cookie can."""
        return self.open(key)

    def open(self, key: str) -> Record | None:
        """What ``read`` gives, without waiting."""
        if len(key) > MAX_COOKIE_BYTES or not key.isascii():
            return None
        try:
            payload: bytes = self._signer.unsign(key)
            text = _decode(payload)
            seal = key[len(payload) + 1 :].encode()
            if urlsafe_b64encode(_decode(seal)).rstrip(b"=") != seal:  # the spare bits of its last letter: nobody but a forger sets them
                return None
        except (BadSignature, Error):
            return None
        return parse_record(text)


def _decode(letters: bytes) -> bytes:
    return urlsafe_b64decode(letters + b"=" * (-len(letters) % 4))


def _secret(key: object) -> bytes:
    if not isinstance(key, (str, bytes)):
        raise TypeError(f"cookie_store: a key must be str or bytes, not {type(key).__name__}")
    secret = key.encode() if isinstance(key, str) else key
    if len(secret) < MIN_SECRET_BYTES or len(set(secret)) < MIN_SECRET_LETTERS:
        cure = "make one with secrets.token_urlsafe(32) and read it from the environment"
        raise ValueError(
            f"cookie_store: a key must be {MIN_SECRET_BYTES} random bytes or more, this one has {len(secret)}, {len(set(secret))} different; {cure}"
        )
    return secret
