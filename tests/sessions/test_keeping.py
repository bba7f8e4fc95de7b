from __future__ import annotations

import asyncio
import logging
from typing import Any
from weakref import WeakValueDictionary

import pytest

from shallot.errors import CloseWith, EffectRefused, Unavailable
from shallot.sessions.cookie import cookie_store
from shallot.sessions.keeping import SESSION_EFFECTS, Keeper, commit, load, save_session, session_end
from shallot.sessions.memory import memory_store
from shallot.sessions.session import Life, Session, rotate_session
from shallot.testing import virtual_time

from ..clock import Clock

SECRET = "0123456789abcdef0123456789ABCDEF"
HOUR = 3600


class Store:
    """A memory store that counts, fails when told to, and lets somebody act just before a write."""

    def __init__(self, clock: Clock) -> None:
        self.inner = memory_store(clock=clock)
        self.writes = 0
        self.failure: Exception | None = None
        self.before_write: Any = None

    async def read(self, key: str) -> Any:
        if self.failure:
            raise self.failure
        return await self.inner.read(key)

    async def write(self, record: Any, ttl_s: float) -> Any:
        self.writes += 1
        if self.failure:
            raise self.failure
        if self.before_write:
            await self.before_write()
        return await self.inner.write(record, ttl_s)

    async def delete(self, key: str) -> Any:
        if self.failure:
            raise self.failure
        return await self.inner.delete(key)


class World:
    """A keeper on a store, and the key of a session in it."""

    def __init__(self, store: Any = None) -> None:
        self.clock = Clock(1_000_000)
        self.store = store or Store(self.clock)
        self.lives: WeakValueDictionary[str, Life] = WeakValueDictionary()
        self.keeper = Keeper(self.store, 24 * HOUR, 2 * HOUR, ("user",), self.clock, self.lives)

    async def open(self, key: str | None = None) -> Session:
        return await load(self.keeper, key)

    async def begin(self, **data: Any) -> str:
        session = await self.open()
        session.update(data)
        outcome = await commit(session, session)
        assert outcome.kind == "written"
        assert outcome.key is not None
        self.store.writes = 0
        return outcome.key

    async def held(self, key: str) -> Any:
        return (await self.open(key)).content()


@pytest.fixture
def world() -> World:
    return World()


async def test_D11_nothing_is_kept_of_an_empty_session(world: World) -> None:
    for _ in range(100):
        session = await world.open()
        assert await commit(session, session) == ("kept", None)
    assert (world.store.writes, len(world.store.inner)) == (0, 0)


async def test_D9_an_unknown_key_is_never_taken_over(world: World) -> None:
    session = await world.open("self-made")
    session["n"] = 1
    outcome = await commit(session, session)
    assert outcome.key not in (None, "self-made")
    assert await world.held("self-made") == {}


async def test_only_a_change_is_written(world: World) -> None:
    key = await world.begin(n=1, deep={"a": [1]})
    session = await world.open(key)
    assert session["n"] == 1
    session["n"] = 1
    assert await commit(session, session) == ("kept", None)
    assert world.store.writes == 0
    session["deep"]["a"].append(2)
    assert await commit(session, session) == ("written", None)
    assert await world.held(key) == {"n": 1, "deep": {"a": [1, 2]}}


@pytest.mark.parametrize("wanted", [{}, None], ids=repr)
async def test_empty_ends_it(world: World, wanted: Any) -> None:
    key = await world.begin(_csrf="s", n=1)
    session = await world.open(key)
    assert await commit(session, wanted) == ("ended", None)
    assert await world.held(key) == {}
    assert len(world.store.inner) == 0
    assert session.content() == {}


async def test_cleared_in_place_ends_it(world: World) -> None:
    session = await world.open(await world.begin(n=1))
    session.clear()
    assert await commit(session, session) == ("ended", None)


async def test_a_replacement_keeps_the_shelf_s_own_keys(world: World) -> None:
    key = await world.begin(_csrf="s", n=1)
    assert await commit(await world.open(key), {"m": 2}) == ("written", None)
    assert await world.held(key) == {"_csrf": "s", "m": 2}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda session: {"wanted": {**session.content(), "user": "ann"}}, id="a key of rotate_on appears"),
        pytest.param(lambda session: {"wanted": session, "rotate": True}, id="the response says so"),
        pytest.param(lambda session: rotate_session({"session": session}) or {"wanted": session}, id="rotate_session"),
    ],
)
async def test_D9_rotation(world: World, change: Any) -> None:
    key = await world.begin(_csrf="s", n=1)
    session = await world.open(key)
    life = session.keeper.lives.setdefault(session.record["id"], Life())  # type: ignore[index]
    world.clock.now += HOUR
    outcome = await commit(session, **change(session))
    assert outcome.kind == "written"
    assert outcome.key not in (None, key)
    assert await world.held(key) == {}
    renewed = await world.held(str(outcome.key))
    assert renewed.pop("user", "ann") == "ann"
    assert renewed == {"n": 1}
    assert session.record is not None
    assert session.record["created"] == world.clock.now
    assert life.ended.is_set()


async def test_a_secret_made_during_the_rotation_stays(world: World) -> None:
    session = await world.open(await world.begin(_csrf="old", n=1))
    rotate_session({"session": session})
    session["_csrf"] = "new"
    outcome = await commit(session, session)
    assert await world.held(str(outcome.key)) == {"_csrf": "new", "n": 1}


async def test_D9_a_secret_that_somebody_else_put_into_the_old_id_meanwhile_dies_with_it(world: World) -> None:
    key = await world.begin(n=1)
    session, other = await world.open(key), await world.open(key)
    other.update({"_csrf": "known to who gave the browser this id", "m": 2})
    await commit(other, other)
    session["user"] = "ann"
    outcome = await commit(session, session)
    assert await world.held(str(outcome.key)) == {"n": 1, "m": 2, "user": "ann"}


async def test_a_rotation_that_leaves_nothing_ends_it(world: World) -> None:
    key = await world.begin(_csrf="s", user="ann")
    session = await world.open(key)
    del session["user"]
    assert await commit(session, session) == ("ended", None)
    assert await world.held(key) == {}


async def test_rotation_of_nothing_is_nothing(world: World) -> None:
    session = await world.open()
    rotate_session({"session": session})
    assert await commit(session, session) == ("kept", None)
    assert len(world.store.inner) == 0


async def test_D12_two_requests_change_different_keys(world: World) -> None:
    key = await world.begin(n=1, gone=1)
    one, other = await world.open(key), await world.open(key)
    one["a"] = 1
    del one["gone"]
    other["b"] = 2
    assert await commit(one, one) == ("written", None)
    assert await commit(other, other) == ("written", None)
    assert await world.held(key) == {"n": 1, "a": 1, "b": 2}
    assert other.content() == {"n": 1, "a": 1, "b": 2}


async def test_D12_two_requests_change_the_same_key(world: World) -> None:
    key = await world.begin(n=1)
    one, other = await world.open(key), await world.open(key)
    one["n"], other["n"] = 2, 3
    await commit(one, one)
    await commit(other, other)
    assert await world.held(key) == {"n": 3}


async def test_D12_many_at_once(world: World) -> None:
    key = await world.begin(n=1)
    sessions = [await world.open(key) for _ in range(50)]
    for number, session in enumerate(sessions):
        session[f"k{number}"] = number
    await asyncio.gather(*(commit(session, session) for session in sessions))
    assert await world.held(key) == {"n": 1, **{f"k{number}": number for number in range(50)}}


async def test_a_write_that_is_overtaken_for_ever_gives_up(world: World) -> None:
    key = await world.begin(n=0)
    session = await world.open(key)
    session["mine"] = 1

    async def overtake() -> None:
        record = await world.store.inner.read(key)
        await world.store.inner.write({**record, "version": record["version"] + 1}, 60)

    world.store.before_write = overtake
    with pytest.raises(Unavailable, match="^a session was changed by others 16 times in a row$"):
        await commit(session, session)


async def test_D12_a_logout_meanwhile_is_not_undone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    key = await world.begin(user="ann")
    one, other = await world.open(key), await world.open(key)
    other["n"] = 1
    assert await commit(one, None) == ("ended", None)
    with caplog.at_level(logging.INFO, "shallot.sessions"):
        assert await commit(other, other) == ("kept", None)
    assert [record.message for record in caplog.records] == ["a session was ended while another request changed it; its changes are dropped"]
    assert await world.held(key) == {}
    assert len(world.store.inner) == 0


async def test_D12_what_was_written_before_a_rotation_goes_along(world: World) -> None:
    key = await world.begin(n=1)
    one, other = await world.open(key), await world.open(key)
    one["cart"] = [1]
    await commit(one, one)
    other["user"] = "ann"
    outcome = await commit(other, other)
    assert await world.held(str(outcome.key)) == {"n": 1, "cart": [1], "user": "ann"}


async def test_a_login_after_the_end_takes_only_its_own_along(world: World) -> None:
    key = await world.begin(secret=1)
    one, other = await world.open(key), await world.open(key)
    await commit(one, None)
    other["user"] = "ann"
    outcome = await commit(other, other)
    assert await world.held(str(outcome.key)) == {"user": "ann"}


@pytest.mark.parametrize(
    ("age", "unused", "is_live", "left"),
    [
        pytest.param(0, 0, True, 2 * HOUR, id="new"),
        pytest.param(3 * HOUR, 2 * HOUR - 1, True, 2 * HOUR, id="almost idle too long"),
        pytest.param(3 * HOUR, 2 * HOUR, False, 2 * HOUR, id="idle too long"),
        pytest.param(23 * HOUR, 0, True, HOUR, id="its end is nearer than idleness"),
        pytest.param(24 * HOUR - 1, 0, True, 1, id="almost its end"),
        pytest.param(24 * HOUR, 0, False, 0, id="its end, however much it is used"),
    ],
)
def test_how_long_a_session_lives(world: World, age: int, unused: int, is_live: bool, left: float) -> None:
    now = int(world.clock.now)
    record: Any = {"id": "a", "version": 1, "created": now - age, "seen": now - unused, "data": {}}
    assert world.keeper.is_live(record) is is_live
    assert world.keeper.left_s(record) == left


async def test_an_answer_that_shall_carry_no_cookie_refreshes_nothing(world: World) -> None:
    key = await world.begin(n=1)
    world.clock.now += HOUR
    session = await world.open(key)
    assert await commit(session, session, refresh=False) == ("kept", None)
    assert world.store.writes == 0
    session["n"] = 1
    assert await commit(session, session, refresh=False) == ("kept", None)
    assert world.store.writes == 0


def test_the_effect() -> None:
    assert save_session() == {"type": "session.save"}


async def test_idle(world: World) -> None:
    key = await world.begin(n=1)
    world.clock.now += 2 * HOUR - 1
    assert await world.held(key) == {"n": 1}
    world.clock.now += 1
    assert await world.held(key) == {}


@pytest.mark.parametrize("kind", ["memory", "cookie"])
async def test_a_session_that_is_used_stays_until_its_absolute_end(kind: str) -> None:
    world = World(cookie_store(SECRET) if kind == "cookie" else None)
    session = await world.open()
    session["n"] = 1
    key = str((await commit(session, session)).key)
    hours = 0
    while (session := await world.open(key)).content() == {"n": 1}:
        outcome = await commit(session, session)
        key = outcome.key or key
        world.clock.now += HOUR
        hours += 1
    assert hours == 24


async def test_only_a_tenth_of_the_idle_time_is_refreshed(world: World) -> None:
    key = await world.begin(n=1)
    world.clock.now += 719
    session = await world.open(key)
    assert await commit(session, session) == ("kept", None)
    world.clock.now += 1
    assert await commit(session, session, refresh=False) == ("kept", None)
    assert world.store.writes == 0
    assert await commit(session, session) == ("written", None)
    assert world.store.writes == 1
    assert await commit(session, session) == ("kept", None)


async def test_a_refresh_that_is_overtaken_is_none(world: World) -> None:
    key = await world.begin(n=1)
    world.clock.now += HOUR
    one, other = await world.open(key), await world.open(key)
    one["n"] = 2
    await commit(one, one)
    assert await commit(other, other) == ("kept", None)
    assert await world.held(key) == {"n": 2}


async def test_the_cookie_is_refreshed_by_a_new_one() -> None:
    world = World(cookie_store(SECRET))
    session = await world.open()
    session["n"] = 1
    outcome = await commit(session, session)
    world.clock.now += HOUR
    session = await world.open(outcome.key)
    again = await commit(session, session)
    assert again.kind == "written"
    assert again.key not in (None, outcome.key)
    session["n"] = 2
    changed = await commit(session, session)
    assert changed.kind == "written"
    assert changed.key not in (None, again.key)


@pytest.mark.parametrize("failure", [ConnectionError("gone"), TimeoutError(), Unavailable("gone")], ids=repr)
async def test_D11_a_store_that_cannot_be_reached(world: World, failure: Exception) -> None:
    key = await world.begin(n=1)
    session = await world.open(key)
    world.store.failure = failure
    with pytest.raises(Unavailable):
        await world.open(key)
    session["n"] = 2
    with pytest.raises(Unavailable):
        await commit(session, session)
    with pytest.raises(Unavailable):
        await commit(session, None)


async def test_D11_an_end_that_did_not_reach_the_store_can_be_tried_again(world: World) -> None:
    key, session = await held_by_a_conversation(world)
    world.store.failure = ConnectionError("gone")
    session.clear()
    with pytest.raises(Unavailable):
        await save({"session": session})
    world.store.failure = None
    with pytest.raises(CloseWith, match="1008 session ended"):
        await save({"session": session})
    assert await world.held(key) == {}
    assert len(world.store.inner) == 0


async def test_a_store_s_own_mistake_is_its_own(world: World) -> None:
    world.store.failure = KeyError("bug")
    with pytest.raises(KeyError):
        await world.open("key")


async def test_a_new_id_that_is_taken(world: World) -> None:
    async def refuse(record: Any, ttl_s: float) -> None:
        return None

    world.store.write = refuse
    session = await world.open()
    session["n"] = 1
    with pytest.raises(Unavailable, match="^the session store has a record under a new id$"):
        await commit(session, session)


async def test_what_json_cannot_say(world: World) -> None:
    session = await world.open()
    session["when"] = object()
    with pytest.raises(TypeError, match="^JSON has no object"):
        await commit(session, session)


# ---- within a conversation


async def save(scope: Any) -> Any:
    mailbox: Any = None
    return await SESSION_EFFECTS["session.save"](save_session(), scope, mailbox)


async def test_save_session(world: World) -> None:
    key = await world.begin(n=1)
    session = await world.open(key)
    session["n"] = 2
    assert await save({"session": session}) is None
    assert await world.held(key) == {"n": 2}
    other = await world.open(key)
    other["m"] = 1
    await commit(other, other)
    session["n"] = 3
    await save({"session": session})
    assert await world.held(key) == {"n": 3, "m": 1}
    assert session == {"n": 3, "m": 1}


async def test_save_session_keeps_it_from_expiring(world: World) -> None:
    key = await world.begin(n=1)
    session = await world.open(key)
    for _ in range(5):
        world.clock.now += HOUR
        await save({"session": session})
    assert await world.held(key) == {"n": 1}


async def test_save_session_can_end_it(world: World) -> None:
    key = await world.begin(user="ann")
    session = await world.open(key)
    session.clear()
    with pytest.raises(CloseWith, match="1008 session ended"):
        await save({"session": session})
    assert await world.held(key) == {}


async def test_H15_save_session_after_the_end(world: World) -> None:
    key = await world.begin(n=1)
    session, other = await world.open(key), await world.open(key)
    await commit(other, None)
    session["n"] = 2
    with pytest.raises(CloseWith, match="1008 session ended"):
        await save({"session": session})


async def test_H15_who_hears_of_the_end_while_he_saves_tells_the_others_here(world: World) -> None:
    key, other = await held_by_a_conversation(world)
    session = await world.open(key)
    await world.store.inner.delete(key)  # as another process does
    session["n"] = 2
    with pytest.raises(CloseWith, match="1008 session ended"):
        await save({"session": session})
    assert other.life is not None
    assert other.life.ended.is_set()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(lambda session: session.update(user="ann"), "^session.save: a new id .rotate_session, or a change of 'user'. needs a cookie", id="login"),
        pytest.param(lambda session: rotate_session({"session": session}), "^session.save: a new id", id="rotate_session"),
    ],
)
async def test_save_session_cannot_rotate(world: World, change: Any, text: str) -> None:
    key = await world.begin(n=1)
    session = await world.open(key)
    change(session)
    with pytest.raises(EffectRefused, match=text):
        await save({"session": session})
    assert await world.held(key) == {"n": 1}


async def test_save_session_without_a_cookie(world: World) -> None:
    session = await world.open()
    session["n"] = 1
    with pytest.raises(
        EffectRefused, match="^session.save: the browser has no cookie for this session, and none can be set here; put something into it in on_c"
    ):
        await save({"session": session})


async def test_save_session_in_a_cookie() -> None:
    world = World(cookie_store(SECRET))
    session = await world.open()
    session["n"] = 1
    await commit(session, session)
    session["n"] = 2
    with pytest.raises(EffectRefused, match="^session.save: this store keeps sessions in the cookie"):
        await save({"session": session})


@pytest.mark.parametrize("scope", [{}, {"session": {}}, {"session": Session({})}], ids=["none", "a dict", "of nobody"])
async def test_save_session_of_another_kind(scope: Any) -> None:
    with pytest.raises(EffectRefused, match='^session.save: scope has no "session" of wrap_session; put wrap_session outside'):
        await save(scope)


async def held_by_a_conversation(world: World) -> tuple[str, Session]:
    key = await world.begin(n=1)
    session = await world.open(key)
    session.life = world.lives.setdefault(session.record["id"], Life())  # type: ignore[index]
    return key, session


async def test_H15_the_end_is_heard_at_once(world: World) -> None:
    key, session = await held_by_a_conversation(world)
    ended = session_end({"session": session})
    waiting = asyncio.ensure_future(anext(ended))
    await asyncio.sleep(0)
    await commit(await world.open(key), None)
    async with asyncio.timeout(1):
        assert await waiting == "ended"
        assert [item async for item in ended] == []


@virtual_time
async def test_H15_the_end_elsewhere_is_heard_within_every_s() -> None:
    world = World()
    key, session = await held_by_a_conversation(world)
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def end_elsewhere() -> None:
        await asyncio.sleep(100)
        await world.store.inner.delete(key)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(end_elsewhere())
        assert [item async for item in session_end({"session": session})] == ["ended"]
    assert loop.time() - begun == 120
    assert session.life is not None
    assert session.life.ended.is_set()


@virtual_time
async def test_H15_expiry_is_an_end() -> None:
    world = World()
    _, session = await held_by_a_conversation(world)
    world.clock.now += 3 * HOUR
    assert [item async for item in session_end({"session": session}, every_s=1)] == ["ended"]


@virtual_time
async def test_H15_expiry_is_an_end_where_the_store_forgets_nothing() -> None:
    world = World(cookie_store(SECRET))
    session = await world.open()
    session["n"] = 1
    await commit(session, session)
    session.life = Life()
    world.clock.now += 3 * HOUR
    assert [item async for item in session_end({"session": session}, every_s=1)] == ["ended"]
    assert session.life.ended.is_set()


@virtual_time
async def test_a_store_that_is_down_ends_nobody(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    _, session = await held_by_a_conversation(world)
    world.store.failure = ConnectionError("gone")

    async def back_again() -> None:
        await asyncio.sleep(150)
        world.store.failure = None
        world.clock.now += 3 * HOUR

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(back_again())
        assert [item async for item in session_end({"session": session})] == ["ended"]
    assert [record.message for record in caplog.records] == ["whether a session still lives is not to be known"] * 2
    assert "Unavailable: the session store cannot be reached: ConnectionError" in caplog.text


async def test_a_session_that_no_store_has_has_no_end(world: World) -> None:
    assert [item async for item in session_end({"session": await world.open()})] == []


async def test_the_session_of_a_request_has_no_end_to_be_heard(world: World) -> None:
    assert [item async for item in session_end({"session": await world.open(await world.begin(n=1))})] == []


async def test_session_end_of_another_kind() -> None:
    with pytest.raises(EffectRefused, match='^session_end: scope has no "session" of wrap_session'):
        await anext(session_end({}))
