"""What a backend is: how the channels of several processes reach one another. Data, two protocols, one judgement; nothing here runs by itself.

A **backend** stores what is published, numbers it, and tells every process that is attached. It is dumb on purpose: repeats, holes, recovery,
slow readers, presence's grace, retries, reconnecting, deadlines and pings are the core's. A backend is one object with two members::

    class MyBackend:
        caps = Caps(contiguous=True, local=False)

        @asynccontextmanager
        async def connect(self, sink: Sink) -> AsyncGenerator[Link, None]:
            ...open connections, start the reader in a TaskGroup...
            yield my_link

``connect`` is entered and left in one task of the core's, within ``CONNECT_S`` and ``LEAVE_S``. It connects **once**: switch off every reconnect
and retry of the client library. When the link breaks, a function raises ``LinkLost``, or ``sink.lost(error)`` is called, or the task group around
the ``yield`` fails: any of them makes the core leave the context and, after a jittered pause, call ``connect`` again, for ever. After each
``connect`` the core attaches all channels anew, joins all members anew, and reads what was missed: a link remembers nothing of the one before.

**Errors.** What another connection may cure is a ``LinkLost`` (made ``from`` the library's error). What it would not cure, because the backend has no
room or does not allow it, is a **refusal**: an ``Unavailable`` that is no ``LinkLost``; the link stays, and whoever asked is told. ``ValueError`` is the
caller's fault and is passed on, too. Anything else is logged and taken as ``LinkLost``. All functions may be cancelled at any ``await``; they may run at
the same time. Each is called with a deadline of ``CALL_S``; one that passes it breaks the link. So none needs a deadline, a retry or a lock against itself.

**Channels.** A name is any non-empty ``str`` of at most 255 bytes of UTF-8, every character included (``*``, blanks, dots, NUL, capitals): encode it
so that no two names meet. A **position** is an epoch, an offset and the id of the message there. Within an epoch the offsets of a channel rise with
each message, and never stand for another message; ``caps.contiguous``: by exactly one, from 1. The epoch is a random text made when the numbering
begins, and changes whenever it may begin anew (data lost, stream recreated): that is how readers learn of it. A channel that nobody has published to
has a position too: offset 0 (not contiguous: any offset below the first message's), id ``""``.

**Keeping.** ``Kept`` says per channel how many messages can be read again, and for how long. Store exactly ``keep + 1`` of them (a
reader ``keep`` behind must still find its own), and the head's position for much longer than ``ttl_s`` (at least ten times, and an hour): an old
cursor at the head is still good when all data has expired. Trimming always takes the oldest first. Remember the offset and id of the newest
message that was trimmed, too (in the head's record; its data may go): a reader that stands there has missed nothing, and hears of no gap.

**The resource.** ``my_channels(url, topics=None, *, own options, **options)`` is a function of one line that gives back
``Channels(MyBackend(url, ...), topics, **options)`` (``channels/resource.py``): it checks its own options at once, and connects to nothing.

The suite in ``shallot.testing`` holds a backend to all of this: subclass it, say how to make yours, run it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, NamedTuple, Protocol, TypeAlias

from ..errors import Unavailable

__all__ = [
    "CALL_S",
    "CONNECT_S",
    "LEAVE_S",
    "Backend",
    "Caps",
    "Entry",
    "Gap",
    "Kept",
    "Link",
    "LinkLost",
    "Page",
    "Position",
    "Present",
    "Sink",
    "Stored",
    "is_refusal",
    "judge",
]

CONNECT_S = 5.0
"""Seconds for entering ``connect``."""
LEAVE_S = 2.0
"""Seconds for leaving it: flush what is to be flushed, close, end tasks; then it is cancelled."""
CALL_S = 2.0
"""Seconds for one call of a link's function."""

Gap: TypeAlias = Literal["", "epoch", "rollback", "trimmed"]
"""Why a reader cannot go on from its position: the numbering began anew; another message stands there (a restored snapshot); it was trimmed. ``""``: it can."""


class LinkLost(Unavailable):
    """The link to the backend broke, or cannot be made: another one may do."""


def is_refusal(error: BaseException) -> bool:
    """Does the backend refuse, so that it would on another link, too?

    >>> is_refusal(Unavailable("full")), is_refusal(LinkLost("gone")), is_refusal(OSError("reset"))
    (True, False, False)
    """
    return isinstance(error, Unavailable) and not isinstance(error, LinkLost)


class Caps(NamedTuple):
    """What a backend can promise. Attribute ``caps`` of the backend, never changing."""

    contiguous: bool
    """The offsets of a channel have no holes: a jump means a lost message. False: a link must hand over messages in order and
    without holes by itself (JetStream's ordered consumer), or call ``sink.hint`` where it is not sure."""
    local: bool
    """All readers live in this process: publishers can wait for them (``slow="block"``), nothing needs pings."""


class Position(NamedTuple):
    """A place in a channel: after the message ``id``, which has ``offset`` in ``epoch``."""

    epoch: str
    """1 to 32 ASCII letters and digits."""
    offset: int
    """0 to 2**63 - 1."""
    id: str
    """1 to 128 bytes of UTF-8 without control characters; ``""`` before the first message."""


class Entry(NamedTuple):
    """One message as it is stored. ``data`` is JSON text in UTF-8, opaque to a backend; at most 1 MiB unless the app says otherwise."""

    offset: int
    id: str
    data: bytes


class Kept(NamedTuple):
    """How much of a channel can be read again. The same for all processes; each publish carries it, the last one counts."""

    keep: int
    """Messages; 0: only the newest is stored, to verify cursors."""
    ttl_s: float
    """Seconds since the message; older ones are trimmed."""
    dedupe_s: float
    """Seconds for which a repeated id is recognised."""


class Stored(NamedTuple):
    """What ``publish`` did. ``duplicate``: this id was stored before (``position`` is where), and nothing was stored or announced now."""

    position: Position
    duplicate: bool


class Page(NamedTuple):
    """What ``read`` and ``recent`` found. ``head`` and ``entries`` are of one moment (or ``head`` is the older)."""

    head: Position
    entries: Sequence[Entry]
    """Oldest first."""
    gap: Gap = ""
    """Not ``""``: ``entries`` do not follow what was asked for; they begin with the oldest that is kept."""


class Present(NamedTuple):
    """One presence: the socket or sockets of ``member`` on ``node``. ``data`` is the member as JSON."""

    node: str
    member: str
    data: bytes


class Sink(Protocol):
    """Where a link tells what happens. All plain functions, to be called in the event loop's thread; they return at once and never raise.

    Nothing is required of order and number but what ``Caps`` says: repeats are dropped, holes are read. Telling of channels that are
    not attached (any more) is harmless. From the moment ``attach`` is called on, not only once it returned, messages may be told.
    """

    def message(self, channel: str, epoch: str, entry: Entry) -> None:
        """A message was stored, by whatever process, this one included."""
        ...

    def hint(self, channel: str) -> None:
        """Something may have been stored that ``message`` did not or will not tell: the core reads."""
        ...

    def joined(self, channel: str, present: Present) -> None:
        """A member joined (or changed its data), on whatever node, this one included."""
        ...

    def left(self, channel: str, node: str, member: str) -> None:
        """A member left by ``leave``. The end of a node's lease need not be told."""
        ...

    def lost(self, error: BaseException | None) -> None:
        """The link is broken."""
        ...


class Link(Protocol):
    """One connection to a backend: a handful of small async functions."""

    async def publish(self, channel: str, data: bytes, id: str, kept: Kept) -> Stored:
        """In one atomic step: look whether ``id`` was stored in ``channel`` within ``kept.dedupe_s``; else number, store, trim, announce to every
        attached link of every process. Returns when it is stored (as durably as the backend is configured). What was not acknowledged may
        be stored or not; the core repeats it with the same ``id``."""
        ...

    async def attach(self, channels: Sequence[str]) -> Mapping[str, Position]:
        """Hear ``channels`` (at most 512) from now on; an attached one is nothing. Returns the head of each, **once the backend has confirmed**: every
        message after that head is told by ``sink.message`` or ``sink.hint``. So: subscribe, wait for the confirmation, only then read the heads."""
        ...

    async def detach(self, channels: Sequence[str]) -> None:
        """Hear them no more; one that is not attached is nothing. An ``attach`` of the same channel that begins later wins."""
        ...

    async def read(self, channel: str, after: Position | None, limit: int) -> Page:
        """The oldest ``limit`` messages after ``after``, or with ``None`` or where ``after`` does not hold (``Page.gap``, see ``judge``) the
        oldest that are kept. Fewer than ``limit`` means: that is all. Works for channels that are not attached."""
        ...

    async def recent(self, channel: str, before: int | None, limit: int) -> Page:
        """The newest ``limit`` messages with an offset below ``before`` (``None``: of all), oldest first; ``gap`` stays ``""``."""
        ...

    async def heads(self, channels: Sequence[str]) -> Mapping[str, Position]:
        """The head of each of ``channels`` (at most 512), as the backend knows it now, at the lowest possible cost: the core asks every ten seconds."""
        ...

    async def lease(self, node: str, ttl_s: float) -> Mapping[str, float]:
        """Renew this node's lease for ``ttl_s`` (0: end it), by the backend's clock. Returns all nodes whose lease holds, with the seconds it has left."""
        ...

    async def join(self, channel: str, node: str, members: Mapping[str, bytes]) -> None:
        """Store members (id -> data) of this node, replacing ones of the same id, and announce each to every attached link (``sink.joined``)."""
        ...

    async def leave(self, channel: str, node: str, members: Collection[str]) -> None:
        """Delete members of this node, and announce each that was there (``sink.left``)."""
        ...

    async def members(self, channel: str) -> Sequence[Present]:
        """All members whose node's lease holds; also of channels that are not attached. What belongs to a node whose lease ended is not returned, and
        deleted now or some time later."""
        ...

    async def ping(self) -> None:
        """Return when the backend has answered on **every** connection that the link has (the one that only listens, too). Called after a second of silence."""
        ...


class Backend(Protocol):
    """How to reach other processes. Holds configuration only; whatever runs, runs inside ``connect``."""

    @property
    def caps(self) -> Caps: ...

    def connect(self, sink: Sink, /) -> AbstractAsyncContextManager[Link]:
        """One link, for as long as the context is entered; leaving it closes all connections and ends all tasks."""
        ...


def judge(after: Position, head: Position, at: str | None, oldest: int | None, *, contiguous: bool = True) -> Gap:
    """May a reader at ``after`` go on? For ``read``: ``at`` is the id that is stored (or remembered) at ``after.offset`` now, ``None`` for none; ``oldest``
    the offset of the oldest message that is stored (``None``: none is).

    The id is what makes it safe: a backend restored from an older snapshot hands out the same epoch and offsets for other messages.

        >>> head = Position("e", 9, "nine")
        >>> judge(Position("e", 7, "seven"), head, at="seven", oldest=5)
        ''
        >>> judge(Position("e", 7, "seven"), head, at="other", oldest=5)
        'rollback'
        >>> judge(Position("e", 3, "three"), head, at=None, oldest=5)
        'trimmed'
        >>> judge(Position("x", 9, "nine"), head, at="nine", oldest=5)
        'epoch'

    Without contiguous offsets nobody sees whether anything was trimmed after a position without an id: such a backend keeps track of it by itself, and
    asks here only about positions with an id.
    """
    if after.epoch != head.epoch:
        return "epoch"
    if after.offset > head.offset:
        return "rollback"
    if after.offset == head.offset:
        return "" if after.id == head.id else "rollback"
    if at is not None:
        return "" if after.id == at else "rollback"
    starts_before_all = contiguous and after == (head.epoch, 0, "") and oldest == 1
    return "" if starts_before_all else "trimmed"
