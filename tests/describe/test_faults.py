"""A corpus of bad apps, each with its finding, and of good ones without."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket
from shallot.channels import memory_channels
from shallot.describe import check
from shallot.describe.rules import RULES
from shallot.middlewares import (
    apply_middleware,
    middleware_factory,
    wrap_access_log,
    wrap_auth,
    wrap_compress,
    wrap_connection_limit,
    wrap_cookies,
    wrap_cors,
    wrap_csrf,
    wrap_errors,
    wrap_flash,
    wrap_hosts,
    wrap_https,
    wrap_json,
    wrap_lint,
    wrap_origin,
    wrap_proxy,
    wrap_rate_limit,
    wrap_request_id,
    wrap_routes,
    wrap_security_headers,
    wrap_session,
    wrap_static,
)
from shallot.schemes import session as by_user
from shallot.sessions import memory_store


async def handler(request: Any) -> Any: ...


@websocket
async def talk(scope: Any, receiver: Any) -> Any:
    yield {}


KEY = token_urlsafe(32)
SESSION = wrap_session(keys=KEY)
GET, POST, WS = ("/g", ["GET"], handler), ("/p", ["POST", "GET"], handler), ("/w", ["WS"], talk)
GOOD = [wrap_security_headers(), wrap_hosts(["a.org"])]


def app(*layers: Any, **options: Any) -> Any:
    return build_server(apply_middleware(*layers)(standard_not_found), **options)


@middleware_factory
def wrap_page(*, debug: bool = False) -> Any:
    return lambda next_middleware: next_middleware


def with_data(row: Any, **data: Any) -> Any:
    return (*row, data)


BAD: list[tuple[str, list[Any], dict[str, Any], list[str]]] = [
    ("debug-on", [wrap_errors(debug=True)], {}, ["wrap_errors(debug=True)"]),
    ("debug-on", [wrap_routes([with_data(GET, middlewares=[wrap_page(debug=True)])])], {}, ["wrap_page(debug=True)"]),
    ("hosts-open", [wrap_hosts(["a.org", "*"])], {}, ["wrap_hosts(['*'])"]),
    ("hosts-missing", [], {}, ["the app"]),
    ("session-key-known", [wrap_session(keys=[KEY, "please-change-me-please-change-me!"])], {}, ["wrap_session, key 2"]),
    ("session-key-known", [wrap_session(keys=b"0123456789abcdefghijklmnopqrstuvwxyz")], {}, ["wrap_session, key 1"]),
    ("session-cookie-insecure", [wrap_session(keys=KEY, cookie_name="s", attributes={"secure": None})], {}, ["wrap_session(attributes={'secure': None})"]),
    ("session-cookie-open", [wrap_session(keys=KEY, attributes={"httponly": False})], {}, ["wrap_session(attributes={'httponly': None})"]),
    ("session-cookie-open", [wrap_session(keys=KEY, attributes={"samesite": "None"})], {}, ["wrap_session(attributes={'samesite': 'None'})"]),
    ("session-cookie-open", [wrap_session(keys=KEY, attributes={"samesite": None})], {}, ["wrap_session(attributes={'samesite': None})"]),
    ("session-in-memory", [wrap_session(memory_store())], {}, ["wrap_session(memory_store())"]),
    (
        "cors-wide-credentials",
        [wrap_cors(["https://a.org", "https://*.b.org"], allow_credentials=True)],
        {},
        ["wrap_cors('https://*.b.org', allow_credentials=True)"],
    ),
    ("cors-wide-credentials", [wrap_cors("https://*.b.org", allow_credentials=True)], {}, ["wrap_cors('https://*.b.org', allow_credentials=True)"]),
    ("ws-origin-missing", [SESSION, wrap_routes([GET, WS])], {}, ["route WS /w"]),
    ("ws-origin-missing", [wrap_cookies, wrap_routes([WS])], {}, ["route WS /w"]),
    ("ws-origin-missing", [wrap_routes([WS]), wrap_auth(by_user())], {}, ["route WS /w"]),
    ("ws-origin-missing", [wrap_routes([with_data(WS, middlewares=[SESSION])])], {}, ["route WS /w"]),
    ("ws-origin-open", [wrap_origin(["*"])], {}, ["wrap_origin(['*'])"]),
    ("ws-origin-open", [wrap_routes([with_data(WS, origins="*"), with_data(GET, origins="*")]), wrap_origin()], {}, ["route WS /w"]),
    ("csrf-off", [SESSION, wrap_routes([GET, POST])], {}, ["route POST, GET /p"]),
    ("csrf-off", [SESSION, wrap_routes([with_data(POST, csrf=False)]), wrap_csrf()], {}, ["route POST, GET /p"]),
    ("layer-order", [wrap_flash, SESSION], {}, ["wrap_flash stands outside of wrap_session"]),
    ("layer-order", [wrap_errors, wrap_access_log, wrap_request_id], {}, [
        "wrap_access_log stands outside of wrap_request_id", "wrap_errors stands outside of wrap_access_log", "wrap_errors stands outside of wrap_request_id",
    ]),
    ("layer-order", [wrap_hosts(["a.org"]), wrap_proxy(1)], {}, ["wrap_hosts stands outside of wrap_proxy"]),
    ("layer-order", [wrap_routes([GET, with_data(POST, middlewares=[SESSION])]), wrap_csrf], {}, ["wrap_csrf stands outside of wrap_session"]),
    ("layer-missing", [wrap_flash, wrap_routes([GET])], {}, ["the app: wrap_flash without wrap_session"]),
    ("layer-missing", [wrap_routes([GET, with_data(POST, middlewares=[wrap_flash])])], {}, ["route POST, GET /p: wrap_flash without wrap_session"]),
    ("body-unbounded", [], {"max_body_bytes": 2**30}, ["limits['body_bytes'] = 1073741824"]),
    ("body-unbounded", [], {"limits": {"stream_bytes": 2**40}}, ["limits['stream_bytes'] = 1099511627776"]),
    ("compress-with-session", [SESSION, wrap_compress(["gzip"])], {}, ["wrap_compress"]),
    ("security-headers-missing", [], {}, ["the app"]),
    ("https-missing", [SESSION], {}, ["the app"]),
    ("proxy-trusts-all", [wrap_proxy(["unix", "10.0.0.0/8", "0.0.0.0/0", "::/0"])], {}, ["wrap_proxy(['0.0.0.0/0'])", "wrap_proxy(['::/0'])"]),
    ("static-follows-links", [wrap_static(".", follow_symlinks=True)], {}, ["wrap_static(follow_symlinks=True)"]),
    ("rate-limit-in-memory", [wrap_rate_limit()], {}, ["wrap_rate_limit"]),
    ("channels-in-memory", [], {"resources": {"channels": memory_channels({}), "db": lambda config: None}}, ["resource 'channels'"]),
    ("sockets-unbounded", [wrap_routes([WS])], {}, ["the app"]),
    ("lint-on", [wrap_lint], {}, ["wrap_lint"]),
    ("server-flags", [wrap_routes([WS])], {}, ["the server"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "layers", "options", "where"), BAD, ids=[f"{number} {name}" for number, (name, *_) in enumerate(BAD)])
def test_a_bad_app_has_its_finding(name: str, layers: Any, options: Any, where: list[str]) -> None:
    assert [finding["where"] for finding in check(app(*layers, **options)) if finding["id"] == name] == where


@pytest.mark.parametrize(
    ("name", "layers", "options"),
    [
        ("debug-on", [wrap_errors, wrap_page], {}),
        ("hosts-open", [wrap_hosts(["a.org"])], {}),
        ("hosts-missing", [wrap_routes([with_data(GET, middlewares=[wrap_hosts(["a.org"])])])], {}),
        ("session-key-known", [wrap_session(keys=[KEY.encode()])], {}),
        ("session-key-known", [wrap_session(memory_store())], {}),
        ("session-cookie-insecure", [SESSION], {}),
        ("session-cookie-open", [wrap_session(keys=KEY, attributes={"samesite": "Strict"})], {}),
        ("session-in-memory", [SESSION], {}),
        ("cors-wide-credentials", [wrap_cors(["https://a.org"], allow_credentials=True)], {}),
        ("cors-wide-credentials", [wrap_cors("*")], {}),
        ("ws-origin-missing", [SESSION, wrap_routes([WS]), wrap_origin()], {}),
        ("ws-origin-missing", [SESSION, wrap_routes([GET, with_data(WS, middlewares=[wrap_origin()])])], {}),
        ("ws-origin-missing", [wrap_routes([WS])], {}),
        ("ws-origin-open", [wrap_routes([with_data(WS, origins=["https://a.org"])]), wrap_origin()], {}),
        ("csrf-off", [SESSION, wrap_routes([POST]), wrap_csrf], {}),
        ("csrf-off", [SESSION, wrap_routes([POST]), wrap_origin(unsafe_methods=True)], {}),
        ("csrf-off", [SESSION, wrap_routes([GET, WS])], {}),
        ("csrf-off", [wrap_routes([POST])], {}),
        ("layer-order", [wrap_request_id, wrap_access_log, wrap_errors, SESSION, wrap_flash], {}),
        ("layer-missing", [SESSION, wrap_flash, wrap_routes([with_data(GET, middlewares=[wrap_flash])])], {}),
        ("body-unbounded", [], {"max_body_bytes": 64 * 1024 * 1024}),
        ("compress-with-session", [wrap_compress(["gzip"])], {}),
        ("https-missing", [SESSION, wrap_https], {}),
        ("https-missing", [], {}),
        ("proxy-trusts-all", [wrap_proxy(2)], {}),
        ("static-follows-links", [wrap_static(".")], {}),
        ("rate-limit-in-memory", [wrap_rate_limit(None)], {}),
        ("rate-limit-in-memory", [wrap_rate_limit(store="rates")], {}),
        ("sockets-unbounded", [wrap_routes([WS]), wrap_connection_limit], {}),
        ("sockets-unbounded", [wrap_routes([GET])], {}),
        ("security-headers-missing", [wrap_security_headers], {}),
        ("lint-on", [wrap_json], {}),
        ("server-flags", [wrap_routes([GET])], {}),
    ],
)
def test_a_good_app_has_not(name: str, layers: Any, options: Any) -> None:
    assert [finding for finding in check(app(*layers, **options)) if finding["id"] == name] == []


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_its_bad_app(name: str) -> None:
    assert name in {bad for bad, *_ in BAD}
