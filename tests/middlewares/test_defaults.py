from __future__ import annotations

import sys
from pkgutil import resolve_name
from secrets import token_urlsafe
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.compose import apply_middleware
from shallot.describe import check
from shallot.describe.faults import OUTSIDE
from shallot.limits import LIMITS
from shallot.middlewares import defaults, lint_layers
from shallot.middlewares.defaults import INSIDE_ROUTES, NEEDED, OUTSIDE_ROUTES, api_defaults, by_session, site_defaults, wrap_defaults
from shallot.response import text
from shallot.schemes import basic
from shallot.schemes import session as by_user
from shallot.sessions import cookie_store, memory_store
from shallot.sessions.record import Record
from shallot.sessions.session import Session
from shallot.testing import Denied, client

KEY = token_urlsafe(32)
API: Any = {**api_defaults, "hosts": ["example.org"]}
SITE: Any = {**site_defaults, "hosts": ["example.org"], "session": {**site_defaults["session"], "keys": [KEY]}}
HOST = {"host": "example.org"}


async def show(request: Any) -> Any:
    return text("hi")


async def log_in(request: Any) -> Any:
    request["session"]["user"] = "ann"
    return text("welcome")


@websocket
async def echo(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        yield ws_send(message)


@websocket(reads=False, max_message_bytes=5)
async def ticker(scope: Any, receiver: Any) -> Any:
    yield ws_send("tick")


ROUTES: Any = [
    ("/", ["GET"], show),
    ("/login", ["POST"], log_in),
    ("/echo", ["WS"], echo),
    ("/ticker", ["WS"], ticker),
    ("/small", ["WS"], echo, {"limits": {"max_message_bytes": 10}}),
]


def build(config: Any, routes: Any = ROUTES) -> Any:
    return build_server(wrap_defaults(config, routes)(standard_not_found))


def names(config: Any) -> list[str]:
    return [layer["name"] for layer in build(config).spec]


def options(config: Any, name: str) -> Any:
    return next(layer["options"] for layer in build(config).spec if layer["name"] == name)


# ---- the tables


@pytest.mark.parametrize("key", [*site_defaults])
def test_every_key_is_a_part_or_read_by_itself(key: str) -> None:
    assert key in {part.key for part in [*OUTSIDE_ROUTES, *INSIDE_ROUTES]} | {"debug", "secure", "routes", "websocket"}


@pytest.mark.parametrize("part", [*OUTSIDE_ROUTES, *INSIDE_ROUTES], ids=lambda part: part.key)
def test_every_part_is_there(part: Any) -> None:
    assert part.key in site_defaults
    assert resolve_name(f"shallot.middlewares.{part.factory}").__name__ == f"wrap_{part.key}"


def test_the_whole_shelf_has_its_place() -> None:
    import shallot.middlewares as shelf

    elsewhere = {"wrap_defaults", "wrap_lint", "wrap_routes", "wrap_transcript"}
    assert {name for name in shelf.__all__ if name.startswith("wrap_")} - elsewhere == {f"wrap_{part.key}" for part in [*OUTSIDE_ROUTES, *INSIDE_ROUTES]}


def test_the_two_have_the_same_keys() -> None:
    assert list(api_defaults) == list(site_defaults)


def test_the_order_is_the_one_that_check_knows() -> None:
    order = [f"wrap_{part.key}" for part in [*OUTSIDE_ROUTES, *INSIDE_ROUTES]]
    assert [(outer, inner) for outer, inner in OUTSIDE if order.index(outer) > order.index(inner)] == []


def test_nothing_needs_what_comes_later() -> None:
    order = [part.key for part in [*OUTSIDE_ROUTES, *INSIDE_ROUTES]]
    assert all(order.index(needed) < order.index(key) for key, needed in NEEDED)


def test_what_is_composed() -> None:
    assert names(API) == [
        *("wrap_request_id", "wrap_access_log", "wrap_security_headers", "wrap_errors", "wrap_hosts", "wrap_https", "wrap_connection_limit"),
        *("wrap_routes", "conversation_limits", "wrap_origin", "wrap_body_limit", "wrap_parameters", "wrap_json", "wrap_csrf"),
    ]
    assert names(SITE) == [
        *("wrap_request_id", "wrap_access_log", "wrap_security_headers", "wrap_errors", "wrap_hosts", "wrap_https", "wrap_content_type"),
        *("wrap_cookies", "wrap_session", "wrap_flash", "wrap_connection_limit", "wrap_routes", "conversation_limits", "wrap_origin"),
        *("wrap_rate_limit", "wrap_body_limit", "wrap_multipart", "wrap_parameters", "wrap_json", "wrap_csrf"),
    ]


@pytest.mark.parametrize("config", [API, SITE], ids=["api", "site"])
def test_the_defaults_have_no_findings(config: Any) -> None:
    assert [finding["id"] for finding in check(build(config)) if finding["level"] != "info"] == []


EXACT = [
    (API, "wrap_security_headers", "secure", True),
    (API, "wrap_https", "redirect", False),
    (SITE, "wrap_https", "redirect", True),
    (SITE, "wrap_session", "cookie_name", "__Host-session"),
    (SITE, "wrap_session", "absolute_s", 1_209_600),
    (SITE, "wrap_session", "idle_s", 7200),
    (SITE, "wrap_multipart", "max_bytes", 10_485_760),
    (SITE, "wrap_multipart", "max_fields", 1000),
    (SITE, "wrap_multipart", "max_files", 100),
    (SITE, "wrap_multipart", "max_text_bytes", 500_000),
    (SITE, "wrap_parameters", "max_params", 1000),
    (SITE, "wrap_rate_limit", "messages", "100/10 seconds"),
    (SITE, "wrap_rate_limit", "rate", None),
    (SITE, "wrap_connection_limit", "max_per_client", 50),
    (SITE, "wrap_connection_limit", "max_connections", 10_000),
    (API, "wrap_connection_limit", "max_per_client", None),
    (API, "wrap_csrf", "token", False),
    (SITE, "wrap_csrf", "header", "x-csrf-token"),
    (SITE, "wrap_csrf", "field", "__anti_forgery_token"),
    (API, "wrap_origin", "only_with_cookie", True),
    (SITE, "wrap_origin", "only_with_cookie", False),
    (SITE, "wrap_errors", "debug", False),
    (SITE, "wrap_routes", "encoded_slash", "reject"),
    (API, "conversation_limits", "limits", {"max_message_bytes": 1_048_576, "accept_s": 10, "idle_s": 300, "send_s": 10}),
    (SITE, "conversation_limits", "limits", {"max_message_bytes": 65_536, "accept_s": 10, "idle_s": 300, "send_s": 10}),
]


@pytest.mark.parametrize(("config", "name", "option", "value"), EXACT, ids=[f"{name} {option}" for _, name, option, _ in EXACT])
def test_secure_defaults(config: Any, name: str, option: str, value: Any) -> None:
    assert options(config, name)[option] == value


@pytest.mark.parametrize(
    ("limit", "value"),
    [("header_lines", 128), ("header_bytes", 32_768), ("query_bytes", 16_384), ("body_bytes", 1_048_576), ("body_s", 30), ("body_min_rate", 500)],
)
def test_the_rest_are_the_limits_of_the_core(limit: str, value: Any) -> None:
    assert LIMITS[limit].default == value


# ---- how it is changed


@pytest.mark.parametrize(
    ("change", "name", "there"),
    [
        ({"csrf": None}, "wrap_csrf", False),
        ({"csrf": False}, "wrap_csrf", False),
        ({"cors": {"allow_origin": ["https://a.org"]}}, "wrap_cors", True),
        ({"cors": "https://a.org"}, "wrap_cors", True),
        ({"not_modified": True}, "wrap_not_modified", True),
        ({"proxy": 1}, "wrap_proxy", True),
        ({"proxy": ["10.0.0.0/8"]}, "wrap_proxy", True),
        ({"proxy": {"trusted": ["10.0.0.0/8"], "headers": ["forwarded"]}}, "wrap_proxy", True),
        ({"auth": by_user()}, "wrap_auth", True),
        ({"auth": [by_user(), lambda request: None]}, "wrap_auth", True),
        ({"auth": {"identify": by_user(), "default": True}}, "wrap_auth", True),
        ({"auth": basic(lambda user, password: None)}, "wrap_auth", True),
        ({"auth": lambda request: None}, "wrap_auth", True),
        ({"websocket": None}, "conversation_limits", False),
        ({"routes": None}, "wrap_routes", True),
        ({"errors": None, "debug": True}, "wrap_errors", False),
        ({"hosts": None}, "wrap_hosts", False),
        ({"session": None, "flash": None, "csrf": {"token": False}, "secure": False}, "wrap_session", False),
        ({"hosts": None, "debug": True}, "wrap_hosts", False),
        ({"security_headers": True}, "wrap_security_headers", True),
    ],
)
def test_a_part_is_turned_on_and_off(change: Any, name: str, there: bool) -> None:
    assert (name in names({**SITE, **change})) is there


def test_options_reach_the_parts() -> None:
    changed = {**SITE, "auth": {"identify": [by_user()], "default": True}, "proxy": 2, "routes": {"converters": {"hex": bytes.fromhex}}}
    assert options(changed, "wrap_auth")["default"] is True
    assert options(changed, "wrap_proxy")["trusted"] == 2
    assert options(changed, "wrap_routes")["converters"] == {"hex": bytes.fromhex}


@pytest.mark.parametrize(
    ("config", "kind", "error"),
    [
        ({**SITE, "sesion": {}}, ValueError, "wrap_defaults: there is no part 'sesion'; did you mean 'session'?"),
        ({**SITE, "zzz": {}}, ValueError, "wrap_defaults: there is no part 'zzz'; there are debug, secure, request_id, "),
        ({**SITE, "limits": {}}, ValueError, "wrap_defaults: there is no part 'limits'; limits of the app are build_server's own, limits={...}"),
        ({**SITE, "session": {"key": KEY}}, ValueError, "wrap_defaults: 'session' has no option 'key'; did you mean 'keys'?"),
        ({**SITE, "flash": {"zzz": 1}}, ValueError, "wrap_defaults: 'flash' has no option 'zzz'; there are none"),
        (site_defaults, ValueError, "wrap_defaults: 'hosts' is empty; name the hosts that you serve, like ['example.org'], or say 'debug': True"),
        ({**site_defaults, "hosts": ["a.org"]}, ValueError, "wrap_defaults: 'session': wrap_session: give either a store "),
        ({**SITE, "session": {"keys": ["short"]}}, ValueError, "wrap_defaults: 'session': cookie_store: "),
        ({**SITE, "hosts": ["a b"]}, ValueError, "wrap_defaults: 'hosts': wrap_hosts: "),
        ({**SITE, "cors": {"allow_credentials": True}}, ValueError, "wrap_defaults: 'cors': wrap_cors: allow_credentials with allow_origin '*' "),
        ({**SITE, "session": None}, ValueError, "wrap_defaults: 'flash' needs 'session'; turn 'session' on, or 'flash' off ('flash': None)"),
        ({**SITE, "session": None, "flash": None}, ValueError, "wrap_defaults: 'csrf' needs 'session'; turn 'session' on, or 'csrf' off ('csrf': None), "
                                                              "or its token ('token': False)"),
        ({**SITE, "debug": 1}, TypeError, "wrap_defaults: 'debug' must be True or False, not 1"),
        ({**SITE, "secure": "no"}, TypeError, "wrap_defaults: 'secure' must be True or False, not 'no'"),
        ({**SITE, "websocket": {"max_mesage_bytes": 1}}, ValueError, "wrap_defaults: 'websocket': conversations: no limit is named 'max_mesage_bytes'; "
                                                                     "did you mean 'max_message_bytes'?"),
        ({**SITE, "routes": {"encoded_slash": "maybe"}}, ValueError, "wrap_defaults: 'routes': wrap_routes: encoded_slash is 'reject' or 'decode', "),
        ({**SITE, "security_headers": {"x a": "b"}}, ValueError, "wrap_defaults: 'security_headers': a header's name must be "),
        ({**SITE, "auth": True}, TypeError, "wrap_defaults: 'auth': wrap_auth: missing a required argument: 'identify'"),
        ({**SITE, "proxy": {"trust": 1}}, ValueError, "wrap_defaults: 'proxy' has no option 'trust'; did you mean 'trusted'?"),
        ({**SITE, "static": True}, TypeError, "wrap_defaults: 'static': wrap_static: missing a required argument: 'static_folder'"),
    ],
)  # fmt: skip
def test_mistakes_are_found_at_the_start(config: Any, kind: type[Exception], error: str) -> None:
    with pytest.raises(kind) as caught:
        wrap_defaults(config, ROUTES)
    assert str(caught.value).startswith(error)


def test_a_wrong_table_of_routes_is_found_too() -> None:
    with pytest.raises(ValueError, match="^wrap_defaults: 'routes': routes: both rows match the same GET requests"):
        wrap_defaults(API, [("/", ["GET"], show), ("/", ["GET"], show)])


def test_a_part_that_is_off_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("multipart", "codec.multipart", "middlewares.multipart", "middlewares.rate_limit"):
        monkeypatch.delitem(sys.modules, f"shallot.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "multipart", None)
    monkeypatch.setitem(sys.modules, "limits", None)
    assert "wrap_json" in names(API)
    with pytest.raises(ImportError, match=r"shallot\[ratelimit\]"):
        wrap_defaults(SITE, ROUTES)
    with pytest.raises(ImportError, match="multipart"):
        wrap_defaults({**SITE, "rate_limit": None}, ROUTES)
    assert "wrap_csrf" in names({**SITE, "rate_limit": None, "multipart": None})


# ---- debug and secure


@pytest.mark.parametrize("change", [{"debug": True}, {"secure": False}], ids=str)
def test_without_https_the_cookie_is_one_that_comes_back(change: Any) -> None:
    config = {**SITE, **change}
    assert "wrap_https" not in names(config)
    assert options(config, "wrap_security_headers")["secure"] is False
    assert (options(config, "wrap_session")["cookie_name"], options(config, "wrap_session")["attributes"]) == ("session", {"secure": None})


def test_what_was_said_of_the_cookie_stays_without_https() -> None:
    said = {"cookie_name": "mine", "attributes": {"samesite": "strict"}, "keys": [KEY]}
    given = options({**SITE, "secure": False, "session": said}, "wrap_session")
    assert (given["cookie_name"], given["attributes"]) == ("mine", {"secure": None, "samesite": "strict"})
    bound = options({**SITE, "secure": False, "session": {"store": cookie_store(KEY, cookie_name="x"), "cookie_name": "x"}}, "wrap_session")
    assert bound["cookie_name"] == "x"


def test_debug_serves_this_machine() -> None:
    config = {**site_defaults, "debug": True, "session": {"store": memory_store()}}
    assert options(config, "wrap_hosts")["hosts"] == defaults.LOCAL_HOSTS
    assert options(config, "wrap_errors")["debug"] is True
    assert options({**config, "hosts": ["a.org"]}, "wrap_hosts")["hosts"] == ["a.org"]
    assert "debug-on" in [finding["id"] for finding in check(build(config))]


# ---- what it does


async def test_a_site() -> None:
    async with client(build(SITE), scheme="https", headers=HOST) as c:
        answer = await c.get("/")
        assert (answer["status"], answer["headers"]["x-frame-options"]) == (200, "SAMEORIGIN")
        assert answer["headers"]["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        assert len(answer["headers"]["x-request-id"]) == 32
        assert (await c.post("/login"))["status"] == 403
        answer = await c.post("/login", headers={"sec-fetch-site": "same-origin"})
        assert answer["headers"]["set-cookie"].startswith("__Host-session=")
        assert (await c.get("/", headers={"host": "evil.org"}))["status"] == 400
        assert (await c.get("/none"))["status"] == 404
        with pytest.raises(Denied) as denied:
            async with c.websocket("/echo", headers={"origin": "https://evil.org"}):
                pass
        assert denied.value.response["status"] == 403
        async with c.websocket("/echo", headers={"origin": "https://example.org"}) as ws:
            await ws.send("hi")
            assert await ws.expect() == "hi"
            assert ws.accepted["headers"]["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("config", "status"), [(API, 403), (SITE, 308), ({**SITE, "secure": False}, 200)], ids=["api", "site", "not secure"])
async def test_without_tls(config: Any, status: int) -> None:
    async with client(build(config), headers=HOST) as c:
        answer = await c.get("/")
        assert (answer["status"], "strict-transport-security" in answer["headers"]) == (status, status != 200)


@pytest.mark.parametrize(
    ("path", "limits"),
    [
        ("/echo", {"max_message_bytes": 65_536, "accept_s": 10, "idle_s": 300, "send_s": 10}),
        ("/small", {"max_message_bytes": 10, "accept_s": 10, "idle_s": 300, "send_s": 10}),
        ("/ticker", {"max_message_bytes": 5, "accept_s": 10, "send_s": 10}),
    ],
)
async def test_conversations_have_these_limits_unless_they_say_otherwise(path: str, limits: Any) -> None:
    seen: list[Any] = []

    def wrap_look(next_middleware: Any) -> Any:
        async def look(handler: Any, request: Any) -> Any:
            response = await next_middleware(handler, request)
            seen.append(response["websocket"]["limits"])
            return response

        return look

    async with client(build_server(apply_middleware(wrap_look)(wrap_defaults(SITE, ROUTES)(standard_not_found))), scheme="https", headers=HOST) as c:
        async with c.websocket(path, headers={"origin": "https://example.org"}):
            pass
    assert seen == [limits]


async def test_a_message_over_the_limit_ends_the_conversation() -> None:
    async with client(build(SITE), scheme="https", headers=HOST) as c, c.websocket("/echo", headers={"origin": "https://example.org"}) as ws:
        await ws.send("x" * 65_537)
        await ws.expect_close(1009)


async def test_G8_fifty_sockets_of_one_session() -> None:
    config = {**SITE, "connection_limit": {**SITE["connection_limit"], "max_per_client": 1}}
    async with client(build(config), scheme="https", headers={**HOST, "origin": "https://example.org"}) as c:
        await c.post("/login")
        async with c.websocket("/echo"):
            with pytest.raises(Denied) as denied:
                async with c.websocket("/echo"):
                    pass
            assert denied.value.response["status"] == 429
        async with c.websocket("/echo"):
            pass


def test_who_has_a_connection() -> None:
    assert by_session({}) is None
    assert by_session({"session": Session({})}) is None
    record: Record = {"id": "one", "version": 2, "created": 0, "seen": 0, "data": {}}
    assert by_session({"session": Session({}, "a key of a cookie", record)}) == "one"


async def test_all_of_it_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part is on, with a check between each two of them."""
    everything = {**SITE, "cors": ["https://a.org"], "compress": {}, "not_modified": {}, "head": {}, "timeout": {}, "accept": {}, "auth": by_user(), "proxy": 1}
    monkeypatch.setattr(defaults, "apply_middleware", lambda *layers: apply_middleware(*lint_layers(*layers)))
    async with client(
        build({**everything, "https": None}), scheme="https", headers={**HOST, "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https"}
    ) as c:
        for method, path, status in [
            ("GET", "/", 200),
            ("HEAD", "/", 200),
            ("OPTIONS", "/", 204),
            ("PUT", "/", 405),
            ("GET", "/none", 404),
            ("GET", "/echo", 426),
        ]:
            answer = await c.request(method, path, headers={"sec-fetch-site": "same-origin", "accept-encoding": "gzip"})
            assert (method, answer["status"]) == (method, status)
        assert (await c.post("/login", form={"a": "b"}, headers={"sec-fetch-site": "none"}))["status"] == 200
        async with c.websocket("/echo", headers={"origin": "https://example.org"}) as ws:
            await ws.send("hi")
            assert await ws.expect() == "hi"
