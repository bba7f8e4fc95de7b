"""Where a rule of ``check`` is broken: small pure functions of an app's view, each yields places in words. What they mean stands in ``rules``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from ..types import Spec
from .views import View

__all__ = ["KNOWN_KEYS", "NEEDS", "OUTSIDE"]

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
KNOWN_KEYS = ("change", "secret", "example", "default", "password", "insecure", "0123456789", "abcdefgh", "qwerty", "your-key", "xxxx", "test")
"""What stands in keys that were written by hand."""
LARGE_BODY_BYTES = 64 * 1024 * 1024
"""A body is held in memory whole."""
MANY_BYTES = 10 * 1024 * 1024 * 1024

OUTSIDE: Sequence[tuple[str, str]] = (
    ("wrap_proxy", "wrap_hosts"),
    ("wrap_proxy", "wrap_https"),
    ("wrap_proxy", "wrap_origin"),
    ("wrap_proxy", "wrap_access_log"),
    ("wrap_proxy", "wrap_rate_limit"),
    ("wrap_proxy", "wrap_connection_limit"),
    ("wrap_hosts", "wrap_https"),
    ("wrap_request_id", "wrap_access_log"),
    ("wrap_request_id", "wrap_errors"),
    ("wrap_access_log", "wrap_errors"),
    ("wrap_security_headers", "wrap_errors"),
    ("wrap_security_headers", "wrap_hosts"),
    ("wrap_security_headers", "wrap_static"),
    ("wrap_cors", "wrap_errors"),
    ("wrap_cors", "wrap_csrf"),
    ("wrap_cors", "wrap_auth"),
    ("wrap_cookies", "wrap_session"),
    ("wrap_session", "wrap_flash"),
    ("wrap_session", "wrap_csrf"),
    ("wrap_session", "wrap_auth"),
    ("wrap_body_limit", "wrap_multipart"),
    ("wrap_parameters", "wrap_csrf"),
    ("wrap_multipart", "wrap_csrf"),
)
"""(outer, inner): the outer one sees or makes what the inner one needs."""

NEEDS: Mapping[str, str] = {"wrap_flash": "wrap_session"}
"""layer -> the one without which it cannot work."""


# ---- what the rules ask


def _names(layers: Sequence[Spec]) -> list[str]:
    return [layer["name"] for layer in layers]


def _options(view: View, name: str, option: str) -> Iterator[Any]:
    yield from (layer["options"].get(option) for layer in view.find(name))


def _cookies(view: View) -> Iterator[Mapping[str, Any]]:
    """What differs of the session's cookie."""
    yield from (attributes or {} for attributes in _options(view, "wrap_session", "attributes"))


def _with_session(view: View) -> bool:
    return bool(view.find("wrap_session"))


def _sockets(view: View) -> bool:
    return any("WS" in place.methods for place in view.places)


# ---- the rules


def debug_on(view: View) -> Iterator[str]:
    yield from (f"{layer['name']}(debug=True)" for layer in view.every() if layer["options"].get("debug"))


def hosts_open(view: View) -> Iterator[str]:
    for hosts in _options(view, "wrap_hosts", "hosts"):
        if "*" in hosts:
            yield "wrap_hosts(['*'])"


def hosts_missing(view: View) -> Iterator[str]:
    if not view.find("wrap_hosts"):
        yield "the app"


def session_key_known(view: View) -> Iterator[str]:
    for keys in _options(view, "wrap_session", "keys"):
        for number, key in enumerate([keys] if isinstance(keys, (str, bytes)) else keys or ()):
            text = (key.decode("latin-1") if isinstance(key, bytes) else str(key)).lower()
            if any(word in text for word in KNOWN_KEYS):
                yield f"wrap_session, key {number + 1}"


def session_cookie_insecure(view: View) -> Iterator[str]:
    for attributes in _cookies(view):
        if not attributes.get("secure", True):
            yield "wrap_session(attributes={'secure': None})"


def session_cookie_open(view: View) -> Iterator[str]:
    for attributes in _cookies(view):
        if not attributes.get("httponly", True):
            yield "wrap_session(attributes={'httponly': None})"
        if str(attributes.get("samesite", "lax")).lower() not in ("lax", "strict"):
            yield f"wrap_session(attributes={{'samesite': {attributes['samesite']!r}}})"


def session_in_memory(view: View) -> Iterator[str]:
    for store in _options(view, "wrap_session", "store"):
        if type(store).__name__ == "MemoryStore":
            yield "wrap_session(memory_store())"


def cors_wide_credentials(view: View) -> Iterator[str]:
    for layer in view.find("wrap_cors"):
        origins = layer["options"]["allow_origin"]
        wide = [origin for origin in ([origins] if isinstance(origins, str) else origins) if "*" in origin]
        if layer["options"]["allow_credentials"] and wide:
            yield f"wrap_cors({wide[0]!r}, allow_credentials=True)"


def ws_origin_missing(view: View) -> Iterator[str]:
    for place in view.places:
        names = _names(place.layers)
        if "WS" in place.methods and "wrap_origin" not in names and {"wrap_session", "wrap_auth", "wrap_cookies"} & {*names}:
            yield place.where


def ws_origin_open(view: View) -> Iterator[str]:
    for origins in _options(view, "wrap_origin", "origins"):
        if "*" in origins:
            yield "wrap_origin(['*'])"
    for place in view.places:
        if "WS" in place.methods and "*" in place.data.get("origins", ()):
            yield place.where


def csrf_off(view: View) -> Iterator[str]:
    for place in view.places:
        proofs = {"wrap_csrf": place.data.get("csrf") is not False, "wrap_origin": any(_options(view, "wrap_origin", "unsafe_methods"))}
        names = _names(place.layers)
        if UNSAFE & {*place.methods} and "wrap_session" in names and not any(proofs.get(name) for name in names):
            yield place.where


def layer_order(view: View) -> Iterator[str]:
    said: set[str] = set()
    for layers in [view.layers, *(place.layers for place in view.places)]:
        names = _names(layers)
        for outer, inner in OUTSIDE:
            if outer in names and inner in names and names.index(outer) > names.index(inner):
                said.add(f"{inner} stands outside of {outer}")
    yield from sorted(said)


def layer_missing(view: View) -> Iterator[str]:
    for layers, where in [(view.layers, "the app"), *((place.layers, place.where) for place in view.places)]:
        names = _names(layers)
        for name, needed in NEEDS.items():
            if name in names and needed not in names and (where == "the app" or name not in _names(view.layers)):
                yield f"{where}: {name} without {needed}"


def body_unbounded(view: View) -> Iterator[str]:
    if view.limits["body_bytes"] > LARGE_BODY_BYTES:
        yield f"limits['body_bytes'] = {view.limits['body_bytes']}"
    if view.limits["stream_bytes"] > MANY_BYTES:
        yield f"limits['stream_bytes'] = {view.limits['stream_bytes']}"


def compress_with_session(view: View) -> Iterator[str]:
    if view.find("wrap_compress") and _with_session(view):
        yield "wrap_compress"


def security_headers_missing(view: View) -> Iterator[str]:
    if not view.find("wrap_security_headers"):
        yield "the app"


def https_missing(view: View) -> Iterator[str]:
    if _with_session(view) and not view.find("wrap_https"):
        yield "the app"


def proxy_trusts_all(view: View) -> Iterator[str]:
    for trusted in _options(view, "wrap_proxy", "trusted"):
        if not isinstance(trusted, int):
            yield from (f"wrap_proxy([{network!r}])" for network in trusted if network != "unix" and ip_network(network, strict=False).prefixlen == 0)


def static_follows_links(view: View) -> Iterator[str]:
    if any(_options(view, "wrap_static", "follow_symlinks")):
        yield "wrap_static(follow_symlinks=True)"


def rate_limit_in_memory(view: View) -> Iterator[str]:
    for layer in view.find("wrap_rate_limit"):
        if layer["options"]["store"] is None and (layer["options"]["rate"] or layer["options"]["rates"]):
            yield "wrap_rate_limit"


def channels_in_memory(view: View) -> Iterator[str]:
    for name, resource in view.resources.items():
        parts: Mapping[str, Any] = getattr(resource, "__dict__", {})
        if any(type(part).__name__ == "MemoryBackend" for part in parts.values()):
            yield f"resource {name!r}"


def sockets_unbounded(view: View) -> Iterator[str]:
    if _sockets(view) and not view.find("wrap_connection_limit"):
        yield "the app"


def lint_on(view: View) -> Iterator[str]:
    if view.find("wrap_lint"):
        yield "wrap_lint"


def server_flags(view: View) -> Iterator[str]:
    if _sockets(view):
        yield "the server"
