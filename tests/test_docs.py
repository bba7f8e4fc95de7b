"""What the documentation says is true: its code runs, its commands exist, its links lead somewhere, its reference is current."""

from __future__ import annotations

import ast
import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from reference import OUT, build_pages, read_modules

ROOT = Path(__file__).parents[1]
PAGES = {path.relative_to(ROOT).as_posix(): path for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])}
MODULES = [module.name for module in read_modules()]
LANGUAGES = {"python", "pycon", "shell", "text", "html", "javascript", "json", "toml", "nginx", "ini", "http", "mermaid"}

DRIVER = """
import asyncio, inspect, sys
blocks = eval(sys.stdin.read())
names = {"__name__": "page"}
for line, text, path in blocks:
    exec(compile("\\n" * line + text, path, "exec"), names)
for name, test in list(names.items()):
    if name.startswith("test_"):
        asyncio.run(test()) if inspect.iscoroutinefunction(test) else test()
"""
"""Runs the blocks of one page in order, in one namespace, and then the tests that the page defines."""

by_page = pytest.mark.parametrize("name", PAGES)


class Block(NamedTuple):
    line: int
    language: str
    text: str


def blocks_of(path: Path) -> Iterator[Block]:
    """The fenced blocks of a page; an indented fence (in a list) is dedented."""
    fence = re.compile(r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
    page = path.read_text()
    for found in fence.finditer(page):
        indent = len(found["indent"])
        text = "".join(line[indent:] if line.strip() else line for line in found["text"].splitlines(keepends=True))
        yield Block(page.count("\n", 0, found.start()) + 1, found["language"].strip(), text)


@by_page
def test_blocks_say_their_language(name: str) -> None:
    assert [f"{name}:{block.line}: {block.language!r}" for block in blocks_of(PAGES[name]) if block.language not in LANGUAGES] == []


@by_page
def test_page_has_content(name: str) -> None:
    page = PAGES[name].read_text()
    assert page.startswith("# ")
    assert len(page.split()) > 20
    assert not re.search(r"\b(TODO|FIXME|TBD|coming soon)\b", page, re.IGNORECASE)


@pytest.mark.parametrize("name", [name for name, path in PAGES.items() if any(block.language == "python" for block in blocks_of(path))])
def test_python_runs(name: str, tmp_path: Path) -> None:
    blocks = [(block.line, block.text, str(PAGES[name])) for block in blocks_of(PAGES[name]) if block.language == "python"]
    command = [sys.executable, "-W", "error", "-c", DRIVER]
    ran = subprocess.run(command, input=repr(blocks), cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", [name for name, path in PAGES.items() if OUT not in path.parents])
def test_sessions_run(name: str) -> None:
    """In the reference they are the doctests of the source."""
    session = "\n".join(block.text for block in blocks_of(PAGES[name]) if block.language == "pycon")
    run_doctest(doctest.DocTestParser().get_doctest(session, {}, name, str(PAGES[name]), 0))


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str) -> None:
    for test in doctest.DocTestFinder(exclude_empty=True).find(import_module(name), name):
        run_doctest(test)


def run_doctest(test: doctest.DocTest) -> None:
    output: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=output.append)
    assert not output, "".join(output)


@by_page
def test_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shell = [block.text for block in blocks_of(PAGES[name]) if block.language == "shell"]
    named = re.findall(r"(?:^|`)make ([a-z-]+)", "\n".join([*shell, *re.findall(r"`make [a-z-]+`", PAGES[name].read_text())]), re.MULTILINE)
    assert set(named) <= targets


def test_every_make_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(phony[1].split()) - {"system"} == set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))


@by_page
def test_links_lead_somewhere(name: str) -> None:
    """Relative links, and headings of our own pages."""
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", PAGES[name].read_text(), flags=re.DOTALL)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, heading = target.partition("#")
        path = (PAGES[name].parent / file).resolve() if file else PAGES[name]
        assert path.exists(), f"{name}: {target}"
        if heading and path.suffix == ".md":
            assert heading in anchors(path), f"{name}: {target}"


def test_every_page_is_found_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in PAGES.values() if ROOT / "docs" in path.parents and OUT not in path.parents]
    assert [page for page in pages if f"]({page}" not in index and page != "index.md"] == []


def anchors(path: Path) -> set[str]:
    """The names that a heading gets where Markdown is shown: lower case, punctuation gone, spaces to hyphens."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_reference_is_current() -> None:
    written = {path.name: path.read_text() for path in OUT.glob("*.md")}
    pages = build_pages()
    assert sorted(name for name in {*written, *pages} if written.get(name) != pages.get(name)) == [], "make docs"


@pytest.mark.parametrize("name", sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("examples/**/*.py")))
def test_examples_are_python(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not text or ast.get_docstring(ast.parse(text)), f"{name} does not say what it is"
