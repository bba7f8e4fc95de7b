"""wrap_https: without TLS nothing passes."""

from __future__ import annotations

from typing import Any

import pytest

from shallot.compose import apply_middleware
from shallot.middlewares.https import https_options, https_request, wrap_https
from shallot.testing import request


def of(path: str = "/", method: str = "GET", host: str | None = "example.org", **keys: Any) -> Any:
    return request(method, path, headers={} if host is None else {"host": host}, **keys)


async def status(asked: Any, **options: Any) -> int:
    async def handler(request: Any) -> Any:
        return {"status": 200}

    answer: Any = await apply_middleware(wrap_https(**options))(handler)(asked)
    return int(answer["status"])


@pytest.mark.parametrize(
    ("asked", "options", "expected"),
    [
        pytest.param(of(scheme="https"), {}, 200, id="https"),
        pytest.param(of(method="WS", scheme="wss"), {}, 200, id="wss"),
        pytest.param(of(), {}, 308, id="http"),
        pytest.param(of(method="POST"), {}, 308, id="a POST"),
        pytest.param(of(), {"redirect": False}, 403, id="http, of an API"),
        pytest.param(of(method="WS"), {}, 403, id="ws"),
        pytest.param(of(method="WS"), {"redirect": False}, 403, id="ws, of an API"),
        pytest.param(of(host=None), {}, 403, id="no host to redirect to"),
        pytest.param(of(host="a@b"), {}, 403, id="a host that is none"),
        pytest.param({"path": "/", "headers": {"host": "a"}, "type": "http"}, {}, 308, id="no scheme, which ASGI takes for http"),
        pytest.param(of("/health"), {"except_paths": ["/health"]}, 200, id="a path excepted"),
        pytest.param(of("/health/x"), {"except_paths": ["/health"]}, 308, id="below a path excepted"),
    ],
)
async def test_who_passes(asked: Any, options: Any, expected: int) -> None:
    assert await status(asked, **options) == expected


@pytest.mark.parametrize(
    ("host", "peer", "passes"),
    [
        ("localhost:8000", "127.0.0.1", True),
        ("LOCALHOST", "127.0.0.2", True),
        ("[::1]:8000", "::1", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("example.org", "127.0.0.1", False),
        ("localhost", "192.0.2.1", False),
        ("127.0.0.1.evil.example", "127.0.0.1", False),
        ("192.0.2.1", "127.0.0.1", False),
        ("a b", "127.0.0.1", False),
        ("localhost", "testclient", False),
        ("localhost", None, False),
    ],
)
async def test_this_machine_may_be_let_through(host: str, peer: str | None, passes: bool) -> None:
    asked = of(host=host, client=None if peer is None else (peer, 5))
    assert (await status(asked, loopback=True) == 200) is passes
    assert await status(asked) != 200


@pytest.mark.parametrize(
    ("asked", "port", "location"),
    [
        pytest.param(of("/a/b?c=d&e=%20f"), 443, "https://example.org/a/b?c=d&e=%20f", id="all of it"),
        pytest.param(of("/a", host="Example.org:8000"), 443, "https://example.org/a", id="without its port"),
        pytest.param(of("/a", host="[::1]:8000"), 8443, "https://[::1]:8443/a", id="another port"),
        pytest.param(of("/a%2Fb"), 443, "https://example.org/a%2Fb", id="an encoded slash stays"),
        pytest.param(of("/k%C3%A4se"), 443, "https://example.org/k%C3%A4se", id="no ASCII"),
        pytest.param({**of("/"), "raw_path": None, "path": "/käse%"}, 443, "https://example.org/k%C3%A4se%25", id="a server without raw_path"),
        pytest.param({**of("/"), "raw_path": b"%2Fx", "path": "/x"}, 443, "https://example.org/x", id="a raw path without its slash"),
        pytest.param({**of("/"), "raw_path": b"/x\r\ny: z?q"}, 443, "https://example.org/x%0D%0Ay:%20z", id="line breaks"),
        pytest.param({**of("/"), "query_string": b'a="\xff\n#'}, 443, "https://example.org/?a=%22%FF%0A%23", id="an odd query"),
    ],
)
def test_where_it_sends(asked: Any, port: int, location: str) -> None:
    answer: Any = https_request(asked, https_options(port=port))
    assert answer["headers"] == {"location": location, "content-length": "0"}


@pytest.mark.parametrize("path", ["//evil.com/", "/\\evil.com/", "/%5Cevil.com/", "///", "/%2F/evil.com", "//evil.com:80/@x"])
def test_B7_the_redirect_stays_on_its_host(path: str) -> None:
    for asked in ({**of("/"), "path": path, "raw_path": path.encode()}, {**of("/"), "path": path}):
        answer: Any = https_request(asked, https_options())
        assert answer["headers"]["location"].startswith("https://example.org/")
        assert "\\" not in answer["headers"]["location"]


@pytest.mark.parametrize(
    ("options", "kind", "error"),
    [
        ({"port": 0}, ValueError, "port must be 1 to 65535, not 0"),
        ({"port": 65536}, ValueError, "port must be 1 to 65535, not 65536"),
        ({"except_paths": "/a"}, TypeError, "except_paths must be a collection of paths, not the str '/a'; write ['/a']"),
        ({"except_paths": ["a"]}, ValueError, "except_paths are paths that begin with '/', not 'a'"),
    ],
)
def test_wrong_options_are_found_at_build_time(options: Any, kind: type[Exception], error: str) -> None:
    with pytest.raises(kind) as caught:
        wrap_https(**options)
    assert str(caught.value) == f"wrap_https: {error}"
