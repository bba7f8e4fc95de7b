"""The public names: each module says what it shows, the faces show it when asked, and the reference describes it."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from reference import OUT, Module, entries, read_modules

SRC = Path(__file__).parents[1] / "src" / "shallot"
MODULES = {module.name: module for module in read_modules()}
FACES = {name: module for name, module in MODULES.items() if any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in module.tree.body)}

by_module = pytest.mark.parametrize("module", MODULES.values(), ids=list(MODULES))
by_face = pytest.mark.parametrize("module", FACES.values(), ids=list(FACES))

DOCUMENTED_NAMES = {
    "shallot": ["build_server", "websocket", "WSDisconnect", "standard_not_found"],
    "shallot.response": ["text", "json", "respond404", "respond400", "respond_not_modified", "filestream", "ws_send", "ws_close", "ws_accept"],
    "shallot.middlewares": [
        *("apply_middleware", "chain_middleware", "wrap_routes", "wrap_json", "wrap_parameters"),
        *("wrap_cookies", "wrap_static", "wrap_content_type", "wrap_cors"),
    ],
}
"""What the earlier package documents; it stays (DESIGN 2)."""


@by_module
def test_says_what_it_shows(module: Module) -> None:
    assert module.names, f"{module.name} has no __all__"
    assert len(module.names) == len(set(module.names))
    loaded = import_module(module.name)
    assert [name for name in module.names if not hasattr(loaded, name)] == []


@by_module
def test_public_names_are_documented(module: Module) -> None:
    """Functions and classes by their docstring, constants by the string behind them."""
    defined = entries(module.tree.body)
    assert [name for name in module.names if name in defined and not defined[name][-1].doc] == []


@by_module
def test_public_names_stand_in_the_reference(module: Module) -> None:
    page = (OUT / f"{module.page}.md").read_text()
    assert [name for name in module.names if f"`{name}`" not in page] == [], "make docs"


@pytest.mark.parametrize(("name", "names"), DOCUMENTED_NAMES.items(), ids=list(DOCUMENTED_NAMES))
def test_names_of_the_earlier_package(name: str, names: list[str]) -> None:
    assert set(names) <= set(MODULES[name].names)


@by_face
def test_face_shows_one_list_three_times(module: Module) -> None:
    """What a checker reads (TYPE_CHECKING), what is looked up when asked (the lazy table) and ``__all__`` are the same."""
    at_once = {alias.name for node in module.tree.body if isinstance(node, ast.ImportFrom) and node.level for alias in node.names}
    typed = {
        (alias.name, alias.asname): node.module
        for block in module.tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert all(name == shown for name, shown in typed), "from .x import y as y"
    table = lazy_table(module)
    assert {name: origin for (name, _), origin in typed.items()} == table
    assert {*table, *at_once} == set(module.names)


def lazy_table(module: Module) -> dict[str, str]:
    """The one dict at module level, name -> module."""
    tables = [node.value for node in module.tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)]
    assert len(tables) == 1, f"{module.name}: expected one lazy table, found {len(tables)}"
    return {name: origin.lstrip(".") for name, origin in ast.literal_eval(tables[0]).items()}


@by_face
def test_face_gives_each_name(module: Module) -> None:
    """Freshly loaded, so that ``__getattr__`` is asked for each name once."""
    face = fresh(module)
    for name, origin in lazy_table(module).items():
        assert name not in vars(face)
        value = getattr(face, name)
        assert vars(face)[name] is value
        if module.name == "shallot" and origin in {"ring", "effects", "errors"}:
            assert value is getattr(import_module(f"shallot.{origin}"), name)
    assert set(module.names) <= set(dir(face))


@by_face
def test_face_names_what_it_lacks(module: Module) -> None:
    with pytest.raises(AttributeError, match=rf"^module '{module.name}' has no attribute 'onion'$"):
        _ = fresh(module).onion


def fresh(module: Module) -> ModuleType:
    """The face executed once more, in a module object of its own: other tests hold what the real one has loaded."""
    path = SRC.parent / module.name.replace(".", "/") / "__init__.py"
    face = ModuleType(module.name)
    face.__package__, face.__path__, face.__file__ = module.name, [str(path.parent)], str(path)
    exec(compile(path.read_text(), str(path), "exec"), vars(face))
    return face


def test_websocket_stays_the_function() -> None:
    """The package of this name is loaded after its face was asked for: the function must stay."""
    program = "import shallot, shallot.websocket.decorator, shallot.effects; print(callable(shallot.websocket))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "True\n"
