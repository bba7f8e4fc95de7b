"""A short run of every target, the same each time: all seeds, some hundred mutations, and the question whether time grows faster than the input."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXECUTIONS = 400


def load_runner() -> Any:
    spec = importlib.util.spec_from_file_location("fuzz_run", HERE / "run.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run = load_runner()
each_target = pytest.mark.parametrize("name", run.TARGETS)


def test_every_parser_and_the_engine_have_a_target() -> None:
    wanted = {"cookies", "query", "multipart", "ranges", "accept", "host", "json", "router", "header_values", "content_type", "forwarded", "origin", "engine"}
    assert wanted <= set(run.TARGETS)


@each_target
def test_a_target_says_what_must_be_true(name: str) -> None:
    target = run.load(name)
    assert target.__doc__ and list(inspect.signature(target.fuzz).parameters) == ["data"]
    assert all(isinstance(seed, bytes) for seed in run.seeds_of(target))


@each_target
def test_seeds_and_their_mutations(name: str) -> None:
    target = run.load(name)
    seeds = run.seeds_of(target)
    for data in [*seeds, *run.mutations(name, seeds, EXECUTIONS)]:
        target.fuzz(data)


@each_target
def test_any_bytes(name: str) -> None:
    fuzz = run.load(name).fuzz

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(st.binary(max_size=300))
    def ask(data: bytes) -> None:
        fuzz(data)

    ask()


@each_target
def test_A11_time_is_linear(name: str) -> None:
    assert run.slow_inputs(run.load(name).fuzz, run.TOKENS) == []


# ---- the runner itself


def test_quadratic_time_is_found() -> None:
    def quadratic(data: bytes) -> None:
        for start in range(0, len(data), 16):
            data.count(b"z", start)

    assert len(run.slow_inputs(quadratic, [b"a"])) == 1
    assert run.slow_inputs(lambda data: None, [b"a"]) == []


@pytest.mark.parametrize(("costs", "executions"), [("", "100"), ("COSTS = 10", "10"), ("COSTS = 1000", "1")])
def test_a_dear_target_gets_fewer_executions(costs: str, executions: str, tmp_path: Path) -> None:
    (tmp_path / "targets").mkdir()
    (tmp_path / "run.py").write_text((HERE / "run.py").read_text())
    (tmp_path / "targets" / "one.py").write_text(f"{costs}\ndef fuzz(data):\n    with open({str(tmp_path / 'seen')!r}, 'a') as seen: seen.write('x')\n")
    (tmp_path / "atheris.py").write_text("raise ImportError")
    ran = subprocess.run([sys.executable, str(tmp_path / "run.py"), "--executions", "100"], capture_output=True, text=True, timeout=50)
    assert ran.stdout.split()[:3] == ["one", "ok", executions], ran.stdout + ran.stderr
    assert len((tmp_path / "seen").read_text()) >= int(executions)


def test_mutations_are_the_same_each_time() -> None:
    first, second = (list(run.mutations("x", run.SEEDS, 50)) for _ in range(2))
    assert first == second and len(set(first)) > 40
    assert max(map(len, first)) <= run.MAX_BYTES


@pytest.mark.parametrize("fault", [False, True], ids=["a good target", "a bad one"])
@pytest.mark.parametrize("has_atheris", [False, True], ids=["without atheris", "with atheris"])
def test_a_fault_is_found_and_kept(has_atheris: bool, fault: bool, tmp_path: Path) -> None:
    if has_atheris:
        pytest.importorskip("atheris")
    (tmp_path / "targets").mkdir()
    (tmp_path / "run.py").write_text((HERE / "run.py").read_text())
    (tmp_path / "targets" / "one.py").write_text(f"def fuzz(data):\n    assert {not fault} or data != b'a=1; b=2'\n")
    if not has_atheris:
        (tmp_path / "atheris.py").write_text("raise ImportError")
    ran = subprocess.run([sys.executable, str(tmp_path / "run.py"), "--executions", "500"], capture_output=True, text=True, timeout=50)
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == ((1, "1 of 1 failed one") if fault else (0, "0 of 1 failed")), ran.stdout
    assert len(list((tmp_path / "found").glob("one-*")) if fault else []) == fault
    if fault:
        assert "AssertionError" in ran.stdout


def test_the_makefile_runs_it() -> None:
    assert "tests/fuzz/run.py --executions $(EXECUTIONS)" in (ROOT / "Makefile").read_text()
