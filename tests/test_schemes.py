"""shallot.schemes: what each reads, and whom it asks."""

from __future__ import annotations

import threading
from base64 import b64encode
from typing import Any

import pytest

from shallot.errors import BadRequest
from shallot.schemes import asking, basic, bearer, session, ticket
from shallot.testing import request


def with_password(user: str, password: str) -> Any:
    return {"authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


async def identify(scheme: Any, method: str = "GET", path: str = "/", **keys: Any) -> Any:
    return await scheme["identify"](request(method, path, **keys))


USERS = {("ann", "secret"): "ann"}
TOKENS = {"t1": "ann"}


@pytest.mark.parametrize(
    ("headers", "who"),
    [
        (with_password("ann", "secret"), "ann"),
        (with_password("ann", "Secret"), None),
        (with_password("bob", "secret"), None),
        ({"authorization": "Basic ???"}, None),
        ({"authorization": "Bearer t1"}, None),
        ({}, None),
    ],
)
async def test_basic(headers: Any, who: str | None) -> None:
    asked = []

    def check(user: str, password: str) -> Any:
        asked.append(user)
        return USERS.get((user, password))

    scheme = basic(check, realm="shop")
    assert await identify(scheme, headers=headers) == who
    assert len(asked) == str(headers).count("Basic") - str(headers).count("???")
    assert scheme.get("challenge") == 'Basic realm="shop", charset="UTF-8"'


@pytest.mark.parametrize(
    ("keys", "who"),
    [
        ({"headers": {"authorization": "Bearer t1"}}, "ann"),
        ({"headers": {"authorization": "bearer t2"}}, None),
        ({"headers": with_password("ann", "secret")}, None),
        ({}, None),
        ({"subprotocols": ["bearer.t1"]}, None),
    ],
)
async def test_bearer(keys: Any, who: str | None) -> None:
    assert await identify(bearer(TOKENS.get), **keys) == who
    assert bearer(TOKENS.get, realm='a"b').get("challenge") == 'Bearer realm="a\\"b"'


@pytest.mark.parametrize(
    ("offered", "left", "who"),
    [
        (["chat", "bearer.t1"], ["chat"], "ann"),
        (["bearer.t2", "bearer.t1"], [], None),
        (["chat"], ["chat"], None),
        (["bearer."], [], None),
        ([], [], None),
    ],
)
async def test_a_token_among_the_subprotocols(offered: list[str], left: list[str], who: str | None) -> None:
    """It is taken out, so that nothing chooses it, which would send it back."""
    asked = request("WS", "/", subprotocols=offered)
    assert await bearer(TOKENS.get, subprotocol="bearer.")["identify"](asked) == who
    assert asked["subprotocols"] == left


async def test_the_header_goes_before_a_subprotocol() -> None:
    keys = {"headers": {"authorization": "Bearer t1"}, "subprotocols": ["bearer.t2"]}
    assert await identify(bearer(TOKENS.get, subprotocol="bearer."), "WS", **keys) == "ann"
    assert await identify(bearer(TOKENS.get, subprotocol="bearer.")) is None


async def test_session() -> None:
    assert await identify(session(), session={"identity": "ann"}) == "ann"
    assert await identify(session("user"), session={"identity": "ann"}) is None
    with pytest.raises(LookupError) as caught:
        await identify(session())
    assert caught.value.args == ('wrap_auth: request has no "session"; put wrap_session outside it',)


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/chat?ticket=t1", "ann"),
        ("/chat?a=b&ticket=t1", "ann"),
        ("/chat?ticket=t2", None),
        ("/chat?ticket=t1&ticket=t2", None),
        ("/chat?ticket=", None),
        ("/chat?tickets=t1", None),
        ("/chat", None),
    ],
)
async def test_ticket(path: str, who: str | None) -> None:
    assert await identify(ticket(TOKENS.get), "WS", path) == who


async def test_ticket_under_another_name_and_in_no_query() -> None:
    assert await identify(ticket(TOKENS.get, parameter="t"), "WS", "/?t=t1") == "ann"
    assert await ticket(TOKENS.get)["identify"]({}) is None
    with pytest.raises(BadRequest):
        await identify(ticket(TOKENS.get), "WS", "/?" + "&" * 1000)


class Later:
    async def __call__(self, text: str) -> str:
        return text + threading.current_thread().name


async def later(text: str) -> str:
    return text + threading.current_thread().name


@pytest.mark.parametrize(
    ("function", "in_thread"),
    [(later, False), (Later(), False), (lambda text: later(text), False), (lambda text: text + threading.current_thread().name, True)],
    ids=["async def", "async __call__", "a lambda around one", "plain"],
)
async def test_who_runs_where(function: Any, in_thread: bool) -> None:
    said = await asking(function)(request("GET", "/"), "in ")
    assert (said != "in " + threading.current_thread().name) is in_thread


async def test_the_threads_of_the_app_are_used() -> None:
    async def run_in_thread(function: Any, *arguments: Any) -> Any:
        return "ran", arguments

    assert await asking(print)({"run_in_thread": run_in_thread}, 1, 2) == ("ran", (1, 2))


@pytest.mark.parametrize(("scheme", "cure"), [(session, "session()"), (bearer, "bearer(...)"), (basic, "basic(...)"), (ticket, "ticket(...)")])
def test_a_scheme_that_was_not_made_identifies_nobody(scheme: Any, cure: str) -> None:
    with pytest.raises(TypeError) as caught:
        asking(scheme)
    assert str(caught.value) == f"wrap_auth: {scheme.__name__} makes a scheme; write {cure}"


@pytest.mark.parametrize("make", [basic, bearer, ticket])
def test_what_is_no_function(make: Any) -> None:
    with pytest.raises(TypeError) as caught:
        make({"ann": "secret"})
    assert str(caught.value) == "wrap_auth: expected a function that gives an identity or None, not {'ann': 'secret'}"
