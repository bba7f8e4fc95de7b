"""What may be wrong with an app, as a table of small pure rules over its view. Each tells where; what it means and what helps stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias, TypedDict

from . import faults
from .views import View

__all__ = ["RULES", "Finding", "Level", "Rule"]

Level: TypeAlias = Literal["error", "warning", "info"]
"""``error``: somebody can be harmed; ``warning``: probably wrong; ``info``: right for some apps, worth a look."""


class Finding(TypedDict):
    """One answer of ``check``."""

    id: str
    level: Level
    where: str
    fix: str


class Rule(NamedTuple):
    """A row of ``RULES``."""

    level: Level
    why: str
    """What can happen, for the documentation."""
    fix: str
    places: Callable[[View], Iterator[str]]
    """Where it is so, in words."""


RULES: Mapping[str, Rule] = {
    "debug-on": Rule("error", "A debug page shows source and paths to whoever reaches it.", "leave out debug=True", faults.debug_on),
    "hosts-open": Rule(
        "error", "Links and redirects are made of a `host` that the client may choose: reset mails and caches can be poisoned.",
        "name the hosts that you serve", faults.hosts_open,
    ),
    "hosts-missing": Rule(
        "warning", "The same, where nothing in front of the app looks at `host` either.",
        "put wrap_hosts([...]) into the pile", faults.hosts_missing,
    ),
    "session-key-known": Rule(
        "error", "Who can guess the key can write any session. Keys that are too short are refused at start.",
        "make one with secrets.token_urlsafe(32) and keep it out of the source", faults.session_key_known,
    ),
    "session-cookie-insecure": Rule(
        "error", "The cookie is sent without TLS too, where everybody on the way can read and use it.",
        "leave the attribute secure alone", faults.session_cookie_insecure,
    ),
    "session-cookie-open": Rule(
        "warning", "Scripts can read the cookie, or other sites' pages send it along.",
        "leave the attributes httponly and samesite alone", faults.session_cookie_open,
    ),
    "session-in-memory": Rule(
        "info", "Sessions end with the process, and two processes do not know each other's.",
        "keep them in redis_store(url), or in the cookie with keys=[...]", faults.session_in_memory,
    ),
    "cors-wide-credentials": Rule(
        "warning", "Every site below that name may act as the user, one taken over by somebody else too.",
        "name the origins one by one", faults.cors_wide_credentials,
    ),
    "ws-origin-missing": Rule(
        "error", "Any page may open a WebSocket with its user's cookies, and CORS does not apply there: cross-site WebSocket hijacking.",
        "put wrap_origin() into the pile, or into the row's middlewares", faults.ws_origin_missing,
    ),
    "ws-origin-open": Rule(
        "warning", "The same, said aloud: right only where the socket knows nothing of its user.",
        "name the origins that may", faults.ws_origin_open,
    ),
    "csrf-off": Rule(
        "error", "A page of another site can make the browser of a user who is logged in send this request.",
        "put wrap_csrf() inside wrap_session", faults.csrf_off,
    ),
    "layer-order": Rule("error", "The inner one needs what the outer one makes, or its answers miss what the outer one adds.", "swap them", faults.layer_order),
    "layer-missing": Rule("error", "The layer cannot do its work.", "add the other one, outside of it", faults.layer_missing),
    "body-unbounded": Rule(
        "warning", "A few clients that send that much fill the memory, or the disk.",
        "stream such bodies (stream_body), or lower the limit and raise it for single paths", faults.body_unbounded,
    ),
    "compress-with-session": Rule(
        "warning", "Where a page holds a secret beside what an attacker chose, its compressed size tells the secret (BREACH).",
        "leave wrap_compress to files and pages without secrets, in their rows' middlewares", faults.compress_with_session,
    ),
    "security-headers-missing": Rule(
        "warning", "Browsers guess types, let other sites frame the page, and send its address along.",
        "put wrap_security_headers() outermost", faults.security_headers_missing,
    ),
    "https-missing": Rule(
        "info", "Whoever types the address without https comes without TLS first.",
        "put wrap_https() into the pile, unless the proxy does that", faults.https_missing,
    ),
    "proxy-trusts-all": Rule(
        "error", "Everybody is taken for your proxy, and writes whatever address and scheme he likes.",
        "name the networks of your proxies", faults.proxy_trusts_all,
    ),
    "static-follows-links": Rule(
        "warning", "A link in the folder leads anywhere on the disk.",
        "leave it out, unless only you can write there", faults.static_follows_links,
    ),
    "rate-limit-in-memory": Rule(
        "info", "Each process counts for itself: four processes let four times as much pass.",
        "name a store that all share, or divide the rate", faults.rate_limit_in_memory,
    ),
    "channels-in-memory": Rule(
        "info", "Two processes do not hear each other.",
        "use redis_channels, nats_channels or postgres_channels where there are several", faults.channels_in_memory,
    ),
    "sockets-unbounded": Rule(
        "warning", "Idle sockets cost memory, and cost the client nothing.",
        "put wrap_connection_limit() into the pile", faults.sockets_unbounded,
    ),
    "lint-on": Rule("info", "It is made for tests, and costs time with every request.", "leave it out where the app is served", faults.lint_on),
    "server-flags": Rule(
        "info", "Frames of 16 MiB are taken by default, before max_message_bytes sees them, and a shutdown may wait for ever.",
        "uvicorn --ws-max-size 1048576 --timeout-graceful-shutdown 15; for others see docs/howto/deploy.md", faults.server_flags,
    ),
}  # fmt: skip
"""id -> rule. docs/topics/checks.md is this table."""
