from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from shallot.folder import NOT_THERE, open_below


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("static/a", "static/sub/b", "secret"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "static/link").symlink_to(tmp_path / "secret")
    (tmp_path / "static/folder").symlink_to(tmp_path / "static/sub")
    (tmp_path / "static/loop").symlink_to("loop")
    os.mkfifo(tmp_path / "static/pipe")
    return tmp_path


def read(root: Path, *names: str, **options: Any) -> bytes | None:
    """What stands in the file; ``None`` where it is not there."""
    try:
        reader = open_below(str(root / "static"), names, **options)
    except OSError as error:
        assert error.errno in NOT_THERE
        return None
    try:
        return reader.read(100)
    finally:
        reader.close()


ROWS: list[tuple[tuple[str, ...], bytes | None, bytes | None]] = [
    (("a",), b"static/a", b"static/a"),
    (("sub", "b"), b"static/sub/b", b"static/sub/b"),
    (("link",), None, b"secret"),
    (("folder", "b"), None, b"static/sub/b"),
    (("loop",), None, None),
    (("loop", "x"), None, None),
    (("pipe",), None, None),
    (("pipe", "x"), None, None),
    (("sub",), None, None),
    (("a", "x"), None, None),
    (("none",), None, None),
    (("x" * 300,), None, None),
]


@pytest.mark.parametrize("dir_fd", [True, False], ids=["by descriptors", "as on Windows"])
@pytest.mark.parametrize(("names", "kept", "followed"), ROWS, ids=lambda value: "/".join(value)[:20] if isinstance(value, tuple) else "")
async def test_what_is_opened(root: Path, names: tuple[str, ...], kept: bytes | None, followed: bytes | None, dir_fd: bool, monkeypatch: Any) -> None:
    if not dir_fd:
        monkeypatch.setattr(os, "supports_dir_fd", set())
    for follow_symlinks, expected in ((False, kept), (True, followed)):
        assert await asyncio.wait_for(asyncio.to_thread(read, root, *names, follow_symlinks=follow_symlinks), 10) == expected


@pytest.mark.parametrize("name", ["pipe", "link"])
def test_what_changed_between_looking_and_opening_is_closed_again(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    regular = os.stat(root / "secret")
    monkeypatch.setattr(os, "stat", lambda *args, **keywords: regular)
    assert read(root, name) is None


def test_a_failing_disk_is_another_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **keywords: Any) -> int:
        raise OSError(errno.EIO, "planted")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError, match="planted") as caught:
        open_below(str(root / "static"), ["a"])
    assert caught.value.errno not in NOT_THERE
