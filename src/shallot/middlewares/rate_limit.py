"""wrap_rate_limit: so many requests, handshakes and messages, and no more. Rates are data; the library ``limits`` reads them and keeps them in Redis."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import Any, Literal, NamedTuple, TypeAlias, cast
from urllib.parse import quote

from ..codec.routes import check_seen, rows_of
from ..compose import middleware_factory
from ..deadline import DeadlinePassed, within
from ..errors import CloseWith, Unavailable
from ..outcomes import with_tap
from ..rates import Bucket, MemoryRates, Rates, Window, seconds_to_wait
from ..response import problem, with_header
from ..types import Handler, Message, Middleware, NextMiddleware, Response, Spec, Tap

try:
    from limits import RateLimitItem, parse_many
    from limits.aio.storage import RedisStorage
    from limits.errors import StorageError
except ImportError as error:
    raise ImportError("wrap_rate_limit needs limits: pip install 'shallot[ratelimit]'") from error

__all__ = ["Verdict", "client_key", "identity_key", "message_tap", "parse_rates", "rate_limit_response", "redis_rates", "wrap_rate_limit"]

log = logging.getLogger("shallot.rates")

_IN_NAME = " !#$&'()*+,/:;<=>?@[]^`{|}"
"""What stands as it is, besides letters and digits, in the quotes of a structured field (RFC 9651 3.3.3): a row's path may hold other characters, too."""

KeyFunction: TypeAlias = Callable[[Any], "str | None"]


class Verdict(NamedTuple):
    """What became of one request: by which rate it was judged, and whether it may pass."""

    name: str
    item: RateLimitItem
    passed: bool
    window: Window | None = None
    """What is counted, where somebody asked."""


def parse_rates(text: str, where: str = "wrap_rate_limit") -> Sequence[RateLimitItem]:
    """``"5/minute; 100/hour"`` as rates, all of which hold. ``ValueError`` says what a rate looks like.

    >>> parse_rates("100/10 seconds; 1000 per day")
    [100 per 10 second, 1000 per 1 day]
    """
    try:
        items = parse_many(text)
    except ValueError:
        items = []
    if not items or not all(item.amount for item in items):
        raise ValueError(f"{where}: a rate is like '10/second', '100/10 seconds' or '5/minute; 100/hour', not {text!r}")
    return items


def client_key(request: Mapping[str, Any]) -> str:
    """The client's address, of IPv6 its network of 64 bits: one customer has all of that.

    >>> client_key({"client": ("2001:db8:1:2:3:4:5:6", 443)})
    '2001:db8:1:2::'
    """
    address = str((request.get("client") or ("",))[0])
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return address
    return str(ip.ipv4_mapped or IPv6Address(int(ip) >> 64 << 64))


def identity_key(request: Mapping[str, Any]) -> str:
    """``request["identity"]``, a ``str`` or an ``int``; of nobody the client's address."""
    identity: object = request.get("identity")
    if identity is None:
        return client_key(request)
    if isinstance(identity, bool) or not isinstance(identity, (str, int)):
        kind = type(identity).__name__
        raise TypeError(f"wrap_rate_limit: key='identity' needs a str or an int in request['identity'], not a {kind}; give a function of the request as key")
    return f"identity {identity}"


def rate_limit_response(response: Response, verdict: Verdict, *, headers: bool = False) -> Response:
    """``response``, of a request that did not pass 429 with ``retry-after``; with ``headers`` a copy that tells what is left.

    >>> verdict = Verdict("default", parse_rates("10/minute")[0], False, Window(0, 0, 10, 90))
    >>> rate_limit_response({"status": 200}, verdict)["headers"]["retry-after"]
    '31'
    """
    item, window = verdict.item, verdict.window or Window(0, 0, 0, 0)
    wait = int(seconds_to_wait(item.amount, item.get_expiry(), window)) + 1
    if not verdict.passed:
        response = with_header(problem(429), "retry-after", str(wait))
    if not headers:
        return response
    expiry = item.get_expiry()
    left = max(0, item.amount - int(window.previous * window.previous_ttl / expiry) - window.current)
    name = quote(verdict.name, safe=_IN_NAME)
    response = with_header(response, "ratelimit-policy", f'"{name}";q={item.amount};w={expiry}')
    return with_header(response, "ratelimit", f'"{name}";r={left};t={wait if not left else expiry}')


def message_tap(items: Sequence[RateLimitItem], now: Callable[[], float]) -> Tap:
    """A tap that ends a conversation with 1008 where its client sends more messages than ``items`` allow, saved up while it is silent."""
    buckets = [Bucket(item.amount, item.get_expiry(), now()) for item in items]

    def message(scope: Any, message: Message) -> Message:
        if isinstance(message, (str, bytes)):
            at = now()
            if not all([bucket.take(at) for bucket in buckets]):
                raise CloseWith(1008, "too many messages")
        return message

    return {"message": message}


def redis_rates(url: str, *, prefix: str = "shallot-rates") -> Callable[[Any], AbstractAsyncContextManager[RedisStorage]]:
    """A resource that keeps counts in Redis, for all processes together: ``resources={"rates": redis_rates("redis://...")}``, ``store="rates"``."""

    @asynccontextmanager
    async def open_rates(config: Any) -> AsyncGenerator[RedisStorage, None]:
        storage = RedisStorage(url, wrap_exceptions=True, implementation="redispy", key_prefix=prefix)
        try:
            yield storage
        finally:
            bridge: Any = storage.bridge
            await bridge.get_connection().aclose()

    return open_rates


KEYS: Mapping[str, KeyFunction] = {"client": client_key, "identity": identity_key}


@middleware_factory
def wrap_rate_limit(
    rate: str | None = "100/minute",
    *,
    rates: Mapping[str, str] | None = None,
    key: Literal["client", "identity"] | KeyFunction = "client",
    messages: str | None = "100/10 seconds",
    store: str | None = None,
    store_s: float = 1.0,
    when_down: Literal["refuse", "allow"] = "refuse",
    headers: bool = False,
) -> Middleware:
    """Answer 429 with ``retry-after`` (RFC 6585 4) to who asks too often; close with 1008 on who says too much. Inside of ``wrap_routes`` rows count too.

    | option | meaning | default |
    |---|---|---|
    | ``rate`` | for each key: requests and handshakes, such as ``"10/second; 1000/day"``; ``None``: only where a row says so | ``"100/minute"`` |
    | ``rates`` | name -> rate, for rows to name: all rows of one name share its counts | none |
    | ``key`` | who is counted: ``"client"`` (its address), ``"identity"`` (else its address), or ``f(request)``; ``None`` from it: not counted | ``"client"`` |
    | ``messages`` | for each conversation: messages from the client; ``None``: no limit | ``"100/10 seconds"`` |
    | ``store`` | the name of the resource that keeps the counts (``redis_rates``); ``None``: in this process, up to 100,000 keys | ``None`` |
    | ``store_s`` | seconds that it may take | 1 |
    | ``when_down`` | without an answer from it ``"refuse"`` (503) or ``"allow"`` | ``"refuse"`` |
    | ``headers`` | tell what is left, as ``ratelimit`` and ``ratelimit-policy`` (draft-ietf-httpapi-ratelimit-headers) | ``False`` |

    Counts slide: the window before counts for the part of it that is not over yet. A request over its rate is not counted. Keys are stored hashed.

    Reads of a row's data: ``rate_limit``, a name of ``rates``, a rate of the row's own, or ``None``: not counted here; ``message_rate``, a rate or ``None``.
    Rows that say one of them where this stands outside of ``wrap_routes``, and rates that are none, are a ``ValueError`` at the start.

    WebSocket: a handshake is a request, and its 429 the denial. Messages are counted by a tap; timers, feeds and channels are not.

    >>> wrap_rate_limit("ten a day")
    Traceback (most recent call last):
    ...
    ValueError: wrap_rate_limit: a rate is like '10/second', '100/10 seconds' or '5/minute; 100/hour', not 'ten a day'
    """
    if not (key in KEYS if isinstance(key, str) else callable(key)):
        raise ValueError(f"wrap_rate_limit: key is 'client', 'identity' or a function of the request, not {key!r}")
    if when_down not in ("refuse", "allow"):
        raise ValueError(f"wrap_rate_limit: when_down is 'refuse' or 'allow', not {when_down!r}")
    if not store_s > 0:
        raise ValueError(f"wrap_rate_limit: store_s must be above zero, not {store_s!r}")
    key_of: KeyFunction = KEYS[key] if isinstance(key, str) else key
    named = {name: parse_rates(text) for name, text in (rates or {}).items()}
    common = parse_rates(rate) if rate is not None else ()
    common_messages = parse_rates(messages) if messages is not None else ()
    parsed: dict[str, Sequence[RateLimitItem]] = {}

    def parse_row(row: Mapping[str, Any], key: str) -> Sequence[RateLimitItem]:
        text = row["data"][key]
        if text not in parsed:
            parsed[text] = parse_rates(text, f"wrap_rate_limit: {key} of {row['path']}")
        return parsed[text]

    def rates_of(request: Mapping[str, Any]) -> tuple[str, Sequence[RateLimitItem]]:
        row: Mapping[str, Any] = request.get("route") or {"data": {}}
        chosen = row["data"].get("rate_limit", "")
        if chosen == "":
            return "default", common
        if chosen in named:
            return chosen, named[chosen]
        return (row["path"], parse_row(row, "rate_limit")) if chosen is not None else ("", ())

    def message_rates_of(request: Mapping[str, Any]) -> Sequence[RateLimitItem]:
        row: Mapping[str, Any] = request.get("route") or {"data": {}}
        if "message_rate" not in row["data"]:
            return common_messages
        return parse_row(row, "message_rate") if row["data"]["message_rate"] is not None else ()

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        own = MemoryRates()
        is_down = False

        async def judge(request: Any) -> Verdict | None:
            """By the first rate that is used up, or else by the last; ``None``: nobody counts this one."""
            name, items = rates_of(request)
            who = key_of(request) if items else None
            if who is None:
                return None
            counts: Rates = own if store is None else _find(request["config"], store)
            digest = blake2b(who.encode(errors="surrogatepass"), digest_size=16).hexdigest()
            verdict: Verdict | None = None
            for item in items:
                stored, expiry = item.key_for(name, digest), item.get_expiry()
                passed = await counts.acquire_sliding_window_entry(stored, item.amount, expiry)
                window = None if passed and not headers else Window(*await counts.get_sliding_window(stored, expiry))
                verdict = Verdict(name, item, passed, window)
                if not passed:
                    break
            return verdict

        async def rate_limit(handler: Handler, request: Any) -> Response:
            nonlocal is_down
            try:
                verdict = await within(store_s, judge(request))
            except (StorageError, DeadlinePassed, OSError) as error:
                if when_down == "refuse":
                    raise Unavailable(f"the store of rates {store!r} does not answer") from error
                log.log(logging.DEBUG if is_down else logging.WARNING, "the store of rates %r does not answer; requests pass uncounted", store, exc_info=error)
                is_down, verdict = True, None
            else:
                is_down = False
            if verdict is not None and not verdict.passed:
                return rate_limit_response({"status": 429}, verdict, headers=headers)
            response = await next_middleware(handler, request)
            items = message_rates_of(request) if response["status"] == 101 else ()
            if items:
                response = with_tap(response, message_tap(items, asyncio.get_running_loop().time))
            return response if verdict is None else rate_limit_response(response, verdict, headers=headers)

        return rate_limit

    def on_composed(outside: Sequence[Spec], inside: Sequence[Spec]) -> None:
        for row in rows_of(outside):
            request = {"route": {"path": row.path, "data": row.data}}
            rates_of(request)
            message_rates_of(request)
        check_seen(inside, "wrap_rate_limit", "rate_limit", "message_rate")

    setattr(middleware, "on_composed", on_composed)  # noqa: B010  # a function has no typed attributes
    return middleware


def _find(config: Mapping[str, Any], store: str) -> Rates:
    if store not in config:
        raise LookupError(f"wrap_rate_limit: the app has no resource {store!r}; write build_server(..., resources={{{store!r}: redis_rates('redis://...')}})")
    return cast(Rates, config[store])
