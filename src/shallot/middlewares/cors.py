"""wrap_cors: which other sites' pages may read our answers (the Fetch standard, 3.2). It knows origins and methods, and of no route what it allows."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from ..codec.headers import with_header, with_vary
from ..codec.origins import origin_matcher
from ..compose import middleware_factory
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["CORS", "cors_options", "cors_request", "cors_response", "wrap_cors"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SAFE_METHODS = frozenset(("GET", "HEAD", "POST"))
_SAFE_HEADERS = frozenset(("accept", "accept-language", "content-language", "content-type"))
_PREFLIGHT_VARIES = "origin, access-control-request-method, access-control-request-headers"
_PRIVATE = "access-control-request-private-network"
_MOST_HEADERS = 64
_LONGEST_AGE_S = 7200


class CORS(NamedTuple):
    """What ``wrap_cors`` allows, checked: made by ``cors_options``."""

    origin: str | None
    """The value sent to everybody; ``None`` where it depends on the request."""
    allows: Callable[[str], bool]
    """Whether the page of an origin may read."""
    headers: Mapping[str, str]
    """Sent with each answer that may be read."""
    methods: frozenset[str]
    names: frozenset[str]
    preflight: Mapping[str, str] | None
    """Sent with the answer to an allowed preflight; ``None`` where the handler answers it."""
    private_network: bool


def cors_options(
    allow_origin: str | Collection[str] = "*",
    *,
    allow_methods: Collection[str] | None = None,
    allow_headers: Collection[str] | None = None,
    expose_headers: Collection[str] = (),
    allow_credentials: bool = False,
    allow_private_network: bool = False,
    max_age_s: int = 600,
) -> CORS:
    """``wrap_cors``'s options as one value, or the ``ValueError`` or ``TypeError`` that says what is wrong with them."""
    origins = [allow_origin] if isinstance(allow_origin, str) else list(allow_origin)
    try:
        named = origin_matcher([origin for origin in origins if origin != "*"])
    except ValueError as error:
        raise ValueError(f"wrap_cors: {error}") from None
    if "*" in origins and len(origins) > 1:
        raise ValueError("wrap_cors: allow_origin names '*' beside others; '*' allows all, give it alone or leave it out")
    if "*" in origins and allow_credentials:
        raise ValueError("wrap_cors: allow_credentials with allow_origin '*' would let every site act as the user; name the origins")
    lists = {"allow_methods": allow_methods, "allow_headers": allow_headers, "expose_headers": expose_headers}
    for option, names in lists.items():
        _check_names(option, names or ())
    if not 0 <= max_age_s <= _LONGEST_AGE_S:
        raise ValueError(f"wrap_cors: max_age_s must be 0 to {_LONGEST_AGE_S} seconds (no browser keeps it longer), not {max_age_s!r}")

    alone = origins[0] if len(origins) == 1 and "*." not in origins[0] else None
    credentials = {"access-control-allow-credentials": "true"} if allow_credentials else {}
    exposed = {"access-control-expose-headers": ", ".join(expose_headers)} if expose_headers else {}
    preflight = {
        "access-control-allow-methods": ", ".join(allow_methods or sorted(_SAFE_METHODS)),
        **({"access-control-allow-headers": ", ".join(allow_headers)} if allow_headers else {}),
        "access-control-max-age": str(max_age_s),
    }
    return CORS(
        origin=alone,
        allows=_all if alone == "*" else named,
        headers={**credentials, **exposed},
        methods=_SAFE_METHODS.union(allow_methods or ()),
        names=_SAFE_HEADERS.union(name.lower() for name in allow_headers or ()),
        private_network=allow_private_network,
        preflight=None if allow_methods is None and allow_headers is None and not allow_private_network else {**credentials, **preflight},
    )


def _all(origin: str) -> bool:
    return True


def _check_names(option: str, names: Collection[str]) -> None:
    if isinstance(names, str):
        raise TypeError(f"wrap_cors: {option} must be a collection of names, not the str {names!r}; write [{names!r}]")
    for name in names:
        if name == "*" or not _TOKEN.fullmatch(name):
            raise ValueError(f"wrap_cors: {option} must list names (a wildcard does not hold where credentials are sent), not {name!r}")


def cors_request(request: Mapping[str, Any], options: CORS) -> Response | None:
    """The answer to a preflight, or ``None`` for every other request, and for all where nothing is said about preflights.

    204 either way; what is not allowed gets no allowing header, which is what makes the browser refuse.
    """
    if options.preflight is None or request["method"] != "OPTIONS":
        return None
    asked = request.get("headers", {})
    if "origin" not in asked or "access-control-request-method" not in asked:
        return None
    origin = asked["origin"]
    names = asked.get("access-control-request-headers", "").split(",", _MOST_HEADERS)
    allowed = (
        options.allows(origin)
        and asked["access-control-request-method"] in options.methods
        and len(names) <= _MOST_HEADERS
        and all(name.strip().lower() in options.names for name in names if name.strip())
    )
    granted = {"access-control-allow-origin": options.origin or origin, **options.preflight} if allowed else {}
    varies = _PREFLIGHT_VARIES
    if options.private_network:
        varies = f"{varies}, {_PRIVATE}"
        if allowed and asked.get(_PRIVATE) == "true":
            granted["access-control-allow-private-network"] = "true"
    return {"status": 204, "headers": {**granted, "vary": varies}}


def cors_response(response: Response, request: Mapping[str, Any], options: CORS) -> Response:
    """A copy of ``response`` that says who may read it.

    >>> cors_response({"status": 200}, {"headers": {}}, cors_options())
    {'status': 200, 'headers': {'access-control-allow-origin': '*'}}
    """
    headers = response.get("headers") or {}
    origin = options.origin
    if origin is None:
        headers = with_vary(headers, "origin")
        asked = request.get("headers", {}).get("origin")
        if asked is None or not options.allows(asked):
            return {**response, "headers": headers}
        origin = asked
    headers = with_header(headers, "access-control-allow-origin", origin)
    for name, value in options.headers.items():
        headers = with_header(headers, name, value)
    return {**response, "headers": headers}


@middleware_factory
def wrap_cors(
    allow_origin: str | Collection[str] = "*",
    *,
    allow_methods: Collection[str] | None = None,
    allow_headers: Collection[str] | None = None,
    expose_headers: Collection[str] = (),
    allow_credentials: bool = False,
    allow_private_network: bool = False,
    max_age_s: int = 600,
) -> Middleware:
    """Let pages of other origins read our answers: ``access-control-allow-origin`` on each, errors included.

    | option | meaning | default |
    |---|---|---|
    | ``allow_origin`` | ``"*"``: all; one origin, sent to everybody; or several, of which the asking one is sent, with ``vary: origin`` | ``"*"`` |
    | ``allow_methods``, ``allow_headers`` | names allowed besides those that need no permission | ``None`` |
    | ``expose_headers`` | names of response headers that a page may read | none |
    | ``allow_credentials`` | cookies and the like may be sent; needs named origins | ``False`` |
    | ``allow_private_network`` | pages of the open net may reach us in a private one (the header ``access-control-allow-private-network``) | ``False`` |
    | ``max_age_s`` | seconds for which a browser may keep the answer to a preflight, at most 7200 | 600 |

    Origins are compared as a whole; the ``*`` of ``https://*.example.org`` stands for one label. One that is not allowed gets our answer without the header.
    With ``allow_methods``, ``allow_headers`` or ``allow_private_network``, preflights (``OPTIONS`` with ``access-control-request-method``) are answered here
    with 204; without all of them they go to the handler. The headers stand on the answers that the core gives by itself too (400, 413, 500, ...). Wrong
    options are a ``ValueError`` or ``TypeError``.

    WebSocket: the headers stand on the handshake's answer, but no browser looks at them there: what keeps other sites out is a check of ``origin``.

    >>> wrap_cors(["https://*.example.org"], allow_methods=["PUT"]).spec["name"]
    'wrap_cors'
    """
    options = cors_options(
        allow_origin,
        allow_methods=allow_methods,
        allow_headers=allow_headers,
        expose_headers=expose_headers,
        allow_credentials=allow_credentials,
        allow_private_network=allow_private_network,
        max_age_s=max_age_s,
    )

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def cors(handler: Handler, request: Any) -> Response:
            preflight = cors_request(request, options)
            return preflight or cors_response(await next_middleware(handler, request), request, options)

        return cors

    def on_refusal(response: Response, request: Mapping[str, Any]) -> Response:
        return cors_response(response, request, options)

    setattr(middleware, "on_refusal", on_refusal)  # noqa: B010  # a function has no typed attributes
    return middleware
