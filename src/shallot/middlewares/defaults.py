"""api_defaults and site_defaults: what a secure app is made of, as data. wrap_defaults composes it, and owns the order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from inspect import signature
from pkgutil import resolve_name
from typing import Any, NamedTuple, cast

from ..compose import apply_middleware, middleware_factory
from ..limits import check_limits
from ..types import Handler, Middleware, NextMiddleware, Response, Routes
from .routing import wrap_routes
from .security_headers import api_headers, site_headers

__all__ = ["api_defaults", "by_session", "site_defaults", "wrap_defaults"]

Config = Mapping[str, Any]


def by_session(request: Mapping[str, Any]) -> str | None:
    """Whose connection it is: the id of its session, or ``None`` where it has none yet. (A cookie store's key is another at each write.)"""
    record = getattr(request.get("session"), "record", None)
    return None if record is None else str(record["id"])


api_defaults: Mapping[str, Any] = {
    "debug": False,
    "secure": True,
    "request_id": {},
    "proxy": None,
    "access_log": {},
    "metrics": None,
    "trace": None,
    "security_headers": api_headers,
    "cors": None,
    "errors": {},
    "hosts": [],
    "https": {"redirect": False},
    "head": None,
    "compress": None,
    "not_modified": None,
    "content_type": None,
    "static": None,
    "cookies": None,
    "session": None,
    "flash": None,
    "connection_limit": {"max_connections": 10_000},
    "routes": {"encoded_slash": "reject"},
    "websocket": {"max_message_bytes": 1024 * 1024, "accept_s": 10, "idle_s": 300, "send_s": 10},
    "origin": {"only_with_cookie": True},
    "rate_limit": None,
    "auth": None,
    "timeout": None,
    "body_limit": {},
    "accept": None,
    "inflate": None,
    "multipart": None,
    "parameters": {"max_params": 1000},
    "json": {},
    "csrf": {"token": False, "only_with_cookie": True},
}
"""For clients that are programs. A part that is ``None`` is off; ``hosts`` has to be named. Where each value comes from: docs/topics/secure-by-default.md."""

site_defaults: Mapping[str, Any] = {
    **api_defaults,
    "security_headers": site_headers,
    "https": {"redirect": True},
    "content_type": {},
    "cookies": {},
    "session": {"cookie_name": "__Host-session", "absolute_s": 14 * 24 * 3600, "idle_s": 2 * 3600},
    "flash": {},
    "connection_limit": {"max_connections": 10_000, "max_per_client": 50, "client": by_session},
    "websocket": {"max_message_bytes": 64 * 1024, "accept_s": 10, "idle_s": 300, "send_s": 10},
    "origin": {},
    "rate_limit": {"rate": None, "messages": "100/10 seconds"},
    "multipart": {
        "max_bytes": 10 * 1024 * 1024,
        "max_fields": 1000,
        "max_files": 100,
        "max_text_bytes": 500_000,
        "max_part_headers": 8,
        "max_header_bytes": 4096,
        "spool_bytes": 1024 * 1024,
    },
    "csrf": {"token": True},
}
"""For pages and their browsers: ``api_defaults``, changed. ``hosts`` and the session's ``keys`` (or ``store``) have to be named."""


class Part(NamedTuple):
    """A layer of the pile, and the key that it is configured under."""

    key: str
    factory: str
    """Named, not imported: a part that is off needs no library."""
    is_whole: bool = False
    """What stands under the key is the first argument, and not a dict of options."""


OUTSIDE_ROUTES: Sequence[Part] = (
    Part("request_id", "request_id:wrap_request_id"),
    Part("proxy", "proxy:wrap_proxy"),
    Part("access_log", "access_log:wrap_access_log"),
    Part("metrics", "metrics:wrap_metrics"),
    Part("trace", "trace:wrap_trace"),
    Part("security_headers", "security_headers:wrap_security_headers", is_whole=True),
    Part("cors", "cors:wrap_cors"),
    Part("errors", "errors:wrap_errors"),
    Part("hosts", "hosts:wrap_hosts", is_whole=True),
    Part("https", "https:wrap_https"),
    Part("head", "head:wrap_head"),
    Part("compress", "compress:wrap_compress"),
    Part("not_modified", "not_modified:wrap_not_modified"),
    Part("content_type", "content_type:wrap_content_type"),
    Part("static", "static:wrap_static"),
    Part("cookies", "cookies:wrap_cookies"),
    Part("session", "session:wrap_session"),
    Part("flash", "flash:wrap_flash"),
    Part("connection_limit", "connection_limit:wrap_connection_limit"),
)
"""From the outermost to the table of routes: what concerns a request whatever it asks for."""

INSIDE_ROUTES: Sequence[Part] = (
    Part("origin", "origin:wrap_origin"),
    Part("rate_limit", "rate_limit:wrap_rate_limit"),
    Part("auth", "auth:wrap_auth"),
    Part("timeout", "timeout:wrap_timeout"),
    Part("body_limit", "body_limit:wrap_body_limit"),
    Part("accept", "accept:wrap_accept"),
    Part("inflate", "inflate:wrap_inflate"),
    Part("multipart", "multipart:wrap_multipart"),
    Part("parameters", "parameters:wrap_parameters"),
    Part("json", "json:wrap_json"),
    Part("csrf", "csrf:wrap_csrf"),
)
"""From the table of routes to the handler: what may depend on the row. Nothing is parsed before it is known who asks."""

NEEDED: Sequence[tuple[str, str]] = (("flash", "session"), ("csrf", "session"))
"""(part, another that it cannot do without): of ``csrf`` only the token."""

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def wrap_defaults(config: Config, routes: Routes | Sequence[tuple[object, ...]]) -> Callable[[Handler], Callable[[Any], Awaitable[Response]]]:
    """Compose what ``config`` says around ``routes``: a function that takes the default handler and gives a handler, as ``apply_middleware`` does.

    ``config`` is ``api_defaults`` or ``site_defaults``, changed as data: ``{**site_defaults, "hosts": ["example.org"], "cors": {...}}``. Its keys:

    | key | value | |
    |---|---|---|
    | a part: ``session``, ``csrf``, ``cors``, ... | the options of ``wrap_session``, ``wrap_csrf``, ...; ``True`` for none; ``None`` turns it off | |
    | ``hosts``, ``security_headers`` | the hosts; the headers | |
    | ``proxy``, ``auth`` | the options, or just what is trusted; or just the scheme, or a list of them | |
    | ``routes`` | ``encoded_slash`` and ``converters`` of ``wrap_routes`` | |
    | ``websocket`` | limits of conversations, where neither ``@websocket`` nor the row says otherwise; ``idle_s`` only where the handler reads | |
    | ``debug`` | show errors to browsers on this machine; ``hosts`` may be left empty, and are then those of this machine; as ``secure: False`` | ``False`` |
    | ``secure`` | the app is reached by https: ``https``, ``strict-transport-security``, and cookies that are ``Secure`` | ``True`` |

    From the outermost to the handler: request_id, proxy, access_log, metrics, trace, security_headers, cors, errors, hosts, https, head, compress,
    not_modified, content_type, static, cookies, session, flash, connection_limit, *routes*, websocket, origin, rate_limit, auth, timeout, body_limit,
    accept, inflate, multipart, parameters, json, csrf. A layer of your own goes around it, ``apply_middleware(mine)(wrap_defaults(...)(handler))``, or into
    rows.

    A key that there is not, an option that a part does not have, a wrong value and a part without another that it needs are a ``ValueError`` or
    ``TypeError`` now. A part that is on and whose library is missing is an ``ImportError`` that names the extra.

    WebSocket: as each part says. Origins are checked before the handler runs, in both defaults.

        >>> from shallot import build_server, standard_not_found
        >>> settings = {**api_defaults, "hosts": ["api.example.org"]}
        >>> app = build_server(wrap_defaults(settings, [])(standard_not_found))
        >>> [layer["name"] for layer in app.spec][:4]
        ['wrap_request_id', 'wrap_access_log', 'wrap_security_headers', 'wrap_errors']
    """
    _check_keys(config)
    chosen = _settled(config)
    _check_needs(chosen)
    return apply_middleware(
        *_layers(OUTSIDE_ROUTES, chosen),
        _called("routes", wrap_routes, (routes,), chosen.get("routes") or {}),
        *([_called("websocket", conversation_limits, (chosen["websocket"],), {})] if _is_on(chosen, "websocket") else []),
        *_layers(INSIDE_ROUTES, chosen),
    )


def _check_keys(config: Config) -> None:
    for key in config:
        if key not in site_defaults:
            where = "; limits of the app are build_server's own, limits={...}" if key == "limits" else _nearest(key, site_defaults)
            raise ValueError(f"wrap_defaults: there is no part {key!r}{where}")
    for key in ("debug", "secure"):
        if not isinstance(config.get(key, False), bool):
            raise TypeError(f"wrap_defaults: {key!r} must be True or False, not {config[key]!r}")


def _settled(config: Config) -> dict[str, Any]:
    """``config`` with what ``debug`` and ``secure`` mean for its parts."""
    debug = bool(config.get("debug"))
    chosen = dict(config)
    if debug and _is_on(config, "errors"):
        chosen["errors"] = {**_options(config["errors"]), "debug": True}
    if _is_on(config, "hosts") and not config["hosts"]:
        if not debug:
            raise ValueError("wrap_defaults: 'hosts' is empty; name the hosts that you serve, like ['example.org'], or say 'debug': True on your own machine")
        chosen["hosts"] = LOCAL_HOSTS
    if debug or not config.get("secure", True):
        chosen["https"] = None
        if _is_on(config, "session"):
            chosen["session"] = _insecure(_options(config["session"]))
    return chosen


def _insecure(session: Config) -> Config:
    """A session's options for a site without https: a browser would neither keep nor send its cookie."""
    is_bound = hasattr(session.get("store"), "cookie_name")
    named = session.get("cookie_name", "__Host-session").removeprefix("__Host-")
    return {**session, **({} if is_bound else {"cookie_name": named}), "attributes": {"secure": None, **(session.get("attributes") or {})}}


def _check_needs(config: Config) -> None:
    for key, needed in NEEDED:
        if _is_on(config, key) and _options(config[key]).get("token", True) and not _is_on(config, needed):
            cure = f"turn {needed!r} on, or {key!r} off ({key!r}: None)" + (", or its token ('token': False)" if key == "csrf" else "")
            raise ValueError(f"wrap_defaults: {key!r} needs {needed!r}; {cure}")


def _layers(parts: Sequence[Part], config: Config) -> Iterator[Middleware]:
    for part in parts:
        if not _is_on(config, part.key):
            continue
        value = config[part.key]
        factory: Callable[..., Middleware] = resolve_name(f"shallot.middlewares.{part.factory}")
        is_options = issubclass(type(value), Mapping) and not part.is_whole and "challenge" not in value  # which would be a scheme of wrap_auth
        options = {"secure": not config.get("debug") and config.get("secure", True)} if part.key == "security_headers" else value if is_options else {}
        yield _called(part.key, factory, () if is_options or value is True else (value,), options)


def _called(key: str, factory: Callable[..., Middleware], arguments: Sequence[Any], options: Config) -> Middleware:
    """``factory`` with its options; an error says under which key they stand."""
    names = signature(factory).parameters
    for name in options:
        if name not in names:
            raise ValueError(f"wrap_defaults: {key!r} has no option {name!r}{_nearest(name, names)}")
    try:
        return factory(*arguments, **options)
    except (TypeError, ValueError) as error:
        raise type(error)(f"wrap_defaults: {key!r}: {error}") from error


def _is_on(config: Config, key: str) -> bool:
    return config.get(key) is not None and config[key] is not False


def _options(value: Any) -> Config:
    return cast(Config, value) if isinstance(value, Mapping) else {}


def _nearest(name: object, names: Mapping[str, Any]) -> str:
    near = get_close_matches(str(name), names, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(names) or 'none'}"


@middleware_factory
def conversation_limits(limits: Config) -> Middleware:
    """Give conversations these limits where neither ``@websocket`` nor the row has set them. Only the part ``websocket`` of ``wrap_defaults`` makes it."""
    check_limits(limits, where="conversations", local=True)
    without_idle = {name: value for name, value in limits.items() if name != "idle_s"}

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def limited(handler: Handler, request: Any) -> Response:
            response = await next_middleware(handler, request)
            if "websocket" not in response:
                return response
            conversation = response["websocket"]
            ours = limits if conversation.get("reads", True) else without_idle  # a client that is never heard is not idle
            return cast(Response, {**response, "websocket": {**conversation, "limits": {**ours, **conversation["limits"]}}})

        return limited

    return middleware
