"""Does each module's own test file notice when the module is wrong? ``make mutation TARGETS="codec/cookies.py"``

Every mutant of a module (``mutants.py``) is tried by the test file of that module alone, in a process of its own that is ended after a while; noticed
is what makes a test fail, hang or break off. The tests are collected once. Then, for each mutant, that process forks, the code of the functions that
exist is changed where they stand, and the tests run that come by the changed statement, the quickest first. Where none of them notices, or where
the change is in what runs at the import, all of the tests are collected anew, with the mutant in the module's place.

Prints a table and what nobody noticed; exits with 1 where a module has a score below ``--least``. Not a line of the source is touched. Linux.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import hypothesis
import pytest
from mutants import Mutant, mutants
from own_coverage import SRC, own_test

SECURITY = [
    *("codec/cookies.py", "middlewares/cors.py", "middlewares/csrf.py", "middlewares/session.py", "middlewares/static.py"),
    *("sessions/cookie.py", "sessions/keeping.py", "sessions/memory.py", "sessions/record.py", "sessions/redis.py", "sessions/session.py"),
    *("websocket/engine.py", "websocket/mailbox.py", "websocket/receiver.py"),
]
LEAST = 85.0
MEMORY = 6 * 1024**3
SLOWEST_S = 120.0
"""For all tests of a module, unchanged."""
SLOW_S = 5.0
"""For one test: what takes longer, such as a race that is run a thousand times, is left out, and what only it would notice is unnoticed."""
EXAMPLES = 30
"""Of each property: a mutant that only the thousandth finds is one that nobody noticed."""

PASSED, FAILED, BROKEN = 0, 1, 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=SECURITY, help="modules, as in codec/cookies.py; otherwise those that security stands on")
    parser.add_argument("--least", type=float, default=LEAST, help="per cent of the mutants that must be noticed (%(default)s)")
    parser.add_argument("--step", type=int, default=1, help="try each n-th mutant only")
    options = parser.parse_args()
    os.nice(10)
    hypothesis.settings.register_profile("mutation", max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=_PHASES)
    poor: list[str] = []
    print(f"| {'module':26} | mutants | noticed | score |\n| {'-' * 26} | ------: | ------: | ----: |", flush=True)
    survivors: list[str] = []
    for name in options.targets:
        tried = list(mutants((SRC / name).read_text(), str(SRC / name)))[:: options.step]
        try:
            outcomes = _try_all(SRC / name, tried)
        except Unfit as error:
            poor.append(name)
            print(f"| `{name}`{' ' * (24 - len(name))} | {len(tried):7} |         |     - | {error}", flush=True)
            continue
        count = Counter(outcomes)
        score = 100 * (1 - count["passed"] / len(tried))
        poor += [name] if score < options.least else []
        print(f"| `{name}`{' ' * (24 - len(name))} | {len(tried):7} | {len(tried) - count['passed']:7} | {score:4.0f}% |", flush=True)
        survivors += [f"{name}:{mutant.line}: {mutant.change}" for mutant, outcome in zip(tried, outcomes, strict=True) if outcome == "passed"]
    print(f"\nnobody noticed {len(survivors)}:", *survivors, sep="\n  ")
    print(f"below {options.least:.0f} %: {', '.join(poor) or 'none'}")
    return 1 if poor else 0


_PHASES = [hypothesis.Phase.explicit, hypothesis.Phase.generate]


class Unfit(Exception):
    """The tests say nothing, for they fail with the module as it is."""


def _try_all(module: Path, tried: Sequence[Mutant]) -> list[str]:
    """For each mutant ``"passed"``, ``"failed"``, ``"hung"`` or ``"broken"``."""
    with tempfile.TemporaryDirectory() as folder:
        report, test = Path(folder, "report"), str(own_test(module))
        known = "ignore::pytest.PytestAssertRewriteWarning"  # hypothesis was imported before
        arguments = [test, "-q", "-p", "no:cacheprovider", "-W", known, "--hypothesis-profile=mutation", f"--basetemp={folder}/tests"]
        hour = 3600.0
        code, said = _in_child(lambda: int(pytest.main(arguments, plugins=[Host(module, tried, report)])), hour, Path(folder, "said"))
        if not report.exists():
            raise Unfit(f"its tests do not pass as they are ({code}): {said[-2000:]}")
        found = json.loads(report.read_text())
        outcomes: list[str | None] = found["outcomes"]
        limit_s = 10 + 5 * found["seconds"]
        arguments += [f"--deselect={nodeid}" for nodeid in found["slow"]]
        for number, mutant in enumerate(tried):
            if outcomes[number] is None:
                outcomes[number] = _imported_anew(module, mutant, arguments, limit_s)
    return [outcome or "broken" for outcome in outcomes]


def _imported_anew(module: Path, mutant: Mutant, arguments: list[str], limit_s: float) -> str:
    name = ".".join(("shallot", *module.relative_to(SRC).with_suffix("").parts))

    def work() -> int:
        sys.meta_path.insert(0, Finder(name, mutant.code))
        return int(pytest.main(arguments, plugins=[Stop()]))

    return _outcome(_in_child(work, limit_s)[0])


def _outcome(code: int | None) -> str:
    return "hung" if code is None else {PASSED: "passed", FAILED: "failed"}.get(code, "broken")


# ---- a process for each


def _in_child(work: Callable[[], int], limit_s: float, said: Path = Path(os.devnull)) -> tuple[int | None, str]:
    """What ``work`` returned in a fork of this process, and what was printed there; ``None`` where it took longer and was killed, with all that it started."""
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        code = BROKEN
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            output = os.open(said, os.O_WRONLY | os.O_CREAT)
            os.dup2(output, 1)
            os.dup2(output, 2)
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    ended = os.pidfd_open(pid)
    in_time = bool(select.select([ended], [], [], limit_s)[0])
    os.close(ended)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has ended, and nothing of it is left
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status) if in_time else None, said.read_text(errors="replace") if said.is_file() else ""


class Finder(MetaPathFinder):
    """Gives the module ``name`` another code."""

    def __init__(self, name: str, code: CodeType) -> None:
        self.name, self.code = name, code

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self.code)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self.code = code

    def get_code(self, fullname: str) -> CodeType:
        return self.code


class Stop:
    """The first failure tells enough, and nobody waits for its report."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os._exit(FAILED)


# ---- where the tests are collected


class Seen:
    """What a test has been found to do, with the module as it is."""

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid
        self.seconds = 0.0
        self.lines: set[int] = set()
        self.failed = False


class Host:
    """A pytest plugin that runs the collected tests once for each mutant, in a fork, instead of once."""

    def __init__(self, module: Path, tried: Sequence[Mutant], report: Path) -> None:
        self.file, self.tried, self.report = str(module), tried, report

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed or not session.items:
            return False
        trial = self.report.with_name("trial")
        code, _ = _in_child(lambda: self._look(session.items, trial), 10 * SLOWEST_S)
        seen: dict[str, Any] = json.loads(trial.read_text()) if code == PASSED else {}
        if not seen or any(each["failed"] for each in seen.values()):
            print("failing unchanged:", *(nodeid for nodeid, each in seen.items() if each["failed"]), sep="\n  ")
            return True
        slow = [nodeid for nodeid, each in seen.items() if each["seconds"] > SLOW_S]
        outcomes: list[str | None] = []
        for mutant in self.tried:
            lines = set(range(mutant.statement[0], mutant.statement[1] + 1))
            chosen = [item for item in session.items if item.nodeid not in slow and not lines.isdisjoint(seen[item.nodeid]["lines"])]
            chosen.sort(key=lambda item: seen[item.nodeid]["seconds"])
            outcomes.append(self._try(mutant, chosen, 5 + 5 * sum(seen[item.nodeid]["seconds"] for item in chosen)))
        seconds = sum(each["seconds"] for nodeid, each in seen.items() if nodeid not in slow)
        self.report.write_text(json.dumps({"outcomes": outcomes, "seconds": seconds, "slow": slow}))
        return True

    def _try(self, mutant: Mutant, chosen: list[pytest.Item], limit_s: float) -> str | None:
        """``None`` where another import may still show it: what was built when the tests were collected is as it was."""
        if not (mutant.in_function and chosen):
            return None
        changes = list(_changes(self.file, mutant.code))
        if not changes or any(function.__code__.co_freevars != code.co_freevars for function, code in changes):
            return None

        def work() -> int:
            for function, code in changes:
                function.__code__ = code
            return _run(chosen, Stop())

        outcome = _outcome(_in_child(work, limit_s)[0])
        return None if outcome == "passed" else outcome

    def _look(self, items: list[pytest.Item], trial: Path) -> int:
        """Run all of them, and note for each which lines of the module it came by."""
        watch = Watch(self.file)
        code = _run(items, watch)
        trial.write_text(json.dumps({each.nodeid: {**vars(each), "lines": sorted(each.lines)} for each in watch.seen.values()}))
        return code


def _run(items: list[pytest.Item], plugin: object) -> int:
    for number, item in enumerate(items):
        if not number:
            item.config.pluginmanager.register(plugin)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=items[number + 1] if number + 1 < len(items) else None)
    return PASSED


def _changes(file: str, mutant: CodeType) -> Iterator[tuple[FunctionType, CodeType]]:
    """The functions of a module that exist, closures included, whose code a mutant would change."""
    codes = {(code.co_qualname, code.co_firstlineno): code for code in _codes(mutant)}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename == file:
            code = codes.get((each.__code__.co_qualname, each.__code__.co_firstlineno))
            if code is not None and code != each.__code__:
                yield each, code


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


class Watch:
    """A pytest plugin: which lines of a file each test comes by, in whatever thread."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.seen: dict[str, Seen] = {}
        self.lines: set[int] = set()

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != self.file:
            return None
        self.lines.add(frame.f_lineno)
        return self.trace

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        seen = self.seen[item.nodeid] = Seen(item.nodeid)
        self.lines = seen.lines
        began = time.monotonic()
        threading.settrace(self.trace)
        sys.settrace(self.trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            seen.seconds = time.monotonic() - began

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seen[report.nodeid].failed |= report.failed


if __name__ == "__main__":
    sys.exit(main())
