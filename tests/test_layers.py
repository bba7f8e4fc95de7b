"""The plan of the house: who may import whom, who may start tasks, and who may lean on somebody else's library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "shallot"

FLOORS = [
    ["types", "errors"],
    ["limits", "codec", "codec.*", "task_groups"],
    ["effects", "deadline", "keys", "files", "keepalive", "threads", "options"],
    ["outcomes", "rates", "repeats", "error_pages", "stages"],
    ["request", "response", "resuming", "schemes", "tickets", "folder", "asgi", "validate", "body", "compose"],
    ["failures", "templates", "contract", "browser"],
    ["sending"],
    ["sessions", "sessions.*"],
    ["websocket", "websocket.*", "middlewares.*", "channels", "channels.*"],
    ["lifecycle", "watcher", "middlewares.defaults"],
    ["ring"],
    ["testing", "testing.*", "describe", "describe.*"],
    ["cli", "cli.*"],
    ["__main__"],
    ["middlewares", ""],
]
"""Lowest first. A module imports from lower floors; within a floor only from its own room.

The last are faces: they show what lies below, and nobody below looks at them.
"""

ROOMS = ["codec", "sessions", "websocket", "channels", "testing", "describe", "cli"]
"""Packages whose files may import one another, without circles. ``middlewares`` is none: each of its files stands alone."""

SPAWNERS = ["websocket.*", "channels.*", "testing.*", "lifecycle", "watcher"]
"""Who may start tasks and threads: conversations, channels, and for the ring the watcher of a stream and the owner of resources."""

SPAWNING = {
    *("create_task", "ensure_future", "TaskGroup", "gather", "wait_for", "as_completed", "run_coroutine_threadsafe"),
    *("Thread", "Timer", "Process", "start_new_thread"),
}

BORROWED = {
    "asyncpg": "channels.postgres_wire",
    "brotli": "codec.compression",
    "jinja2": "templates",
    "zstandard": "codec.compression",
    "itsdangerous": "sessions.cookie",
    "limits": "middlewares.rate_limit",
    "msgspec": "codec.json",
    "multipart": "codec.multipart",
    "opentelemetry": "middlewares.trace",
    "prometheus_client": "middlewares.metrics",
    "pytest": "testing.plugin",
    "nats": "channels.nats_wire",
    "redis": "channels.redis_wire sessions.redis",
    "typing_extensions": "types",  # type-only: every checker brings it
}
"""Third-party package -> the one module that imports it (or several, with a blank between them)."""
BORROWERS = {(package, module) for package, modules in BORROWED.items() for module in modules.split()}

FACES = ["", "middlewares", "sessions", "channels", "testing", "describe"]
"""Packages with a lazy table (PEP 562): the only ones that import late."""


def name_of(path: Path) -> str:
    """``websocket/engine.py`` -> ``websocket.engine``; a package by its own name, shallot itself as ``""``."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(SRC.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(), str(path)) for name, path in MODULES.items()}


def imported(module: str) -> Iterator[tuple[int, str]]:
    """(line, absolute name) of everything ``module`` imports anywhere in its text, type-only imports included."""
    is_package = MODULES[module].name == "__init__.py"
    for node in ast.walk(TREES[module]):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                here = ["shallot", *module.split(".")] if module else ["shallot"]
                base = here[: len(here) - level + is_package] if level else []
                origin = ".".join([*base, *([source] if source else [])])
                yield from ((node.lineno, f"{origin}.{alias.name}") for alias in names)


def own_imports(module: str) -> Iterator[tuple[int, str]]:
    """(line, module of ours) for each import of ours: ``from . import x`` is ``x`` where that is a module, else the package."""
    for line, name in imported(module):
        if name.split(".")[0] == "shallot":
            inner = name.removeprefix("shallot").removeprefix(".")
            yield line, inner if inner in MODULES else inner.rpartition(".")[0]


def foreign_imports(module: str) -> Iterator[tuple[int, str]]:
    for line, name in imported(module):
        if (top := name.split(".")[0]) not in sys.stdlib_module_names and top != "shallot":
            yield line, top


def matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def floor_of(module: str) -> int:
    """The highest floor that names it: ``middlewares.defaults`` stands above ``middlewares.*``."""
    return max((floor for floor, patterns in enumerate(FLOORS) if matches(module, patterns)), default=-1)


def room_of(module: str) -> str | None:
    top = module.split(".")[0]
    return top if top in ROOMS else None


@pytest.mark.parametrize("module", MODULES)
def test_has_a_floor(module: str) -> None:
    assert floor_of(module) >= 0, f"{module} stands on no floor: DESIGN 4, then FLOORS here"


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_from_below(module: str) -> None:
    def is_below(other: str) -> bool:
        same_room = room_of(module) is not None and room_of(module) == room_of(other)
        shows_its_own = module == "middlewares" and other.startswith("middlewares.")
        return other != module and (floor_of(other) < floor_of(module) or same_room or shows_its_own)

    assert [f"line {line}: {other}" for line, other in own_imports(module) if not is_below(other)] == []


def test_no_circles() -> None:
    graph = {module: {other for _, other in own_imports(module)} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", MODULES)
def test_borrows_only_what_the_table_says(module: str) -> None:
    assert [f"line {line}: {package}" for line, package in foreign_imports(module) if (package, module) not in BORROWERS] == []


def test_the_table_of_borrowed_packages_is_true() -> None:
    assert {(package, module) for module in MODULES for _, package in foreign_imports(module)} == BORROWERS


@pytest.mark.parametrize("module", MODULES)
def test_imports_stand_at_the_top(module: str) -> None:
    late = [
        f"line {inner.lineno}: {function.name}"
        for function in ast.walk(TREES[module])
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and not (function.name == "__getattr__" and module in FACES)
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom) or (isinstance(inner, ast.Call) and called(inner) in {"import_module", "__import__"})
    ]
    assert late == []


@pytest.mark.parametrize("module", [name for name in MODULES if not matches(name, SPAWNERS)])
def test_starts_no_tasks(module: str) -> None:
    assert [f"line {node.lineno}: {called(node)}" for node in ast.walk(TREES[module]) if isinstance(node, ast.Call) and called(node) in SPAWNING] == []


def called(call: ast.Call) -> str:
    """The last name of what is called: ``loop.create_task(...)`` is ``create_task``."""
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""
