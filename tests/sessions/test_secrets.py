"""What nothing in the package may do with a secret (rows D8, D19, L4). The rules read the source; each is shown to find its fault."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "shallot"
TREES = {path.relative_to(SRC).as_posix(): ast.parse(path.read_text()) for path in sorted(SRC.rglob("*.py"))}

SECRET = re.compile(r"(^|_)(token|mac|hmac|secret|digest|signature|password|csrf)(s|_bytes)?$", re.IGNORECASE)
SERIALISERS = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml", "joblib"}
WEAK = {"md5", "sha1", "new"}

Finding = Iterator[tuple[int, str]]


def names_in(node: ast.expr) -> Iterator[str]:
    """What is compared, by its own name: the length of a secret is none, nor is its type."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            yield name
        case ast.Subscript(value=value):
            yield from names_in(value)
        case ast.Call(func=ast.Attribute(value=value, attr="encode" | "decode" | "hexdigest" | "digest" | "strip" | "lower")):
            yield from names_in(value)


def compared_with_equals(tree: ast.AST) -> Finding:
    """D19: only hmac.compare_digest takes the same time whatever is wrong."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) for side in sides):
                continue
            yield from ((node.lineno, name) for side in sides for name in names_in(side) if SECRET.search(name))


def unsafe_serialisers(tree: ast.AST) -> Finding:
    """D8: what they read runs."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names if alias.name.split(".")[0] in SERIALISERS)
            case ast.ImportFrom(module=str(name)) if name.split(".")[0] in SERIALISERS:
                yield node.lineno, name


def weak_hashes(tree: ast.AST) -> Finding:
    """L4: MD5 and SHA-1, by name or by hashlib.new."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="hashlib"), attr=name) if name in WEAK:
                yield node.lineno, f"hashlib.{name}"
            case ast.ImportFrom(module="hashlib", names=names):
                yield from ((node.lineno, alias.name) for alias in names if alias.name in WEAK)


def shells(tree: ast.AST) -> Finding:
    """L4: a shell reads what was meant as data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in {"os.system", "os.popen"} or any(word.arg == "shell" for word in node.keywords):
                yield node.lineno, name


def weak_random(tree: ast.AST) -> Finding:
    """Whatever must not be guessed comes from ``secrets``; ``random`` is predictable."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names if alias.name == "random")
            case ast.ImportFrom(module="random"):
                yield node.lineno, "random"


RULES: dict[str, tuple[Callable[[ast.AST], Finding], str]] = {
    "D19 compared with ==": (compared_with_equals, "if given == self.secret: pass"),
    "D19 compared with !=": (compared_with_equals, "if csrf_token.encode() != request['token']: pass"),
    "D8 unsafe serialisers": (unsafe_serialisers, "from pickle import loads"),
    "L4 weak hashes": (weak_hashes, "import hashlib\nhashlib.md5(b'')"),
    "L4 shells": (shells, "subprocess.run(x, shell=True)"),
    "weak random": (weak_random, "import random"),
}

MAY_DRAW_LOTS = {"channels/", "testing/"}
"""Where ``random`` spreads waiting times, and chooses what to test: nothing there is to be kept secret."""


@pytest.mark.parametrize("name", RULES)
def test_D19_D8_L4_source(name: str) -> None:
    rule = RULES[name][0]
    assert [
        f"{file}:{line}: {what}"
        for file, tree in TREES.items()
        if not (name == "weak random" and file.startswith(tuple(MAY_DRAW_LOTS)))
        for line, what in rule(tree)
    ] == []


@pytest.mark.parametrize("name", RULES)
def test_rule_finds_its_fault(name: str) -> None:
    rule, fault = RULES[name]
    assert list(rule(ast.parse(fault))) != []


@pytest.mark.parametrize("text", ["len(token) == 3", "kind == 'token'", "secret is None", "compare_digest(token, secret)"])
def test_what_is_no_fault(text: str) -> None:
    assert list(compared_with_equals(ast.parse(text))) == []
