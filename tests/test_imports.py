"""What ``import shallot`` loads, and what that costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

MOST = 1.5
"""Times the cost of ``import asyncio``."""

ROUNDS = 30


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def loaded_by(statement: str) -> set[str]:
    program = f"import sys; before = set(sys.modules); {statement}; import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    return set(json.loads(run(program)))


def cost_of(module: str) -> int:
    """Nanoseconds of processor time, in a fresh process whose interpreter has started."""
    return int(run(f"from time import process_time_ns as now; start = now(); import {module}; print(now() - start)"))


@pytest.mark.parametrize("statement", ["import shallot", "from shallot import websocket, WSDisconnect, CloseWith", "import shallot.errors, shallot.types"])
def test_loads_nobody_elses(statement: str) -> None:
    tops = {name.split(".")[0] for name in loaded_by(statement)} - set(sys.stdlib_module_names)
    assert {top for top in tops if not top.startswith(("__editable__", "_virtualenv", "_sysconfigdata"))} == {"shallot"}


def test_loads_no_json() -> None:
    """msgspec belongs to codec.json, which waits until a name that needs it is asked for."""
    assert loaded_by("import shallot") & {"msgspec", "shallot.codec.json", "shallot.ring", "shallot.middlewares"} == set()


def test_costs_little_more_than_asyncio(capsys: pytest.CaptureFixture[str]) -> None:
    """The least of many rounds, by turns: what else runs on the machine makes a round dearer, never cheaper."""
    ours, asyncio = [cost_of("shallot")], [cost_of("asyncio")]
    while min(ours) > MOST * min(asyncio) and len(ours) < ROUNDS:
        ours.append(cost_of("shallot"))
        asyncio.append(cost_of("asyncio"))
    ratio = min(ours) / min(asyncio)
    with capsys.disabled():
        print(f" import shallot: {ratio:.2f} x import asyncio", end="")
    assert ratio <= MOST, f"{len(loaded_by('import shallot'))} modules; look at python -X importtime -c 'import shallot'"
