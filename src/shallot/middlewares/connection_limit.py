"""wrap_connection_limit: so many WebSockets may be open at a time, in all and per client. It counts what is alive, so no way to end can be missed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from ipaddress import IPv6Address, ip_network
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from ..codec.forwarded import plain_address
from ..compose import middleware_factory
from ..outcomes import with_tap
from ..request import client_host, is_websocket
from ..response import problem, with_header
from ..resuming import wants_events
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["OpenConnections", "Slot", "by_client", "connection_limit_response", "wrap_connection_limit"]

log = logging.getLogger("shallot.connections")


class Slot:
    """The place of one open WebSocket. It is free again when it was left, and at the latest when nobody holds it any more."""

    __slots__ = ("__weakref__", "_groups")

    def __init__(self, *groups: WeakSet[Slot]) -> None:
        self._groups = groups
        for group in groups:
            group.add(self)

    def leave(self) -> None:
        """Make it free. Leaving twice is nothing."""
        for group in self._groups:
            group.discard(self)
        self._groups = ()


class OpenConnections:
    """The WebSockets of one app that are open, or being opened."""

    def __init__(self, max_connections: int, max_per_client: int | None) -> None:
        self._max_connections = max_connections
        self._max_per_client = max_per_client
        self._all: WeakSet[Slot] = WeakSet()
        self._clients: WeakValueDictionary[Hashable, WeakSet[Slot]] = WeakValueDictionary()  # a client is held by its slots alone

    def __len__(self) -> int:
        return len(self._all)

    @property
    def clients(self) -> int:
        """How many clients they have, where those are counted."""
        return len(self._clients)

    def enter(self, client: Hashable | None) -> Slot | int:
        """A place for one more of this ``client`` (``None``: of nobody in particular), or the status that refuses it: 503 or 429."""
        if len(self._all) >= self._max_connections:
            return 503
        if client is None or self._max_per_client is None:
            return Slot(self._all)
        own = self._clients.get(client)
        if own is None:
            own = WeakSet[Slot]()
            self._clients[client] = own
        return 429 if len(own) >= self._max_per_client else Slot(self._all, own)


def by_client(request: Mapping[str, Any]) -> str | None:
    """The address of the client; of an IPv6 one its /64, which one household or one server has to itself. ``None`` where none is known.

    >>> by_client({"client": ("192.0.2.1", 5)}), by_client({"client": ("2001:db8::1", 5)})
    ('192.0.2.1', '2001:db8::/64')
    """
    host = client_host(request)
    address = plain_address(host) if host else None
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return host if address is None else str(address)


def connection_limit_response(response: Response, slot: Slot) -> Response:
    """A copy of ``response`` whose conversation leaves ``slot`` at its end; a denial leaves it at once.

    >>> connection_limit_response({"status": 403}, Slot())
    {'status': 403}
    """
    if response["status"] != 101 or "websocket" not in response:
        slot.leave()
        return response
    return with_tap(response, {"end": lambda scope: slot.leave()})


@middleware_factory
def wrap_connection_limit(
    *,
    max_connections: int = 10_000,
    max_per_client: int | None = None,
    client: Callable[[Any], Hashable | None] = by_client,
    retry_after_s: int = 10,
) -> Middleware:
    """Bound how many WebSockets are open at a time. One too many is denied before its handler is asked.

    | option | meaning | default |
    |---|---|---|
    | ``max_connections`` | of the app in this process; more are denied with 503 | 10,000 |
    | ``max_per_client`` | of one client; more are denied with 429 | no bound |
    | ``client`` | ``f(request)``: who that is, anything that can be a key of a dict; ``None`` is not counted | ``by_client``: the address |
    | ``retry_after_s`` | seconds, in ``retry-after`` of both answers | 10 |

    A handshake counts from its beginning. The place is free again when the conversation has ended, its hooks included, or when it never began: refused,
    failed, or left before the accept. Behind a proxy ``wrap_proxy`` goes outside, else all have one address; by session or user, put it inside what
    finds those out: ``client=lambda request: request["identity"]``. Wrong options are a ``ValueError``.

    WebSocket: that is all it looks at, and at conversations over Server-Sent Events; other HTTP requests pass. The log tells of denials (INFO).

    >>> wrap_connection_limit(max_per_client=50).spec["options"]["max_connections"]
    10000
    """
    for name, value, least in (("max_connections", max_connections, 1), ("max_per_client", max_per_client, 1), ("retry_after_s", retry_after_s, 0)):
        if value is not None and value < least:
            raise ValueError(f"wrap_connection_limit: {name} must be at least {least}, not {value!r}")

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        connections = OpenConnections(max_connections, max_per_client)

        async def connection_limit(handler: Handler, request: Any) -> Response:
            if not (is_websocket(request) or wants_events(request)):
                return await next_middleware(handler, request)
            slot = connections.enter(client(request))
            if isinstance(slot, int):
                log.info("a WebSocket was denied with %d: %d are open", slot, len(connections))
                return with_header(problem(slot), "retry-after", str(retry_after_s))
            try:
                return connection_limit_response(await next_middleware(handler, request), slot)
            except BaseException:  # a cancellation, too: no conversation came of it that would give the slot back
                slot.leave()  # now, not when the last traceback that holds this frame is gone
                raise

        return connection_limit

    return middleware
