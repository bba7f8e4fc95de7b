"""The programs in examples/: each says how it is run, keeps to the public names, and is tested."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name != "__init__.py")

each_program = pytest.mark.parametrize("path", PROGRAMS, ids=[path.stem for path in PROGRAMS])


def test_the_programs_of_the_specification_are_there():
    assert {"hello", "fruits", "echo", "ticker", "build_log", "resources", "upload"} <= {path.stem for path in PROGRAMS}


@each_program
def test_a_program_says_how_it_is_run(path):
    told = ast.get_docstring(ast.parse(path.read_text()))
    assert told and f"uvicorn --app-dir examples {path.stem}:app" in told


@each_program
def test_a_program_imports_public_names_only(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("shallot"):
            public = importlib.import_module(node.module).__all__
            assert [alias.name for alias in node.names if alias.name not in public] == []


@each_program
def test_a_program_is_tested(path):
    assert (ROOT / "tests" / "examples" / f"test_{path.stem}.py").is_file()


# What ``standard`` does not bring, as the names that are imported. The showcase runs as ``make run`` runs it.
MORE = ["asyncpg", "brotli", "jinja2", "nats", "opentelemetry", "prometheus_client", "redis", "zstandard"]


@pytest.mark.parametrize("module", [*(f"examples.{path.stem}" for path in PROGRAMS), "examples.showcase.app"])
def test_a_program_needs_no_more_than_standard(module):
    program = f"import sys; sys.modules.update(dict.fromkeys({MORE})); from {module} import app"
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert told.returncode == 0, told.stderr
