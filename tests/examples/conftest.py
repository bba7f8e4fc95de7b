"""Each test gets a program of its own: loaded afresh, so that no state of one test reaches another."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def program() -> Callable[[str], ModuleType]:
    """A function from a program's name to its freshly run module."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"program_{name}", EXAMPLES / f"{name}.py")
        assert spec and spec.loader, f"examples/{name}.py is missing"
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
