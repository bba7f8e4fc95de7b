"""A pytest plugin (``-p optimized``): the package is compiled as ``python -O`` compiles it, the tests are not.

``python -O -m pytest`` would take the tests' own asserts out with the package's, and everything would pass. Here only what lies in src/shallot loses
its asserts, its docstrings stay, and ``__debug__`` is false there. Whatever starts another Python says so itself.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

__all__ = ["OptimizedLoader", "pytest_report_header"]

PACKAGE = "shallot"


class OptimizedLoader(SourceFileLoader):
    """Compiles with ``optimize=1``, and neither reads nor writes a cache."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = compile(self.get_data(path), path, "exec", dont_inherit=True, optimize=1)
        return code


class OptimizedFinder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(fullname, path or [str(Path(__file__).parents[1] / "src")], target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = OptimizedLoader(spec.loader.name, spec.loader.path)
        return spec


if PACKAGE in sys.modules:
    raise ImportError("optimized must be loaded before the package is: give -p optimized first")
sys.meta_path.insert(0, OptimizedFinder())


def pytest_report_header() -> str:
    return f"{PACKAGE} is compiled without its asserts (python -O)"
