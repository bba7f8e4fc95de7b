"""wrap_auth: who asks, and whether that one may."""

from __future__ import annotations

import logging
from base64 import b64encode
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket, ws_accept, ws_send
from shallot.compose import apply_middleware
from shallot.middlewares.auth import auth_request, open_websockets, roles_of, unguarded_rows, wrap_auth
from shallot.middlewares.routing import wrap_routes
from shallot.response import redirect, text
from shallot.schemes import basic, bearer, session, ticket
from shallot.testing import Denied, client, request

ANN, BOB = {"name": "ann", "roles": ["editor", "admin"]}, {"name": "bob", "roles": "editor"}
PEOPLE = {"a": ANN, "b": BOB}


def by_header(request: Any) -> Any:
    return PEOPLE.get(request["headers"].get("x-who"))


async def show(request: Any, *params: Any) -> Any:
    return text(str((request["identity"] or {}).get("name")))


@websocket
async def greet(scope: Any, receiver: Any) -> Any:
    yield ws_send(f"hello {scope['identity'] and scope['identity']['name']}")


RULES = {
    "open": None,
    "somebody": True,
    "admin": "admin",
    "either": ["admin", "editor"],
    "ann": lambda identity, request: identity["name"] == "ann" and request["path"].endswith("ann"),
}
ROUTES = [
    ("/plain", ["GET"], show),
    ("/ws/plain", ["WS"], greet),
    *((f"/{name}", ["GET", "POST"], show, {"auth": rule}) for name, rule in RULES.items()),
    *((f"/ws/{name}", ["WS"], greet, {"auth": rule}) for name, rule in RULES.items()),
]
MAY = {
    "plain": (200, 200, 200),
    "open": (200, 200, 200),
    "somebody": (401, 200, 200),
    "admin": (401, 200, 403),
    "either": (401, 200, 200),
    "ann": (401, 200, 403),
}
"""Who may: nobody, ann, bob."""


def app_of(identify: Any, routes: Any = ROUTES, **options: Any) -> Any:
    return build_server(apply_middleware(wrap_routes(routes), wrap_auth(identify, **options))(standard_not_found))


async def status_of(c: Any, path: str, who: str | None, method: str = "GET") -> int:
    headers = {} if who is None else {"x-who": who}
    if "/ws/" not in path:
        return int((await c.request(method, path, headers=headers))["status"])
    try:
        async with c.websocket(path, headers=headers) as ws:
            assert await ws.expect() == f"hello {who and PEOPLE[who]['name']}"
            return 200
    except Denied as denied:
        return int(denied.response["status"])


@pytest.mark.parametrize("way", ["", "/ws"])
@pytest.mark.parametrize("rule", MAY)
async def test_who_may(rule: str, way: str) -> None:
    async with client(app_of(by_header)) as c:
        assert tuple([await status_of(c, f"{way}/{rule}", who) for who in (None, "a", "b")]) == MAY[rule]


async def test_a_default_for_what_says_nothing() -> None:
    async with client(app_of(by_header, default="admin")) as c:
        for path, nobody, bob in [("/plain", 401, 403), ("/ws/plain", 401, 403), ("/none", 401, 403), ("/open", 200, 200), ("/ws/somebody", 401, 200)]:
            assert [await status_of(c, path, who) for who in (None, "b")] == [nobody, bob]
        assert await status_of(c, "/plain", None, "OPTIONS") == 401
        assert await status_of(c, "/none", "a") == 404
        assert [await status_of(c, "/somebody", who, "POST") for who in (None, "b")] == [401, 200]


async def test_B1_a_guard_and_the_router_read_one_path() -> None:
    """``/health%3F/x`` is no way around a rule for all but ``/health``."""
    async with client(app_of(by_header, routes=[("/health", ["GET"], show, {"auth": None}), ("/{rest:path}", ["GET"], show)], default=True)) as c:
        paths = ["/health", "/health/", "/health%3F/x", "/health%23", "/x/../health", "/Health", "/health%2Fx", "//health", "/health;a=b"]
        assert {path: (await c.get(path))["status"] for path in paths} == {path: 200 if path in ("/health", "/health/") else 401 for path in paths}


async def test_the_handler_of_one_refused_does_not_run() -> None:
    ran = []

    async def handler(request: Any) -> Any:
        ran.append(request)
        return {"status": 200}

    composed = apply_middleware(wrap_auth(by_header, default=True))(handler)
    assert (await composed(request("POST", "/")))["status"] == 401
    assert ran == []
    assert (await composed(request("POST", "/", headers={"x-who": "a"}, identity="forged")))["status"] == 200
    assert ran[0]["identity"] == ANN


async def test_an_identity_comes_from_nowhere_else() -> None:
    composed: Any = apply_middleware(wrap_auth(by_header, default=True))(show)
    assert (await composed(request("GET", "/", identity="forged")))["status"] == 401


async def test_schemes_in_order_and_their_challenges() -> None:
    asked = []

    async def first(request: Any) -> Any:
        asked.append("first")

    def check(token: str) -> Any:
        asked.append("second")
        return PEOPLE.get(token)

    async def last(request: Any) -> Any:
        asked.append("last")

    pile = wrap_auth([first, bearer(check), {"identify": last, "challenge": "Hawk"}, basic(lambda user, password: None), session()], default=True)
    composed: Any = apply_middleware(pile)(show)
    assert (await composed(request("GET", "/", headers={"authorization": "Bearer a"})))["body"] == b"ann"
    assert asked == ["first", "second"]
    denied = await composed(request("GET", "/", headers={"authorization": "Bearer x"}, session={}))
    assert asked == ["first", "second"] * 2 + ["last"]
    assert denied["headers"]["www-authenticate"] == ['Bearer realm="app"', "Hawk", 'Basic realm="app", charset="UTF-8"', "Cookie"]
    assert denied["headers"]["cache-control"] == "no-store"


async def test_each_401_names_a_challenge_and_no_403_does() -> None:
    async with client(app_of(by_header)) as c:
        nobody, bob = await c.get("/admin"), await c.get("/admin", headers={"x-who": "b"})
        assert (nobody["headers"]["www-authenticate"], nobody["json"]["status"]) == ("Custom", 401)
        assert ("www-authenticate" in bob["headers"], bob["headers"]["cache-control"], bob["json"]["status"]) == (False, "no-store", 403)
        with pytest.raises(Denied) as denied:
            async with c.websocket("/ws/admin"):
                pass
        assert denied.value.response["headers"]["www-authenticate"] == "Custom"


async def test_another_answer() -> None:
    def to_login(response: Any, request: Any) -> Any:
        return redirect("/login") if response["status"] == 401 and request["type"] == "http" else response

    async with client(app_of(by_header, on_denied=to_login)) as c:
        assert (await c.get("/admin"))["headers"]["location"] == "/login"
        assert [await status_of(c, path, who) for path, who in [("/admin", None), ("/admin", "b"), ("/ws/admin", None)]] == [303, 403, 401]


@pytest.mark.parametrize("given", ["Bearer secret-token", "Basic c2VjcmV0LXRva2VuOng="])
async def test_G5_no_credentials_in_the_log(given: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    identify = [bearer(lambda token: None), basic(lambda user, password: None), ticket(lambda given: None)]
    async with client(app_of(identify, default=True)) as c:
        answer = await c.get("/admin?ticket=secret-token", headers={"authorization": given})
        with pytest.raises(Denied) as denied:
            async with c.websocket("/ws/admin?ticket=secret-token", headers={"authorization": given}):
                pass
    assert [answer["status"], denied.value.response["status"]] == [401, 401]
    assert "secret-token" not in caplog.text + str(answer) + str(denied.value.response)


async def test_roles_of_ones_own() -> None:
    composed: Any = apply_middleware(wrap_auth(lambda request: "ann", roles=lambda name: {"ann": ["cook"]}[name], default="cook"))(show_plainly)
    assert (await composed(request("GET", "/")))["status"] == 200


async def show_plainly(request: Any) -> Any:
    return text(request["identity"])


async def test_the_subprotocol_of_a_token_is_never_chosen() -> None:
    async def choose(scope: Any) -> Any:
        return ws_accept(subprotocol=scope["subprotocols"][0])

    @websocket(on_connect=choose)
    async def chat(scope: Any, receiver: Any) -> Any:
        yield ws_send("hi")

    app = app_of(bearer(PEOPLE.get, subprotocol="bearer."), routes=[("/", ["WS"], chat, {"auth": True})])
    async with client(app) as c, c.websocket("/", subprotocols=["bearer.a", "chat"]) as ws:
        assert ws.accepted["subprotocol"] == "chat"


@pytest.mark.parametrize(
    ("identity", "roles"),
    [
        (ANN, ["editor", "admin"]),
        (BOB, ["editor"]),
        ({"roles": None}, ()),
        ({"roles": {"a"}}, {"a"}),
        ({}, ()),
        ("ann", ()),
        (7, ()),
    ],
)
def test_roles(identity: Any, roles: Any) -> None:
    assert roles_of(identity) == roles


def test_a_role_is_a_whole_word() -> None:
    assert auth_request({"identity": {"roles": "administrator"}}, "admin") == 403
    assert auth_request({"identity": {"roles": ["administrator"]}}, {"admin", "a"}) == 403
    assert auth_request({"identity": {"roles": "admin"}}, "administrator") == 403


@pytest.mark.parametrize("identity", ["", 0, {}, []], ids=repr)
def test_only_none_is_nobody(identity: Any) -> None:
    assert auth_request({"identity": identity}, True) is None


@pytest.mark.parametrize("verdict", [None, False, 0, ""])
def test_what_is_not_true_is_no(verdict: Any) -> None:
    assert auth_request({"identity": ANN}, lambda identity, request: verdict) == 403


async def test_a_requirement_answers_at_once() -> None:
    waiting = show({"identity": ANN})
    with pytest.raises(
        TypeError, match=r"^wrap_auth: the requirement .* must answer at once; what has to wait belongs to the function that gives the identity$"
    ):
        auth_request({"identity": ANN}, lambda identity, request: waiting)
    await waiting


def test_false_is_no_requirement() -> None:
    with pytest.raises(TypeError) as caught:
        auth_request({"identity": ANN}, False)
    assert str(caught.value) == "wrap_auth: a requirement is None (open to all), True, a role, a list of roles or a function; not False"


# ---- at the start


async def waits(identity: Any, request: Any) -> bool:
    return True


@pytest.mark.parametrize("rule", [False, 1, "", [], [1], [""], {"a": 1}, waits, b"admin"])
def test_wrong_requirements_are_found_at_build_time(rule: Any) -> None:
    said = f"must be None (open to all), True, a role, a list of roles or a plain f(identity, request), not {rule!r}"
    with pytest.raises(TypeError) as caught:
        wrap_auth(by_header, default=rule)
    assert str(caught.value) == f"wrap_auth: default {said}"
    with pytest.raises(TypeError) as caught:
        app_of(by_header, routes=[("/a", ["GET"], show), ("/b", [("/c", ["GET"], show)], {"auth": rule})])
    assert str(caught.value) == f"wrap_auth: the row '/b/c': data[\"auth\"] {said}"


def test_schemes_are_needed() -> None:
    with pytest.raises(TypeError) as caught:
        apply_middleware(wrap_auth)
    assert str(caught.value) == "apply_middleware: wrap_auth needs identify; write wrap_auth(identify=...)"
    with pytest.raises(ValueError, match=r"^wrap_auth: identify is empty, so everybody would be nobody; write wrap_auth\(session\(\)\)$"):
        wrap_auth([])
    for wrong in ({"identify": "ann"}, "ann", [by_header, "ann"]):
        with pytest.raises(TypeError, match="^wrap_auth: expected a function that gives an identity or None, not 'ann'$"):
            wrap_auth(wrong)  # type: ignore[arg-type]


async def test_false_is_nobody() -> None:
    scheme = basic(lambda user, password: password == "right" and {"name": user})
    composed: Any = apply_middleware(wrap_auth([scheme, lambda request: False], default=True))(show)
    for password, status, identity in (("right", 200, {"name": "ann"}), ("wrong", 401, None)):
        asked = request("GET", "/", headers={"authorization": "Basic " + b64encode(f"ann:{password}".encode()).decode()})
        assert ((await composed(asked))["status"], asked["identity"]) == (status, identity)


def test_a_row_that_is_meant_to_be_open_would_not_be() -> None:
    with pytest.raises(ValueError, match=r"^wrap_auth: the row '/login' says auth, which only a wrap_auth inside wrap_routes sees; put it behind wrap_routes$"):
        apply_middleware(wrap_auth(by_header, default=True), wrap_routes([("/login", ["POST"], show, {"auth": None})]))(standard_not_found)


def test_rows_that_it_would_not_see() -> None:
    with pytest.raises(ValueError) as caught:
        apply_middleware(wrap_auth(by_header), wrap_routes(ROUTES))(standard_not_found)
    assert str(caught.value) == "wrap_auth: the row '/open' says auth, which only a wrap_auth inside wrap_routes sees; put it behind wrap_routes"


def test_outside_is_well_where_no_row_says_auth() -> None:
    apply_middleware(wrap_auth(by_header, default=True), wrap_routes([("/", ["WS"], greet)]))(standard_not_found)
    apply_middleware(wrap_auth(by_header), wrap_routes(ROUTES), wrap_auth(by_header))(standard_not_found)


@pytest.mark.parametrize(
    ("routes", "options", "named"),
    [
        ([("/a", ["WS"], greet), ("/b", ["GET"], show, {"auth": True}), ("/c", ["GET", "WS"], greet)], {}, "/a, /c"),
        ([("/a", ["WS"], greet)], {"default": True}, None),
        ([("/a", ["WS"], greet, {"auth": None})], {}, None),
        ([("/p", [("/a", ["WS"], greet)], {"auth": True})], {}, None),
        ([("/a", ["WS"], greet, {"middlewares": [wrap_auth(by_header, default=True)]})], {}, None),
        ([("/a", ["WS"], greet, {"middlewares": [wrap_auth(by_header)]})], {}, "/a"),
        ([("/a", ["GET"], show)], {}, None),
    ],
    ids=["two of three", "a default", "open on purpose", "by its prefix", "by its own middleware", "by none that asks", "no WebSocket"],
)
def test_websockets_that_no_rule_covers_are_named_at_the_start(routes: Any, options: Any, named: str | None, caplog: pytest.LogCaptureFixture) -> None:
    app = app_of(by_header, routes=routes, **options)
    said = f'no rule says who may open the WebSocket {named}; give its row {{"auth": True}}, or {{"auth": None}} if it is open to all'
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == ([] if named is None else [(logging.WARNING, said)])
    assert ", ".join(row.path for row in open_websockets(app.spec)) == (named or "")


@pytest.mark.parametrize(
    ("pile", "paths"),
    [
        ([wrap_routes(ROUTES[:4])], ["/somebody"]),
        ([wrap_routes(ROUTES[:4]), wrap_auth(by_header)], []),
        ([wrap_routes([("/a", ["GET"], show, {"auth": "x", "middlewares": [wrap_auth(by_header)]})])], []),
        ([wrap_routes([("/a", ["GET"], show, {"auth": "x", "middlewares": [lambda following: following]})])], ["/a"]),
        ([wrap_routes([("/a", ["GET"], show, {"auth": None})])], []),
    ],
    ids=["nobody", "one behind", "one of its own", "another of its own", "open to all"],
)
def test_rows_that_nobody_guards(pile: Any, paths: Any) -> None:
    assert [row.path for row in unguarded_rows(apply_middleware(*pile)(standard_not_found).spec)] == paths  # type: ignore[attr-defined]
