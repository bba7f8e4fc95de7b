from __future__ import annotations

import asyncio
from inspect import signature
from typing import Any

import pytest

from shallot import build_server, feed, standard_not_found, websocket, ws_accept, ws_send
from shallot.compose import apply_middleware
from shallot.errors import CloseWith, Unavailable
from shallot.middlewares.cookies import wrap_cookies
from shallot.middlewares.csrf import csrf_token
from shallot.middlewares.routing import wrap_routes
from shallot.middlewares.session import rotate_session, session_options, session_request, session_response, wrap_session
from shallot.response import text, with_cookie
from shallot.sessions.cookie import cookie_store
from shallot.sessions.keeping import Outcome, save_session, session_end
from shallot.sessions.memory import memory_store
from shallot.sessions.session import Session
from shallot.testing import Denied, client

from ..clock import Clock

SECRET = "0123456789abcdef0123456789ABCDEF"
NAME = "__Host-session"
ATTRIBUTES = "Max-Age=1209600; Path=/; Secure; HttpOnly; SameSite=Lax"
DELETED = f"{NAME}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
HOUR = 3600


class Browser:
    """Keeps the cookie that it is given, and asks whatever handler it is told to."""

    def __init__(self, store: Any = None, **options: Any) -> None:
        self.store = store or memory_store()
        self.pile = apply_middleware(wrap_session(self.store, **options))
        self.key: str | None = None
        self.line: str | None = None

    async def ask(self, handler: Any, **keys: Any) -> Any:
        async def plain(request: Any) -> Any:
            return handler(request)

        headers = {} if self.key is None else {"cookie": f"{NAME}={self.key}"}
        answer = await self.pile(plain)({"type": "http", "headers": headers, **keys})
        self.line = next(iter(answer.get("headers", {}).get("set-cookie", [])), None)
        if self.line:
            self.key = self.line.partition(";")[0].partition("=")[2] or None
        return answer

    async def holds(self) -> Any:
        seen = {}

        def look(request: Any) -> Any:
            seen.update(request["session"])
            return {"status": 200}

        await self.ask(look)
        return seen


def putting(**data: Any) -> Any:
    def put(request: Any) -> Any:
        request["session"].update(data)
        return {"status": 200}

    return put


def plain(request: Any) -> Any:
    return {"status": 200}


def answering(**keys: Any) -> Any:
    return lambda request: {"status": 200, **keys}


# ---- the halves


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        pytest.param({}, None, id="the smallest request"),
        pytest.param({"headers": {"cookie": "a=1"}}, None, id="another cookie"),
        pytest.param({"headers": {"cookie": f"a=1; {NAME}=k; {NAME}=second"}}, "k", id="the header"),
        pytest.param({"headers": {"cookie": f"{NAME}=k"}, "cookies": {NAME: "parsed"}}, "parsed", id="wrap_cookies was there"),
        pytest.param({"headers": {"cookie": f"{NAME}=k"}, "cookies": {}}, None, id="wrap_cookies found none"),
    ],
)
def test_request(request_: Any, key: str | None) -> None:
    assert session_request(request_, session_options(memory_store())) == key


def touched() -> Session:
    session = Session({})
    assert not session
    return session


@pytest.mark.parametrize(
    ("response", "session", "outcome", "expected"),
    [
        pytest.param({"status": 200}, Session({}), Outcome("kept"), {"status": 200}, id="not looked at"),
        pytest.param({"status": 200, "session": {}, "rotate_session": True}, Session({}), Outcome("kept"), {"status": 200}, id="own keys go"),
        pytest.param({"status": 200}, touched(), Outcome("kept"), {"status": 200, "headers": {"vary": "cookie", "cache-control": "private"}}, id="looked at"),
        pytest.param(
            {"status": 200, "headers": {"Cache-Control": "public", "Vary": "accept"}},
            touched(),
            Outcome("kept"),
            {"status": 200, "headers": {"Cache-Control": "public", "vary": "accept, cookie"}},
            id="looked at, another cache-control",
        ),
        pytest.param(
            {"status": 200}, Session({}), Outcome("written"), {"status": 200, "headers": {"vary": "cookie", "cache-control": "private"}}, id="written"
        ),
        pytest.param(
            {"status": 200, "headers": {"set-cookie": "a=1"}},
            Session({}),
            Outcome("ended"),
            {"status": 200, "headers": {"set-cookie": ["a=1", DELETED], "vary": "cookie", "cache-control": "no-store"}},
            id="ended, behind another cookie",
        ),
        pytest.param(
            {"status": 200, "headers": {"set-cookie": ["a=1"], "cache-control": ["max-age=60", "Public"]}},
            Session({}),
            Outcome("ended"),
            {"status": 200, "headers": {"set-cookie": ["a=1", DELETED], "vary": "cookie", "cache-control": "no-store"}},
            id="a cookie is never public",
        ),
        pytest.param(
            {"status": 200, "headers": {"cache-control": "Private, max-age=60"}},
            Session({}),
            Outcome("ended"),
            {"status": 200, "headers": {"set-cookie": [DELETED], "vary": "cookie", "cache-control": "Private, max-age=60"}},
            id="private is enough",
        ),
        pytest.param(
            {"status": 200, "headers": {"cache-control": ["max-age=60", "private"]}},
            Session({}),
            Outcome("ended"),
            {"status": 200, "headers": {"set-cookie": [DELETED], "vary": "cookie", "cache-control": ["max-age=60", "private"]}},
            id="private is enough, in a second header too",
        ),
        pytest.param(
            {"status": 200, "headers": {"cache-control": "no-store, max-age=0"}},
            Session({}),
            Outcome("ended"),
            {"status": 200, "headers": {"set-cookie": [DELETED], "vary": "cookie", "cache-control": "no-store, max-age=0"}},
            id="no-store is enough",
        ),
        pytest.param({"status": 101, "headers": {}}, Session({}), Outcome("ended"), {"status": 101, "headers": {"set-cookie": [DELETED]}}, id="a handshake"),
        pytest.param({"status": 101}, touched(), Outcome("kept"), {"status": 101, "headers": {}}, id="a handshake that looked"),
    ],
)
def test_response(response: Any, session: Session, outcome: Outcome, expected: Any) -> None:
    before = repr(response)
    assert session_response(response, session, outcome, session_options(memory_store())) == expected
    assert repr(response) == before


def test_a_session_not_looked_at_copies_nothing() -> None:
    response: Any = {"status": 200}
    assert session_response(response, Session({}), Outcome("kept"), session_options(memory_store())) is response


# ---- the whole


async def test_a_session_begins_lives_and_ends() -> None:
    browser = Browser(clock=Clock(1_000_000.5))
    answer = await browser.ask(putting(n=1))
    assert answer["headers"] == {"set-cookie": [f"{NAME}={browser.key}; {ATTRIBUTES}"], "vary": "cookie", "cache-control": "no-store"}
    assert len(str(browser.key)) == 43
    assert await browser.holds() == {"n": 1}
    assert browser.line is None
    assert (await browser.ask(answering(session=None)))["headers"]["set-cookie"] == [DELETED]
    assert await browser.holds() == {}
    assert len(browser.store) == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(putting(m=2), {"n": 1, "m": 2}, id="in place"),
        pytest.param(lambda request: request["session"].pop("n") and {"status": 200}, {}, id="in place, to nothing"),
        pytest.param(lambda request: request.update(session={"m": 2}) or {"status": 200}, {"m": 2}, id="another dict in the request"),
        pytest.param(lambda request: request.pop("session") and {"status": 200}, {}, id="taken out of the request"),
        pytest.param(answering(session={"m": 2}), {"m": 2}, id="in the response"),
        pytest.param(lambda request: {"status": 200, "session": request["session"] | {"m": 2}}, {"n": 1, "m": 2}, id="in the response, and what was"),
        pytest.param(answering(session={}), {}, id="empty in the response"),
        pytest.param(answering(session=None), {}, id="None in the response"),
        pytest.param(answering(), {"n": 1}, id="not at all"),
    ],
)
async def test_ways_to_change_it(change: Any, expected: Any) -> None:
    browser = Browser()
    await browser.ask(putting(n=1))
    answer = await browser.ask(change)
    assert "session" not in answer
    assert await browser.holds() == expected


async def test_what_is_no_session() -> None:
    with pytest.raises(TypeError, match="^wrap_session: a session is a dict, or None to end it, not list$"):
        await Browser().ask(answering(session=[1]))


@pytest.mark.parametrize("answer", [None, "text", []], ids=repr)
async def test_what_is_no_response_is_the_core_s_to_refuse(answer: Any) -> None:
    async def handler(request: Any) -> Any:
        return answer

    assert await apply_middleware(wrap_session(memory_store()))(handler)({"headers": {}}) is answer


async def test_a_response_without_a_status_is_too() -> None:
    assert (await Browser().ask(lambda request: putting(n=1)(request) and {}))["headers"]["vary"] == "cookie"


async def test_two_of_them() -> None:
    with pytest.raises(TypeError, match='^wrap_session: request has a "session" already; one wrap_session is enough'):
        await Browser().ask(plain, session={})


async def test_a_handler_that_raises_changes_nothing() -> None:
    browser = Browser()
    await browser.ask(putting(n=1))

    def fail(request: Any) -> Any:
        request["session"]["n"] = 2
        raise KeyError("n")

    with pytest.raises(KeyError):
        await browser.ask(fail)
    assert await browser.holds() == {"n": 1}


async def test_D6_every_cookie_goes_out() -> None:
    async def handler(request: Any) -> Any:
        request["session"]["n"] = 1
        csrf_token(request)
        return with_cookie({"status": 200, "headers": {"set-cookie": "own=1"}}, "second", "2")

    answer = await apply_middleware(wrap_session(memory_store()), wrap_cookies())(handler)({"headers": {}})
    assert [line.partition("=")[0] for line in answer["headers"]["set-cookie"]] == ["own", "second", NAME]


async def test_D8_a_pickle_is_no_session() -> None:
    browser = Browser(cookie_store(SECRET))
    browser.key = "gASVEAAAAAAAAAB9lIwEdXNlcpSMA2FubpRzLg.c2ln"
    assert await browser.holds() == {}


@pytest.mark.parametrize("store", [memory_store(), cookie_store(SECRET)], ids=["memory", "cookie"])
async def test_D9_a_self_made_id(store: Any) -> None:
    browser = Browser(store)
    browser.key = "attacker"
    await browser.ask(putting(n=1))
    assert browser.key != "attacker"
    assert await browser.holds() == {"n": 1}


@pytest.mark.parametrize(
    "login",
    [
        pytest.param(putting(user="ann"), id="by the key user"),
        pytest.param(putting(identity={"id": 1}), id="by the key identity"),
        pytest.param(lambda request: {"status": 200, "session": {**request["session"], "name": "ann"}, "rotate_session": True}, id="by the response"),
        pytest.param(lambda request: rotate_session(request) or {"status": 200}, id="by rotate_session"),
    ],
)
async def test_D9_a_login_has_a_new_id_and_the_old_one_is_dead(login: Any) -> None:
    browser = Browser()
    await browser.ask(putting(cart=[1], _csrf="s"))
    old = browser.key
    await browser.ask(login)
    assert browser.key not in (None, old)
    held = await browser.holds()
    assert held["cart"] == [1]
    assert "_csrf" not in held
    browser.key = old
    assert await browser.holds() == {}


async def test_rotate_on_is_an_option() -> None:
    browser = Browser(rotate_on=["role"])
    await browser.ask(putting(n=1))
    first = browser.key
    await browser.ask(putting(user="ann"))
    assert browser.key == first
    await browser.ask(putting(role="admin"))
    assert browser.key != first


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda session: "user" in session, id="in"),
        pytest.param(len, id="len"),
        pytest.param(lambda session: session.get("user"), id="get"),
        pytest.param(list, id="iteration"),
        pytest.param(lambda session: {**session}, id="unpacking"),
    ],
)
@pytest.mark.parametrize("is_new", [True, False], ids=["no session", "a session"])
async def test_D10_whoever_looks_is_kept_from_shared_caches(look: Any, is_new: bool) -> None:
    browser = Browser()
    if not is_new:
        await browser.ask(putting(n=1))

    def handler(request: Any) -> Any:
        look(request["session"])
        return {"status": 200}

    assert (await browser.ask(handler))["headers"] == {"vary": "cookie", "cache-control": "private"}
    assert "headers" not in await browser.ask(plain)


async def test_D10_a_refresh_is_kept_from_shared_caches_too() -> None:
    clock = Clock(1_000_000.5)
    browser = Browser(cookie_store(SECRET), clock=clock)
    await browser.ask(putting(n=1))
    clock.now += HOUR
    answer = await browser.ask(plain)
    assert browser.line is not None
    assert (answer["headers"]["vary"], answer["headers"]["cache-control"]) == ("cookie", "no-store")


async def test_D10_no_cookie_is_put_on_a_public_answer_unasked() -> None:
    clock = Clock(1_000_000.5)
    browser = Browser(cookie_store(SECRET), clock=clock)
    await browser.ask(putting(n=1))
    clock.now += HOUR
    public = {"cache-control": "public, max-age=60"}
    assert await browser.ask(answering(headers=public)) == {"status": 200, "headers": public}


@pytest.mark.parametrize(
    ("looks", "given", "sent"),
    [
        pytest.param(True, "public, max-age=60", "no-store", id="public, by a handler that looks"),
        pytest.param(False, "private, max-age=60", "private, max-age=60", id="private, by one that does not"),
    ],
)
async def test_D10_all_other_answers_refresh(looks: bool, given: str, sent: str) -> None:
    clock = Clock(1_000_000.5)
    browser = Browser(cookie_store(SECRET), clock=clock)
    await browser.ask(putting(n=1))
    clock.now += HOUR

    def handler(request: Any) -> Any:
        assert not looks or request["session"] == {"n": 1}
        return {"status": 200, "headers": {"cache-control": given}}

    answer = await browser.ask(handler)
    assert browser.line is not None
    assert answer["headers"]["cache-control"] == sent


async def test_D11_100_000_requests_without_a_cookie_leave_no_record() -> None:
    store = memory_store()

    async def handler(request: Any) -> Any:
        return {"status": 200 if request["session"].get("user") is None else 500}

    ask = apply_middleware(wrap_session(store))(handler)
    for _ in range(100_000):
        await ask({"headers": {}})
    assert len(store) == 0


class Broken:
    async def read(self, key: str) -> Any:
        raise ConnectionError("gone")

    async def write(self, record: Any, ttl_s: float) -> Any:
        raise ConnectionError("gone")

    async def delete(self, key: str) -> Any:
        raise ConnectionError("gone")


async def test_D11_a_store_that_is_down_is_503_and_never_anonymous() -> None:
    calls: list[Any] = []

    async def handler(request: Any) -> Any:
        calls.append(request["session"])
        request["session"]["n"] = 1
        return text("done")

    app = build_server(apply_middleware(wrap_session(Broken()))(handler))
    async with client(app) as c:
        assert (await c.get("/", headers={"cookie": f"{NAME}=k"}))["status"] == 503
        assert calls == []
        answer = await c.get("/")
        assert (answer["status"], answer["body"].count(b"done")) == (503, 0)
        assert len(calls) == 1


async def test_the_stream_of_a_lost_answer_is_closed() -> None:
    closed: list[str] = []

    class Stream:
        def __aiter__(self) -> Any:
            return self

        async def aclose(self) -> None:
            closed.append("closed")

    def handler(request: Any) -> Any:
        request["session"]["n"] = 1
        return {"status": 200, "stream": Stream()}

    with pytest.raises(Unavailable, match="^the session store cannot be reached: ConnectionError$"):
        await Browser(Broken()).ask(handler)
    assert closed == ["closed"]


async def test_D12_two_parallel_requests_change_different_keys() -> None:
    browser = Browser()
    await browser.ask(putting(n=1))
    both = asyncio.Barrier(2)

    async def change(name: str) -> Any:
        async def handler(request: Any) -> Any:
            await both.wait()
            request["session"][name] = 1
            return {"status": 200}

        return await browser.pile(handler)({"headers": {"cookie": f"{NAME}={browser.key}"}})

    async with asyncio.timeout(5):
        await asyncio.gather(change("a"), change("b"))
    assert await browser.holds() == {"n": 1, "a": 1, "b": 1}


@pytest.mark.parametrize("store", ["memory", "cookie"])
async def test_it_ends_after_idle_s_and_after_absolute_s(store: str) -> None:
    clock = Clock(1_000_000.5)
    browser = Browser(memory_store(clock=clock) if store == "memory" else cookie_store(SECRET), clock=clock)
    await browser.ask(putting(n=1))
    clock.now += 2 * HOUR
    assert await browser.holds() == {}
    await browser.ask(putting(n=2))
    ages = []
    for _ in range(14 * 24):
        ages.append(browser.line)
        assert await browser.holds() == {"n": 2}
        clock.now += HOUR
    assert await browser.holds() == {}
    if store == "cookie":
        assert f"Max-Age={14 * 24 * HOUR - 2 * HOUR};" in str(ages[3])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        pytest.param({}, f"{NAME}=KEY; {ATTRIBUTES}", id="as it is"),
        pytest.param({"attributes": {"SameSite": "strict"}}, f"{NAME}=KEY; {ATTRIBUTES.replace('Lax', 'Strict')}", id="samesite"),
        pytest.param({"attributes": {"max-age": None}}, f"{NAME}=KEY; {ATTRIBUTES.partition(' ')[2]}", id="until the browser ends"),
        pytest.param({"cookie_name": "sid", "attributes": {"secure": False}}, "sid=KEY; Max-Age=1209600; Path=/; HttpOnly; SameSite=Lax", id="without TLS"),
        pytest.param({"attributes": {"partitioned": True}}, f"{NAME}=KEY; {ATTRIBUTES}; Partitioned", id="partitioned"),
    ],
)
async def test_attributes(options: Any, line: str) -> None:
    browser = Browser(clock=Clock(1_000_000.5), **options)
    await browser.ask(putting(n=1))
    assert str(browser.line).replace(str(browser.key), "KEY") == line


@pytest.mark.parametrize(
    ("options", "error", "text_"),
    [
        pytest.param({}, ValueError, "^wrap_session: give either a store", id="nothing"),
        pytest.param({"store": memory_store(), "keys": [SECRET]}, ValueError, "^wrap_session: give either a store", id="both"),
        pytest.param({"keys": []}, ValueError, "^cookie_store: no key", id="no key"),
        pytest.param({"keys": ""}, ValueError, "^cookie_store: no key", id="an empty variable of the environment"),
        pytest.param({"keys": ["short"]}, ValueError, "^cookie_store: a key must be 32 random bytes", id="a weak key"),
        pytest.param({"store": {}}, TypeError, "^wrap_session: the store {} has no read, write, delete; see shallot.sessions.SessionStore$", id="no store"),
        pytest.param(
            {"store": cookie_store(SECRET), "cookie_name": "sid"},
            ValueError,
            "^wrap_session: the store signs for the cookie '__Host-session', not 'sid'",
            id="names",
        ),
        pytest.param({"store": memory_store(), "idle_s": 0}, ValueError, "^wrap_session: 0 < idle_s <= absolute_s <= 400 days", id="no time"),
        pytest.param({"store": memory_store(), "absolute_s": 60}, ValueError, "not 7200 and 60$", id="idle over absolute"),
        pytest.param({"store": memory_store(), "absolute_s": 400 * 86_400 + 1}, ValueError, "400 days is what browsers keep", id="too long"),
        pytest.param({"store": memory_store(), "rotate_on": "user"}, TypeError, r"not the str 'user'; write \['user'\]$", id="a str"),
        pytest.param({"store": memory_store(), "attributes": {"secure": False}}, ValueError, '^cookie .*needs "secure": True', id="D5 the prefix"),
        pytest.param({"store": memory_store(), "attributes": {"color": 1}}, ValueError, "no attribute is named 'color'", id="unknown"),
    ],
)
def test_options_are_checked(options: Any, error: type[Exception], text_: str) -> None:
    with pytest.raises(error, match=text_):
        wrap_session(**options)


@pytest.mark.parametrize("options", [{"idle_s": 0.5}, {"idle_s": 60, "absolute_s": 60}, {"absolute_s": 400 * 86_400}], ids=repr)
def test_the_borders_of_idle_s_and_absolute_s(options: Any) -> None:
    keeper = session_options(memory_store(), **options).keeper
    assert {"idle_s": keeper.idle_s, "absolute_s": keeper.absolute_s}.items() >= options.items()


def test_the_options_have_the_defaults_that_wrap_session_documents() -> None:
    assert signature(session_options).parameters == signature(wrap_session).parameters


async def test_keys_sign_into_the_cookie() -> None:
    async def handler(request: Any) -> Any:
        request["session"]["n"] = 1
        return {"status": 200}

    answer = await apply_middleware(wrap_session(keys=[SECRET]))(handler)({"headers": {}})
    key = answer["headers"]["set-cookie"][0].partition(";")[0].partition("=")[2]
    assert (cookie_store(SECRET).open(key) or {})["data"] == {"n": 1}


# ---- WebSockets


def serve(store: Any, *rows: Any, **options: Any) -> Any:
    return build_server(apply_middleware(wrap_session(store, **options), wrap_routes(list(rows)))(standard_not_found), resources={"sessions": memory_store()})


async def count(scope: Any) -> Any:
    scope["session"]["visits"] = scope["session"].get("visits", 0) + 1
    return text("enough", 403) if scope["session"]["visits"] > 2 else ws_accept()


@websocket(on_connect=count)
async def visits(scope: Any, receiver: Any) -> Any:
    yield ws_send(str(scope["session"]["visits"]))


async def put_user(request: Any) -> Any:
    request["session"]["user"] = "ann"
    return text("in")


async def put_n(request: Any) -> Any:
    request["session"]["n"] = 1
    return text("in")


async def end(request: Any) -> Any:
    return {**text("out"), "session": None}


async def show(request: Any) -> Any:
    return text(str(dict(request["session"])))


async def test_the_cookie_lands_on_the_handshake_accepted_or_denied() -> None:
    async with client(serve(cookie_store(SECRET), ("/", ["WS"], visits), ("/show", ["GET"], show))) as c:
        for number in ("1", "2"):
            async with c.websocket("/") as ws:
                assert ws.accepted["headers"]["set-cookie"].startswith(f"{NAME}=")
                assert "vary" not in ws.accepted["headers"]
                assert await ws.expect() == number
        with pytest.raises(Denied) as denied:
            async with c.websocket("/"):
                pass
        assert denied.value.response["headers"]["cache-control"] == "no-store"
        assert (await c.get("/show"))["body"] == b"{'visits': 3}"


@websocket
async def echo(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        yield ws_send(message)


@websocket
async def watching(scope: Any, receiver: Any) -> Any:
    yield feed("session", session_end(scope))
    yield ws_send("ready")
    async for message in receiver:
        yield ws_send(str(message))


@pytest.mark.parametrize("leave", ["/out", "/user"], ids=["logout", "rotation"])
async def test_H15_the_next_message_after_the_end_closes(leave: str) -> None:
    rows = [("/", ["WS"], echo), ("/n", ["POST"], put_n), ("/out", ["POST"], end), ("/user", ["POST"], put_user)]
    async with client(serve(memory_store(), *rows)) as c:
        await c.post("/n")
        async with c.websocket("/") as ws:
            await ws.send("hi")
            assert await ws.expect() == "hi"
            await c.post(leave)
            await ws.send("hi")
            assert await ws.expect_close() == {"code": 1008, "reason": "session ended"}


@pytest.mark.parametrize("what", ["message", "effect"])
async def test_H15_messages_and_effects_are_each_looked_at(what: str) -> None:
    browser = Browser()
    await browser.ask(putting(n=1))
    answer = await browser.ask(lambda request: {"status": 101, "websocket": {"taps": []}})
    (tap,) = answer["websocket"]["taps"]
    assert tap[what]({}, "hi") == "hi"
    await browser.ask(answering(session=None))
    with pytest.raises(CloseWith, match="1008 session ended$"):
        tap[what]({}, "hi")


def conversation(request: Any) -> Any:
    return {"status": 101, "websocket": {"taps": []}}


WS: Any = {"type": "websocket"}
EVENTS: Any = {"method": "GET", "headers": {"accept": "text/event-stream"}}


@pytest.mark.parametrize("leave", [{"session": None}, {"rotate_session": True}], ids=["logout", "rotation"])
@pytest.mark.parametrize("kind", [WS, EVENTS], ids=["WebSocket", "events"])
async def test_H15_the_end_is_not_missed_while_the_handshake_is_decided(kind: Any, leave: Any) -> None:
    browser = Browser()
    await browser.ask(putting(n=1))
    cookie = f"{NAME}={browser.key}"

    async def decide(request: Any) -> Any:
        await browser.ask(answering(**leave))
        return conversation(request)

    request = {"type": "http", **kind, "headers": {**kind.get("headers", {}), "cookie": cookie}}
    (tap,) = (await browser.pile(decide)(request))["websocket"]["taps"]
    with pytest.raises(CloseWith, match="1008 session ended$"):
        tap["message"]({}, "hi")


async def test_H15_nor_where_another_process_ended_it_and_the_handshake_changes_it() -> None:
    browser = Browser()
    await browser.ask(putting(n=1))

    async def decide(request: Any) -> Any:
        request["session"]["visits"] = 1
        await browser.store.delete(browser.key)
        return conversation(request)

    (tap,) = (await browser.pile(decide)({**WS, "headers": {"cookie": f"{NAME}={browser.key}"}}))["websocket"]["taps"]
    with pytest.raises(CloseWith, match="1008 session ended$"):
        tap["effect"]({}, {"type": "websocket.send", "text": "hi"})


async def test_a_handshake_that_ends_the_session_itself_goes_on() -> None:
    browser = Browser()
    await browser.ask(putting(n=1))
    answer = await browser.ask(lambda request: {**conversation(request), "session": None}, **WS)
    assert browser.line == DELETED
    assert answer["websocket"]["taps"] == []


async def test_H15_a_handshake_that_logs_in_goes_on_until_the_new_id_ends() -> None:
    browser = Browser()
    await browser.ask(putting(n=1))
    answer = await browser.ask(lambda request: putting(user="ann")(request) and conversation(request), **WS)
    (tap,) = answer["websocket"]["taps"]
    assert tap["message"]({}, "hi") == "hi"
    await browser.ask(answering(session=None))
    with pytest.raises(CloseWith, match="1008 session ended$"):
        tap["message"]({}, "hi")


async def test_H15_logout_closes_a_silent_socket_at_once() -> None:
    rows = [("/", ["WS"], watching), ("/user", ["POST"], put_user), ("/out", ["POST"], end)]
    async with client(serve(memory_store(), *rows)) as c:
        await c.post("/user")
        async with c.websocket("/") as one, c.websocket("/") as other:
            assert [await one.expect(), await other.expect()] == ["ready", "ready"]
            await c.post("/out")
            async with asyncio.timeout(1):
                assert await one.expect_close() == {"code": 1008, "reason": "session ended"}
                assert await other.expect_close() == {"code": 1008, "reason": "session ended"}


async def test_H15_somebody_else_s_logout_closes_nothing() -> None:
    rows = [("/", ["WS"], echo), ("/user", ["POST"], put_user), ("/out", ["POST"], end)]
    app = serve(memory_store(), *rows)
    async with client(app) as ann, client(app, lifespan=False) as bob:
        await ann.post("/user")
        await bob.post("/user")
        async with ann.websocket("/") as ws:
            await bob.post("/out")
            await ws.send("hi")
            assert await ws.expect() == "hi"


async def test_a_conversation_without_a_session_pays_nothing() -> None:
    async with client(serve(memory_store(), ("/", ["WS"], watching))) as c, c.websocket("/") as ws:
        assert await ws.expect() == "ready"
        assert "feed.ended" in str(await ws.expect())


@websocket
async def saving(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        scope["session"]["said"] = message
        yield save_session()
        yield ws_send("saved")


async def test_a_conversation_saves() -> None:
    async with client(serve(memory_store(), ("/", ["WS"], saving), ("/n", ["POST"], put_n), ("/show", ["GET"], show))) as c:
        await c.post("/n")
        async with c.websocket("/") as ws:
            await ws.send("hi")
            assert await ws.expect() == "saved"
            assert (await c.get("/show"))["body"] == b"{'n': 1, 'said': 'hi'}"


async def replace(scope: Any) -> Any:
    scope["session"] = {"fresh": 1}
    return ws_accept()


@websocket(on_connect=replace)
async def replaced(scope: Any, receiver: Any) -> Any:
    scope["session"]["more"] = 2
    yield save_session()
    yield ws_send("saved")


async def test_a_session_replaced_in_on_connect_is_saved_and_seen() -> None:
    async with client(serve(memory_store(), ("/", ["WS"], replaced), ("/show", ["GET"], show))) as c:
        async with c.websocket("/") as ws:
            assert await ws.expect() == "saved"
        assert (await c.get("/show"))["body"] == b"{'fresh': 1, 'more': 2}"


async def test_an_answer_101_that_is_no_conversation_of_ours() -> None:
    browser = Browser()
    assert (await browser.ask(lambda request: putting(n=1)(request) and {"status": 101}))["status"] == 101
