"""Write docs/reference from the docstrings: a page for each module or package, and an index. ``make docs`` runs it; tests/test_docs.py compares.

It reads the source and imports nothing, so that the pages do not depend on what is installed, nor on the version of Python.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "shallot"
OUT = ROOT / "docs" / "reference"

FIRST = ["shallot", "shallot.response", "shallot.middlewares", "shallot.websocket", "shallot.effects", "shallot.errors", "shallot.limits", "shallot.testing"]
"""Pages in the order in which a user needs them; the rest follow by name."""

LONGEST_VALUE = 120


class Module(NamedTuple):
    name: str
    tree: ast.Module

    @property
    def names(self) -> list[str]:
        """Its ``__all__``."""
        for statement in self.tree.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                    return [str(name) for name in ast.literal_eval(value)]
        return []

    @property
    def page(self) -> str:
        """The page that it stands on: a package with all its modules is one page."""
        return ".".join(self.name.split(".")[:2])


class Entry(NamedTuple):
    """A name's definition, with the string that stands right behind it where it is a constant or a field."""

    node: ast.stmt
    doc: str | None


class Home(NamedTuple):
    """Where a name is described in full, for those who show it again."""

    name: str
    page: str
    summary: str


def read_modules() -> list[Module]:
    modules: list[Module] = []
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text()
        if text.strip() and not any(part.startswith("_") for part in name.split(".")):
            modules.append(Module(name, ast.parse(text)))
    return modules


def entries(body: Sequence[ast.stmt]) -> dict[str, list[Entry]]:
    """What a body defines, by name. Overloads stand together."""
    found: dict[str, list[Entry]] = {}
    for position, node in enumerate(body):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.setdefault(name, []).append(Entry(node, ast.get_docstring(node)))
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.setdefault(name, []).append(Entry(node, string_at(body, position + 1)))
            case ast.If():  # a type checker's half and the other
                for name, more in entries([*node.body, *node.orelse]).items():
                    found.setdefault(name, []).extend(more)
    return found


def string_at(body: Sequence[ast.stmt], position: int) -> str | None:
    match body[position : position + 1]:
        case [ast.Expr(value=ast.Constant(value=str(text)))]:
            return cleandoc(text)
    return None


# ---- Markdown


def format_docstring(text: str) -> str:
    """A docstring as Markdown: doctests fenced, and so are paragraphs set in columns; the rest is Markdown already."""
    return "\n\n".join(_format_paragraph(paragraph) for paragraph in re.split(r"\n\s*\n", cleandoc(text)))


def _format_paragraph(paragraph: str) -> str:
    lines = paragraph.rstrip().splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    if lines[0].lstrip().startswith(">>>"):
        return "\n".join(["```pycon", *(line[indent:] for line in lines), "```"])
    if len(lines) > 1 and any(re.search(r"\S {2,}\S|^ +\+--", line) for line in lines):
        return "\n".join(["```text", *lines, "```"])
    return "\n".join(lines)


def format_signature(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> str:
    arguments = ast.unparse(node.args)
    arguments = re.sub(r"^(self|cls)(, |$)", "", arguments)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{'async ' if isinstance(node, ast.AsyncFunctionDef) else ''}{name}({arguments}){returns}"


def is_decorated(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    return any(isinstance(decorator, ast.Name) and decorator.id == name for decorator in node.decorator_list)


def fenced(*lines: str) -> Iterator[str]:
    yield "\n".join(["```text", *lines, "```"])


def describe(name: str, found: Sequence[Entry], level: int) -> Iterator[str]:
    """The blocks of Markdown that describe one public name."""
    yield f"{'#' * level} `{name}`"
    last = found[-1]
    match last.node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            functions = [entry.node for entry in found if isinstance(entry.node, ast.FunctionDef | ast.AsyncFunctionDef)]
            overloads = [node for node in functions if is_decorated(node, "overload")]
            if not is_decorated(functions[-1], "property"):
                yield from fenced(*(format_signature(node, name) for node in overloads or functions))
        case ast.ClassDef() as node:
            yield from fenced(f"class {name}" + (f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""))
        case ast.Assign() | ast.AnnAssign() as node:
            value = ast.unparse(node.value) if node.value else ""
            annotation = f": {ast.unparse(node.annotation)}" if isinstance(node, ast.AnnAssign) else ""
            yield from fenced(f"{name}{annotation} = {value if len(value) <= LONGEST_VALUE else '...'}")
    if last.doc:
        yield format_docstring(last.doc)
    if isinstance(last.node, ast.ClassDef):
        yield from describe_members(last.node, level)


def describe_members(node: ast.ClassDef, level: int) -> Iterator[str]:
    members = {name: found for name, found in entries(node.body).items() if not name.startswith("_") or name == "__init__"}
    fields = {name: found[-1] for name, found in members.items() if isinstance(found[-1].node, ast.AnnAssign | ast.Assign)}
    if fields:
        rows = [f"| `{name}` | {_field_type(entry.node)} | {' '.join((entry.doc or '').split())} |" for name, entry in fields.items()]
        yield "\n".join(["| key | type | |", "| --- | --- | --- |", *rows])
    for name, found in members.items():
        if name not in fields:
            yield from describe(name, found, level + 1)


def _field_type(node: ast.stmt) -> str:
    text = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ast.unparse(node.value) if isinstance(node, ast.Assign) else ""
    return f"`{text}`".replace("|", "\\|")


def summary_of(doc: str | None) -> str:
    """The first paragraph, on one line."""
    return " ".join((doc or "").split("\n\n")[0].split())


def describe_module(module: Module, level: int, homes: dict[str, Home]) -> Iterator[str]:
    yield f"{'#' * level} {module.name}"
    if doc := ast.get_docstring(module.tree):
        yield format_docstring(doc)
    defined = entries(module.tree.body)
    if shown := [homes[name] for name in module.names if name not in defined and name in homes]:
        yield "\n".join(["| name | |", "| --- | --- |", *(f"| [`{home.name}`]({home.page}.md#{home.name.lower()}) | {home.summary} |" for home in shown)])
    for name in module.names:
        if name in defined:
            yield from describe(name, defined[name], level + 1)


def describe_page(page: str, modules: Sequence[Module], homes: dict[str, Home]) -> Iterator[str]:
    if modules[0].name != page:  # a package without a face
        yield f"# {page}"
    for module in modules:
        yield from describe_module(module, 1 if module.name == page else 2, homes)


def build_pages() -> dict[str, str]:
    """File name -> its text."""
    modules = read_modules()
    homes = {
        name: Home(name, module.page, summary_of(found[-1].doc).replace("|", "\\|"))
        for module in modules
        for name, found in entries(module.tree.body).items()
        if name in module.names
    }
    pages: dict[str, list[Module]] = {}
    for module in modules:
        pages.setdefault(module.page, []).append(module)
    order = sorted(pages, key=lambda page: (FIRST.index(page) if page in FIRST else len(FIRST), page))
    files = {f"{page}.md": "\n\n".join(describe_page(page, pages[page], homes)) + "\n" for page in order}
    rows = [f"| [{page}]({page}.md) | {summary_of(ast.get_docstring(pages[page][0].tree))} |" for page in order]
    note = "Written by `make docs` from the docstrings: change those, not these pages."
    return {"index.md": "\n".join(["# Reference", "", note, "", "| page | |", "| --- | --- |", *rows, ""]), **files}


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    pages = build_pages()
    for old in OUT.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (OUT / name).write_text(text)


if __name__ == "__main__":
    main()
