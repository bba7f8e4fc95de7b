"""wrap_proxy: who asked, how and for which host, as the proxies in front of us tell it. It believes those that it was told to, and reads from the right end."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice
from typing import Any, NamedTuple

from ..codec.forwarded import Address, parse_forwarded, parse_list, parse_node, plain_address
from ..codec.hosts import is_host
from ..compose import middleware_factory
from ..request import client_host, is_websocket
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["Proxy", "proxy_options", "proxy_request", "wrap_proxy"]

log = logging.getLogger("shallot.proxy")

_NAMES = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded")
_SECURE = {"http": False, "ws": False, "https": True, "wss": True}
_SCHEMES = {(False, False): "http", (False, True): "https", (True, False): "ws", (True, True): "wss"}
_SHOWN = 80


class Proxy(NamedTuple):
    """What ``wrap_proxy`` believes, checked: made by ``proxy_options``."""

    headers: frozenset[str]
    hops: int | None
    """How many proxies there are; ``None`` where their addresses tell."""
    networks: Sequence[IPv4Network | IPv6Network] = ()
    has_unix: bool = False
    """Whether peers on a Unix socket, which have no address, are proxies of ours."""

    def trusts(self, address: Address) -> bool:
        """Whether the peer with this address is a proxy of ours."""
        return any(address in network for network in self.networks)


def proxy_options(trusted: int | Collection[str], *, headers: Collection[str] = ("x-forwarded-for", "x-forwarded-proto")) -> Proxy:
    """``wrap_proxy``'s options as one value, or the ``ValueError`` or ``TypeError`` that says what is wrong with them."""
    if isinstance(headers, str):
        raise TypeError(f"wrap_proxy: headers must be a collection of names, not the str {headers!r}; write [{headers!r}]")
    if unknown := sorted(set(headers) - set(_NAMES)):
        raise ValueError(f"wrap_proxy: headers may name {', '.join(_NAMES)}; not {unknown[0]!r}")
    if not headers or ("forwarded" in headers and len(set(headers)) > 1):
        raise ValueError("wrap_proxy: headers must name 'forwarded' alone, or x-forwarded ones: what your proxy does not write, the client may")
    if isinstance(trusted, int) and not isinstance(trusted, bool):
        if trusted < 1:
            raise ValueError(f"wrap_proxy: trusted is the number of proxies in front of the app, at least 1, not {trusted!r}")
        return Proxy(frozenset(headers), trusted)
    if isinstance(trusted, (str, bool)) or not trusted:
        raise TypeError(f"wrap_proxy: trusted must be the number of proxies, or a list of networks like ['10.0.0.0/8', 'unix'], not {trusted!r}")
    try:
        networks = [ip_network(network) for network in trusted if network != "unix"]
    except ValueError as error:
        raise ValueError(f"wrap_proxy: trusted must list networks like '10.0.0.0/8', or 'unix': {error}") from None
    return Proxy(frozenset(headers), None, networks, "unix" in trusted)


class _Told(NamedTuple):
    client: tuple[Address, int] | None = None
    proto: str | None = None
    host: str | None = None


def proxy_request(request: Any, options: Proxy) -> Any:
    """``request`` with ``client``, ``scheme`` and the ``host`` in its ``headers`` changed to what our proxies say.

    Unchanged where the direct peer is none of them, and where what they say is malformed, missing where it is due, or no address: that is logged.
    """
    if not _is_ours(client_host(request), options):
        return request
    try:
        told = _read(request.get("headers", {}), options)
    except ValueError as error:
        log.warning("what the proxy says is ignored: %s", error)
        return request
    if told.client is not None:
        request["client"] = (str(told.client[0]), told.client[1])
    if told.proto is not None:
        request["scheme"] = _SCHEMES[is_websocket(request), _SECURE[told.proto]]
    if told.host is not None:
        request["headers"] = {**request["headers"], "host": told.host}
    return request


def _is_ours(peer: str | None, options: Proxy) -> bool:
    if options.hops is not None:
        return True
    if not peer:
        return options.has_unix
    address = plain_address(peer)
    return address is not None and options.trusts(address)


def _read(headers: Mapping[str, str], options: Proxy) -> _Told:
    if "forwarded" in options.headers:
        return _read_forwarded(headers["forwarded"], options) if "forwarded" in headers else _Told()
    client, hops = None, options.hops or 1
    if "x-forwarded-for" in options.headers and (listed := headers.get("x-forwarded-for")) is not None:
        client, hops = _walk(parse_list(listed), options, listed)
    return _checked(client, *(_pick(headers[name], hops) if name in options.headers and name in headers else None for name in _NAMES[1:3]))


def _walk(nodes: Iterable[str | None], options: Proxy, shown: str) -> tuple[tuple[Address, int], int]:
    """The client among ``nodes``, nearest first, and how many of them are believed: as many as there are proxies, or until one is no proxy."""
    node, hops = None, 0
    for text in islice(nodes, options.hops):
        hops += 1
        if options.hops is None or hops == options.hops:
            node = parse_node(text or "")
            if node is None:
                raise ValueError(f"expected an address, got {(text or '')[:_SHOWN]!r}")
            if options.hops is None and not options.trusts(node[0]):
                break
    if node is None:
        raise ValueError(f"expected {options.hops} addresses, as many as there are proxies, got {shown[:_SHOWN]!r}")
    return node, hops


def _pick(text: str, hops: int) -> str:
    """What the outermost proxy wrote: the only value where each replaces it, or one of a list where each appends."""
    values = list(islice(parse_list(text), hops + 1))
    if 1 < len(values) < hops:
        raise ValueError(f"expected one value, or one for each of {hops} proxies, got {text[:_SHOWN]!r}")
    return values[0] if len(values) == 1 else values[hops - 1]


def _read_forwarded(text: str, options: Proxy) -> _Told:
    read: list[Mapping[str, str]] = []

    def nodes() -> Iterator[str | None]:
        for element in parse_forwarded(text):
            if element is None:
                raise ValueError(f"malformed (RFC 7239 4): {text[:_SHOWN]!r}")
            read.append(element)
            yield element.get("for")

    client, hops = _walk(nodes(), options, text)
    return _checked(client, read[hops - 1].get("proto"), read[hops - 1].get("host"))


def _checked(client: tuple[Address, int] | None, proto: str | None = None, host: str | None = None) -> _Told:
    if proto is not None and (proto := proto.lower()) not in _SECURE:
        raise ValueError(f"expected the protocol http or https, got {proto[:_SHOWN]!r}")
    if host is not None and not is_host(host):
        raise ValueError(f"expected a host, got {host[:_SHOWN]!r}")
    return _Told(client, proto, host)


@middleware_factory
def wrap_proxy(trusted: int | Collection[str], *, headers: Collection[str] = ("x-forwarded-for", "x-forwarded-proto")) -> Middleware:
    """Behind a reverse proxy: take who asked (``client``), how (``scheme``) and for which host from what the proxy wrote. Without it none of that is believed.

    | option | meaning | default |
    |---|---|---|
    | ``trusted`` | how many proxies stand before the app; or a list of their networks, ``"10.0.0.0/8"``, and ``"unix"`` for peers on a Unix socket | |
    | ``headers`` | what they write: any of ``x-forwarded-for``, ``-proto`` and ``-host``, or ``forwarded`` (RFC 7239) alone | the first two |

    **Name only what every request has from your proxy**: it hands on what it does not write, and then the client wrote it. A number says that no request
    comes past the proxies. With networks, a request whose direct peer is in none is left as it is.

    Each proxy appends at the right, so lists are read from there: the number counts from the right end; with networks the client is the first that is in
    none. Of ``x-forwarded-proto`` and ``x-forwarded-host`` one value stands for all proxies, else there is one for each. What is malformed, too short or no
    address is ignored, all of it together, with a WARNING. Changes ``request["client"]`` to ``(address, port)``, port 0 where none is told;
    ``request["scheme"]``; and ``request["headers"]["host"]``. ``headers_list`` stays as it came. Put it outside all others.

    WebSocket: the same; the scheme is then ``ws`` or ``wss``, whichever of the four was told.

    >>> request = {"type": "http", "client": ("10.0.0.1", 5), "headers": {"x-forwarded-for": "evil, 192.0.2.1", "x-forwarded-proto": "https"}}
    >>> request = proxy_request(request, proxy_options(["10.0.0.0/8"]))
    >>> request["client"], request["scheme"]
    (('192.0.2.1', 0), 'https')
    """
    options = proxy_options(trusted, headers=headers)

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def proxy(handler: Handler, request: Any) -> Response:
            return await next_middleware(handler, proxy_request(request, options))

        return proxy

    return middleware
