"""A module once more, in a world with other modules: what it does where a package is missing, and what it says then."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

import pytest


def load_again(monkeypatch: pytest.MonkeyPatch, module: ModuleType, others: Mapping[str, ModuleType | None]) -> Any:
    """A second one beside ``module``; whoever imports one of ``others`` gets that instead, and an ``ImportError`` for ``None``."""
    for name, other in others.items():
        monkeypatch.setitem(sys.modules, name, other)
    assert module.__file__ is not None
    spec = spec_from_file_location(f"{module.__name__}_again", module.__file__)
    assert spec is not None and spec.loader is not None
    again = module_from_spec(spec)
    spec.loader.exec_module(again)
    return again
