"""wrap_proxy: only those whom we trust are believed, and only what they wrote themselves."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot.compose import apply_middleware
from shallot.middlewares.proxy import proxy_options, proxy_request, wrap_proxy
from shallot.testing import request

PROXY, INNER, CLIENT = "10.0.0.1", "10.0.0.2", "192.0.2.1"
ALL = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
FORWARDED = ("forwarded",)


def asking(headers: Any, peer: str | None = PROXY, method: str = "GET") -> Any:
    return request(method, "/", headers={"host": "own.example", **headers}, client=None if peer is None else (peer, 5))


def seen(request: Any) -> Any:
    return request["client"] and request["client"][0], request["scheme"], request["headers"]["host"]


def xff(value: str, **others: str) -> Any:
    return {"x-forwarded-for": value, **{f"x-forwarded-{name}": text for name, text in others.items()}}


NETWORKS = ["10.0.0.0/8", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("trusted", "headers", "sent", "expected"),
    [
        pytest.param(1, ALL, xff(CLIENT, proto="https", host="a.example"), (CLIENT, "https", "a.example"), id="all three"),
        pytest.param(1, ALL[:2], xff(CLIENT, proto="https", host="evil.example"), (CLIENT, "https", "own.example"), id="the host is not read unasked"),
        pytest.param(1, ALL[1:2], xff("evil", proto="https"), (PROXY, "https", "own.example"), id="only the protocol"),
        pytest.param(1, ALL, {}, (PROXY, "http", "own.example"), id="nothing is told"),
        pytest.param(1, ALL, xff(f"evil, {CLIENT}"), (CLIENT, "http", "own.example"), id="what the client invents on the left"),
        pytest.param(2, ALL, xff(f"evil, {CLIENT}, {INNER}"), (CLIENT, "http", "own.example"), id="two proxies"),
        pytest.param(2, ALL, xff(f"{CLIENT},x", proto="evil, https, http", host="a.example"), (CLIENT, "https", "a.example"), id="each appends, or replaces"),
        pytest.param(NETWORKS, ALL, xff(f"evil, {CLIENT}"), (CLIENT, "http", "own.example"), id="networks: the first that is in none"),
        pytest.param(NETWORKS, ALL, xff(f"9.9.9.9, {CLIENT}, 2001:db8::7", proto="https, http"), (CLIENT, "https", "own.example"), id="networks: two proxies"),
        pytest.param(NETWORKS, ALL, xff(f"{CLIENT}:4711, ::ffff:10.9.9.9"), (CLIENT, "http", "own.example"), id="networks: IPv4 as IPv6, and a port"),
        pytest.param(NETWORKS, ALL, xff("10.1.1.1, 10.2.2.2"), ("10.1.1.1", "http", "own.example"), id="networks: a client of ours"),
        pytest.param(NETWORKS, ALL, xff("[2001:db9::1]:80"), ("2001:db9::1", "http", "own.example"), id="IPv6"),
        pytest.param(1, FORWARDED, {"forwarded": f'for=evil, for="{CLIENT}:80";proto=HTTPS;host=a.example'}, (CLIENT, "https", "a.example"), id="RFC 7239"),
        pytest.param(1, FORWARDED, {"forwarded": f'for="evil, for={CLIENT}'}, (CLIENT, "http", "own.example"), id="RFC 7239: quotes on the left"),
        pytest.param(2, FORWARDED, {"forwarded": f"for={CLIENT};proto=https, for={INNER};proto=http"}, (CLIENT, "https", "own.example"), id="RFC 7239: two"),
        pytest.param(
            NETWORKS, FORWARDED, {"forwarded": f"x, for={CLIENT};proto=https, for={INNER}"}, (CLIENT, "https", "own.example"), id="RFC 7239: networks"
        ),
        pytest.param(1, FORWARDED, xff(CLIENT), (PROXY, "http", "own.example"), id="RFC 7239 alone"),
        pytest.param(1, ALL, {"forwarded": f"for={CLIENT}"}, (PROXY, "http", "own.example"), id="the older ones alone"),
        pytest.param(1, ALL, {"x_forwarded_for": CLIENT, "x_forwarded_proto": "https"}, (PROXY, "http", "own.example"), id="A5: underscores are other names"),
    ],
)
async def test_who_asks(trusted: Any, headers: Any, sent: Any, expected: Any) -> None:
    async def handler(request: Any) -> Any:
        return {"status": 200, "seen": seen(request)}

    asked = asking(sent)
    given_headers = asked["headers"]
    before = dict(given_headers)
    answer: Any = await apply_middleware(wrap_proxy(trusted, headers=headers))(handler)(asked)
    assert answer["seen"] == expected
    assert given_headers == before


@pytest.mark.parametrize("sent", [xff("1.2.3.4, evil", proto="https", host="evil.example"), {"forwarded": "for=1.2.3.4;proto=https"}])
@pytest.mark.parametrize("peer", ["192.0.2.9", "11.0.0.1", "10.0.0.1.evil", "unix", "2001:db9::1"])
@pytest.mark.parametrize("headers", [ALL, FORWARDED])
def test_A4_forwarded_from_anybody(sent: Any, peer: str, headers: Any, caplog: pytest.LogCaptureFixture) -> None:
    options = proxy_options([*NETWORKS, "unix"], headers=headers)
    assert seen(proxy_request(asking(sent, peer), options)) == (peer, "http", "own.example")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("trusted", "headers", "sent", "said"),
    [
        pytest.param(NETWORKS, ALL, xff("1.2.3.4, evil", proto="https"), "expected an address, got 'evil'", id="no address"),
        pytest.param(NETWORKS, ALL, xff("evil, 10.9.9.9"), "expected an address, got 'evil'", id="no address before a proxy"),
        pytest.param(1, ALL, xff("", proto="https"), "expected an address, got ''", id="empty"),
        pytest.param(1, ALL, xff("unknown"), "expected an address, got 'unknown'", id="hidden"),
        pytest.param(1, ALL, xff("\x1b[31m" + "x" * 200), "expected an address, got '\\x1b[31m" + "x" * 75 + "'", id="controls, and long"),
        pytest.param(2, ALL, xff(CLIENT), "expected 2 addresses, as many as there are proxies, got '192.0.2.1'", id="too few"),
        pytest.param(1, ALL, xff(CLIENT, proto="ftp"), "expected the protocol http or https, got 'ftp'", id="another protocol"),
        pytest.param(3, ALL, xff("1.1.1.1,1.1.1.1,1.1.1.1", proto="a,b"), "expected one value, or one for each of 3 proxies, got 'a,b'", id="two of three"),
        pytest.param(1, ALL, xff(CLIENT, host="evil.example/x?"), "expected a host, got 'evil.example/x?'", id="no host"),
        pytest.param(1, FORWARDED, {"forwarded": "for=a;host=b;host=c"}, "malformed (RFC 7239 4): 'for=a;host=b;host=c'", id="RFC 7239: twice"),
        pytest.param(1, FORWARDED, {"forwarded": "proto=https"}, "expected an address, got ''", id="RFC 7239: nobody"),
        pytest.param(
            2, FORWARDED, {"forwarded": "for=1.1.1.1"}, "expected 2 addresses, as many as there are proxies, got 'for=1.1.1.1'", id="RFC 7239: too few"
        ),
        pytest.param(
            1,
            FORWARDED,
            {"forwarded": "for=1.1.1.1;host=a;proto=https;proto=http"},
            "malformed (RFC 7239 4): 'for=1.1.1.1;host=a;proto=https;proto=http'",
            id="RFC 7239: two protocols",
        ),
    ],
)
def test_A4_what_is_wrong_is_ignored_all_together(trusted: Any, headers: Any, sent: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    asked = proxy_request(asking(sent), proxy_options(trusted, headers=headers))
    assert seen(asked) == (PROXY, "http", "own.example")
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"what the proxy says is ignored: {said}"


@pytest.mark.parametrize(("proto", "scheme"), [("http", "ws"), ("https", "wss"), ("ws", "ws"), ("WSS", "wss")])
def test_the_scheme_of_a_websocket(proto: str, scheme: str) -> None:
    asked = proxy_request(asking(xff(CLIENT, proto=proto), method="WS"), proxy_options(1))
    assert (asked["scheme"], asked["client"]) == (scheme, (CLIENT, 0))


@pytest.mark.parametrize(
    ("trusted", "peer", "believed"),
    [(["unix"], None, True), (["unix"], "", True), (["10.0.0.0/8"], None, False), (["unix"], "10.0.0.1", False), (1, None, True), (1, "anybody", True)],
)
def test_a_unix_socket(trusted: Any, peer: str | None, believed: bool) -> None:
    asked = proxy_request(asking(xff(f"{CLIENT}:99"), peer), proxy_options(trusted))
    assert (asked["client"] == (CLIENT, 99)) is believed


INVENTED = some.lists(
    some.sampled_from([",", ";", "=", '"', "\\", " ", "for", "for=", "proto=http", "6.6.6.6", '"[::1]:80"', "_x", "unknown"])
    | some.text(some.characters(max_codepoint=255), max_size=3)
).map("".join)


@given(INVENTED, some.sampled_from([1, NETWORKS]))
def test_nothing_that_a_client_sends_changes_who_it_is(invented: str, trusted: Any) -> None:
    asked = proxy_request(asking(xff(f"{invented}, {CLIENT}")), proxy_options(trusted))
    assert asked["client"] == (CLIENT, 0)
    asked = proxy_request(asking({"forwarded": f"{invented}, for={CLIENT};proto=https"}), proxy_options(trusted, headers=FORWARDED))
    assert (asked["client"], asked["scheme"]) == ((CLIENT, 0), "https")


@pytest.mark.parametrize(
    ("trusted", "headers", "kind", "error"),
    [
        (0, ALL, ValueError, "trusted is the number of proxies in front of the app, at least 1, not 0"),
        (True, ALL, TypeError, "trusted must be the number of proxies, or a list of networks like ['10.0.0.0/8', 'unix'], not True"),
        ("10.0.0.1", ALL, TypeError, "trusted must be the number of proxies, or a list of networks like ['10.0.0.0/8', 'unix'], not '10.0.0.1'"),
        ([], ALL, TypeError, "trusted must be the number of proxies, or a list of networks like ['10.0.0.0/8', 'unix'], not []"),
        (["10.0.0.1/8"], ALL, ValueError, "trusted must list networks like '10.0.0.0/8', or 'unix': 10.0.0.1/8 has host bits set"),
        (["proxy"], ALL, ValueError, "trusted must list networks like '10.0.0.0/8', or 'unix': 'proxy' does not appear to be an IPv4 or IPv6 network"),
        (1, "forwarded", TypeError, "headers must be a collection of names, not the str 'forwarded'; write ['forwarded']"),
        (1, ["x-real-ip"], ValueError, "headers may name x-forwarded-for, x-forwarded-proto, x-forwarded-host, forwarded; not 'x-real-ip'"),
        (1, [], ValueError, "headers must name 'forwarded' alone, or x-forwarded ones: what your proxy does not write, the client may"),
        (1, ["forwarded", "x-forwarded-for"], ValueError, "headers must name 'forwarded' alone, or x-forwarded ones: what your proxy does not write, "),
    ],
)
def test_wrong_options_are_found_at_build_time(trusted: Any, headers: Any, kind: type[Exception], error: str) -> None:
    with pytest.raises(kind) as caught:
        wrap_proxy(trusted, headers=headers)
    assert str(caught.value).startswith(f"wrap_proxy: {error}")
