"""The backend in NATS JetStream: streams keep, the server repeats what it has stored to whoever hears the channel, ranges are read only to recover."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from .contract import Caps, Link, Sink
from .jetstream import Streams, format_epoch
from .nats_link import NatsLink, raise_limits
from .nats_wire import NAME_IN_USE, NO_STREAM, Wire
from .resource import Channels
from .topics import DEFAULTS, Topic, Topics

__all__ = ["NatsBackend", "nats_channels"]

MAX_KEEP = 50_000
"""More cannot be looked through within the time of a call."""
FORGET_S = 86_400.0
"""How long at least the head of a channel is known after its last message, where nobody hears it."""


def nats_channels(
    url: str,
    topics: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    name: str = "shallot",
    shards: int = 1,
    replicas: int = 1,
    storage: str = "file",
    credentials: str | None = None,
    **options: Any,
) -> Channels:
    """Channels for many processes, through NATS with JetStream (2.9 or later). A resource of ``build_server``.

    ``url``          ``nats://user:password@host:4222``, ``tls://`` for TLS; several servers with a comma between them
    ``topics``       settings by pattern of the channel's name, see ``shallot.channels.topics.Topic``
    ``name``         begins the names of our streams and subjects (``"shallot"``): who shares it shares the channels
    ``shards``       into how many streams the channels are spread (1); not to be changed while anybody is connected
    ``replicas``     of each stream (1; in a cluster 3), when it is made
    ``storage``      ``"file"`` or ``"memory"``, when it is made
    ``credentials``  path of a ``.creds`` file
    ``options``      those of ``Channels``

    Each process has one connection. The streams are made when they are missing, and get higher limits when ``topics`` ask for them, never lower ones.
    The server's ``max_payload`` (1 MB) must hold the largest message and 1 kB more. With one replica NATS may lose the last two minutes when the
    *machine* dies (``sync_interval``); three replicas exclude it. What it does lose, readers are told.

        >>> channels = nats_channels("nats://localhost", {"chat:*": {"keep": 1000, "presence": True}})
    """
    Topics(topics, local=False)
    settings = [DEFAULTS, *(Topic(**given) for given in (topics or {}).values())]
    backend = NatsBackend(
        url,
        name=name,
        shards=shards,
        replicas=replicas,
        storage=storage,
        credentials=credentials,
        max_keep=max(topic.keep for topic in settings),
        max_ttl_s=max(topic.ttl_s for topic in settings),
        dedupe_s=max(topic.dedupe_s for topic in settings),
    )
    return Channels(backend, topics, **options)


class NatsBackend:
    """Where NATS is, and what our streams there are like: enough for channels that keep ``max_keep`` messages for ``max_ttl_s``."""

    caps = Caps(contiguous=False, local=False)

    def __init__(
        self,
        url: str,
        *,
        name: str = "shallot",
        shards: int = 1,
        replicas: int = 1,
        storage: str = "file",
        credentials: str | None = None,
        max_keep: int = 1000,
        max_ttl_s: float = 300.0,
        dedupe_s: float = 60.0,
    ) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", name):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's value
            raise ValueError(f"nats_channels: name must be 1 to 64 letters, digits, _ and -, got {name!r}")
        for what, value, most in (("shards", shards, 256), ("replicas", replicas, 5), ("keep", max_keep + 1, MAX_KEEP + 1)):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"nats_channels: {what} must be an int up to {MAX_KEEP if what == 'keep' else most}, got {value!r}")
        if storage not in ("file", "memory"):
            raise ValueError(f"nats_channels: storage must be 'file' or 'memory', got {storage!r}")
        self._servers = url.split(",")
        self._credentials = credentials
        self.streams = Streams(
            name,
            shards=shards,
            replicas=replicas,
            storage=storage,
            max_keep=max_keep,
            max_age_s=max(FORGET_S, 10 * max_ttl_s),
            dedupe_s=max(dedupe_s, 0.1),
        )

    @asynccontextmanager
    async def connect(self, sink: Sink, /) -> AsyncGenerator[Link, None]:
        wire = Wire(sink)
        try:
            await wire.open(self._servers, self._credentials)
            epochs = {stream: await _found(wire, self.streams, stream) for stream in self.streams.configs}
            yield NatsLink(self.streams, wire, sink, epochs)
        finally:
            await wire.close()


async def _found(wire: Wire, streams: Streams, stream: str) -> str:
    """The epoch of ``stream``, which is made where there is none, and told to keep more where it keeps less than is asked for."""
    info = await wire.ask("STREAM.INFO", stream, allow=NO_STREAM)
    if "error" in info:
        await wire.ask("STREAM.CREATE", stream, allow=NAME_IN_USE, name=stream, **streams.configs[stream])
        info = await wire.ask("STREAM.INFO", stream)
    await raise_limits(wire, streams, stream, info["config"])
    return format_epoch(info["created"])
