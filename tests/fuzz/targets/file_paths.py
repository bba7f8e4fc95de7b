"""Any text as the path of a file: what comes out stays below the folder on every operating system."""

from __future__ import annotations

import ntpath
import posixpath

from shallot.codec.filenames import parse_file_path


def fuzz(data: bytes) -> None:
    path = data.decode(errors="surrogateescape")
    names = parse_file_path(path)
    if names is None:
        return
    if "/".join(names) != path:
        raise AssertionError(f"another path: {names}")
    for module, root in ((posixpath, "/root"), (ntpath, "C:\\root")):
        joined = module.normpath(module.join(root, *names))
        if module.commonpath([root, joined]) != root or joined == root:
            raise AssertionError(f"it leaves the folder: {joined!r}")
