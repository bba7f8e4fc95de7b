"""wrap_https: what came without TLS is sent to where it has it, or refused. It knows the scheme of a request, and no certificate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from ..codec.forwarded import plain_address
from ..codec.hosts import parse_host
from ..compose import middleware_factory
from ..request import client_host, is_websocket
from ..response import problem
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["HTTPS", "https_options", "https_request", "wrap_https"]

_IN_PATH = "/%:@!$&'()*+,;=~"
_IN_QUERY = f"{_IN_PATH}?"


class HTTPS(NamedTuple):
    """What ``wrap_https`` lets pass and where it sends the rest, checked: made by ``https_options``."""

    redirect: bool
    port: int
    loopback: bool
    except_paths: frozenset[str]


def https_options(*, redirect: bool = True, port: int = 443, loopback: bool = False, except_paths: Collection[str] = ()) -> HTTPS:
    """``wrap_https``'s options as one value, or the ``ValueError`` or ``TypeError`` that says what is wrong with them."""
    if not 1 <= port <= 65535:
        raise ValueError(f"wrap_https: port must be 1 to 65535, not {port!r}")
    if isinstance(except_paths, str):
        raise TypeError(f"wrap_https: except_paths must be a collection of paths, not the str {except_paths!r}; write [{except_paths!r}]")
    for path in except_paths:
        if not path.startswith("/"):
            raise ValueError(f"wrap_https: except_paths are paths that begin with '/', not {path!r}")
    return HTTPS(redirect, port, loopback, frozenset(except_paths))


def https_request(request: Mapping[str, Any], options: HTTPS) -> Response | None:
    """The answer to a request without TLS: 308 or 403; ``None`` for one that may pass.

    >>> https_request({"scheme": "http", "path": "/a", "headers": {"host": "example.org:80"}}, https_options())["headers"]["location"]
    'https://example.org/a'
    """
    if request.get("scheme", "http") in ("https", "wss") or request["path"] in options.except_paths or (options.loopback and _is_loopback(request)):
        return None
    host = parse_host(request.get("headers", {}).get("host", ""))
    if not options.redirect or is_websocket(request) or host is None:
        return problem(403, detail="This needs https." if not is_websocket(request) else "This needs wss.")
    port = "" if options.port == 443 else f":{options.port}"
    return {"status": 308, "body": b"", "headers": {"location": f"https://{host.name}{port}{_target(request)}", "content-length": "0"}}


def _target(request: Mapping[str, Any]) -> str:
    """Path and query as they came, with all escaped that a URL cannot hold. Behind an authority, so that ``//evil.example`` is a path and nothing else."""
    raw = request.get("raw_path") or b""
    path = quote(raw.partition(b"?")[0], safe=_IN_PATH) if raw.startswith(b"/") else quote(request["path"], safe=_IN_PATH.replace("%", ""))
    query = quote(request.get("query_string", b""), safe=_IN_QUERY)
    return f"{path}?{query}" if query else path


def _is_loopback(request: Mapping[str, Any]) -> bool:
    """Whether a program on this machine asks for this machine: the peer alone would be a proxy that runs beside us."""
    host, client = parse_host(request.get("headers", {}).get("host", "")), plain_address(client_host(request) or "")
    if host is None or client is None or not client.is_loopback:
        return False
    address = plain_address(host.name.strip("[]"))
    return address.is_loopback if address is not None else host.name == "localhost"


@middleware_factory
def wrap_https(*, redirect: bool = True, port: int = 443, loopback: bool = False, except_paths: Collection[str] = ()) -> Middleware:
    """Let nothing pass that came without TLS.

    | option | meaning | default |
    |---|---|---|
    | ``redirect`` | ``True``: 308 to the same URL with ``https``, for sites; ``False``: 403, for APIs: nobody notices a redirect | ``True`` |
    | ``port`` | of ``https``, in the redirect | 443 |
    | ``loopback`` | requests of this machine for this machine (``localhost``, 127.0.0.0/8, ``[::1]``) pass: for development | ``False`` |
    | ``except_paths`` | paths that pass, compared as a whole: where a load balancer asks whether we are well | none |

    It looks at ``request["scheme"]``, so behind a proxy that ends TLS put ``wrap_proxy`` outside, and ``wrap_hosts`` too: the redirect goes to ``host``.
    ``strict-transport-security`` is a matter of ``wrap_security_headers``. Wrong options are a ``ValueError`` or ``TypeError``.

    WebSocket: over ``ws`` the answer is a denial, 403; no browser follows a redirect there.

    >>> wrap_https(redirect=False).spec["name"]
    'wrap_https'
    """
    options = https_options(redirect=redirect, port=port, loopback=loopback, except_paths=except_paths)

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def https(handler: Handler, request: Any) -> Response:
            return https_request(request, options) or await next_middleware(handler, request)

        return https

    return middleware
