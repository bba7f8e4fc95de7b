from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.dates import format_date
from shallot.compose import apply_middleware
from shallot.files import CHUNK_BYTES
from shallot.middlewares import static
from shallot.middlewares.content_type import wrap_content_type
from shallot.middlewares.static import static_request, static_response, wrap_static

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
async def test_traversals_are_404(root: Path, path: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = build(root, index="index.html")
    with no_disk(monkeypatch):
        response = await app({"method": method, "path": path})
    assert (response["status"], response["body"]) == (404, b"Not Found")


@pytest.mark.parametrize("path", HOSTILE, ids=ascii)
async def test_hostile_names_cost_no_look_at_the_disk(root: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = build(root)
    with no_disk(monkeypatch):
        assert await app({"method": "GET", "path": path}) is PASSED_ON


async def test_the_spy_sees(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = build(root)
    with no_disk(monkeypatch), pytest.raises(Spied):
        await app({"method": "GET", "path": "/none"})


@pytest.mark.parametrize("follow_symlinks", [False, True])
@pytest.mark.parametrize("path", MISSING, ids=lambda path: path[:30])
async def test_what_is_not_there_goes_on(root: Path, path: str, follow_symlinks: bool) -> None:
    assert await ask(root, path, follow_symlinks=follow_symlinks) is PASSED_ON


@given(st.text(st.sampled_from("./\\: %2e\0as") | st.characters(), max_size=12))
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
async def test_links_are_not_followed(linked: Path, path: str) -> None:
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
async def test_a_pipe_is_never_opened(root: Path, follow_symlinks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_swapping_a_file_for_a_link_leaks_nothing(root: Path) -> None:
    """A thread swaps without pause; it is joined before the test ends."""
    stop, target = threading.Event(), root / "static/swapped"

    def swap() -> None:
        while not stop.is_set():
            for source in (root / "secret.txt", None):
                fresh = root / "fresh"
                fresh.unlink(missing_ok=True)
                if source is None:
                    fresh.write_bytes(b"public")
                else:
                    fresh.symlink_to(source)
                fresh.replace(target)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {(await ask(root, "/swapped")).get("sent") for _ in range(500)}
    finally:
        stop.set()
        thread.join(10)
    assert seen <= {None, b"public"}


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


async def test_all_work_on_the_disk_is_done_in_the_threads_of_the_app(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
async def test_a_download_that_was_left_holds_nothing(root: Path, begun: bool, closed: bool) -> None:
    (root / "static/large").write_bytes(bytes(3 * CHUNK_BYTES))
    app = build(root)
    for _ in range(20):
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


async def test_a_file_that_is_cut_meanwhile_is_an_error(root: Path) -> None:
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
        assert (response["file"], response["headers"]["content-length"], set(response)) == (
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
        ({"range": "bytes=0-1,3-4"}, 200, b"0123456789"),
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
async def test_conditions_and_ranges(root: Path, headers: dict[str, str], status: int, sent: bytes | None) -> None:
    response = await ask(root, "/plain", headers=headers)
    assert (response["status"], response.get("sent")) == (status, sent)
    assert int(response["headers"].get("content-length", 0)) == len(sent if sent is not None else response["body"])


async def test_not_modified_says_what_may_be_kept(root: Path) -> None:
    response = await ask(root, "/plain", headers={"if-none-match": ETAG})
    assert response == {"status": 304, "body": b"", "headers": {"last-modified": DATE, "etag": ETAG, "accept-ranges": "bytes", "cache-control": "no-cache"}}


@pytest.mark.parametrize(("text", "expected"), [("bytes=2-4", "bytes 2-4/10"), ("bytes=10-", "bytes */10"), ("bytes=0-1,3-4", None)])
async def test_content_range(root: Path, text: str, expected: str | None) -> None:
    assert (await ask(root, "/plain", headers={"range": text}))["headers"].get("content-range") == expected


async def test_head_knows_no_ranges(root: Path) -> None:
    response = await ask(root, "/plain", "HEAD", {"range": "bytes=2-4"})
    assert (response["status"], response["headers"]["content-length"]) == (200, "10")


async def test_the_tag_changes_with_size_and_time(root: Path) -> None:
    def tag(size: int, modified_ns: int) -> Any:
        return static_response({"method": "GET"}, size, modified_ns)[0]["headers"]["etag"]

    assert len({tag(1, 1), tag(2, 1), tag(1, 2), tag(1, SECOND + 1), tag(17, 1)}) == 5


def test_a_file_older_than_1970() -> None:
    response, part = static_response({"method": "GET", "headers": {"if-modified-since": format_date(0)}}, 1, -1)
    assert (response["status"], response["headers"]["last-modified"], part) == (304, "Wed, 31 Dec 1969 23:59:59 GMT", range(0))


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
    ],
)
def test_static_request(method: str, path: str, options: Any, expected: Any) -> None:
    assert static_request({"method": method, "path": path}, **options) == expected


def test_is_a_marked_factory(root: Path) -> None:
    assert getattr(wrap_static("static", str(root)), "spec")["name"] == "wrap_static"  # noqa: B009
    with pytest.raises(TypeError, match="wrap_static needs static_folder"):
        apply_middleware(wrap_static)
