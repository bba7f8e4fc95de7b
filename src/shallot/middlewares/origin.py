"""wrap_origin: no page of another site opens a WebSocket of ours with its visitor's cookies (RFC 6455 10.2). CORS is no help: browsers do not ask it here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, cast

from ..codec.authorization import is_ambient
from ..codec.origins import format_origin, origin_matcher
from ..codec.routes import check_seen, rows_of
from ..compose import middleware_factory
from ..response import problem
from ..types import Handler, Middleware, NextMiddleware, Response, Spec

__all__ = ["OriginRule", "origin_options", "origin_request", "wrap_origin"]

log = logging.getLogger("shallot.origin")

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_ABSENT = ("without_cookie", "allow", "deny")
_SHOWN = 80


class OriginRule(NamedTuple):
    """What ``wrap_origin`` asks of a request, checked: made by ``origin_options``."""

    allows: Callable[[str], bool]
    """Whether an origin beside the request's own may come."""
    absent: Literal["without_cookie", "allow", "deny"]
    only_with_cookie: bool
    unsafe_methods: bool


def origin_options(
    origins: Collection[str] = (),
    *,
    absent: Literal["without_cookie", "allow", "deny"] = "without_cookie",
    only_with_cookie: bool = False,
    unsafe_methods: bool = False,
) -> OriginRule:
    """``wrap_origin``'s options as one value, or the ``ValueError`` or ``TypeError`` that says what is wrong with them."""
    if absent not in _ABSENT:
        raise ValueError(f"wrap_origin: absent is one of {', '.join(_ABSENT)}; not {absent!r}")
    return OriginRule(_allowing(origins, "wrap_origin"), absent, only_with_cookie, unsafe_methods)


def _allowing(origins: object, where: str) -> Callable[[str], bool]:
    if origins in ("*", ["*"], ("*",)):
        return _all
    if not isinstance(origins, Collection):
        raise TypeError(f"{where}: origins must be a collection of origins, or '*', not {origins!r}")
    try:
        return origin_matcher(cast("Collection[str]", origins))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}: {error}") from None


def _all(_origin: str) -> bool:
    return True


def origin_request(request: Mapping[str, Any], rule: OriginRule, allows: Callable[[str], bool] | None = None) -> Response | None:
    """403 for a request that may come from a page of another site, else ``None``. ``allows`` is asked in place of the rule's own.

    >>> origin_request({"method": "WS", "scheme": "wss", "headers": {"host": "a.example", "origin": "https://a.example.evil.net"}}, origin_options())["status"]
    403
    """
    method = request["method"]
    if method != "WS" and (not rule.unsafe_methods or method in _SAFE_METHODS):
        return None
    headers = request.get("headers", {})
    if rule.only_with_cookie and not is_ambient(headers):
        return None
    origin = headers.get("origin")
    if origin is None:
        if rule.absent == "allow" or (rule.absent == "without_cookie" and "cookie" not in headers):
            return None
        log.info("a request without origin was refused")
        return problem(403)
    own = format_origin(request.get("scheme", "http"), headers.get("host", ""))
    if origin == own or (allows or rule.allows)(origin):
        return None
    log.info("a request of the origin %r was refused; ours is %r (behind a proxy that ends TLS, wrap_proxy goes outside)", origin[:_SHOWN], own)
    return problem(403)


@middleware_factory
def wrap_origin(
    origins: Collection[str] = (),
    *,
    absent: Literal["without_cookie", "allow", "deny"] = "without_cookie",
    only_with_cookie: bool = False,
    unsafe_methods: bool = False,
) -> Middleware:
    """Refuse with 403 what a page of another site asks for: a WebSocket before it opens, and if told so unsafe HTTP methods. Browsers say ``origin``.

    | option | meaning | default |
    |---|---|---|
    | ``origins`` | those allowed besides the request's own: ``"https://example.org"``, ``"https://*.example.org"`` (one label more); ``"*"`` for all | none |
    | ``absent`` | a request without ``origin``, which programs send: ``"allow"``, ``"deny"``, or let it come ``"without_cookie"`` | the last |
    | ``only_with_cookie`` | ask only where something is sent that a browser adds by itself: cookies, ``authorization`` that is no ``Bearer`` | ``False`` |
    | ``unsafe_methods`` | ask for HTTP as well, but for GET, HEAD, OPTIONS and TRACE | ``False`` |

    A request's own origin is its scheme, host and port. Origins are compared as a whole, as browsers spell them (RFC 6454 6.2): ``null``, capitals and two
    origins at once are refused. The log tells (INFO) which came. Behind a proxy that ends TLS, ``wrap_proxy`` goes outside: else the scheme is not the
    browser's. Inside ``wrap_routes`` a row's ``data["origins"]`` stands in place of ``origins``. Wrong options and rows are a ``ValueError`` or ``TypeError``.

    WebSocket: the answer is a denial; the handler and ``on_connect`` do not run.

    >>> wrap_origin(["https://*.example.org"]).spec["options"]["absent"]
    'without_cookie'
    """
    rule = origin_options(origins, absent=absent, only_with_cookie=only_with_cookie, unsafe_methods=unsafe_methods)

    @lru_cache(maxsize=1024)
    def of_row(origins: str | tuple[str, ...]) -> Callable[[str], bool]:
        return _allowing(origins, "wrap_origin: a row")

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def origin(handler: Handler, request: Any) -> Response:
            named = request["route"]["data"].get("origins") if "route" in request else None
            allows = None if named is None else of_row(named if isinstance(named, str) else tuple(named))
            return origin_request(request, rule, allows) or await next_middleware(handler, request)

        return origin

    def on_composed(outside: Sequence[Spec], inside: Sequence[Spec]) -> None:
        for row in rows_of(outside):
            if "origins" in row.data:
                _allowing(row.data["origins"], f"wrap_origin: the row {row.path!r}")
        check_seen(inside, "wrap_origin", "origins")

    setattr(middleware, "on_composed", on_composed)  # noqa: B010
    return middleware
