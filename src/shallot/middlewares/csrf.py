"""wrap_csrf: no other site's page makes a browser change anything here. It knows headers, a session and parsed forms, and never reads a body."""

from __future__ import annotations

import hmac
import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable, Collection, Mapping
from secrets import token_bytes
from typing import Any, Literal, NamedTuple

from ..codec.authorization import is_ambient
from ..codec.origins import format_origin, origin_matcher
from ..compose import middleware_factory
from ..response import problem
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["CSRF", "csrf_options", "csrf_request", "csrf_token", "wrap_csrf"]

log = logging.getLogger("shallot.csrf")

SECRET_BYTES = 60
KEY = "_csrf"
"""Of the session. The underscore has wrap_session drop it with the id that it belongs to."""

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


class CSRF(NamedTuple):
    """What ``wrap_csrf`` accepts, checked: made by ``csrf_options``."""

    token: bool
    only_with_cookie: bool
    is_trusted: Callable[[str], bool]
    header: str
    field: str


def csrf_options(
    *,
    token: bool = True,
    only_with_cookie: bool = False,
    trusted_origins: Collection[str] = (),
    header: str = "x-csrf-token",
    field: str = "__anti_forgery_token",
) -> CSRF:
    """``wrap_csrf``'s options as one value, or the ``ValueError`` or ``TypeError`` that says what is wrong with them."""
    if not header or not field:
        raise ValueError(f"wrap_csrf: header and field must have a name, not {header!r} and {field!r}; for no token at all there is token=False")
    return CSRF(token, only_with_cookie, origin_matcher(trusted_origins), header.lower(), field)


def csrf_token(request: Mapping[str, Any]) -> str:
    """The token for a form's hidden field, or for a page's script: another text each time (so that compression gives nothing away), always the same secret
    behind it.

    The secret is made when it is first asked for, and kept in the session; a new session id has a new one. So answer a login with a redirect: a token that was
    rendered before the rotation is dead.

        >>> request = {"session": {}}
        >>> csrf_token(request) == csrf_token(request)
        False
    """
    session = _session(request, "csrf_token")
    if KEY not in session:
        session[KEY] = urlsafe_b64encode(token_bytes(SECRET_BYTES)).decode()
    pad = token_bytes(SECRET_BYTES)
    return urlsafe_b64encode(pad + _xor(pad, urlsafe_b64decode(session[KEY]))).decode()


def csrf_request(request: Mapping[str, Any], options: CSRF) -> Response | None:
    """The 403 for a request that is not known to come from our own pages, or ``None`` for one that is, that changes nothing, or that a row exempts.

    >>> csrf_request({"type": "http", "method": "POST", "headers": {"sec-fetch-site": "same-origin"}}, csrf_options())
    >>> csrf_request({"type": "http", "method": "POST", "headers": {"sec-fetch-site": "cross-site"}}, csrf_options())["status"]
    403
    """
    if request["type"] == "websocket" or request["method"] in _SAFE_METHODS or _is_exempt(request):
        return None
    headers = request["headers"]
    is_cookieless = options.only_with_cookie and "cookie" not in headers
    if is_cookieless and not is_ambient(headers):
        return None
    told = _browser_tells(request, options)
    if told == "ours" or (told == "nothing" and (is_cookieless or (options.token and _has_token(request, options)))):
        return None
    log.warning(
        "refused a %s: origin %.100r, sec-fetch-site %.20r. Behind a proxy wrap_proxy belongs outside; other sites that may ask belong into trusted_origins",
        *(request["method"], headers.get("origin"), headers.get("sec-fetch-site")),
    )
    return problem(403, detail="nothing shows that this request comes from a page of this site")


def _browser_tells(request: Mapping[str, Any], options: CSRF) -> Literal["ours", "nothing", "another"]:
    """Whose page asks, by the headers that no page can forge. Where it is another site's no token is asked for: it would be a stolen one."""
    headers = request["headers"]
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None and origin is None:
        return "nothing"
    own = site in ("same-origin", "none") if site is not None else origin == format_origin(request.get("scheme", "http"), headers.get("host", ""))
    return "ours" if own or (origin is not None and options.is_trusted(origin)) else "another"


def _has_token(request: Mapping[str, Any], options: CSRF) -> bool:
    """Whether the header or the parsed form holds the session's token; compared in constant time. The query is not looked at: it stands in logs."""
    secret: str | None = _session(request, "wrap_csrf").get(KEY)
    given = request["headers"].get(options.header) or next(iter(request.get("form_params", {}).get(options.field, ())), "")
    if secret is None:
        return False
    try:
        sent = urlsafe_b64decode(given.encode("ascii"))
    except (UnicodeEncodeError, Error):
        return False
    if len(sent) != 2 * SECRET_BYTES:
        return False
    return hmac.compare_digest(_xor(sent[:SECRET_BYTES], sent[SECRET_BYTES:]), urlsafe_b64decode(secret))


def _is_exempt(request: Mapping[str, Any]) -> bool:
    route = request.get("route")
    return route is not None and route["data"].get("csrf") is False


def _session(request: Mapping[str, Any], who: str) -> Any:
    if "session" not in request:
        raise TypeError(f'{who}: request has no "session"; put wrap_session outside it')
    return request["session"]


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(SECRET_BYTES)


@middleware_factory
def wrap_csrf(
    *,
    token: bool = True,
    only_with_cookie: bool = False,
    trusted_origins: Collection[str] = (),
    header: str = "x-csrf-token",
    field: str = "__anti_forgery_token",
) -> Middleware:
    """Refuse, with 403 and before the handler runs, what another site's page makes a browser send (OWASP ASVS 3.5).

    | option | meaning | default |
    |---|---|---|
    | ``token`` | whether a token proves it where the browser says nothing of where it comes from; needs ``wrap_session`` outside | ``True`` |
    | ``only_with_cookie`` | ask only where a cookie is sent, or by another site's page an ``authorization`` that is no ``Bearer``; for an API | ``False`` |
    | ``trusted_origins`` | other sites that may ask: ``"https://example.org"``, ``"https://*.example.org"`` | none |
    | ``header``, ``field`` | where the token stands: a header, or a field of the parsed form | ``"x-csrf-token"``, ``"__anti_forgery_token"`` |

    Looked at are all methods but GET, HEAD, OPTIONS and TRACE, so those must change nothing. The proof, first that is there: ``sec-fetch-site`` is
    ``same-origin`` or ``none``; ``origin`` is our own (scheme, host and port) or trusted; the token of this session, as ``csrf_token(request)`` renders it.
    The form is read from ``request["form_params"]``: ``wrap_parameters`` or ``wrap_multipart`` belongs outside. A row with ``{"csrf": False}`` in its data
    is not looked at, if ``wrap_routes`` is outside.

    WebSocket: nothing. A handshake changes nothing by its method; which pages may open one is ``wrap_origin``'s to say.

    >>> wrap_csrf(token=False, only_with_cookie=True).spec["name"]
    'wrap_csrf'
    """
    options = csrf_options(token=token, only_with_cookie=only_with_cookie, trusted_origins=trusted_origins, header=header, field=field)

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def csrf(handler: Handler, request: Any) -> Response:
            if token:
                _session(request, "wrap_csrf")
            return csrf_request(request, options) or await next_middleware(handler, request)

        return csrf

    return middleware
