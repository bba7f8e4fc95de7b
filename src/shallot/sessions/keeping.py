"""From a key to a session and back into its store: when something is written, under which id, and what two writers at the same time get. Knows no cookie."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Literal, NamedTuple, TypedDict, TypeVar, cast

from ..codec.json import format_json, parse_json
from ..errors import CloseWith, EffectRefused, Unavailable
from ..types import AnyEffect, Mailbox, ResourceEffect
from .record import Record, SessionStore, is_same, merge, new_id
from .session import Life, Session

__all__ = ["SESSION_EFFECTS", "Keeper", "Outcome", "SaveSession", "commit", "load", "save_session", "session_end"]

log = logging.getLogger("shallot.sessions")

T = TypeVar("T")

MOST_TRIES = 16
"""How often a write that somebody else overtook is merged and tried again."""
FRESH_FOR = 0.1
"""Of the idle time: how long a session that is only read is not written again."""


class Keeper(NamedTuple):
    """A store and the rules by which its sessions live."""

    store: SessionStore
    absolute_s: float
    idle_s: float
    rotate_on: tuple[str, ...]
    clock: Callable[[], float]
    """Seconds since 1970."""
    lives: MutableMapping[str, Life]
    """By id, of the sessions that conversations of this process hold."""

    def is_live(self, record: Record) -> bool:
        now = self.clock()
        return now - record["created"] < self.absolute_s and now - record["seen"] < self.idle_s

    def left_s(self, record: Record) -> float:
        """Seconds until the end of ``record``, unless it is used."""
        return min(self.idle_s, record["created"] + self.absolute_s - self.clock())

    def end(self, record: Record) -> None:
        """Tell the conversations of this process that hold it."""
        life = self.lives.get(record["id"])
        if life is not None:
            life.ended.set()


class Outcome(NamedTuple):
    """What became of a session, and what the browser is to know."""

    kind: Literal["kept", "written", "ended"]
    key: str | None = None
    """The key that the browser shall send from now on; ``None``: the one it has."""


KEPT, WRITTEN, ENDED = Outcome("kept"), Outcome("written"), Outcome("ended")


async def load(keeper: Keeper, key: str | None) -> Session:
    """The session under ``key``; an empty one, which no store has, for a key that is unknown or expired: that key is never taken over."""
    record = await _reached(keeper.store.read(key)) if key else None
    if record is None or not keeper.is_live(record):
        return Session({}, keeper=keeper)
    return Session(record["data"], key, record, keeper)


async def commit(session: Session, wanted: Mapping[str, Any] | None, *, rotate: bool = False, refresh: bool = True) -> Outcome:
    """Bring ``wanted`` (``session`` itself, as the handler left it, or what shall take its place; empty or ``None`` ends it) into the store.

    Nothing is written for an empty session that no store has, and for one that did not change, except to keep it from expiring (``refresh``) once a tenth
    of the idle time has passed. Where somebody else wrote meanwhile, what changed here is merged into what he wrote, key by key; where he ended it, the
    changes are dropped. ``Unavailable`` if the store cannot be reached.
    """
    keeper: Keeper = session.keeper
    rotating = rotate or session.is_rotating
    if wanted is session and not session.is_touched and not rotating:
        return await _refresh(session) if refresh else KEPT
    content = session.content()
    after = content if wanted is session else _replaced(content, wanted)
    text = format_json(after)
    if text == session.before and not rotating:
        return await _refresh(session) if refresh else KEPT
    before: dict[str, Any] = parse_json(session.before)
    after = parse_json(text)
    rotating = rotating or any(not is_same(before.get(name), after.get(name)) for name in keeper.rotate_on)
    if rotating:  # what belongs to the old id goes; what was made during this request stays
        after = {name: value for name, value in after.items() if not (name.startswith("_") and name in before and is_same(value, before[name]))}
    if not after:
        return await _end(session)
    if session.record is None:
        return await _begin(session, after)
    return await (_rotate if rotating else _change)(session, before, after)


def _replaced(content: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """The shelf's own keys survive a replacement, but not the end."""
    return {**{name: value for name, value in content.items() if name.startswith("_")}, **wanted} if wanted else {}


async def _end(session: Session) -> Outcome:
    if session.record is None:
        return KEPT
    keeper, record, key = _known(session)
    await _reached(keeper.store.delete(key))
    keeper.end(record)
    _hold(session, None, None, {})
    return ENDED


async def _begin(session: Session, data: dict[str, Any]) -> Outcome:
    keeper: Keeper = session.keeper
    now = int(keeper.clock())
    record = Record(id=new_id(), version=1, created=now, seen=now, data=data)
    key = await _reached(keeper.store.write(record, keeper.left_s(record)))
    if key is None:
        raise Unavailable("the session store has a record under a new id")
    _hold(session, key, record, data)
    return Outcome("written", key)


async def _rotate(session: Session, before: dict[str, Any], after: dict[str, Any]) -> Outcome:
    """The old id dies first: whoever wrote before is merged, whoever comes later finds nothing. What belongs to the old id goes with it, also what somebody
    else put there meanwhile: it may be the secret of whoever gave the browser that id."""
    keeper, record, key = _known(session)
    current = await _reached(keeper.store.delete(key))
    keeper.end(record)
    left = {name: value for name, value in current["data"].items() if not name.startswith("_")} if current else {}
    return await _begin(session, merge(before, after, left))


async def _change(session: Session, before: dict[str, Any], after: dict[str, Any]) -> Outcome:
    keeper, record, key = _known(session)
    data = after
    for _ in range(MOST_TRIES):
        record = Record(id=record["id"], version=record["version"] + 1, created=record["created"], seen=int(keeper.clock()), data=data)
        written = await _reached(keeper.store.write(record, keeper.left_s(record)))
        if written is not None:
            _hold(session, written, record, data)
            return WRITTEN if written == key else Outcome("written", written)
        current = await _reached(keeper.store.read(key))
        if current is None:
            log.info("a session was ended while another request changed it; its changes are dropped")
            keeper.end(record)
            _hold(session, None, None, {})
            return KEPT
        data, record = merge(before, after, current["data"]), current
    raise Unavailable(f"a session was changed by others {MOST_TRIES} times in a row")


async def _refresh(session: Session) -> Outcome:
    """Only ``seen`` changes. Where somebody else wrote, it is fresh already."""
    if session.record is None:
        return KEPT
    keeper, held, key = _known(session)
    if keeper.clock() - held["seen"] < keeper.idle_s * FRESH_FOR:
        return KEPT
    record = Record(id=held["id"], version=held["version"] + 1, created=held["created"], seen=int(keeper.clock()), data=parse_json(session.before))
    written = await _reached(keeper.store.write(record, keeper.left_s(record)))
    if written is None:
        return KEPT
    session.key, session.record = written, record
    return WRITTEN if written == key else Outcome("written", written)


def _known(session: Session) -> tuple[Keeper, Record, str]:
    """Of a session that a store has."""
    return session.keeper, cast(Record, session.record), cast(str, session.key)


def _hold(session: Session, key: str | None, record: Record | None, data: dict[str, Any]) -> None:
    """What the store has now is what the session holds: a conversation goes on with it."""
    session.key, session.record, session.before, session.is_rotating = key, record, format_json(data), False
    session.replace(data)


async def _reached(work: Awaitable[T]) -> T:
    try:
        return await work
    except OSError as error:
        raise Unavailable(f"the session store cannot be reached: {type(error).__name__}") from error


# ---- within a conversation


class SaveSession(TypedDict):
    """``save_session()``."""

    type: Literal["session.save"]


def save_session() -> SaveSession:
    """The effect that brings what a conversation changed in ``scope["session"]`` into the store; ``None`` is the result of its ``yield``.

    It needs a store on the server among the resources (``resources={"sessions": store}``), and a session that was there when the handshake was answered: no
    cookie can be set any more, so whatever needs a new one (a first value, a new id after a login, a cookie store) is refused with ``EffectRefused``. If
    the session was ended meanwhile the conversation is closed with 1008.

        >>> save_session()
        {'type': 'session.save'}
    """
    return {"type": "session.save"}


async def _save(effect: AnyEffect, scope: Any, mailbox: Mailbox) -> None:
    session = _of(scope, "session.save")
    keeper: Keeper = session.keeper
    record = session.record
    if record is None:
        raise EffectRefused("session.save: the browser has no cookie for this session, and none can be set here; put something into it in on_connect")
    before, after = parse_json(session.before), session.content()
    if after and (session.is_rotating or any(not is_same(before.get(name), after.get(name)) for name in keeper.rotate_on)):
        names = " or ".join(map(repr, keeper.rotate_on))
        raise EffectRefused(f"session.save: a new id (rotate_session, or a change of {names}) needs a cookie, which cannot be set here; do it over HTTP")
    outcome = await commit(session, session)
    if outcome.key is not None:
        raise EffectRefused("session.save: this store keeps sessions in the cookie, which cannot be set here; use a store on the server")
    if session.record is None:  # as commit left it
        keeper.end(record)
        raise CloseWith(1008, "session ended")


SESSION_EFFECTS: Mapping[str, ResourceEffect] = {"session.save": _save}
"""Kind -> the function that performs it. A store that is a resource carries them as its attribute ``effects``."""


async def session_end(scope: Any, *, every_s: float = 60.0) -> AsyncGenerator[str, None]:
    """A feed that ends a conversation together with its session: ``yield feed("session", session_end(scope))``. The close is 1008.

    Heard at once where the session is ended or rotated by this process, and within ``every_s`` seconds where another one did, or it expired. A store that
    cannot be reached ends nobody. A conversation alone does not keep a session from expiring; ``save_session()`` does.
    """
    session = _of(scope, "session_end")
    keeper: Keeper = session.keeper
    if session.life is None or session.key is None:
        return
    while True:
        try:
            async with asyncio.timeout(every_s):
                await session.life.ended.wait()
            break
        except TimeoutError:
            pass
        try:
            record = await _reached(keeper.store.read(session.key))
        except Unavailable:
            log.warning("whether a session still lives is not to be known", exc_info=True)
            continue
        if record is None or not keeper.is_live(record):
            session.life.ended.set()
    yield "ended"


def _of(scope: Any, who: str) -> Session:
    session = scope.get("session")
    if not isinstance(session, Session) or session.keeper is None:
        raise EffectRefused(f'{who}: scope has no "session" of wrap_session; put wrap_session outside the conversation\'s route')
    return session
