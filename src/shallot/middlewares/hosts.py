"""wrap_hosts: requests for other people's host names are refused, before anything builds a URL from one. It reads the ``host`` header alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..codec.hosts import host_matcher
from ..compose import middleware_factory
from ..request import client_host
from ..response import problem
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["hosts_request", "wrap_hosts"]

log = logging.getLogger("shallot.hosts")


def hosts_request(request: Mapping[str, Any], is_ours: Callable[[str], bool]) -> Response | None:
    """400 for a request whose ``host`` is not ours, malformed or missing, else ``None``. ``is_ours`` is made by ``codec.hosts.host_matcher``.

    >>> hosts_request({"headers": {"host": "evil.example"}}, lambda host: host == "example.org")["status"]
    400
    """
    host = request.get("headers", {}).get("host")
    if host is not None and is_ours(host):
        return None
    log.info("a request from %s was refused: its host is none of ours", client_host(request))  # whose it is stays unsaid: anybody may write it
    return problem(400)


@middleware_factory
def wrap_hosts(hosts: Collection[str]) -> Middleware:
    """Answer 400 to every request whose ``host`` header is none of ``hosts`` (RFC 9110 7.2): links, redirects and caches may then trust it.

    | in ``hosts`` | what it names |
    |---|---|
    | ``"example.org"`` | that host, whatever the port and the case, with or without a dot at its end |
    | ``".example.org"`` | that host, and all below it |
    | ``"127.0.0.1"``, ``"[::1]"`` | an address |
    | ``"*"`` | every well-formed host: for development |

    A request without ``host`` is refused as well. The answer and the log record (INFO) do not repeat what was asked for. Put it outside all that reads
    ``host``, and inside ``wrap_proxy`` where that reads ``x-forwarded-host``. No hosts, and texts that name none, are a ``ValueError``.

    WebSocket: the same; the answer is a denial.

    >>> wrap_hosts(["example.org", ".example.com"]).spec["options"]
    {'hosts': ['example.org', '.example.com']}
    """
    if not hosts:
        raise ValueError("wrap_hosts: hosts is empty, which would refuse every request; name yours, like ['example.org']")
    try:
        is_ours = host_matcher(hosts)
    except (TypeError, ValueError) as error:
        raise type(error)(f"wrap_hosts: {error}") from None

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def only_ours(handler: Handler, request: Any) -> Response:
            return hosts_request(request, is_ours) or await next_middleware(handler, request)

        return only_ours

    return middleware
