from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot import build_server, standard_not_found
from shallot.codec.dates import format_date
from shallot.compose import apply_middleware
from shallot.files import CHUNK_BYTES
from shallot.middlewares import static
from shallot.middlewares.content_type import wrap_content_type
from shallot.middlewares.static import static_request, static_response, wrap_static
from shallot.testing import client

PASSED_ON = {"status": 218, "body": b"passed on"}
SECOND = 1_000_000_000
MODIFIED = 1_700_000_000


async def next_handler(request: Any) -> Any:
    return PASSED_ON


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """``static`` is served; all beside it is secret."""
    files = {
        "static/a.css": b"a {}",
        "static/empty.txt": b"",
        "static/plain": b"0123456789",
        "static/index.html": b"<p>front",
        "static/sub/index.html": b"<p>sub",
        "static/sub/deep/b.txt": b"deep",
        "static/k\u00e4se b.txt": b"cheese",
        "static/%2e%2e": b"percent",
        "static/.env": b"SECRET",
        "static/.git/config": b"SECRET",
        "static/.well-known/security.txt": b"contact",
        "static-secret/x": b"SECRET",
        "static1.txt": b"SECRET",
        "secret.txt": b"SECRET",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(MODIFIED * SECOND, MODIFIED * SECOND))
    return tmp_path


def build(root: Path, **options: Any) -> Any:
    return apply_middleware(wrap_static("/static", str(root), **options))(next_handler)


async def ask(root: Path, path: str, method: str = "GET", headers: dict[str, str] | None = None, request: Any = None, **options: Any) -> Any:
    """The response, with its ``stream`` read into ``sent`` and closed."""
    response: Any = await build(root, **options)({"type": "http", "method": method, "path": path, "headers": headers or {}, **(request or {})})
    if "stream" in response:
        sent = b"".join([chunk async for chunk in response["stream"]])
        await response["stream"].aclose()
        return {**response, "sent": sent}
    return response


# ---- what is served


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a.css", b"a {}"),
        ("/plain", b"0123456789"),
        ("/sub/deep/b.txt", b"deep"),
        ("/k\u00e4se b.txt", b"cheese"),
        ("/%2e%2e", b"percent"),
        ("/.well-known/security.txt", b"contact"),
    ],
)
async def test_files_below_the_folder(root: Path, path: str, sent: bytes) -> None:
    response = await ask(root, path)
    assert (response["status"], response["body"], response["sent"]) == (200, b"", sent)
    assert response["headers"] == {
        "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "etag": f'"{MODIFIED * SECOND:x}-{len(sent):x}"',
        "accept-ranges": "bytes",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "content-length": str(len(sent)),
    }


async def test_an_empty_file(root: Path) -> None:
    response = await ask(root, "/empty.txt")
    assert (response["status"], response["body"], response["headers"]["content-length"], "stream" in response) == (200, b"", "0", False)


async def test_a_large_file_comes_in_chunks(root: Path) -> None:
    content = os.urandom(3 * CHUNK_BYTES + 1)
    (root / "static/large").write_bytes(content)
    response = await build(root)({"method": "GET", "path": "/large"})
    chunks = [chunk async for chunk in response["stream"]]
    assert ([len(chunk) for chunk in chunks], b"".join(chunks) == content) == ([CHUNK_BYTES] * 3 + [1], True)


@pytest.mark.parametrize("path", ["/a.css", "/empty.txt"])
async def test_head_is_get_without_the_bytes(root: Path, path: str) -> None:
    head, get = await ask(root, path, "HEAD"), await ask(root, path)
    assert (head["status"], head["headers"], head["body"], "stream" in head) == (200, get["headers"], b"", False)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "WS", "get"])
@pytest.mark.parametrize("path", ["/a.css", "/../secret.txt"])
async def test_other_methods_and_websockets_go_on(root: Path, method: str, path: str) -> None:
    assert await ask(root, path, method) is PASSED_ON


async def test_as_in_the_earlier_documentation(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    app = apply_middleware(wrap_content_type(), wrap_static("./static"))(next_handler)
    response = await app({"method": "GET", "path": "/a.css"})
    assert (response["headers"]["content-type"], [chunk async for chunk in response["stream"]]) == ("text/css", [b"a {}"])


@pytest.mark.parametrize(("value", "sent"), [("public, max-age=60", "public, max-age=60"), (None, None)])
async def test_cache_control(root: Path, value: str | None, sent: str | None) -> None:
    answers = [await ask(root, "/a.css", headers=headers, cache_control=value) for headers in ({}, {"if-none-match": "*"})]
    assert [(answer["status"], answer["headers"].get("cache-control")) for answer in answers] == [(200, sent), (304, sent)]


# ---- which folder


def test_a_folder_that_does_not_exist_is_told_at_once(root: Path) -> None:
    with pytest.raises(NotADirectoryError, match=r"wrap_static: no such folder: .*/none or /none; static_folder is taken below root_path="):
        wrap_static("/none", str(root))
    with pytest.raises(NotADirectoryError, match=r"static1\.txt"):
        wrap_static("static1.txt", str(root))


@pytest.mark.parametrize("spelling", ["static", "./static", "/static", "//static", "static/", "/static/", "sub/../static"])
async def test_spellings_of_the_folder(root: Path, spelling: str) -> None:
    app = apply_middleware(wrap_static(spelling, str(root)))(next_handler)
    assert (await app({"method": "HEAD", "path": "/a.css"}))["status"] == 200


async def test_paths_may_be_path_objects(root: Path) -> None:
    assert wrap_static(Path(root.name), root_path=root.parent).spec["options"]["root_path"] == root.parent


async def test_an_absolute_folder_that_is_not_below_the_root_path(root: Path) -> None:
    app = apply_middleware(wrap_static(str(root / "static")))(next_handler)
    assert (await app({"method": "HEAD", "path": "/a.css"}))["status"] == 200


async def test_a_folder_that_vanished_has_no_files(root: Path) -> None:
    app = build(root)
    (root / "static").rename(root / "moved")
    assert await app({"method": "GET", "path": "/a.css"}) is PASSED_ON


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"prefix": "assets"}, "prefix must begin with '/', got 'assets'"),
        ({"index": ""}, "index must be one plain file name, got ''"),
        ({"index": "a/b"}, "index must be one plain file name, got 'a/b'"),
        ({"index": "../x"}, "index must be one plain file name, got '../x'"),
    ],
    ids=repr,
)
def test_options_are_checked_when_it_is_built(root: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        wrap_static("static", str(root), **options)


# ---- prefix and index


@pytest.mark.parametrize("prefix", ["/assets", "/assets/"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/assets/a.css", 200),
        ("/a.css", 218),
        ("/assetsa.css", 218),
        ("/assets", 218),
        ("/assets/", 218),
        ("/assets/../x", 404),
        ("/other/../x", 218),
        ("/others/a.css", 218),
        ("/assets//a.css", 218),
    ],
)
async def test_prefix(root: Path, prefix: str, path: str, status: int) -> None:
    assert (await ask(root, path, prefix=prefix))["status"] == status


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/", b"<p>front"),
        ("/sub/", b"<p>sub"),
        ("/index.html", b"<p>front"),
        ("/sub", None),
        ("/sub/deep/", None),
        ("//", None),
        ("/a.css/", None),
        ("/.git/", None),
    ],
)
async def test_index(root: Path, path: str, sent: bytes | None) -> None:
    assert (await ask(root, path, index="index.html")).get("sent") == sent


async def test_no_index_unless_asked(root: Path) -> None:
    assert await ask(root, "/") is PASSED_ON


async def test_the_index_has_the_type_that_its_path_does_not_tell(root: Path) -> None:
    (root / "static/START").write_bytes(b"x")
    answers = [await ask(root, path, index=index) for path, index in [("/", "index.html"), ("/index.html", "index.html"), ("/", "START")]]
    assert [answer["headers"].get("content-type") for answer in answers] == ["text/html", None, "application/octet-stream"]


@pytest.mark.parametrize(
    ("headers", "status", "content_type"),
    [({"if-none-match": "*"}, 304, None), ({"if-match": '"x"'}, 412, "application/problem+json"), ({"range": "bytes=99-"}, 416, "application/problem+json")],
)
async def test_the_type_of_the_index_is_not_the_type_of_a_refusal(root: Path, headers: dict[str, str], status: int, content_type: str | None) -> None:
    response = await ask(root, "/", headers=headers, index="index.html")
    assert (response["status"], response["headers"].get("content-type")) == (status, content_type)


# ---- what is never served


class Spied(AssertionError):
    """The disk was looked at."""


@contextmanager
def no_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*args: Any, **keywords: Any) -> Any:
        raise Spied(args)

    with monkeypatch.context() as patched:
        for name in ("stat", "open", "lstat", "scandir"):
            patched.setattr(static.os, name, refuse)
        yield


TRAVERSALS = [
    *("/../secret.txt", "/..", "/sub/..", "/sub/../a.css", "/../static/a.css", "/../static-secret/x", "/a.css../"),
    *("/a.css/../", "//../secret.txt", "/..//secret.txt"),
    *("/sub/../../secret.txt", "/../../../../../../etc/passwd", "/%2e%2e/../secret.txt", "/....//secret.txt", "/../", "/.../../x"),
]
HOSTILE = [
    *("//etc/passwd", "//a.css", "/sub//deep/b.txt", "/./a.css", "/sub/./index.html"),
    *("/..\\secret.txt", "/\\..\\secret.txt", "/sub\\index.html", "/..;/secret.txt"),
    *("/C:/x", "/a.css:stream", "/a.css::$DATA", "/\\\\host\\share\\x", "/con", "/nul.txt", "/COM¹"),
    *("/a.css.", "/a.css ", "/sub./index.html", "/a.css\0", "/a.css\0.png", "/\ud800"),
    *("/.env", "/.git/config", "/sub/.x/y", "/.well-known/.x", "/", "", "/sub/"),
]
MISSING = [
    "/none",
    "/sub",
    "/sub/none/x",
    "/a.css/x",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/%252e%252e%252fsecret.txt",
    "/-secret/x",
    "/1.txt",
    "/" + "x" * 300,
    "/" + "y/" * 3000 + "z",
]


@pytest.mark.parametrize("path", TRAVERSALS, ids=ascii)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_C1_traversal_is_404(root: Path, path: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = build(root, index="index.html")
    with no_disk(monkeypatch):
        response = await app({"method": method, "path": path})
    assert (response["status"], response["body"]) == (404, b"Not Found")


@pytest.mark.parametrize("path", HOSTILE, ids=ascii)
async def test_C3_C10_hostile_and_hidden_names_cost_no_look_at_the_disk(root: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = build(root)
    with no_disk(monkeypatch):
        assert await app({"method": "GET", "path": path}) is PASSED_ON


async def test_the_spy_sees(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = build(root)
    with no_disk(monkeypatch), pytest.raises(Spied):
        await app({"method": "GET", "path": "/none"})


@pytest.mark.parametrize("follow_symlinks", [False, True])
@pytest.mark.parametrize("path", MISSING, ids=lambda path: path[:30])
async def test_C1_C2_C8_what_is_not_there_goes_on(root: Path, path: str, follow_symlinks: bool) -> None:
    assert await ask(root, path, follow_symlinks=follow_symlinks) is PASSED_ON


STEPS = st.sampled_from(["..", "..", "", ".", "static", "%2e%2e", "..\\", "\0", "a"]) | st.text(max_size=2)


@given(st.builds(lambda steps, name: "/".join([*steps, name]), st.lists(STEPS, max_size=4), st.sampled_from(["s", "a", ".s", "static2"]) | STEPS))
async def test_no_path_leads_to_a_secret(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    base = tmp_path_factory.getbasetemp() / "fuzzed"
    (base / "static").mkdir(parents=True, exist_ok=True)
    for name in ("s", "a", "static/.s", "static2"):
        (base / name).write_bytes(b"SECRET")
    assert b"SECRET" not in (await ask(base, "/" + path)).get("sent", b"")


# ---- links and special files


@pytest.fixture
def linked(root: Path) -> Path:
    (root / "static/out.txt").symlink_to(root / "secret.txt")
    (root / "static/in.css").symlink_to("a.css")
    (root / "static/outdir").symlink_to(root / "static-secret")
    (root / "static/loop").symlink_to("loop")
    (root / "static/app.js.gz").symlink_to(root / "secret.txt")
    return root


LINKS = {"/out.txt": b"SECRET", "/in.css": b"a {}", "/outdir/x": b"SECRET", "/loop": None, "/loop/x": None, "/app.js.gz": b"SECRET"}
"""Path -> what following it leads to."""


@pytest.mark.parametrize("path", LINKS)
async def test_C4_links_are_not_followed(linked: Path, path: str) -> None:
    assert await ask(linked, path) is PASSED_ON


@pytest.mark.parametrize(("path", "sent"), LINKS.items())
async def test_links_are_followed_on_demand(linked: Path, path: str, sent: bytes | None) -> None:
    assert (await ask(linked, path, follow_symlinks=True)).get("sent") == sent


@pytest.mark.parametrize("path", [*LINKS, "/a.css", "/sub/deep/b.txt", "/none"])
async def test_the_same_without_descriptors_of_folders(linked: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    here = await ask(linked, path)
    monkeypatch.setattr(os, "supports_dir_fd", set())
    assert (await ask(linked, path)).get("sent") == here.get("sent")


async def test_the_folder_itself_may_be_a_link(root: Path) -> None:
    (root / "current").symlink_to("static")
    app = apply_middleware(wrap_static("current", str(root)))(next_handler)
    assert (await app({"method": "HEAD", "path": "/sub/index.html"}))["status"] == 200


@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_C8_a_pipe_is_never_opened(root: Path, follow_symlinks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "static/pipe")
    opened, real = [], os.open
    monkeypatch.setattr(static.os, "open", lambda path, *args, **keywords: (opened.append(str(path)), real(path, *args, **keywords))[1])
    assert await asyncio.wait_for(ask(root, "/pipe", follow_symlinks=follow_symlinks), 10) is PASSED_ON
    assert [path for path in opened if path.endswith("pipe")] == []


async def test_what_became_a_pipe_between_looking_and_opening_is_closed_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "static/pipe")
    regular = os.stat(root / "secret.txt")
    app = build(root)
    monkeypatch.setattr(static.os, "stat", lambda *args, **keywords: regular)
    assert await asyncio.wait_for(app({"method": "GET", "path": "/pipe"}), 10) is PASSED_ON


async def test_what_became_a_link_between_looking_and_opening_is_not_followed(linked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    regular = os.stat(linked / "secret.txt")
    app = build(linked)
    monkeypatch.setattr(static.os, "stat", lambda *args, **keywords: regular)
    assert await asyncio.wait_for(app({"method": "GET", "path": "/out.txt"}), 10) is PASSED_ON


async def test_C4_swapping_a_file_for_a_link_leaks_nothing(root: Path) -> None:
    """A thread swaps file and link 10,000 times; it is joined before the test ends."""
    target, coded, swaps = root / "static/swapped", root / "static/swap.gz", 0

    def swap() -> None:
        nonlocal swaps
        while swaps < 10_000:
            for source in (root / "secret.txt", None):
                fresh = root / "fresh"
                fresh.unlink(missing_ok=True)
                if source is None:
                    fresh.write_bytes(b"public")
                else:
                    fresh.symlink_to(source)
                fresh.replace(target if swaps % 3 else coded)
                swaps += 1

    app, seen = build(root, precompressed=True), set()
    (root / "static/swap").write_bytes(b"original")
    os.utime(root / "static/swap", (0, 0))
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        while thread.is_alive():
            for path in ("/swapped", "/swap.gz", "/swap"):
                response = await app({"method": "GET", "path": path, "headers": {"accept-encoding": "gzip"}})
                if "stream" in response:
                    seen.add(b"".join([chunk async for chunk in response["stream"]]))
    finally:
        swaps = 10_000
        thread.join(10)
    assert seen == {b"public", b"original"}


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR])
async def test_what_may_not_be_read_is_not_there(root: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static.os, "open", raising(number))
    assert await ask(root, "/a.css") is PASSED_ON


async def test_a_failing_disk_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static.os, "open", raising(errno.EIO))
    with pytest.raises(OSError, match="planted"):
        await ask(root, "/a.css")


async def test_a_failing_disk_halfway_leaves_nothing_open(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static.os, "lseek", raising(errno.EIO))
    with pytest.raises(OSError, match="planted"):
        await ask(root, "/a.css")


def raising(number: int) -> Any:
    def fail(*args: Any, **keywords: Any) -> Any:
        raise OSError(number, "planted")

    return fail


# ---- threads, descriptors, changes


async def test_C11_all_work_on_the_disk_is_done_in_the_threads_of_the_app(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "static/large").write_bytes(bytes(2 * CHUNK_BYTES))
    loop, visits, here = threading.get_ident(), [], set()

    async def run_in_thread(function: Any, /, *args: Any, **keywords: Any) -> Any:
        visits.append(function)
        return await asyncio.to_thread(function, *args, **keywords)

    app = build(root)
    for name in ("open", "stat", "fstat", "lseek", "read"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real, **keywords: (here.add(threading.get_ident()), real(*args, **keywords))[1])
    response = await app({"method": "GET", "path": "/large", "run_in_thread": run_in_thread})
    assert len([chunk async for chunk in response["stream"]]) == 2
    assert loop not in here
    assert (len(visits), bool(here)) == (2, True)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("closed", [False, True], ids=["dropped", "closed"])
async def test_C12_a_download_that_was_left_holds_nothing(root: Path, begun: bool, closed: bool) -> None:
    (root / "static/large").write_bytes(bytes(3 * CHUNK_BYTES))
    app = build(root)
    for _ in range(2_500):  # four times
        response: Any = await app({"method": "GET", "path": "/large"})
        if begun:
            await anext(response["stream"])
        if closed:
            await response["stream"].aclose()
    del response
    await asyncio.get_running_loop().shutdown_default_executor()  # a thread lets go of its last result a moment later
    assert [name for name in map(descriptor_of, os.listdir("/proc/self/fd")) if name.endswith("static/large")] == []


def descriptor_of(number: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:
        return ""


async def test_a_file_that_is_replaced_meanwhile_is_sent_as_it_was(root: Path) -> None:
    path = root / "static/large"
    path.write_bytes(b"a" * 3 * CHUNK_BYTES)
    response: Any = await build(root)({"method": "GET", "path": "/large"})
    (root / "new").write_bytes(b"b")
    (root / "new").replace(path)
    assert b"".join([chunk async for chunk in response["stream"]]) == b"a" * 3 * CHUNK_BYTES


async def test_C7_a_file_that_is_cut_meanwhile_is_an_error(root: Path) -> None:
    path = root / "static/large"
    path.write_bytes(bytes(3 * CHUNK_BYTES))
    response: Any = await build(root)({"method": "GET", "path": "/large"})
    os.truncate(path, 2 * CHUNK_BYTES)
    with pytest.raises(OSError, match="became shorter"):
        _ = [chunk async for chunk in response["stream"]]
    await response["stream"].aclose()


# ---- the server sends it itself

OFFERED = {"extensions": {"http.response.pathsend": {}}}


@pytest.mark.parametrize(
    ("size", "method", "headers", "request_", "options", "by_path"),
    [
        (CHUNK_BYTES + 1, "GET", {}, OFFERED, {"follow_symlinks": True}, True),
        (CHUNK_BYTES, "GET", {}, OFFERED, {"follow_symlinks": True}, False),
        (CHUNK_BYTES + 1, "HEAD", {}, OFFERED, {"follow_symlinks": True}, False),
        (2 * CHUNK_BYTES, "GET", {"range": "bytes=1-"}, OFFERED, {"follow_symlinks": True}, False),
        (CHUNK_BYTES + 1, "GET", {}, {"extensions": {}}, {"follow_symlinks": True}, False),
        (CHUNK_BYTES + 1, "GET", {}, {"extensions": None}, {"follow_symlinks": True}, False),
        (CHUNK_BYTES + 1, "GET", {}, {}, {"follow_symlinks": True}, False),
        (CHUNK_BYTES + 1, "GET", {}, OFFERED, {}, False),
    ],
    ids=repr,
)
async def test_pathsend(root: Path, size: int, method: str, headers: Any, request_: Any, options: Any, by_path: bool) -> None:
    (root / "static/large").write_bytes(bytes(size))
    response = await ask(root, "/large", method, headers, request_, **options)
    assert ("file" in response) is by_path
    if by_path:
        assert (response["status"], response["file"], response["headers"]["content-length"], set(response)) == (
            200,
            str(root / "static/large"),
            str(size),
            {"status", "headers", "file"},
        )


# ---- conditions and ranges

ETAG = f'"{MODIFIED * SECOND:x}-a"'
DATE, EARLIER, LATER = (format_date(MODIFIED + shift) for shift in (0, -60, 60))


@pytest.mark.parametrize(
    ("headers", "status", "sent"),
    [
        ({"if-none-match": ETAG}, 304, None),
        ({"if-none-match": f'"x", W/{ETAG}'}, 304, None),
        ({"if-none-match": "*"}, 304, None),
        ({"if-none-match": '"x"'}, 200, b"0123456789"),
        ({"if-none-match": '"x"', "if-modified-since": DATE}, 200, b"0123456789"),
        ({"if-modified-since": DATE}, 304, None),
        ({"if-modified-since": LATER}, 304, None),
        ({"if-modified-since": EARLIER}, 200, b"0123456789"),
        ({"if-match": ETAG}, 200, b"0123456789"),
        ({"if-match": '"x"'}, 412, None),
        ({"if-unmodified-since": EARLIER}, 412, None),
        ({"range": "bytes=2-4"}, 206, b"234"),
        ({"range": "bytes=-1"}, 206, b"9"),
        ({"range": "bytes=0-"}, 206, b"0123456789"),
        ({"range": "bytes=10-"}, 416, None),
        ({"range": "bytes=0-,0-"}, 200, b"0123456789"),
        ({"range": "bytes=" + "0-0," * 17}, 200, b"0123456789"),
        ({"range": "bytes=5-2"}, 200, b"0123456789"),
        ({"range": "bytes=-99999999999999999999"}, 200, b"0123456789"),
        ({"range": "bytes=-0"}, 416, None),
        ({"range": "bytes=12-,10-11"}, 416, None),
        ({"range": "bytes=3-4,99-"}, 206, b"34"),
        ({"range": "bytes=" + "0-," * 10_000}, 200, b"0123456789"),
        ({"range": "items=0-1"}, 200, b"0123456789"),
        ({"range": "bytes=2-4", "if-range": ETAG}, 206, b"234"),
        ({"range": "bytes=2-4", "if-range": DATE}, 206, b"234"),
        ({"range": "bytes=2-4", "if-range": '"x"'}, 200, b"0123456789"),
        ({"range": "bytes=10-", "if-range": '"x"'}, 200, b"0123456789"),
        ({"range": "bytes=2-4", "if-none-match": ETAG}, 304, None),
        ({"range": "bytes=2-4", "if-match": '"x"'}, 412, None),
        ({"if-range": ETAG}, 200, b"0123456789"),
    ],
    ids=lambda value: " ".join(f"{k}={v[:40]}" for k, v in value.items()) if isinstance(value, dict) else None,
)
async def test_C5_C6_conditions_and_ranges(root: Path, headers: dict[str, str], status: int, sent: bytes | None) -> None:
    response = await ask(root, "/plain", headers=headers)
    assert (response["status"], response.get("sent")) == (status, sent)
    assert int(response["headers"].get("content-length", 0)) == len(sent if sent is not None else response["body"])


async def test_not_modified_says_what_may_be_kept(root: Path) -> None:
    response = await ask(root, "/plain", headers={"if-none-match": ETAG})
    assert response == {"status": 304, "body": b"", "headers": {"last-modified": DATE, "etag": ETAG, "accept-ranges": "bytes", "cache-control": "no-cache"}}


@pytest.mark.parametrize(("text", "expected"), [("bytes=2-4", "bytes 2-4/10"), ("bytes=10-", "bytes */10"), ("bytes=0-1,3-4", None), ("bytes=0-,0-", None)])
async def test_content_range(root: Path, text: str, expected: str | None) -> None:
    assert (await ask(root, "/plain", headers={"range": text}))["headers"].get("content-range") == expected


async def test_head_knows_no_ranges(root: Path) -> None:
    response = await ask(root, "/plain", "HEAD", {"range": "bytes=2-4"})
    assert (response["status"], response["headers"]["content-length"]) == (200, "10")


async def test_the_tag_changes_with_size_and_time(root: Path) -> None:
    def tag(size: int, modified_ns: int) -> Any:
        return static_response({"method": "GET"}, size, modified_ns)[0]["headers"]["etag"]

    assert len({tag(1, 1), tag(2, 1), tag(1, 2), tag(1, SECOND + 1), tag(17, 1)}) == 5


async def test_letters_that_the_names_of_files_cannot_have_here(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a locale that is not UTF-8 each such path was an error of ours, and a record of it, for whoever asked."""

    def spell(folder: str, names: Any, **options: object) -> None:
        names[0].encode("ascii")

    monkeypatch.setattr(static, "open_below", spell)
    assert await ask(root, "/caf\u00e9") == PASSED_ON


@pytest.mark.parametrize(("now", "status"), [(MODIFIED + 0.9, 200), (MODIFIED - 1, 200), (MODIFIED + 1, 206), (MODIFIED + 1000, 206)])
def test_C6_the_date_of_a_file_that_may_change_again_within_it_is_no_strong_one(now: float, status: int) -> None:
    """RFC 9110 8.8.2.2 and 13.1.5"""
    asked = {"method": "GET", "headers": {"range": "bytes=2-", "if-range": DATE}}
    response, pieces = static_response(asked, 10, MODIFIED * SECOND + 500_000_000, now=now)
    assert (response["status"], pieces) == (status, [range(2 if status == 206 else 0, 10)])


@pytest.mark.parametrize(("now", "told"), [(MODIFIED + 100, MODIFIED), (MODIFIED, MODIFIED), (MODIFIED - 9.5, MODIFIED - 10)])
def test_C6_no_file_was_changed_in_the_future(now: float, told: int) -> None:
    """RFC 9110 8.8.2.1"""
    response, _ = static_response({"method": "GET"}, 10, MODIFIED * SECOND, now=now)
    assert response["headers"]["last-modified"] == format_date(told)


def test_a_file_older_than_1970() -> None:
    response, pieces = static_response({"method": "GET", "headers": {"if-modified-since": format_date(0)}}, 1, -1)
    assert (response["status"], response["headers"]["last-modified"], pieces) == (304, "Wed, 31 Dec 1969 23:59:59 GMT", ())


@pytest.mark.parametrize(
    ("method", "path", "options", "expected"),
    [
        ("GET", "/a/b", {}, ("a", "b")),
        ("HEAD", "/a/b", {}, ("a", "b")),
        ("POST", "/a/b", {}, None),
        ("GET", "/a/", {}, None),
        ("GET", "/a/", {"index": "i"}, ("a", "i")),
        ("GET", "/x/a", {"prefix": "/x/"}, ("a",)),
        ("GET", "/a", {"prefix": "/x/"}, None),
        ("GET", "/y/a", {"prefix": "/x/"}, None),
    ],
)
def test_static_request(method: str, path: str, options: Any, expected: Any) -> None:
    assert static_request({"method": method, "path": path}, **options) == expected


def test_is_a_marked_factory(root: Path) -> None:
    assert getattr(wrap_static("static", str(root)), "spec")["name"] == "wrap_static"  # noqa: B009
    with pytest.raises(TypeError, match="wrap_static needs static_folder"):
        apply_middleware(wrap_static)


# ---- several ranges at once


async def test_C5_several_ranges_are_one_multipart_answer(root: Path) -> None:
    (root / "static/large.css").write_bytes(bytes(2 * CHUNK_BYTES) + b"the end")
    size = 2 * CHUNK_BYTES + 7
    response = await ask(root, "/large.css", headers={"range": f"bytes=-3,0-{CHUNK_BYTES + 1},2-2"})
    assert (response["status"], response["headers"]["content-length"]) == (206, str(len(response["sent"])))
    assert "content-range" not in response["headers"]
    head = f"content-type: {response['headers']['content-type']}\r\n\r\n".encode()
    parts = [(part["content-range"], part["content-type"], part.get_payload(decode=True)) for part in message_from_bytes(head + response["sent"]).walk()][1:]
    assert parts == [
        (f"bytes {size - 3}-{size - 1}/{size}", "text/css", b"end"),
        (f"bytes 0-{CHUNK_BYTES + 1}/{size}", "text/css", bytes(CHUNK_BYTES + 2)),
        (f"bytes 2-2/{size}", "text/css", b"\0"),
    ]


async def test_the_parts_of_an_index_have_its_type(root: Path) -> None:
    (root / "static/START").write_bytes(b"0123456789")
    response = await ask(root, "/", headers={"range": "bytes=0-1,3-4"}, index="START")
    assert response["sent"].count(b"content-type: application/octet-stream\r\n") == 2


async def test_each_multipart_answer_has_a_boundary_of_its_own(root: Path) -> None:
    asked = {"range": "bytes=0-1,3-4"}
    assert len({(await ask(root, "/plain", headers=asked))["headers"]["content-type"] for _ in range(5)}) == 5


async def test_wrap_content_type_leaves_a_multipart_answer_alone(root: Path) -> None:
    app = apply_middleware(wrap_content_type(), wrap_static("static", str(root)))(next_handler)
    response = await app({"method": "GET", "path": "/a.css", "headers": {"range": "bytes=0-0,2-2"}})
    await response["stream"].aclose()
    assert response["headers"]["content-type"].startswith("multipart/byteranges; boundary=")


# ---- siblings that were compressed before


@pytest.fixture
def coded(root: Path) -> Path:
    for name in ("a.css.br", "a.css.zst", "a.css.gz", "sub/index.html.gz", "orphan.css.gz", "plain.br"):
        (root / "static" / name).write_bytes(f"[{name}]".encode())
        os.utime(root / "static" / name, ns=(MODIFIED * SECOND, MODIFIED * SECOND))
    os.utime(root / "static/plain.br", (MODIFIED - 1, MODIFIED - 1))
    return root


ACCEPTED = [
    (None, None),
    ("", None),
    ("identity", None),
    ("deflate", None),
    ("gzip", "gzip"),
    ("x-gzip", "gzip"),
    ("GZIP", "gzip"),
    ("gzip, deflate, br, zstd", "br"),
    ("gzip, deflate, zstd", "zstd"),
    ("br;q=0.1, gzip;q=0.9", "gzip"),
    ("br;q=0, gzip", "gzip"),
    ("gzip;q=0", None),
    ("*", "br"),
    ("*;q=0", None),
    ("br;q=0, *", "zstd"),
    ("identity;q=0", None),
    ("identity;q=0, gzip", "gzip"),
    ("identity, gzip;q=0.5", None),
    ("gzip;q=x", None),
]


@pytest.mark.parametrize(("accepted", "encoding"), ACCEPTED, ids=str)
async def test_the_sibling_that_the_client_likes_best(coded: Path, accepted: str | None, encoding: str | None) -> None:
    headers = {} if accepted is None else {"accept-encoding": accepted}
    response = await ask(coded, "/a.css", headers=headers, precompressed=True)
    suffix = {"br": ".br", "zstd": ".zst", "gzip": ".gz", None: None}[encoding]
    assert response["sent"] == (b"a {}" if suffix is None else f"[a.css{suffix}]".encode())
    assert (response["headers"].get("content-encoding"), response["headers"]["vary"]) == (encoding, "accept-encoding")
    assert int(response["headers"]["content-length"]) == len(response["sent"])


ALL = {"accept-encoding": "br, gzip, zstd"}


@pytest.mark.parametrize(
    ("path", "options", "sent"),
    [
        pytest.param("/sub/index.html", {}, b"[sub/index.html.gz]", id="the one that is there"),
        pytest.param("/sub/", {"index": "index.html"}, b"[sub/index.html.gz]", id="an index"),
        pytest.param("/plain", {}, b"0123456789", id="older than its file"),
        pytest.param("/orphan.css", {}, None, id="without its file"),
        pytest.param("/a.css.gz", {}, b"[a.css.gz]", id="asked for by its own name"),
        pytest.param("/a.css", {"precompressed": False}, b"a {}", id="not asked for"),
        pytest.param("/a.css", {"follow_symlinks": True}, b"[a.css.br]", id="where links are followed"),
    ],
)
async def test_which_sibling_is_sent(coded: Path, path: str, options: Any, sent: bytes | None) -> None:
    response = await ask(coded, path, headers=ALL, **{"precompressed": True, **options})
    assert response.get("sent") == sent


async def test_C4_a_sibling_that_is_a_link_is_not_sent(coded: Path) -> None:
    (coded / "static/a.css.br").unlink()
    (coded / "static/a.css.br").symlink_to(coded / "secret.txt")
    (coded / "static/a.css.zst").unlink()
    os.mkfifo(coded / "static/a.css.zst")
    assert (await ask(coded, "/a.css", headers=ALL, precompressed=True))["sent"] == b"[a.css.gz]"


async def test_a_failing_disk_at_a_sibling_is_an_error(coded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def fail(path: Any, *args: Any, **keywords: Any) -> int:
        if str(path).endswith(".br"):
            raise OSError(errno.EIO, "planted")
        return real(path, *args, **keywords)

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError, match="planted"):
        await ask(coded, "/a.css", headers=ALL, precompressed=True)


async def test_each_coding_has_its_own_tag_and_its_own_ranges(coded: Path) -> None:
    tags = [(await ask(coded, "/a.css", headers={"accept-encoding": name}, precompressed=True))["headers"]["etag"] for name in ("br", "zstd", "gzip", "x")]
    assert len(set(tags)) == 4
    part = await ask(coded, "/a.css", headers={**ALL, "range": "bytes=1-2", "if-range": tags[0]}, precompressed=True)
    assert (part["status"], part["sent"], part["headers"]["content-encoding"]) == (206, b"a.", "br")
    kept = await ask(coded, "/a.css", headers={**ALL, "if-none-match": tags[0]}, precompressed=True)
    assert (kept["status"], kept["headers"].get("content-encoding"), kept["headers"]["vary"]) == (304, None, "accept-encoding")
    assert (await ask(coded, "/a.css", headers={**ALL, "if-none-match": tags[3]}, precompressed=True))["status"] == 200


async def test_a_large_sibling_is_sent_by_the_server(coded: Path) -> None:
    (coded / "static/a.css.br").write_bytes(bytes(CHUNK_BYTES + 1))
    response = await ask(coded, "/a.css", "GET", ALL, OFFERED, precompressed=True, follow_symlinks=True)
    assert (response["file"], response["headers"]["content-encoding"]) == (str(coded / "static/a.css.br"), "br")


@pytest.mark.parametrize(
    ("path", "method", "headers", "options", "count"),
    [
        pytest.param("/plain", "HEAD", {}, {}, 1, id="HEAD"),
        pytest.param("/plain", "GET", {"if-none-match": "*"}, {}, 1, id="not modified"),
        pytest.param("/plain", "GET", {"range": "bytes=99-"}, {}, 1, id="no such range"),
        pytest.param("/empty.txt", "GET", {}, {}, 1, id="empty"),
        pytest.param("/plain", "GET", {}, {}, 1, id="small: read before it is sent"),
        pytest.param("/large", "GET", {}, {"follow_symlinks": True}, 1, id="large: sent by the server"),
        pytest.param("/a.css", "GET", ALL, {"precompressed": True}, 2, id="its sibling is sent"),
        pytest.param("/plain", "GET", ALL, {"precompressed": True}, 2, id="its sibling is older"),
    ],
)
async def test_what_was_opened_and_is_not_needed_any_more_is_closed_at_once(
    coded: Path, monkeypatch: pytest.MonkeyPatch, path: str, method: str, headers: dict[str, str], options: Any, count: int
) -> None:
    """Not when the last reference goes, which elsewhere than on CPython is any time."""
    (coded / "static/large").write_bytes(bytes(CHUNK_BYTES + 1))
    opened: list[Any] = []
    real = static.open_below

    def noting(*args: Any, **keywords: Any) -> Any:
        opened.append(real(*args, **keywords))
        return opened[-1]

    monkeypatch.setattr(static, "open_below", noting)
    await build(coded, **options)({"method": method, "path": path, "headers": headers, **OFFERED})
    assert [reader.fileno() for reader in opened] == [-1] * count


# ---- what users sent


@pytest.mark.parametrize("name", ["x.svg", "x.html.jpg", "x", "x.unknown", 'k\u00e4se "b".html'])
async def test_C9_active_uploads_are_saved_and_never_run(root: Path, name: str) -> None:
    (root / "static" / name).write_bytes(b"<script>")
    app = apply_middleware(wrap_content_type(), wrap_static("static", str(root), download=True, precompressed=True))(next_handler)
    response = await app({"method": "GET", "path": f"/{name}"})
    await response["stream"].aclose()
    types = {"x.svg": "image/svg+xml", "x.html.jpg": "image/jpeg", 'k\u00e4se "b".html': "text/html"}
    assert {key: response["headers"][key] for key in ("content-type", "content-disposition", "content-security-policy", "x-content-type-options")} == {
        "content-type": types.get(name, "application/octet-stream"),
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
    }


async def test_a_compressed_sibling_is_saved_under_the_name_of_its_file(coded: Path) -> None:
    response = await ask(coded, "/a.css", headers=ALL, precompressed=True, download=True)
    assert (response["sent"], response["headers"]["content-disposition"]) == (b"[a.css.br]", "attachment; filename*=UTF-8''a.css")


# ---- rows of the list of threats, as they stand there


C1 = [
    *("/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/..\\secret.txt", "/....//secret.txt", "/..;/secret.txt", "/%252e%252e/secret.txt"),
    *("//etc/passwd", "/etc/passwd", "/.../secret.txt", "/..../secret.txt", "/secret.txt.", "/a.css./../../secret.txt", "/./../secret.txt"),
    *("/sub/../../secret.txt", "/sub/..\\..\\secret.txt", "/..%5csecret.txt", "/%c0%ae%c0%ae/secret.txt", "/..%c0%afsecret.txt", "/..%00/secret.txt"),
    *("/..\0/secret.txt", "/..%0d/secret.txt", "/../static/../secret.txt", "/.//../secret.txt", "/.\\./secret.txt", "/\\../secret.txt", "/..//secret.txt"),
    *("/../../../../../../../../etc/passwd", "/..../../secret.txt", "/~/secret.txt", "/%2e%2e%2fsecret.txt", "/%2e./secret.txt", "/.%2e/secret.txt"),
    *(
        "/..%u2215secret.txt",
        "/..\u2215secret.txt",
        "/..\uff0fsecret.txt",
        "/\uff0e\uff0e/secret.txt",
        "/file:///etc/passwd",
        "/C:\\secret.txt",
        "/?/../secret.txt",
    ),
]


@pytest.mark.parametrize("follow_symlinks", [False, True])
@pytest.mark.parametrize("path", C1, ids=ascii)
async def test_C1_forty_forms_of_traversal(root: Path, path: str, follow_symlinks: bool) -> None:
    assert (await ask(root, path, follow_symlinks=follow_symlinks))["status"] in {404, 218}


@pytest.mark.parametrize("path", ["-secret/x", "/-secret/x", "1.txt", "/../static-secret/x", "/../static1.txt", "/static-secret/x", "/static1.txt"])
@pytest.mark.parametrize("prefix", ["/", "/static"])
async def test_C2_a_sibling_with_the_same_prefix(root: Path, path: str, prefix: str) -> None:
    for asked in (path, f"/static{path}"):
        assert (await ask(root, asked, prefix=prefix))["status"] in {404, 218}


@pytest.mark.parametrize("path", ["/pipe", "/" + "x" * 300, "/loop", "/closed", "/sub", "/device"])
async def test_C8_special_files_are_not_there(root: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "static/pipe")
    (root / "static/loop").symlink_to("loop")
    (root / "static/device").symlink_to("/dev/zero")
    (root / "static/closed").write_bytes(b"x")
    real = os.open

    def guarded(name: Any, *args: Any, **keywords: Any) -> int:  # as mode 000 does, for everybody but root
        if str(name).endswith("closed"):
            raise PermissionError(errno.EACCES, "closed")
        return real(name, *args, **keywords)

    monkeypatch.setattr(os, "open", guarded)
    assert await asyncio.wait_for(ask(root, path), 10) is PASSED_ON


@pytest.mark.parametrize("path", ["/.git/config", "/.env", "/a/.x/y", "/"])
async def test_C10_hidden_files_and_listings(root: Path, path: str) -> None:
    assert await ask(root, path) is PASSED_ON


@pytest.mark.parametrize("path", ["/k\u00e4se/../x", "/../k\u00e4se", "/k\u00e4se b.txt"])
async def test_C13_lengths_count_bytes(root: Path, path: str) -> None:
    async with client(build_server(apply_middleware(wrap_static("static", str(root)))(standard_not_found))) as c:
        for headers in ({}, {"range": "bytes=99-"}, {"if-match": '"x"'}):
            answer = await c.get(quote(path), headers=headers)
            assert int(answer["headers"]["content-length"]) == len(answer["body"])


@pytest.mark.parametrize("change", ["truncated", "grown"])
async def test_C7_never_more_than_announced_and_less_is_a_cut(root: Path, change: str) -> None:
    path, size = root / "static/large", 40 * CHUNK_BYTES
    path.write_bytes(bytes(size))
    app = build_server(apply_middleware(wrap_static("static", str(root)))(standard_not_found))
    read = 0
    async with client(app, raise_errors=False) as c, c.stream("GET", "/large") as answer:
        async for chunk in answer:
            if not read:
                os.truncate(path, CHUNK_BYTES if change == "truncated" else 2 * size)
            read += len(chunk)
    assert (answer.cut, read == size) == ((True, False) if change == "truncated" else (False, True))


@pytest.mark.parametrize("path", ["//evil.com/", "/\\evil.com/", "/%5Cevil.com/", "///", "/%2F/evil.com", "/sub", "/sub/deep", "//evil.com/sub"])
async def test_B7_no_slash_is_ever_added_by_a_redirect(root: Path, path: str) -> None:
    response = await ask(root, path, index="index.html")
    assert (response["status"], "location" in response.get("headers", {})) == (218, False)
