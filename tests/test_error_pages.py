from __future__ import annotations

from typing import Any

import pytest

from shallot import error_pages
from shallot.error_pages import debug_page, error_page, is_local


def raised(function: Any) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("raised nothing")


@pytest.mark.parametrize(
    ("problem", "parts"),
    [
        ({"status": 404, "title": "Not Found"}, ["<title>404 Not Found</title>", "<h1>404 Not Found</h1></body>"]),
        ({"status": 400, "title": "<b>", "detail": '<script>"'}, ["<h1>400 &lt;b&gt;</h1>", "<p>&lt;script&gt;&quot;</p>"]),
        ({"status": 500, "title": "No", "trace": "a<b"}, ["<code>a&lt;b</code>"]),
        ({}, ["<h1></h1>"]),
    ],
)
def test_a_page(problem: Any, parts: list[str]) -> None:
    page = error_page(problem)
    assert [part for part in parts if part not in page] == []
    assert "<script>" not in page


def test_a_debug_page_shows_where() -> None:
    def inner() -> None:
        secret = "hun" + "ter2"
        raise KeyError(f"{secret}<script>")

    def outer() -> None:
        try:
            inner()
        except KeyError as error:
            raise ZeroDivisionError from error

    page = debug_page(raised(outer), {"status": 500, "trace": "t1"})
    assert "<h1>500 ZeroDivisionError</h1>" in page and "<code>t1</code>" in page
    assert "<h2>ZeroDivisionError</h2>" in page and "<h2>raised from KeyError</h2>" in page
    assert "in <code>inner</code>" in page and "in <code>outer</code>" in page
    assert "<mark>" in page and "raise KeyError(f&quot;{secret}&lt;script&gt;&quot;)</mark>" in page
    assert "<script>" not in page and "hunter2" not in page
    assert page.index("in <code>inner</code>") > page.index("in <code>outer</code>"), "the error itself first, its cause behind it"


def test_what_was_handled_meanwhile_and_what_was_silenced() -> None:
    def handling() -> None:
        try:
            raise KeyError
        except KeyError:
            raise ValueError  # noqa: B904

    def silenced() -> None:
        try:
            raise KeyError
        except KeyError:
            raise ValueError from None

    assert "raised while handling KeyError" in debug_page(raised(handling), {})
    assert debug_page(raised(silenced), {}).count("<h2>") == 1


def test_causes_in_a_circle_and_very_many() -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert debug_page(one, {}).count("<h2>") == 2
    last: BaseException = ValueError()
    for _ in range(100):
        following = ValueError()
        following.__cause__, last = last, following
    assert debug_page(last, {}).count("<h2>") == error_pages.MAX_CAUSES


def test_a_deep_traceback_is_cut() -> None:
    def down(depth: int) -> None:
        if depth:
            down(depth - 1)
        raise RuntimeError

    page = debug_page(raised(lambda: down(100)), {})
    assert page.count("<pre>") == error_pages.MAX_FRAMES
    assert "and 63 frames outside of these" in page


def test_source_that_is_not_there() -> None:
    assert "<pre></pre>" in debug_page(raised(lambda: exec("1 / 0", {})), {})


LOCAL = {"client": ("127.0.0.1", 5), "headers": {"host": "localhost:8000"}}
PROXIED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded", "via", "x-real-ip")


@pytest.mark.parametrize(
    "request_",
    [
        LOCAL,
        {**LOCAL, "client": ("127.8.9.1", 5)},
        {**LOCAL, "client": ("::1", 5)},
        {**LOCAL, "client": ("::ffff:127.0.0.1", 5)},
        {**LOCAL, "headers": {"host": "127.0.0.1"}},
        {**LOCAL, "headers": {"host": "[::1]:8000"}},
        {**LOCAL, "headers": {"host": "LocalHost"}},
    ],
)
def test_this_machine(request_: Any) -> None:
    assert is_local(request_)


@pytest.mark.parametrize(
    "request_",
    [
        {**LOCAL, "client": ("192.168.0.1", 5)},
        {**LOCAL, "client": ("::ffff:10.0.0.1", 5)},
        {**LOCAL, "client": None},
        {**LOCAL, "client": ("testclient", 5)},
        {"headers": LOCAL["headers"]},
        {**LOCAL, "headers": {}},
        {**LOCAL, "headers": {"host": "example.org"}},
        {**LOCAL, "headers": {"host": "localhost.example.org"}},
        {**LOCAL, "headers": {"host": "localhost:80@evil"}},
        {**LOCAL, "headers": {"host": "[::1"}},
        *({**LOCAL, "headers": {"host": "localhost", name: "203.0.113.7"}} for name in PROXIED),
    ],
)
def test_anybody_else(request_: Any) -> None:
    assert not is_local(request_)
