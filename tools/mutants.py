"""A module with one small mistake, many times over: each mutant is what a tired programmer might have written. Knows Python's syntax, and no tests.

    Lt(a, b)            a <= b, a >= b: the boundary, and the opposite; ==, is, in and their opposites
    a and b             a or b, a, b
    if a                if not a
    a + b, -a, not a    a - b, a, a
    1, True, "x"        2, False, "xx"
    return a            return None
    f(a); a.b = c       nothing; nor raise, +=, del
    break               continue

Left alone: docstrings, annotations, ``__all__``, ``__slots__``, and the words of errors, logs and f-strings, for a test of those is a copy of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import copy
from types import CodeType
from typing import Any, NamedTuple

__all__ = ["Mutant", "mutants"]


class Mutant(NamedTuple):
    line: int
    change: str
    statement: tuple[int, int]
    """First and last line of the innermost statement that was changed."""
    in_function: bool
    """Whether it is run when a function is called, and not when the module is imported."""
    code: CodeType
    """The whole module."""


class _Place(NamedTuple):
    """Where a node hangs, so that another one can hang there for a while."""

    parent: ast.AST
    field: str
    index: int | None

    def hang(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


class _Context(NamedTuple):
    statement: ast.stmt
    in_function: bool
    speaks: bool
    """Whether its strings are words for people."""


_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}

_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}

_LEFT_ALONE = {"__all__", "__slots__"}
_LOGGERS = {"log", "logger", "logging"}
_SHORT = 60


def mutants(source: str, filename: str) -> Iterator[Mutant]:
    """All of them, in the order of the source; those that do not compile are left out."""
    tree = ast.parse(source)
    for place, node, context in _nodes(tree):
        for other in _changed(node, context):
            ast.fix_missing_locations(ast.copy_location(other, node))
            place.hang(other)
            try:
                code = compile(tree, filename, "exec", dont_inherit=True)
            except SyntaxError:
                continue
            finally:
                place.hang(node)
            statement = (context.statement.lineno, context.statement.end_lineno or context.statement.lineno)
            yield Mutant(getattr(node, "lineno", statement[0]), f"{_text(node)} -> {_text(other)}", statement, context.in_function, code)


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 3]}..."


# ---- where


def _nodes(tree: ast.Module) -> Iterator[tuple[_Place, ast.AST, _Context]]:
    for index, statement in enumerate(tree.body):
        if not _is_docstring(statement):
            yield from _within(_Place(tree, "body", index), statement, _Context(statement, False, False))


def _within(place: _Place, node: ast.AST, context: _Context) -> Iterator[tuple[_Place, ast.AST, _Context]]:
    if _is_left_alone(node):
        return
    if isinstance(node, ast.stmt):
        context = context._replace(statement=node)
    context = context._replace(speaks=context.speaks or isinstance(node, ast.Raise) or _is_log(node))
    yield place, node, context
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_params", "simple", "kind"):
            continue
        inner = context
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and field == "body":
            inner = context._replace(in_function=True)
        elif isinstance(node, ast.JoinedStr):
            inner = context._replace(speaks=True)
        children: list[tuple[int | None, Any]] = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.AST) and not (field == "body" and _is_docstring(child)):
                yield from _within(_Place(node, field, index), child, inner)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and node.func.value.id in _LOGGERS


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in _LEFT_ALONE
        case _:
            return False


# ---- what


def _changed(node: ast.AST, context: _Context) -> Iterator[ast.AST]:
    """What could stand in its place."""
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                for other in _COMPARISONS[type(op)]:
                    yield _with(node, ops=[*ops[:at], other(), *ops[at + 1 :]])
        case ast.BoolOp(op=op, values=values):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for at in range(len(values)):
                rest = values[:at] + values[at + 1 :]
                yield copy(rest[0]) if len(rest) == 1 else _with(node, values=rest)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if not isinstance(test, (ast.Compare, ast.BoolOp, ast.Constant)) and not _is_not(test):
                yield _with(node, test=ast.copy_location(ast.UnaryOp(ast.Not(), test), test))
        case ast.UnaryOp(operand=operand):
            yield copy(operand)
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _ARITHMETIC:
            yield _with(node, op=_ARITHMETIC[type(op)]())
        case ast.Constant(value=value):
            yield from _other_constant(value, context)
        case ast.Return(value=value) if not (value is None or (isinstance(value, ast.Constant) and value.value is None)):
            yield _with(node, value=ast.copy_location(ast.Constant(None), node))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case _ if _is_deletable(node):
            yield ast.Pass()


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    other = copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _is_not(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _other_constant(value: object, context: _Context) -> Iterator[ast.AST]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int() | float():
            yield ast.Constant(value + 1)
        case str() if not context.speaks:
            yield ast.Constant(f"{value}x")
        case bytes():
            yield ast.Constant(value + b"x")
        case _:
            return


def _is_deletable(node: ast.AST) -> bool:
    """Statements whose absence is not a NameError. What is said for debugging may be missing."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="debug"))):
            return False
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Delete():
            return True
        case ast.Assign(targets=targets):
            return not all(isinstance(target, (ast.Name, ast.Tuple)) for target in targets)
        case ast.AnnAssign(target=target, value=value):
            return value is not None and isinstance(target, ast.Attribute)
        case _:
            return False
