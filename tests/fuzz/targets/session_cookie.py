"""The session's cookie: never an error; nothing is opened but what our key signed; a record that is read is one that can be written."""

from __future__ import annotations

import asyncio

from shallot.codec.cookies import parse_cookies
from shallot.middlewares.session import session_options, session_request
from shallot.sessions.cookie import cookie_store
from shallot.sessions.keeping import load
from shallot.sessions.record import Record, format_record, parse_record

STORE = cookie_store("0123456789abcdef0123456789ABCDEF")
OPTIONS = session_options(STORE)
RECORD: Record = {"id": "i" * 43, "version": 1, "created": 2**40, "seen": 2**40, "data": {"user": "ann"}}
KEY = str(asyncio.run(STORE.write(RECORD, 60)))


def fuzz(data: bytes) -> None:
    header = data.decode("latin-1")
    for cookie in (header, f"__Host-session={header}", f"__Host-session={KEY}{header}", f"__Host-session={header}{KEY}"):
        key = session_request({"headers": {"cookie": cookie}}, OPTIONS)
        assert key == parse_cookies(cookie).get("__Host-session")
        assert (STORE.open(key or "") is not None) == (key == KEY)
        work = load(OPTIONS.keeper, key)
        try:
            work.send(None)
        except StopIteration as end:
            assert dict(end.value) == ({"user": "ann"} if key == KEY else {})
    record = parse_record(data)
    assert record is None or parse_record(format_record(record)) == record
