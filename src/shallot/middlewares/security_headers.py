"""wrap_security_headers: what a browser is told to do without. The tables are data; each line can be changed or left out."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from ..codec.headers import format_headers
from ..compose import middleware_factory
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["HSTS", "api_headers", "security_headers_request", "security_headers_response", "site_headers", "wrap_security_headers"]

api_headers: Mapping[str, str | None] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
"""For answers that are no pages: nothing in them is loaded, run, or shown in a frame."""

site_headers: Mapping[str, str | None] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'self'",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""For pages: what they load and who frames them is of this site."""

HSTS: Mapping[str, str] = {"strict-transport-security": "max-age=31536000; includeSubDomains"}
"""Ask by https only, for a year, subdomains too (RFC 6797). Browsers heed it only where it came by https."""

_NONCE = "{nonce}"


def security_headers_request(request: Any) -> Any:
    """``request`` with a fresh ``csp_nonce``: 128 bits that nobody can guess, to be written into ``<script nonce="...">``."""
    request["csp_nonce"] = secrets.token_urlsafe(16)
    return request


def security_headers_response(response: Response, request: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """A copy of ``response`` with those of ``headers`` that it does not have yet, in any spelling.

    >>> security_headers_response({"status": 200, "headers": {"X-Frame-Options": "DENY"}}, {}, {"x-frame-options": "SAMEORIGIN", "x-a": "b"})
    {'status': 200, 'headers': {'x-a': 'b', 'X-Frame-Options': 'DENY'}}
    """
    given = response.get("headers") or {}
    there = {name.lower() for name in given}
    added = {name: value for name, value in headers.items() if name not in there}
    if any(_NONCE in value for value in added.values()):
        nonce = request.get("csp_nonce") or secrets.token_urlsafe(16)  # an answer of the core may come before the request got one
        added = {name: value.replace(_NONCE, nonce) for name, value in added.items()}
    return {**response, "headers": {**added, **given}}


@middleware_factory
def wrap_security_headers(headers: Mapping[str, str | None] = site_headers, *, secure: bool = True) -> Middleware:
    """Put ``headers`` on every answer, those of the core included (400, 413, 500, ...). Put it outermost.

    | option | meaning | default |
    |---|---|---|
    | ``headers`` | name -> value; ``None`` leaves a line of a table out: ``{**site_headers, "x-frame-options": None}`` | ``site_headers`` |
    | ``secure`` | the site is reached by https: adds ``strict-transport-security`` (``HSTS``) where ``headers`` says nothing of it | ``True`` |

    What a handler sets itself stays as it is. Where a value holds ``{nonce}`` (``script-src 'nonce-{nonce}'``), each request gets a ``csp_nonce`` that
    its page can write into its scripts, and the header says the same. Names and values that no header can have are a ``TypeError`` or ``ValueError``
    here. Sources: OWASP ASVS 5.0 3.4, RFC 6797, CSP level 3.

    WebSocket: the headers stand on the handshake's answer and on a denial; browsers heed them on neither.

    >>> wrap_security_headers(api_headers, secure=False).spec["options"]["secure"]
    False
    """
    chosen = {name.lower(): value for name, value in {**(HSTS if secure else {}), **headers}.items()}
    lines = {name: value for name, value in chosen.items() if value is not None}
    format_headers(lines)
    has_nonce = any(_NONCE in value for value in lines.values())

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def security_headers(handler: Handler, request: Any) -> Response:
            if has_nonce:
                security_headers_request(request)
            return security_headers_response(await next_middleware(handler, request), request, lines)

        return security_headers

    def on_refusal(response: Response, request: Mapping[str, Any]) -> Response:
        return security_headers_response(response, request, lines)

    setattr(middleware, "on_refusal", on_refusal)  # noqa: B010  # a function has no typed attributes
    return middleware
