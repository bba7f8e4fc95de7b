"""wrap_session: a dict that is there again at the next request of the same browser. Where it is kept a store decides (``shallot.sessions``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast
from weakref import WeakValueDictionary

from .. import sessions
from ..codec.cookies import format_cookie, parse_cookies
from ..codec.headers import find_header, with_header, with_vary
from ..compose import middleware_factory
from ..errors import CloseWith
from ..outcomes import with_tap
from ..request import is_websocket
from ..resuming import wants_events
from ..sending import close_stream
from ..sessions.keeping import Keeper, Outcome, commit, load
from ..sessions.record import SessionStore
from ..sessions.session import Life, Session, rotate_session
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["SessionOptions", "rotate_session", "session_options", "session_request", "session_response", "wrap_session"]

DAY_S, HOUR_S = 86_400, 3_600

_ATTRIBUTES: Mapping[str, Any] = {"path": "/", "secure": True, "httponly": True, "samesite": "lax"}
_OWN_KEYS = {"session", "rotate_session"}
_CLOSE_STREAM_S = 5


class SessionOptions(NamedTuple):
    """``wrap_session``'s options, checked: made by ``session_options``."""

    keeper: Keeper
    cookie_name: str
    attributes: Mapping[str, Any]


def session_options(
    store: SessionStore | None = None,
    *,
    keys: str | bytes | Sequence[str | bytes] | None = None,
    cookie_name: str = "__Host-session",
    attributes: Mapping[str, Any] | None = None,
    absolute_s: float = 14 * DAY_S,
    idle_s: float = 2 * HOUR_S,
    rotate_on: Collection[str] = ("identity", "user"),
    clock: Callable[[], float] = time.time,
) -> SessionOptions:
    """``wrap_session``'s options as one value, or the ``ValueError`` or ``TypeError`` that says what is wrong with them."""
    if (store is None) == (keys is None):
        raise ValueError("wrap_session: give either a store (memory_store(), redis_store(url), your own) or keys=[...], which signs sessions into the cookie")
    kept = store if store is not None else sessions.cookie_store(keys or [], cookie_name=cookie_name)
    if missing := [name for name in ("read", "write", "delete") if not callable(getattr(kept, name, None))]:
        raise TypeError(f"wrap_session: the store {kept!r} has no {', '.join(missing)}; see shallot.sessions.SessionStore")
    if (bound := getattr(kept, "cookie_name", cookie_name)) != cookie_name:
        raise ValueError(f"wrap_session: the store signs for the cookie {bound!r}, not {cookie_name!r}; give both the same cookie_name")
    if not 0 < idle_s <= absolute_s <= 400 * DAY_S:
        raise ValueError(f"wrap_session: 0 < idle_s <= absolute_s <= 400 days is what browsers keep, not {idle_s!r} and {absolute_s!r}")
    if isinstance(rotate_on, str):
        raise TypeError(f"wrap_session: rotate_on must be a collection of keys, not the str {rotate_on!r}; write [{rotate_on!r}]")
    chosen = {**_ATTRIBUTES, **{name.lower(): value for name, value in (attributes or {}).items()}}
    format_cookie(cookie_name, {**chosen, "value": ""})
    lives: WeakValueDictionary[str, Life] = WeakValueDictionary()
    return SessionOptions(Keeper(kept, absolute_s, idle_s, tuple(rotate_on), clock, lives), cookie_name, chosen)


def session_request(request: Mapping[str, Any], options: SessionOptions) -> str | None:
    """The key that the browser sent, or ``None``: the value of the cookie, from ``request["cookies"]`` or else the header."""
    cookies = request.get("cookies")
    if cookies is None:
        cookies = parse_cookies(request.get("headers", {}).get("cookie", ""))
    key: str | None = cookies.get(options.cookie_name)
    return key


def session_response(response: Response, session: Session, outcome: Outcome, options: SessionOptions) -> Response:
    """A copy of ``response`` without the keys ``session`` and ``rotate_session``, with the cookie that ``outcome`` asks for, and kept from shared caches.

    Whoever looked at the session gets ``vary: cookie`` and, unless he set another, ``cache-control: private``; with a cookie it is ``no-store``, unless
    what he set keeps shared caches away too.
    """
    answer = response if _OWN_KEYS.isdisjoint(response) else cast(Response, {name: value for name, value in response.items() if name not in _OWN_KEYS})
    line = _cookie_line(session, outcome, options)
    if outcome.kind == "kept" and not session.is_touched:
        return answer
    headers: Mapping[str, str | list[str]] = answer.get("headers") or {}
    if line is not None:
        given = find_header(headers, "set-cookie") or []
        headers = with_header(headers, "set-cookie", [*([given] if isinstance(given, str) else given), line])
    if answer.get("status") != 101:  # nobody keeps a handshake
        headers = with_vary(headers, "cookie")
        if line is not None and not _is_for_one(headers):
            headers = with_header(headers, "cache-control", "no-store")
        elif find_header(headers, "cache-control") is None:
            headers = with_header(headers, "cache-control", "private")
    return {**answer, "headers": headers}


def _cookie_line(session: Session, outcome: Outcome, options: SessionOptions) -> str | None:
    if outcome.kind == "ended":
        return format_cookie(options.cookie_name, {**options.attributes, "value": "", "expires": 0, "max-age": 0})
    if outcome.key is None or session.record is None:
        return None
    age = int(session.record["created"] + options.keeper.absolute_s) - int(options.keeper.clock())
    return format_cookie(options.cookie_name, {"max-age": age, **options.attributes, "value": outcome.key})


def _is_for_one(headers: Mapping[str, str | list[str]]) -> bool:
    given = find_header(headers, "cache-control") or ""
    words = {word.strip().lower() for word in (given if isinstance(given, str) else ",".join(given)).split(",")}
    return not words.isdisjoint({"private", "no-store"})


@middleware_factory
def wrap_session(
    store: SessionStore | None = None,
    *,
    keys: str | bytes | Sequence[str | bytes] | None = None,
    cookie_name: str = "__Host-session",
    attributes: Mapping[str, Any] | None = None,
    absolute_s: float = 14 * DAY_S,
    idle_s: float = 2 * HOUR_S,
    rotate_on: Collection[str] = ("identity", "user"),
    clock: Callable[[], float] = time.time,
) -> Middleware:
    """Put the session under ``request["session"]``: a dict of JSON values, empty for a browser that has none.

    | option | meaning | default |
    |---|---|---|
    | ``store`` | where sessions are kept: ``memory_store()``, ``redis_store(url)``, or your own (``shallot.sessions.SessionStore``) | |
    | ``keys`` | in its place: the secrets of ``cookie_store``, the first of which signs | |
    | ``cookie_name`` | the cookie | ``"__Host-session"`` |
    | ``attributes`` | what differs from ``path=/; secure; httponly; samesite=lax`` and a ``max-age`` until the end; ``None`` leaves one out | |
    | ``absolute_s`` | seconds from its beginning, or its last rotation, to its end whatever happens | 14 days |
    | ``idle_s`` | seconds without a request after which it ends (measured to a tenth) | 2 hours |
    | ``rotate_on`` | keys whose change is a login, a logout or a change of rights: the session gets a new id by itself | ``("identity", "user")`` |
    | ``clock`` | seconds since 1970, for tests | ``time.time`` |

    **To change it** change the dict in place, put another under ``request["session"]``, or answer with a key ``session``: a dict, which takes its place.
    Empty or ``None`` ends it: record and cookie are deleted. A new id comes by ``rotate_on``, by ``rotate_session(request)``, or by a key
    ``rotate_session`` that is true beside the response's ``session``; the old one is dead at once. Keys that begin with ``_`` are the shelf's own: they
    survive a replacement and die with their id.

    It is saved when the handler has answered, before the first byte, and only if its JSON is another than before; a handler that raises, and a stream that
    runs, change nothing. Two requests at the same time are merged, key by key at the top level (not in cookies: there the last answer wins). What JSON
    cannot say is a ``TypeError``. A store that cannot be reached is ``Unavailable``, 503. Wrong options are a ``ValueError`` or ``TypeError`` now.

    WebSocket: loaded for the handshake; what ``on_connect`` changes is saved, and its cookie lands on the answer, accepted or denied. The conversation sees
    it as ``scope["session"]``; later changes are saved by ``yield save_session()``. Once the session was ended or rotated over HTTP in this process, the
    next message or effect closes with 1008; with ``yield feed("session", session_end(scope))`` at once, and where another process ended it.

        >>> wrap_session(sessions.memory_store(), idle_s=600).spec["name"]
        'wrap_session'
    """
    options = session_options(
        store, keys=keys, cookie_name=cookie_name, attributes=attributes, absolute_s=absolute_s, idle_s=idle_s, rotate_on=rotate_on, clock=clock
    )

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def session(handler: Handler, request: Any) -> Response:
            if "session" in request:
                raise TypeError('wrap_session: request has a "session" already; one wrap_session is enough, take out the other')
            current = request["session"] = await load(options.keeper, session_request(request, options))
            if is_websocket(request) or wants_events(request):
                _hold_life(current)  # now: a session that ends while the handler still decides has ended for the conversation, too
            response = await next_middleware(handler, request)
            if not isinstance(response, dict):  # pyright: ignore[reportUnnecessaryIsInstance]  # the core says what is wrong with it
                return response
            try:
                outcome = await commit(
                    current,
                    _wanted(response, request),
                    rotate=bool(response.get("rotate_session")),
                    refresh=current.is_touched or not _is_public(response),
                )
            except BaseException:  # a cancellation, too: the response goes to nobody, and its stream would stay open
                await close_stream(response.get("stream"), seconds=_CLOSE_STREAM_S)
                raise
            answer = session_response(response, current, outcome, options)
            return _watched(answer, request, current, outcome) if answer.get("status") == 101 else answer

        return session

    return middleware


def _wanted(response: Mapping[str, Any], request: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = response["session"] if "session" in response else request.get("session")
    if wanted is not None and not isinstance(wanted, Mapping):
        raise TypeError(f"wrap_session: a session is a dict, or None to end it, not {type(wanted).__name__}")
    return cast("Mapping[str, Any] | None", wanted)


def _is_public(response: Mapping[str, Any]) -> bool:
    """Whether somebody said of this answer that caches may keep it: it shall carry no cookie that nobody asked for."""
    headers: Mapping[str, str | list[str]] = response.get("headers") or {}
    return find_header(headers, "cache-control") is not None and not _is_for_one(headers)


def _hold_life(session: Session) -> None:
    if session.record is not None:
        session.life = session.keeper.lives.setdefault(session.record["id"], Life())


def _watched(response: Response, request: Any, session: Session, outcome: Outcome) -> Response:
    """The conversation sees the session as it was saved, and a tap ends it once the session has ended, unless the handshake itself ended it."""
    request["session"] = session
    _hold_life(session)
    life = session.life
    if life is None or outcome.kind == "ended" or "websocket" not in response:
        return response

    def check(scope: Any, value: Any) -> Any:
        if life.ended.is_set():
            raise CloseWith(1008, "session ended")
        return value

    return with_tap(response, {"message": check, "effect": check})
