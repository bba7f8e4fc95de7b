"""What ``import shallot`` loads, and what that costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MOST = 1.5
"""Times the cost of ``import asyncio``."""

ROUNDS = 30


def run(program: str, **environ: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, **environ}).stdout


def loaded_by(statement: str) -> set[str]:
    program = f"import sys; before = set(sys.modules); {statement}; import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    return set(json.loads(run(program)))


def cost_of(module: str, bytecode: Path) -> int:
    """Nanoseconds of processor time, in a fresh process whose interpreter has started; what is compiled is kept in ``bytecode``."""
    program = f"from time import process_time_ns as now; start = now(); import {module}; print(now() - start)"
    return int(run(program, PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX=str(bytecode)))


@pytest.mark.parametrize("statement", ["import shallot", "from shallot import websocket, WSDisconnect, CloseWith", "import shallot.errors, shallot.types"])
def test_loads_nobody_elses(statement: str) -> None:
    tops = {name.split(".")[0] for name in loaded_by(statement)} - set(sys.stdlib_module_names)
    assert {top for top in tops if not top.startswith(("__editable__", "_virtualenv", "_sysconfigdata"))} == {"shallot"}


def test_loads_no_json() -> None:
    """msgspec belongs to codec.json, which waits until a name that needs it is asked for."""
    assert loaded_by("import shallot") & {"msgspec", "shallot.codec.json", "shallot.ring", "shallot.middlewares"} == set()


def test_costs_little_more_than_asyncio(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The least of many rounds, by turns: what else runs on the machine makes a round dearer, never cheaper. In the first one both are compiled."""
    ours, asyncio = [cost_of("shallot", tmp_path)], [cost_of("asyncio", tmp_path)]
    while len(ours) < 2 or (min(ours) > MOST * min(asyncio) and len(ours) < ROUNDS):
        ours.append(cost_of("shallot", tmp_path))
        asyncio.append(cost_of("asyncio", tmp_path))
    ratio = min(ours) / min(asyncio)
    with capsys.disabled():
        print(f" import shallot: {ratio:.2f} x import asyncio", end="")
    assert ratio <= MOST, f"{len(loaded_by('import shallot'))} modules; look at python -X importtime -c 'import shallot'"
