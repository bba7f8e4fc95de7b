from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import pytest

from shallot import build_server, templates
from shallot.middlewares import apply_middleware, url_for, wrap_routes
from shallot.templates import templates as read_templates
from shallot.testing import client

from .worlds import load_again


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "page.html": "{% extends 'base/layout.html' %}{% block body %}<p>{{ name }}</p>{% endblock %}",
        "base/layout.html": "<main>{% block body %}{% endblock %}</main>",
        "mail.txt": "Dear {{ name }}",
        "mail.txt.j2": "Dear {{ name }}",
        "feed.xml": "<f>{{ name }}</f>",
        "page.html.jinja": "<i>{{ name }}</i>",
        "plain": "no template",
        "vendor.js": "{{{ no template {%",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "body", "content_type"),
    [
        ("page.html", "<main><p>&lt;b&gt;Käse &amp; &#34;x&#34;</p></main>", "text/html; charset=utf-8"),
        ("page.html.jinja", "<i>&lt;b&gt;Käse &amp; &#34;x&#34;</i>", "text/html; charset=utf-8"),
        ("feed.xml", "<f>&lt;b&gt;Käse &amp; &#34;x&#34;</f>", "text/xml; charset=utf-8"),
        ("mail.txt", 'Dear <b>Käse & "x"', "text/plain; charset=utf-8"),
        ("mail.txt.j2", 'Dear <b>Käse & "x"', "text/plain; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_render(folder: Path, name: str, body: str, content_type: str, debug: bool) -> None:
    headers = {"content-type": content_type, "content-length": str(len(body.encode()))}
    assert read_templates(folder, debug=debug)(name, name='<b>Käse & "x"') == {"status": 200, "body": body.encode(), "headers": headers}


def test_status_and_headers(folder: Path) -> None:
    headers = {"Content-Type": "application/xhtml+xml", "x-a": ["1", "2"]}
    made = read_templates(folder)("page.html", 404, headers, name="")
    assert made == {"status": 404, "body": b"<main><p></p></main>", "headers": {**headers, "content-length": "20"}}


def test_a_name_without_a_value_is_an_error(folder: Path) -> None:
    with pytest.raises(jinja2.UndefinedError, match="'name' is undefined"):
        read_templates(folder)("page.html")


def test_globals_and_filters(folder: Path) -> None:
    async def show(request: Any, number: int) -> Any:
        return render("link.html", number=number)

    routes = [("/fruits/{number:int}", ["GET"], show, {"name": "fruit"})]
    (folder / "link.html").write_text("{{ url_for('fruit', number=number) | shout }}")
    render = read_templates(folder, globals={"url_for": partial(url_for, routes)}, filters={"shout": str.upper})
    assert render("link.html", number=7)["body"] == b"/FRUITS/7"  # type: ignore[typeddict-item]


@pytest.mark.parametrize("name", ["none.html", "../secret", "plain", "vendor.js", "/etc/passwd"])
def test_what_is_no_template(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("SECRET")
    with pytest.raises(LookupError, match=r"render: no template '.*' in .*; there are base/layout.html, feed.xml, .*page.html.jinja"):
        read_templates(folder)(name)
    if name != "plain" and name != "vendor.js":
        with pytest.raises(LookupError):
            read_templates(folder, debug=True)(name)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="there are none"):
        read_templates(tmp_path)("x.html")


def test_own_extensions(folder: Path) -> None:
    (folder / "style.css").write_text("a { color: {{ color }} }")
    made = read_templates(folder, extensions=["css"])("style.css", color="red")
    assert (made.get("body"), made.get("headers", {})["content-type"]) == (b"a { color: red }", "text/css; charset=utf-8")
    with pytest.raises(TypeError, match=r"templates: extensions must be a collection of them, not the str 'css'; write \['css'\]"):
        read_templates(folder, extensions="css")


def test_mistakes_are_found_at_the_start(folder: Path) -> None:
    with pytest.raises(NotADirectoryError, match=r"templates: no such folder: .*/none"):
        read_templates(folder / "none")
    (folder / "bad.html").write_text("one\n{% if %}")
    with pytest.raises(jinja2.TemplateSyntaxError, match="Expected an expression") as caught:
        read_templates(folder)
    assert (caught.value.name, caught.value.lineno) == ("bad.html", 2)


@pytest.mark.parametrize(("debug", "body"), [(False, b"<main><p>a</p></main>"), (True, b"<main>new a</main>")])
def test_changed_files_are_seen_in_debug_only(folder: Path, debug: bool, body: bytes) -> None:
    render = read_templates(folder, debug=debug)
    assert render("page.html", name="a").get("body") == b"<main><p>a</p></main>"
    (folder / "page.html").write_text("{% extends 'base/layout.html' %}{% block body %}new {{ name }}{% endblock %}")
    os.utime(folder / "page.html", (0, 0))
    assert render("page.html", name="a").get("body") == body


def test_rendering_does_not_look_at_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render = read_templates(folder)

    def refuse(*args: Any, **keywords: Any) -> Any:
        raise AssertionError("the disk was looked at")

    for name in ("stat", "open"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("builtins.open", refuse)
    made = render("page.html", name="a").get("body")
    monkeypatch.undo()
    assert made == b"<main><p>a</p></main>"


async def test_in_handlers_of_both_kinds(folder: Path) -> None:
    render = read_templates(folder)

    async def on_the_loop(request: Any) -> Any:
        return render("page.html", name="loop")

    def in_a_thread(request: Any) -> Any:
        return render("page.html", name="thread")

    async def sent_to_a_thread(request: Any) -> Any:
        return await request["run_in_thread"](render, "page.html", name="sent")

    routes = [("/a", ["GET"], on_the_loop), ("/b", ["GET"], in_a_thread), ("/c", ["GET"], sent_to_a_thread)]
    async with client(build_server(apply_middleware(wrap_routes(routes))(on_the_loop))) as c:
        bodies = [(await c.get(path))["body"] for path in ("/a", "/b", "/c")]
    assert bodies == [b"<main><p>loop</p></main>", b"<main><p>thread</p></main>", b"<main><p>sent</p></main>"]


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match=r"shallot.templates needs jinja2: pip install 'shallot\[templates\]'"):
        load_again(monkeypatch, templates, {"jinja2": None})
