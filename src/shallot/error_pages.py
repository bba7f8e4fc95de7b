"""Errors as HTML: a small page for everybody, and one with the source for whoever develops on this machine. Everything in them is escaped."""

from __future__ import annotations

import linecache
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from ipaddress import ip_address
from traceback import extract_tb, walk_tb
from types import TracebackType
from typing import Any

from .codec.hosts import is_host

__all__ = ["PAGE_POLICY", "debug_page", "error_page", "is_local"]

AROUND = 4
"""Lines of source before and after the one that failed."""
MAX_FRAMES = 40
MAX_CAUSES = 8

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem}"
    "pre{overflow:auto;background:#f5f5f5;padding:.5rem}mark{background:#fd9;display:block}"
)
PAGE_POLICY = f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
"""The ``content-security-policy`` of both pages: they run nothing and load nothing."""

_PROXIED = ("forwarded", "via", "x-forwarded-", "x-real-ip")
"""How the names of headers begin that a proxy writes, one of them at least."""


def error_page(problem: Mapping[str, Any]) -> str:
    """A page that tells a ``problem`` (RFC 9457): status and title, ``detail`` and ``trace`` where there are any.

    >>> "<h1>404 Not &lt;Found&gt;</h1>" in error_page({"status": 404, "title": "Not <Found>"})
    True
    """
    headline = f"{problem.get('status', '')} {problem.get('title', '')}".strip()
    detail = f"<p>{escape(str(problem['detail']))}</p>" if "detail" in problem else ""
    trace = f"<p>It is in the log as <code>{escape(str(problem['trace']))}</code>.</p>" if "trace" in problem else ""
    return _page(headline, detail + trace)


def debug_page(error: BaseException, problem: Mapping[str, Any]) -> str:
    """A page with where ``error`` and its causes were raised: files, functions, lines of source. No values, and not the error's text: they may hold what
    somebody's request brought; they stand in the log.
    """
    parts = "".join(_raised(one, how) for one, how in _causes(error))
    trace = f"<p>Its text is in the log as <code>{escape(str(problem.get('trace', '')))}</code>.</p>"
    return _page(f"{problem.get('status', 500)} {type(error).__name__}", trace + parts)


def is_local(request: Mapping[str, Any]) -> bool:
    """Whether a request comes from this very machine, and came straight: to a loopback name, from a loopback address, through no proxy that says so.

    >>> is_local({"client": ("127.0.0.1", 50000), "headers": {"host": "localhost:8000"}})
    True
    >>> is_local({"client": ("127.0.0.1", 50000), "headers": {"host": "example.org"}})
    False
    """
    client, headers = request.get("client"), request["headers"]
    if not client or any(name.startswith(_PROXIED) for name in headers):
        return False
    host: str = headers.get("host", "")
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return is_host(host) and _is_loopback(str(client[0])) and (name.lower() == "localhost" or _is_loopback(name))


def _is_loopback(address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback


def _causes(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """``error`` and what led to it, each once, and how they hang together."""
    seen: set[int] = set()
    one: BaseException | None = error
    how = ""
    while one is not None and id(one) not in seen and len(seen) < MAX_CAUSES:
        seen.add(id(one))
        yield one, how
        if one.__cause__ is not None:
            one, how = one.__cause__, "raised from "
        else:
            one, how = (None if one.__suppress_context__ else one.__context__), "raised while handling "


def _raised(error: BaseException, how: str) -> str:
    kind = escape(f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."))
    return f"<h2>{how}{kind}</h2>" + "".join(_frames(error.__traceback__))


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    """The innermost first: it is the one that is looked for."""
    linecache.checkcache()
    depth = sum(1 for _ in walk_tb(traceback))
    for frame in reversed(extract_tb(traceback, limit=-MAX_FRAMES)):
        yield f"<p><code>{escape(frame.filename)}</code>, line {frame.lineno}, in <code>{escape(frame.name)}</code></p>"
        yield f"<pre>{''.join(_source(frame.filename, frame.lineno or 0))}</pre>"
    if depth > MAX_FRAMES:
        yield f"<p>and {depth - MAX_FRAMES} frames outside of these</p>"


def _source(filename: str, failed: int) -> Iterator[str]:
    for number in range(max(1, failed - AROUND), failed + AROUND + 1):
        if line := linecache.getline(filename, number):
            text = escape(f"{number:5} {line.rstrip()}")
            yield f"<mark>{text}</mark>" if number == failed else f"{text}\n"


def _page(headline: str, content: str) -> str:
    title = escape(headline)
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>'
    return f"{head}<body><h1>{title}</h1>{content}</body></html>"
