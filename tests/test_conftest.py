"""A test that leaves something behind fails: each kind of leaving, once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

HEAD = """
import asyncio, os, threading, time
import pytest
from hypothesis import given, settings, strategies

async def numbers():
    yield 1
    yield 2

kept = []
"""

LEAVERS = {
    "task": ("async def test():\n    kept.append(asyncio.create_task(asyncio.sleep(30)))", "tasks left running: .*sleep"),
    "suspended_generator": (
        "async def test():\n    kept.append(numbers())\n    await anext(kept[0])",
        r"async generators left suspended: \['numbers'\]",
    ),
    "collected_generator": (
        "async def test():\n    async for number in numbers():\n        break",
        r"async generators left to the garbage collector: \['numbers'\]",
    ),
    "generator_in_hypothesis": (
        "@settings(max_examples=2, database=None)\n@given(strategies.integers())\nasync def test(n):\n    async for number in numbers():\n        break",
        r"async generators left to the garbage collector: \['numbers'\]",
    ),
    "thread": (
        "@pytest.fixture(scope='session')\ndef end():\n    end = threading.Event()\n    yield end\n    end.set()\n"
        "def test(end):\n    threading.Thread(target=end.wait, args=(30,), name='waiter').start()",
        r"threads left running: \['waiter'\]",
    ),
    "file": ("def test():\n    os.open('/etc/passwd', os.O_RDONLY)", r"files left open: \['/etc/passwd'\]"),
    "missing_package": ("import conftest\nconftest.PACKAGES['onion'] = 'onions'\n@pytest.mark.needs('onion')\ndef test(): ...", "apt-get install onions"),
}

CLEAN = {
    "thread_that_ended": "async def test():\n    assert await asyncio.to_thread(len, 'x') == 1",
    "generator_run_out": "async def test():\n    assert [number async for number in numbers()] == [1, 2]",
    "fixture_of_the_module": (
        "@pytest.fixture(scope='module')\ndef pipe():\n    kept.extend(os.pipe())\n    yield\n    [os.close(end) for end in kept]\ndef test(pipe): ..."
    ),
    "loop_of_its_own": "def test():\n    asyncio.run(asyncio.sleep(0))",
    "marked": "@pytest.mark.leaks\nasync def test():\n    async for number in numbers():\n        break",
}


def run_pytest(folder: Path, programs: Mapping[str, str], **environment: str) -> tuple[str, dict[str, str]]:
    """All ``programs`` in one run: its output, and by program what went wrong (``""``: it passed)."""
    (folder / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    for name, program in programs.items():
        (folder / f"test_{name}.py").write_text(HEAD + program)
    options = ["-o", "asyncio_mode=auto", "-o", "markers=leaks\nneeds", "-p", "no:cacheprovider", "-rs", "--junit-xml=report"]
    command = [sys.executable, "-m", "pytest", "--import-mode=importlib", *options]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, "CI": "", **environment}).stdout
    cases = ElementTree.parse(folder / "report").getroot().iter("testcase")
    return output, {case.attrib["classname"].removeprefix("test_"): "".join(case.itertext()) for case in cases}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    programs = {**{name: program for name, (program, _) in LEAVERS.items()}, **CLEAN}
    return run_pytest(tmp_path_factory.mktemp("leavers"), programs, CI="true")[1]


@pytest.mark.parametrize("name", LEAVERS)
def test_leaving_fails(name: str, complaints: Mapping[str, str]) -> None:
    assert re.search(LEAVERS[name][1], complaints[name]), complaints[name]


@pytest.mark.parametrize("name", CLEAN)
def test_leaving_nothing_passes(name: str, complaints: Mapping[str, str]) -> None:
    assert complaints[name] == ""


def test_a_missing_package_is_a_visible_skip(tmp_path: Path) -> None:
    output, _ = run_pytest(tmp_path, {"missing": LEAVERS["missing_package"][0]})
    assert "SKIPPED [1]" in output
    assert "needs onion: sudo apt-get install onions" in output
    assert re.search(r"= 1 skipped in", output)
