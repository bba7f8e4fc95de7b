"""How channels look in JetStream: streams, subjects, headers and answers as text and data. Pure; talks to nobody, and knows no client library.

| stream | subjects | holds |
|---|---|---|
| ``<name>-log-<shard>`` | ``<name>.log.<shard>.<channel>.said`` | the shard's messages; headers ``Shallot-Id``, ``Shallot-Kept`` (how many, how long) |
| ``<name>-here`` | ``<name>.here.<channel>.<node>.<member>`` | the newest word of each member: its data, or nothing once it has left |
| | ``<name>.node.<node>`` | the newest lease of each node: its seconds |

The server repeats what it has stored to ``<name>.live.<channel>.>``, with its number and the one before it on the same subject: that is what links hear.
A message without an id is a **birth**: it marks where a channel was when somebody heard it before anything was said there. With the header
``Shallot-Place`` (a number and an id) it is a **reminder**: the message at that place is the newest, however old it is.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import quote, unquote
from zlib import crc32

from .contract import Kept

__all__ = [
    "EXPECTED",
    "ID",
    "KEPT",
    "PLACE",
    "Record",
    "Streams",
    "format_epoch",
    "format_headers",
    "format_reminder",
    "format_token",
    "parse_record",
    "parse_stored",
    "parse_time",
    "parse_token",
]

ID = "Shallot-Id"
"""The header that carries a message's id, percent-encoded."""
KEPT = "Shallot-Kept"
"""The header that carries how much of the channel is kept: messages and seconds."""
PLACE = "Shallot-Place"
"""The header of a reminder: the number and the id of the newest message."""
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
"""Store this only if the newest message of the subject has this number."""

NO_KEPT = "0 0"


class Record(NamedTuple):
    """What stands in a stream: a message (``id`` is ``""`` for a birth and for a reminder), a member, a lease."""

    number: int
    subject: str
    id: str
    keep: int
    ttl_s: float
    data: bytes
    time: float
    """Seconds since 1970, by the server's clock."""
    place: tuple[int, str]
    """The number and the id of the message itself; of a reminder, of the one that it is about."""


class Streams:
    """The streams of one app, and what each is told to keep."""

    def __init__(self, name: str, *, shards: int, replicas: int, storage: str, max_keep: int, max_age_s: float, dedupe_s: float) -> None:
        self._name = name
        self.here = f"{name}-here"
        self.logs = [f"{name}-log-{shard}" for shard in range(shards)]
        self.max_keep = max_keep
        self.max_age_s = max_age_s
        self.dedupe_s = dedupe_s
        common = {"storage": storage, "num_replicas": replicas, "retention": "limits", "discard": "old"}
        repeated = [f"{name}.log.{shard}" for shard in range(shards)]
        self.configs: Mapping[str, Mapping[str, Any]] = {
            **{
                stream: {
                    **common,
                    "subjects": [f"{subject}.*.said"],
                    "republish": {"src": f"{subject}.>", "dest": f"{name}.live.>"},
                    "max_msgs_per_subject": max_keep + 3,  # the newest that was trimmed, and a birth, beside the keep + 1
                    "max_age": _ns(max_age_s),
                    "duplicate_window": _ns(min(dedupe_s, max_age_s)),
                }
                for stream, subject in zip(self.logs, repeated, strict=True)
            },
            self.here: {
                **common,
                "subjects": [f"{name}.here.*.*.*", f"{name}.node.*"],
                "republish": {"src": f"{name}.here.>", "dest": f"{name}.live.>"},
                "max_msgs_per_subject": 1,
            },
        }

    def raised(self, stream: str, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """``config``, as the server has it, with the limits that ours are above; ``None`` if it is enough. Another app's larger ones stay."""
        wanted = self.configs[stream]
        fields = [field for field in ("max_msgs_per_subject", "max_age", "duplicate_window") if 0 < config.get(field, 0) < wanted.get(field, 0)]
        return {**config, **{field: wanted[field] for field in fields}} if fields else None

    def log(self, channel: str) -> str:
        """The stream of ``channel``."""
        return self.logs[self._shard(channel)]

    def said(self, channel: str) -> str:
        return f"{self._name}.log.{self._shard(channel)}.{format_token(channel)}.said"

    def live(self, channel: str) -> str:
        return f"{self._name}.live.{format_token(channel)}.>"

    def member(self, channel: str, node: str, member: str) -> str:
        return f"{self._name}.here.{format_token(channel)}.{format_token(node)}.{format_token(member)}"

    def members(self, channel: str) -> str:
        return f"{self._name}.here.{format_token(channel)}.*.*"

    def members_of(self, node: str) -> str:
        """In all channels."""
        return f"{self._name}.here.*.{format_token(node)}.*"

    def node(self, node: str) -> str:
        return f"{self._name}.node.{format_token(node)}"

    def nodes(self) -> str:
        return f"{self._name}.node.*"

    def _shard(self, channel: str) -> int:
        return crc32(channel.encode()) % len(self.logs)


def format_token(text: str) -> str:
    """``text`` as one token of a subject.

    >>> format_token("chat:a.b*")
    'chat%3Aa%2Eb%2A'
    """
    return quote(text, safe="").replace(".", "%2E")


def parse_token(token: str) -> str:
    """The counterpart of ``format_token``."""
    return unquote(token)


def format_headers(channel: str, identity: str, kept: Kept) -> dict[str, str]:
    """The headers of a message. The server knows repeats by ``Nats-Msg-Id``, which it compares among all channels."""
    headers = {ID: quote(identity, safe=""), KEPT: f"{kept.keep} {kept.ttl_s!r}"}
    if kept.dedupe_s:
        headers["Nats-Msg-Id"] = blake2b(f"{channel}\0{identity}".encode(), digest_size=16).hexdigest()
    return headers


def format_reminder(record: Record) -> dict[str, str]:
    """The headers of a reminder of the place where ``record`` stands."""
    number, identity = record.place
    return {PLACE: f"{number} {quote(identity, safe='')}", KEPT: f"{record.keep} {record.ttl_s!r}", EXPECTED: str(record.number)}


def parse_record(number: int, subject: str, headers: Mapping[str, str], data: bytes, time: float) -> Record:
    """A message of a stream as it is stored, from its headers and its data."""
    keep, ttl_s = headers.get(KEPT, NO_KEPT).split(" ")
    identity = unquote(headers.get(ID, ""))
    of, _, last = headers[PLACE].partition(" ") if PLACE in headers else (number, "", identity)
    return Record(number, subject, identity, int(keep), float(ttl_s), data, time, (int(of), unquote(last)))


def parse_stored(message: Mapping[str, Any]) -> Record:
    """What the server answers when it is asked for one message."""
    lines = b64decode(message.get("hdrs", "")).decode().split("\r\n")
    headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return parse_record(message["seq"], message["subject"], headers, b64decode(message.get("data", "")), parse_time(message["time"]))


def parse_time(text: str) -> float:
    """
    >>> parse_time("1970-01-01T00:01:00.25Z")
    60.25
    """
    return datetime.fromisoformat(text).timestamp()


def format_epoch(created: str) -> str:
    """The epoch of a stream that was created then.

    >>> format_epoch("2026-11-22T17:25:12.80678442Z")
    '20261122T17251280678442Z'
    """
    return re.sub(r"[^0-9A-Za-z]", "", created)


def _ns(seconds: float) -> int:
    return round(seconds * 1_000_000_000)
