"""The vocabulary: every dict that crosses a public border, as a TypedDict, and the shapes of the functions that take them.

Nothing here runs. No ``from __future__ import annotations``: it would hide NotRequired keys from introspection.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence, Set
from os import PathLike
from typing import IO, TYPE_CHECKING, Any, Concatenate, Literal, NotRequired, ParamSpec, Protocol, TypeAlias, TypedDict

if TYPE_CHECKING:
    from typing_extensions import ReadOnly, TypeVar
else:
    from typing import TypeVar as _TypeVar

    class ReadOnly:
        """``ReadOnly[X]`` is ``X`` at run time (PEP 705 is of Python 3.13); checkers know the real one."""

        def __class_getitem__(cls, item):
            return item

    def TypeVar(name, *bounds, default=None, **keywords):  # PEP 696 is of Python 3.13: the default is for checkers
        return _TypeVar(name, *bounds, **keywords)


__all__ = [
    "ASGIApp",
    "Accept",
    "AllLimits",
    "AnyData",
    "AnyEffect",
    "ChannelFresh",
    "ChannelGap",
    "ChannelHistory",
    "ChannelJoined",
    "ChannelLeft",
    "ChannelMembers",
    "ChannelMessage",
    "ChannelPublish",
    "ChannelStale",
    "ChannelSubscribe",
    "ChannelUnsubscribe",
    "Close",
    "Connection",
    "Conversation",
    "ConversationHandler",
    "ConversationLimits",
    "Cookie",
    "Effect",
    "EffectFunction",
    "Event",
    "Farewell",
    "FeedClose",
    "FeedEnded",
    "FeedFailed",
    "FeedItem",
    "FeedOpen",
    "Greeting",
    "Handler",
    "Hooks",
    "Layer",
    "Limits",
    "Mailbox",
    "Message",
    "Method",
    "Middleware",
    "Nested",
    "NextMiddleware",
    "Published",
    "Receive",
    "Receiver",
    "Refusal",
    "Request",
    "Requirement",
    "ResourceEffect",
    "Response",
    "Route",
    "RouteData",
    "RouteHandler",
    "RouteMatch",
    "Routes",
    "RunInThread",
    "Scope",
    "Send",
    "SendBytes",
    "SendClose",
    "SendText",
    "SlowReader",
    "Source",
    "Spec",
    "Subscribed",
    "Tap",
    "TimerAfter",
    "TimerCancel",
    "TimerEvery",
    "TimerFired",
    "Upload",
    "WSScope",
]

# ---- ASGI's own, seen only where events are read and written

Scope: TypeAlias = MutableMapping[str, Any]
"""What a server tells of a connection."""

Event: TypeAlias = MutableMapping[str, Any]
"""One message between server and app."""

Receive: TypeAlias = Callable[[], Awaitable[Event]]
"""The server's function that hands over the next event."""

Send: TypeAlias = Callable[[Event], Awaitable[None]]
"""The server's function that takes an event."""

ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI 3 single callable."""


# ---- limits


class ConversationLimits(TypedDict, total=False):
    """The limits that ``@websocket`` and a route's ``data["limits"]`` may set too. Seconds and bytes; see ``shallot.limits``."""

    send_s: float
    max_message_bytes: int
    max_unread: int
    max_unread_bytes: int
    max_sources: int
    accept_s: float
    idle_s: float | None
    linger_s: float
    unread_s: float
    stuck_s: float


class Limits(ConversationLimits, total=False):
    """All limits of an app. Seconds and bytes; defaults and consequences in ``shallot.limits.LIMITS``."""

    header_lines: int
    header_bytes: int
    query_bytes: int
    body_bytes: int
    body_s: float
    body_min_rate: float
    stream_bytes: int
    response_s: float
    effects_s: float
    hook_s: float
    shutdown_s: float


AllLimits: TypeAlias = Mapping[str, Any]
"""Every limit by name, as an app holds them: the defaults, changed."""

# ---- requests

Method: TypeAlias = Literal[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "WS",
    "QUERY", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "PURGE",
]  # fmt: skip
"""The methods that checkers know, so that ``method == "get"`` and ``["GTE"]`` are errors; ``"WS"`` is a WebSocket.

At run time any token is a method (RFC 9110 9.1).
"""


class RouteMatch(TypedDict):
    """The matched row, as ``request["route"]``; shared by all its requests."""

    path: ReadOnly[str]
    methods: ReadOnly[Sequence[str]]
    name: ReadOnly[str | None]
    data: ReadOnly[Mapping[str, Any]]


class RouteData(TypedDict, total=False):
    """The keys of a row's data that have a meaning here; any others are yours."""

    name: str
    summary: str
    middlewares: "Sequence[Layer]"
    limits: ConversationLimits
    compress: bool
    message_rate: str | None
    rate_limit: str | None
    timeout_s: float | None
    auth: "Requirement"
    origins: Sequence[str]
    max_body_bytes: int
    csrf: bool


class Upload(TypedDict):
    """One file of a form, as ``wrap_multipart`` puts it into ``request["files"]``."""

    filename: str
    raw_filename: str
    content_type: str
    size: int
    file: IO[bytes]


class Connection(TypedDict):
    """What an HTTP request and a WebSocket's handshake have in common: the ASGI scope's keys and ours (SPEC.md)."""

    headers: ReadOnly[dict[str, str]]
    headers_list: ReadOnly[Sequence[tuple[bytes, bytes]]]
    path: ReadOnly[str]
    raw_path: NotRequired[ReadOnly[bytes]]
    root_path: NotRequired[ReadOnly[str]]
    scheme: NotRequired[ReadOnly[str]]
    query_string: ReadOnly[bytes]
    http_version: NotRequired[ReadOnly[str]]
    client: NotRequired[ReadOnly[tuple[str, int] | None]]
    server: NotRequired[ReadOnly[tuple[str, int | None] | None]]
    asgi: NotRequired[ReadOnly[Mapping[str, str]]]
    extensions: NotRequired[ReadOnly[Mapping[str, Any] | None]]
    state: NotRequired[dict[str, Any]]
    body: ReadOnly[bytes]
    config: ReadOnly[Mapping[str, Any]]
    run_in_thread: ReadOnly["RunInThread"]
    overdue: NotRequired[ReadOnly[bool]]
    path_params: NotRequired[dict[str, Any]]
    route: NotRequired[RouteMatch]
    json: NotRequired[Any]
    params: NotRequired[dict[str, list[str]]]
    query_params: NotRequired[dict[str, list[str]]]
    form_params: NotRequired[dict[str, list[str]]]
    nested_params: NotRequired[dict[str, Any]]
    files: NotRequired["dict[str, list[Upload]]"]
    accepted_type: NotRequired[str | None]
    accepted_language: NotRequired[str | None]
    cookies: NotRequired[dict[str, str]]
    session: NotRequired[dict[str, Any]]
    identity: NotRequired[Any]
    request_id: NotRequired[str]


class Request(Connection):
    """An HTTP request. One fresh dict per request; middlewares add keys in place. Subclass it for keys of your own."""

    type: ReadOnly[Literal["http", "websocket"]]
    method: ReadOnly[Method]
    stream: NotRequired[ReadOnly[AsyncIterator[bytes]]]


class Close(TypedDict):
    """How a conversation ended: ``scope["close"]``, set before ``on_disconnect`` and ``on_close`` run."""

    code: int
    reason: str
    by: Literal["client", "server"]


class WSScope(Connection):
    """The request that opened a conversation. Subclass it for keys of your own (``class ChatScope(WSScope): user: str``)."""

    type: ReadOnly[Literal["websocket"]]
    method: ReadOnly[Literal["WS"]]
    subprotocols: NotRequired[ReadOnly[Sequence[str]]]
    conversation_limits: NotRequired[ReadOnly[ConversationLimits]]
    cursor: NotRequired[str]
    close: NotRequired[Close]
    dropped: NotRequired[dict[str, int]]
    unread: NotRequired[Callable[[], int]]


# ---- effects: what a conversation yields


class SendText(TypedDict):
    """A text message to the client: ``ws_send(str)``."""

    type: Literal["websocket.send"]
    text: str


class SendBytes(TypedDict):
    """A binary message to the client: ``ws_send(bytes)``."""

    type: Literal["websocket.send"]
    bytes: bytes


class SendClose(TypedDict):
    """The end of the conversation: ``ws_close(code, reason)``. ``code`` defaults to 1000."""

    type: Literal["websocket.close"]
    code: NotRequired[int]
    reason: NotRequired[str]


class Accept(TypedDict):
    """The answer of ``on_connect`` that opens the conversation: ``ws_accept(...)``."""

    type: Literal["websocket.accept"]
    subprotocol: NotRequired[str | None]
    headers: NotRequired[Mapping[str, str | list[str]]]


class TimerAfter(TypedDict):
    """``after(seconds, name)``: fires once."""

    type: Literal["timer.after"]
    seconds: float
    name: str


class TimerEvery(TypedDict):
    """``every(seconds, name)``: fires again and again."""

    type: Literal["timer.every"]
    seconds: float
    name: str


class TimerCancel(TypedDict):
    """``cancel(name)``: ends a timer."""

    type: Literal["timer.cancel"]
    name: str


class FeedOpen(TypedDict):
    """``feed(name, iterable)``: an async iterable joins the mailbox."""

    type: Literal["feed.open"]
    name: str
    iterable: AsyncIterable[Any]


class FeedClose(TypedDict):
    """``unfeed(name)``: a feed leaves it."""

    type: Literal["feed.close"]
    name: str


SlowReader: TypeAlias = Literal["close", "oldest", "newest", "latest", "block"]
"""What happens when a reader falls too far behind: closed with 1013; the oldest or the newest messages skipped; only the last one kept; publishers wait."""


class ChannelSubscribe(TypedDict):
    """``subscribe(channel, ...)``: its result is ``Subscribed``."""

    type: Literal["channel.subscribe"]
    channel: str
    cursor: NotRequired[str | None]
    slow: NotRequired[SlowReader | None]
    batch: NotRequired[int | None]
    member: NotRequired[Mapping[str, Any] | None]


class ChannelUnsubscribe(TypedDict):
    """``unsubscribe(channel)``."""

    type: Literal["channel.unsubscribe"]
    channel: str


class ChannelPublish(TypedDict):
    """``publish(channel, data, id)``: its result is ``Published``."""

    type: Literal["channel.publish"]
    channel: str
    data: Any
    id: NotRequired[str | None]


class ChannelMembers(TypedDict):
    """``members(channel)``: its result is a dict of members by their id."""

    type: Literal["channel.members"]
    channel: str


class ChannelHistory(TypedDict):
    """``history(channel, limit, before)``: its result is a list of ``ChannelMessage``."""

    type: Literal["channel.history"]
    channel: str
    limit: NotRequired[int]
    before: NotRequired[str | None]


class Subscribed(TypedDict):
    """What ``subscribe`` gives. ``recovered``: a cursor was given, and nothing after it is missing; ``missed`` is ``None`` where nobody can count."""

    cursor: str
    recovered: bool
    missed: int | None


class Published(TypedDict):
    """What ``publish`` gives: where the message stands, and whether its id had been published before."""

    cursor: str
    duplicate: bool


ChannelEffect: TypeAlias = ChannelSubscribe | ChannelUnsubscribe | ChannelPublish | ChannelMembers | ChannelHistory
Effect: TypeAlias = SendText | SendBytes | SendClose | TimerAfter | TimerEvery | TimerCancel | FeedOpen | FeedClose | ChannelEffect
"""The effects of the core. Add your own: ``AsyncIterator[Effect | Kill]``."""

AnyEffect: TypeAlias = Mapping[str, Any]
"""An effect of any kind: ours, a resource's, or your own ``{"type": "my.kind", ...}``."""

# ---- messages: what a receiver hands over


class TimerFired(TypedDict):
    """A timer fired; ``missed`` counts the firings that this one stands for besides itself."""

    type: Literal["timer.fired"]
    name: str
    missed: int


class FeedItem(TypedDict):
    """A feed gave ``data``."""

    type: Literal["feed.item"]
    name: str
    data: Any


class FeedEnded(TypedDict):
    """A feed came to its end."""

    type: Literal["feed.ended"]
    name: str


class FeedFailed(TypedDict):
    """A feed raised ``error``."""

    type: Literal["feed.failed"]
    name: str
    error: BaseException


class ChannelMessage(TypedDict):
    """A message of a channel. ``data`` is shared by all who hear it: read it, do not change it. ``text`` is all of it as JSON, for ``ws_send``.

    Where ``batch`` was asked for, ``items`` (a list of dicts with ``data``, ``id``, ``cursor``) stands in place of ``data``; ``id`` and ``cursor``
    are the last one's. ``missed``: how many newer ones stand between this and the last one handed over, for a reader that asked for the ``latest``.
    """

    type: Literal["channel.message"]
    channel: str
    data: NotRequired[Any]
    items: NotRequired[Sequence[Mapping[str, Any]]]
    id: str
    cursor: str
    text: str
    missed: NotRequired[int]


class ChannelGap(TypedDict):
    """Here some messages are missing: ``missed`` of them, or ``None`` where nobody can count. ``cursor`` is where the channel goes on."""

    type: Literal["channel.gap"]
    channel: str
    reason: Literal["cursor", "epoch", "rollback", "trimmed", "slow"]
    missed: int | None
    cursor: str


class ChannelJoined(TypedDict):
    """A member came: the first socket of its id, on whatever machine."""

    type: Literal["channel.joined"]
    channel: str
    member: Mapping[str, Any]


class ChannelLeft(TypedDict):
    """A member left: the last socket of its id is gone, and has stayed away for the time of grace."""

    type: Literal["channel.left"]
    channel: str
    member: Mapping[str, Any]


class ChannelStale(TypedDict):
    """The backend cannot be reached: messages come late. Nothing is lost by that alone."""

    type: Literal["channel.stale"]
    channel: str


class ChannelFresh(TypedDict):
    """The backend is back, and what came meanwhile has been handed over."""

    type: Literal["channel.fresh"]
    channel: str


Message: TypeAlias = str | bytes | Mapping[str, Any]
"""``str`` or ``bytes`` from the client; a dict (``{"type": ...}``) from a timer, a feed or a channel."""

M_co = TypeVar("M_co", covariant=True, default=Message)


class Receiver(Protocol[M_co]):
    """An async iterator of messages; its iteration raises ``WSDisconnect`` when the client has left."""

    def __aiter__(self) -> "Receiver[M_co]": ...

    async def __anext__(self) -> M_co: ...


# ---- responses


class Tap(TypedDict, total=False):
    """How a middleware sees a conversation: plain synchronous functions; ``None`` drops, ``CloseWith`` ends it."""

    begin: Callable[[Any], None]
    message: Callable[[Any, Any], Any]
    effect: Callable[[Any, Any], Any]
    result: Callable[[Any, Any, Any], None]
    end: Callable[[Any], None]


class Hooks(TypedDict, total=False):
    """What a conversation calls at its end; see ``shallot.websocket``."""

    on_disconnect: Callable[[Any], Any]
    on_close: Callable[[Any], Any]


class Conversation(TypedDict):
    """What a response with status 101 carries under ``websocket``."""

    handler: Callable[..., Any]
    params: Sequence[Any]
    subprotocol: str | None
    limits: ConversationLimits
    hooks: Hooks
    taps: list[Tap]
    reads: NotRequired[bool]


class Cookie(TypedDict, total=False):
    """One cookie as ``response["cookies"]`` holds it: its value and its attributes."""

    value: Any


class Response(TypedDict):
    """An answer. Never changed in place: a middleware returns a changed copy."""

    status: int
    headers: NotRequired[Mapping[str, str | list[str]]]
    body: NotRequired[bytes]
    stream: NotRequired[AsyncIterable[bytes]]
    file: NotRequired[str | PathLike[str]]
    cookies: NotRequired[Mapping[str, Mapping[str, Any] | None]]
    session: NotRequired[Mapping[str, Any] | None]
    rotate_session: NotRequired[bool]
    flash: NotRequired[Sequence[Mapping[str, Any]]]
    effects: NotRequired[Sequence[AnyEffect]]
    websocket: NotRequired[Conversation]
    compress: NotRequired[bool]


# ---- functions

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=Mapping[str, Any])

Handler: TypeAlias = Callable[..., Any]
"""``async def f(request, *path_params) -> response``, or a plain ``def``, which runs in a thread."""

NextMiddleware: TypeAlias = Callable[[Handler, Any], Awaitable[Response]]
"""What a middleware wraps: ``await next_middleware(handler, request)``."""

Middleware: TypeAlias = Callable[[NextMiddleware], NextMiddleware]
"""``def f(next_middleware)`` that gives ``async def x(handler, request) -> response``."""

Refusal: TypeAlias = Callable[[Response, Any], Response]
"""``middleware.on_refusal``: a plain ``def f(response, request)`` that gives a changed copy of an answer that the app made by itself."""

Layer: TypeAlias = Callable[[NextMiddleware], Callable[[Handler, Any], Awaitable[Mapping[str, object]]]] | Callable[..., Middleware]
"""What may stand in a pile: a middleware (an unannotated one answers some dict, for all that checkers know) or a marked factory of one."""

Requirement: TypeAlias = bool | str | Sequence[str] | Set[str] | Callable[[Any, Any], bool | None] | None
"""Who may ask, as a row's ``auth``: ``None`` everybody, ``True`` anybody who is somebody, a role, roles, or ``f(identity, request)``; see ``wrap_auth``."""

AnyData: TypeAlias = RouteData | Mapping[str, Any]
"""Of a row: our own keys, and yours."""

RouteHandler: TypeAlias = Callable[..., Mapping[str, object] | Awaitable[Mapping[str, object]]]
"""A handler in the table: what it answers must at least be a mapping; annotate it ``-> Response`` to have its keys checked."""

Nested: TypeAlias = Sequence[tuple[object, ...]]
"""Rows below a prefix. mypy cannot look into rows of several lengths there; name them (``fruits: Routes = [...]``) to have them checked."""

Route: TypeAlias = tuple[str, Sequence[str], RouteHandler] | tuple[str, Sequence[str], RouteHandler, AnyData] | tuple[str, Nested] | tuple[str, Nested, AnyData]
"""``(path, methods, handler)`` or ``(path, methods, handler, data)``; nested ``(prefix, rows)`` or ``(prefix, rows, data)``."""

Routes: TypeAlias = Sequence[Route]
"""The table. Annotate yours (``routes: Routes = [...]``) to have its rows checked."""


class Spec(TypedDict):
    """One layer of what was composed: ``app.spec`` lists them, outermost first."""

    name: str
    options: Mapping[str, Any]


class RunInThread(Protocol):
    """Runs a plain function in the app's bounded pool of threads, with the caller's context variables."""

    async def __call__(self, function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs) -> T: ...


EffectFunction: TypeAlias = Callable[[Any, Any], Awaitable[Any]]
"""``async def f(effect, scope)``: what it returns is the value of the ``yield``."""


class Source(Protocol):
    """Whatever joins a conversation's mailbox. It holds its own messages; the mailbox asks for one at a time."""

    done: bool
    """Nothing will ever come again: the mailbox looks after each ``take`` and forgets the source."""

    def open(self, wake: Callable[..., None], bound: int) -> None:
        """Begin. Call ``wake()`` whenever ``take`` has something after it had nothing; ``wake(True)`` where that is a word of control, which
        overtakes what other sources have. Hold at most ``bound`` messages."""
        ...

    def take(self) -> Mapping[str, Any] | None:
        """The next message, or ``None`` while there is none. A source that knows already that the next ``take`` would have none may say so by
        an attribute ``idle`` (``True``): it is not asked again before it has called ``wake``."""
        ...

    async def close(self) -> None:
        """End, and wait until nothing of it runs any more."""
        ...


class Mailbox(Protocol):
    """Where a resource's effects open and close their sources; the whole protocol between a resource and a conversation."""

    def open(self, key: object, source: Source, bound: int) -> None:
        """Join ``source`` under ``key``; an open key is a ``ValueError``."""
        ...

    async def close(self, key: object) -> None:
        """End what is open under ``key``, its undelivered messages included; an unknown key is nothing."""
        ...

    def is_open(self, key: object) -> bool: ...


ResourceEffect: TypeAlias = Callable[[Any, Any, Mailbox], Awaitable[Any]]
"""``async def f(effect, scope, mailbox)``: the kinds that a resource brings in its ``effects`` attribute."""

Greeting: TypeAlias = Mapping[str, object] | Awaitable[Mapping[str, object]]
"""What ``on_connect`` answers: ``ws_accept(...)``, ``ws_close()`` or a response."""

Farewell: TypeAlias = Mapping[str, object] | Sequence[Mapping[str, object]] | None
"""What ``on_disconnect`` and ``on_close`` answer: nothing, an effect, or a list of effects."""

S = TypeVar("S", bound=Mapping[str, Any], contravariant=True)
ConversationHandler: TypeAlias = Callable[Concatenate[S, Receiver[Any], P], "AsyncIterator[AnyEffect] | Awaitable[AnyEffect | None]"]
"""What ``@websocket`` decorates: ``async def f(scope, receiver, *route_params)`` that yields effects, or returns one or none."""
