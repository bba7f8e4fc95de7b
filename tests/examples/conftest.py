"""Each test gets a program of its own: run afresh, so that no state of one test reaches another."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def load(folder: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"program_{name}", folder / f"{name}.py")
    assert spec and spec.loader, f"{folder / name}.py is missing"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def program() -> Callable[[str], ModuleType]:
    """From the name of a program in examples/ to its module."""
    return partial(load, HERE.parents[1] / "examples")


@pytest.fixture
def earlier() -> Callable[[str], ModuleType]:
    """From the name of a program in tests/examples/earlier/ to its module."""
    return partial(load, HERE / "earlier")


@pytest.fixture
def showcase(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """examples/showcase/app.py, found as its server finds it: by the root of the repository."""
    monkeypatch.syspath_prepend(HERE.parents[1])
    return importlib.import_module("examples.showcase.app")
