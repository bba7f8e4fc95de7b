"""``make optimized``: the package without its asserts, under tests that keep theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MODULE = '''
"""A module of the package."""

def is_debug():
    return __debug__

def check():
    assert False, "taken out"
    return "passed"
'''


def pytest_in(folder: Path, test: str) -> str:
    """What pytest says of ``test``, beside a package named shallot that has asserts of its own."""
    (folder / "tools").mkdir()
    (folder / "tools" / "optimized.py").write_text((ROOT / "tools" / "optimized.py").read_text())
    (folder / "src" / "shallot").mkdir(parents=True)
    (folder / "src" / "shallot" / "__init__.py").write_text(MODULE)
    (folder / "test_it.py").write_text(f"import shallot\n\ndef test_it():\n    {test}\n")
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = tools\n")
    command = [sys.executable, "-m", "pytest", "-p", "optimized", "-p", "no:cacheprovider", "-q", "test_it.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50).stdout


@pytest.mark.parametrize(
    ("test", "said"),
    [
        pytest.param("assert shallot.check() == 'passed' and shallot.is_debug() is False and shallot.__doc__", "1 passed", id="the package has none"),
        pytest.param("assert shallot.check() == 'failed'", "AssertionError: assert 'passed' == 'failed'", id="a test has its own"),
        pytest.param("assert __debug__ is False", "1 failed", id="a test is no part of the package"),
    ],
)
def test_L2_asserts_vanish_from_the_package_alone(test: str, said: str, tmp_path: Path) -> None:
    assert said in pytest_in(tmp_path, test)


def test_it_comes_too_late_for_a_package_that_is_loaded(tmp_path: Path) -> None:
    program = "import sys; sys.path.insert(0, 'tools'); import shallot, optimized"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert "ImportError: optimized must be loaded before the package is" in ran.stderr
