"""Requests to ``soak_app``, each with its one right answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from . import soak_app
from .wire import Answer


class Work(NamedTuple):
    method: str
    path: str
    is_right: Callable[[Answer], bool]
    headers: Mapping[str, str] = {}
    body: bytes = b""


_TYPE = {"content-type": "application/json"}
_JSON = b'{"a":["\xc3\xa9",1,null]}'
_FILE = Path(soak_app.__file__).read_bytes()

THREADED = Work("GET", "/blocks", lambda answer: answer.body == b"blocked")

WORKS: Sequence[Work] = [
    Work("GET", "/plain", lambda answer: answer.body == b"ok"),
    Work("POST", "/mirrors?b=2", lambda answer: answer.body == b'{"json":' + _JSON + b',"params":{"b":["2"]}}', _TYPE, _JSON),
    Work("POST", "/mirrors", lambda answer: answer.status == 400, _TYPE, b"{"),
    Work("GET", "/counts", lambda answer: answer.body == soak_app.NUMBERS),
    Work("GET", "/file", lambda answer: answer.body == _FILE),
    Work("GET", "/missing", lambda answer: answer.status == 404),
    THREADED,
]
