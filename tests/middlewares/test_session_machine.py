"""Sessions against a small model: browsers that store, log in, log out, wait, forge and answer late, in any order that hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from shallot.compose import apply_middleware
from shallot.middlewares.session import wrap_session
from shallot.sessions.cookie import cookie_store
from shallot.sessions.memory import memory_store

SECRET = "0123456789abcdef0123456789ABCDEF"
NAME = "__Host-session"
IDLE_S, ABSOLUTE_S = 100, 300
FRESH_S = IDLE_S / 10
BROWSERS = st.integers(0, 2)
KEYS = st.sampled_from(["a", "b", "_own", "user"])
VALUES = st.sampled_from([1, True, "x", None, [1, {"deep": []}]])


def drive(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of ``work``, which never waits: neither of the two stores does."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("it waited")


class Kept:
    """What the model knows of one session."""

    def __init__(self, now: int) -> None:
        self.data: dict[str, Any] = {}
        self.created = self.seen = now


class Sessions(RuleBasedStateMachine):
    forgets = True
    """Whether the store can forget: what is ended stays ended, whatever key is sent."""
    dead = Bundle("dead")

    @initialize(target=dead)
    def begin(self) -> str:
        self.now = 1_000_000
        self.store: Any = memory_store(clock=lambda: self.now) if self.forgets else cookie_store(SECRET)
        self.pile = apply_middleware(wrap_session(self.store, idle_s=IDLE_S, absolute_s=ABSOLUTE_S, clock=lambda: self.now))
        self.keys: list[str | None] = [None, None, None]
        self.models: list[Kept | None] = [None, None, None]
        return "self-made"

    def ask(self, key: str | None, handler: Any) -> Any:
        async def answer(request: Any) -> Any:
            return handler(request)

        return drive(self.pile(answer)({"headers": {} if key is None else {"cookie": f"{NAME}={key}"}}))

    def known(self, browser: int) -> Kept | None:
        model = self.models[browser]
        if model and (self.now - model.seen >= IDLE_S or self.now - model.created >= ABSOLUTE_S):
            self.models[browser] = model = None
        return model

    def take(self, browser: int, answer: Any) -> None:
        for line in answer.get("headers", {}).get("set-cookie", []):
            self.keys[browser] = line.partition(";")[0].partition("=")[2] or None

    def request(self, browser: int, change: Any) -> None:
        """One request, and what the model makes of it. ``change(data)`` changes the dict in place."""
        model, old_key = self.known(browser), self.keys[browser]
        before = dict(model.data) if model else {}

        def handler(request: Any) -> Any:
            assert dict(request["session"]) == before
            change(request["session"])
            return {"status": 200}

        answer = self.ask(old_key, handler)
        self.take(browser, answer)
        after = dict(before)
        change(after)
        is_rotated = repr(before.get("user")) != repr(after.get("user"))
        if is_rotated:
            after = {name: value for name, value in after.items() if not (name.startswith("_") and name in before and repr(before[name]) == repr(value))}
        changed = repr(before) != repr(after)
        if not after:
            self.models[browser] = None
            assert (self.keys[browser] is None) == (model is not None or old_key is None)
        elif model is None or is_rotated:
            self.models[browser] = fresh = Kept(self.now)
            fresh.data = after
            assert self.keys[browser] != old_key
        elif changed or self.now - model.seen >= FRESH_S:
            model.data, model.seen = after, self.now
            assert not self.forgets or self.keys[browser] == old_key
        else:
            assert self.keys[browser] == old_key

    @rule(browser=BROWSERS)
    def look(self, browser: int) -> None:
        self.request(browser, lambda data: None)

    @rule(browser=BROWSERS, name=KEYS, value=VALUES)
    def put(self, browser: int, name: str, value: Any) -> None:
        self.request(browser, lambda data: data.update({name: value}))

    @rule(browser=BROWSERS, name=KEYS)
    def remove(self, browser: int, name: str) -> None:
        self.request(browser, lambda data: data.pop(name, None))

    @rule(target=dead, browser=BROWSERS)
    def log_out(self, browser: int) -> str:
        key = self.keys[browser] or "nobody"
        self.request(browser, lambda data: data.clear())
        return key

    @rule(target=dead, browser=BROWSERS, user=st.integers())
    def log_in(self, browser: int, user: int) -> str:
        model, key = self.known(browser), self.keys[browser]
        self.request(browser, lambda data: data.update(user=user))
        return key if key and model and key != self.keys[browser] else "nobody"

    @rule(seconds=st.sampled_from([1, 9, 10, 40, 60, 99]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(key=dead)
    def replay(self, key: str) -> None:
        """An old key opens nothing, and is never taken over."""
        if self.forgets:
            answer = self.ask(key, lambda request: {"status": 200, "session": {"seen": dict(request["session"])}})
            (line,) = answer["headers"]["set-cookie"]
            assert not line.startswith(f"{NAME}={key};")
            new = line.partition(";")[0].partition("=")[2]
            assert drive(self.store.delete(new))["data"] == {"seen": {}}

    @rule(browser=BROWSERS, name=st.sampled_from("ab"), other=st.sampled_from("ab"))
    def change_at_the_same_time(self, browser: int, name: str, other: str) -> None:
        """A second request of the same browser is answered while the first one's handler runs."""
        model = self.known(browser)
        if model is None or not self.forgets:
            return

        def handler(request: Any) -> Any:
            request["session"][name] = "outer"
            self.request(browser, lambda data: data.update({other: "inner"}))
            return {"status": 200}

        was_outer = model.data.get(name) == "outer"
        answer = self.ask(self.keys[browser], handler)
        assert "set-cookie" not in answer["headers"]
        if not was_outer:  # a value that was there before is no change, and undoes none
            model.data[name], model.seen = "outer", self.now

    @invariant()
    def the_store_holds_what_is_alive(self) -> None:
        if self.forgets and hasattr(self, "store"):
            alive = sum(self.known(browser) is not None for browser in range(3))
            assert len(self.store) >= alive
            held = [key for key in self.keys if key and drive(self.store.read(key))]
            assert len(held) >= alive


class CookieSessions(Sessions):
    forgets = False


SETTINGS = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("machine", [Sessions, CookieSessions], ids=["memory", "cookie"])
def test_sessions(machine: type[Sessions]) -> None:
    machine.TestCase.settings = SETTINGS
    machine.TestCase().runTest()
