"""``make mutation``: what a mutant is, and that one is noticed or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mutants import mutants

ROOT = Path(__file__).parents[1]


def changes(source: str) -> list[str]:
    return [mutant.change for mutant in mutants(source, "x.py")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("x = a < b", ["a < b -> a <= b", "a < b -> a >= b"], id="a boundary"),
        pytest.param("x = a is b in c", ["a is b in c -> a is not b in c", "a is b in c -> a is b not in c"], id="each of a chain"),
        pytest.param("x = a and b", ["a and b -> a or b", "a and b -> b", "a and b -> a"], id="and"),
        pytest.param("x = a or b or c", ["a or b or c -> a and b and c", *(f"a or b or c -> {rest}" for rest in ("b or c", "a or c", "a or b"))], id="or"),
        pytest.param("x = b if a else c", ["b if a else c -> b if not a else c"], id="if"),
        pytest.param("x = -a + b", ["-a + b -> -a - b", "-a -> a"], id="arithmetic"),
        pytest.param("x = not a", ["not a -> a"], id="not"),
        pytest.param("x = [1, True, None, 'y', b'z']", ["1 -> 2", "True -> False", "'y' -> 'yx'", "b'z' -> b'zx'"], id="constants"),
        pytest.param("def f():\n    return a", ["return a -> return None"], id="return"),
        pytest.param("def f():\n    return None", [], id="return None"),
        pytest.param("while a:\n    break", ["while a: break -> while not a: break", "break -> continue"], id="break"),
        pytest.param("f(a)", ["f(a) -> pass"], id="a call"),
        pytest.param("a.b = c", ["a.b = c -> pass"], id="a state"),
        pytest.param("a += b", ["a += b -> a -= b"], id="an addition"),
        pytest.param("a = b", [], id="a name"),
        pytest.param('"""A docstring."""\n__all__ = ["a"]\n__slots__ = ("b",)\nimport c\nif TYPE_CHECKING:\n    import d', [], id="left alone"),
        pytest.param("def f(a: 'int' = 0) -> 'str':\n    b: 'int' = a", ["0 -> 1"], id="annotations are left alone, defaults are not"),
        pytest.param("raise E('words')", ["raise E('words') -> pass"], id="the words of an error"),
        pytest.param("log.warning('words', 1)", ["log.warning('words', 1) -> pass", "1 -> 2"], id="the words of a log"),
        pytest.param("log.debug('words')", [], id="what is said for debugging"),
        pytest.param("x = f'words {y[0]}'", ["0 -> 1"], id="the words of an f-string"),
        pytest.param(
            "def f():\n    while a:\n        pass\n    else:\n        x = 1",
            ["while a: pass else: x = 1 -> while not a: pass else: x = 1", "1 -> 2"],
            id="else",
        ),
    ],
)
def test_changes(source: str, expected: list[str]) -> None:
    assert changes(source) == expected


def test_where_it_is() -> None:
    source = "A = 1\ndef f(a=2):\n    return (\n        3\n    ) if a else None\n"
    at = [(mutant.line, mutant.change, mutant.in_function, mutant.statement) for mutant in mutants(source, "x.py")]
    assert at[0] == (1, "1 -> 2", False, (1, 1))
    assert at[1] == (2, "2 -> 3", False, (2, 5))
    assert (4, "3 -> 4", True, (3, 5)) in at


def test_each_is_a_module_of_its_own_and_the_next_one_knows_nothing_of_it() -> None:
    results = []
    for mutant in mutants("x = [1, 2]", "x.py"):
        names: dict[str, object] = {}
        exec(mutant.code, names)
        results.append(names["x"])
    assert results == [[2, 2], [1, 3]]


@pytest.mark.timeout(120)
def test_a_module_is_tried_by_its_own_tests() -> None:
    command = [sys.executable, "tools/mutation.py", "--step", "12", "--least", "101", "websocket/endings.py"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert "`websocket/endings.py`" in ran.stdout, ran.stderr
    assert "below 101 %: websocket/endings.py" in ran.stdout
    assert ran.returncode == 1
