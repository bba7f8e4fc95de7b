"""What our code never does, and where it must all the same, with the reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "shallot"
FILES = {path.relative_to(SRC).as_posix(): path for path in sorted(SRC.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(), str(path)) for name, path in FILES.items()}

MAX_LINES = 300

SLEEPERS = {
    "channels/hub.py": "compares positions now and then, and a while after the backend's answer",
    "channels/line.py": "pauses between two attempts to connect",
    "channels/postgres.py": "sweeps now and then",
    "channels/postgres_link.py": "asks now and then what no word has told",
    "testing/channels_aids.py": "looks for what happens elsewhere",
    "testing/channels_hearing.py": "lets messages of another program expire",
    "testing/channels_nodes.py": "lets leases of another program expire",
    "testing/channels_storing.py": "lets messages of another program expire",
    "testing/channels_unruly.py": "delays, on purpose",
    "testing/cuts.py": "plays a scenario on virtual time",
    "testing/plays.py": "plays a scenario on virtual time",
    "testing/sockets.py": "expects nothing, for a time",
}
"""file -> why it must sleep: a wait for an event is better. (``sleep(0)`` is none: it lets others run.)"""

SWALLOWERS = {
    "channels/line.py": "what the backend's own task group cancelled is a broken link; what others ask for is raised",
    "deadline.py": "_resume hands what is thrown at it on to the work, which answers",
    "keepalive.py": "hands on what cancels it to the step that waits, and takes back what it cancelled itself",
    "websocket/engine.py": "cancels its own handler, and takes that cancellation back (uncancel)",
    "websocket/groups.py": "hands what is thrown at it on to the work, which answers, as deadline.py does",
    "websocket/generators.py": "hands what is thrown into a generator on to the one inside, which answers",
    "websocket/farewell.py": "what an end owes is owed all the same; the engine, which called, passes the cancellation on",
}
"""file -> why it may take a BaseException or a CancelledError without raising it again."""

LONG = {
    "types.py": "the vocabulary is one list",
}
"""file -> why it has more than MAX_LINES lines."""

UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill", "yaml", "jsonpickle", "cloudpickle"}

MUTATORS = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "clear", "remove", "discard", "popleft", "appendleft"}
WIDE = {"BaseException", "CancelledError", "GeneratorExit", "KeyboardInterrupt"}

Finding = Iterator[tuple[int, str]]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    return ((node.lineno, ast.unparse(node.func)) for node in ast.walk(tree) if isinstance(node, ast.Call))


def asserts(name: str) -> Finding:
    """They vanish under -O."""
    yield from ((node.lineno, "assert") for node in ast.walk(TREES[name]) if isinstance(node, ast.Assert))


def swallowed_ends(name: str) -> Finding:
    """A cancellation always leaves."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ExceptHandler):
            caught = {"BaseException"} if node.type is None else {part.rpartition(".")[2] for part in re.findall(r"[\w.]+", ast.unparse(node.type))}
            if node.type is None or (caught & WIDE and name not in SWALLOWERS and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))):
                yield node.lineno, f"except {', '.join(caught)}"


def mutable_defaults(name: str) -> Finding:
    for function in functions(TREES[name]):
        for default in [*function.args.defaults, *function.args.kw_defaults]:
            if isinstance(default, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
                yield default.lineno, f"{function.name}(...={ast.unparse(default)})"


def dangerous_words(name: str) -> Finding:
    """Code made from data, and shells."""
    for node in ast.walk(TREES[name]):
        match node:
            case ast.Import(names=names) if any(alias.name.partition(".")[0] in UNSAFE_MODULES for alias in names):
                yield node.lineno, ast.unparse(node)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in UNSAFE_MODULES:
                yield node.lineno, ast.unparse(node)
            case ast.keyword(arg="shell", value=ast.Constant(value=True)):
                yield node.value.lineno, "shell=True"
    yield from ((line, called) for line, called in calls(TREES[name]) if called in {"eval", "exec", "compile", "os.system", "os.popen"})


def sleeping(name: str) -> Finding:
    banned = {"time.sleep"} if name in SLEEPERS else {"time.sleep", "sleep", "asyncio.sleep"}
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in banned and not ast.unparse(node).endswith("sleep(0)"):
            yield node.lineno, ast.unparse(node)


def wall_clocks(name: str) -> Finding:
    """All engine time is loop.time()."""
    if name.startswith("websocket/"):
        yield from ((line, called) for line, called in calls(TREES[name]) if re.search(r"\btime\.(time|monotonic|perf_counter)\b|datetime\.now", called))


def module_state(name: str) -> Finding:
    """State lives in a closure or in an argument: two apps in one process never meet."""
    tables = {
        target.id
        for node in TREES[name].body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for function in functions(TREES[name]):
        own = {arg.arg for arg in ast.walk(function) if isinstance(arg, ast.arg)}
        own |= {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        shared = tables - own
        for node in ast.walk(function):
            match node:
                case ast.Global():
                    yield node.lineno, ast.unparse(node)
                case ast.Subscript(value=ast.Name(id=table), ctx=ast.Store() | ast.Del()) if table in shared:
                    yield node.lineno, ast.unparse(node)
                case ast.Call(func=ast.Attribute(value=ast.Name(id=table), attr=verb)) if table in shared and verb in MUTATORS:
                    yield node.lineno, ast.unparse(node)
                case ast.Call(func=ast.Name(id="next"), args=[ast.Name(id=table)]) if table in shared:
                    yield node.lineno, ast.unparse(node)


def unbounded_caches(name: str) -> Finding:
    """Everything that can grow has a bound."""
    for function in functions(TREES[name]):
        decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
        yield from ((function.lineno, function.name) for text in decorators if text in {"cache", "functools.cache"} or "maxsize=None" in text)


def compared_secrets(name: str) -> Finding:
    """Row D19: ``==`` tells by its time how much of a secret was right; ``hmac.compare_digest`` does not (``codec.authorization.is_same_secret``)."""
    secret = re.compile(r"(^|_)(tokens?|h?macs?|secrets?|digests?|signatures?|passwords?)$", re.IGNORECASE)
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Compare) and any(isinstance(sign, ast.Eq | ast.NotEq) for sign in node.ops):
            if any(secret.search(_last_word(side)) for side in (node.left, *node.comparators)):
                yield node.lineno, ast.unparse(node)


def _last_word(side: ast.expr) -> str:
    """What a value is called: ``x``, ``y.x``, ``y["x"]``, or ``x(...)``."""
    match side:
        case ast.Name(id=word) | ast.Attribute(attr=word) | ast.Subscript(slice=ast.Constant(value=str(word))):
            return word
        case ast.Call(func=function):
            return _last_word(function)
    return ""


def unfinished(name: str) -> Finding:
    """No stubs, and no exception to a rule without its reason."""
    for line, text in enumerate(FILES[name].read_text().splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", text):
            yield line, text.strip()
        if re.search(r"#\s*pragma: no (cover|branch)\s*$", text) or re.search(r"#\s*type: ignore(?!\[)|#\s*pyright: ignore(?!\[)|#\s*noqa(?!: )", text):
            yield line, text.strip()


def vague_names(name: str) -> Finding:
    """One word, one thing: these say nothing."""
    if re.search(r"(manager|utils?|helpers?|common|misc)\.py$", name):
        yield 1, name
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and re.match(r"_?(do_|process_)|\w*Manager$", node.name):
            yield node.lineno, node.name


def too_long(name: str) -> Finding:
    """Look for the second idea."""
    lines = len(FILES[name].read_text().splitlines())
    if lines > MAX_LINES and name not in LONG:
        yield lines, f"more than {MAX_LINES} lines"


RULES: list[Callable[[str], Finding]] = [
    *(asserts, swallowed_ends, mutable_defaults, dangerous_words, sleeping, wall_clocks),
    *(module_state, unbounded_caches, compared_secrets, unfinished, vague_names, too_long),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_source(rule: Callable[[str], Finding]) -> None:
    findings = [f"{name}:{line}: {what}" for name in FILES for line, what in rule(name)]
    assert findings == [], f"{rule.__name__}: {rule.__doc__ or ''}"


@pytest.mark.parametrize("name", [*SLEEPERS, *SWALLOWERS, *LONG])
def test_exceptions_are_still_there(name: str) -> None:
    assert name in FILES


FAULTS = {
    "asserts": "assert x",
    "swallowed_ends": "try:\n    x\nexcept BaseException:\n    pass",
    "mutable_defaults": "def f(x=[]): ...",
    "dangerous_words": "import pickle",
    "sleeping": "asyncio.sleep(1)",
    "wall_clocks": "time.time()",
    "module_state": "seen = {}\ndef f(x):\n    seen[x] = 1",
    "unbounded_caches": "@cache\ndef f(x): ...",
    "compared_secrets": "given.token == hmac_digest(secret)",
    "unfinished": "x = 1  # pragma: no cover",
    "vague_names": "def do_it(): ...",
    "too_long": "\n" * (MAX_LINES + 1),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_finds_its_fault(rule: Callable[[str], Finding], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fault.py"
    path.write_text(FAULTS[rule.__name__])
    monkeypatch.setitem(FILES, "websocket/fault.py", path)
    monkeypatch.setitem(TREES, "websocket/fault.py", ast.parse(path.read_text()))
    assert len(list(rule("websocket/fault.py"))) == 1


@pytest.mark.parametrize(
    "fault",
    ["from marshal import loads", "import yaml.nodes", "eval(x)", "exec(x)", "run(x, shell=True)", "os.system(x)"],
)
def test_D8_code_is_never_made_from_data(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TREES, "fault.py", ast.parse(fault))
    assert len(list(dangerous_words("fault.py"))) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("token == given", 1),
        ("self.mac != mac", 1),
        ("cookies['password'] == x", 1),
        ("a.signature() == b", 1),
        ("session_token == x", 1),
        ("len(digest) == size", 0),
        ("token is None", 0),
        ("machine == x", 0),
        ("compare_digest(token, given)", 0),
    ],
)
def test_D19_secrets_are_not_compared_with_equals(text: str, found: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TREES, "fault.py", ast.parse(text))
    assert len(list(compared_secrets("fault.py"))) == found
