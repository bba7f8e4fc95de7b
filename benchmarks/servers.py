"""Through real servers: CPU time of the server for one request or message, beside the hand-written function's: ours on each, the peers on the first.

The server has one core and the load another. What counts is the server's CPU time, not how many requests came through: so a slower
client, or a busy machine, changes little.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tests.live.servers import Server, serve

from .frameworks import FRAMEWORKS, child, environment
from .works import BODY, WORKS, Work, wrong

__all__ = ["LOAD_CORE", "SERVERS", "SERVER_CORE", "cpu_of", "measure_all"]

SERVERS = ("uvicorn", "granian", "hypercorn")
HTTP = ("hello", "routed", "post")
SOCKETS = (1, 64, 512)
SERVER_CORE, LOAD_CORE = 0, max(os.sched_getaffinity(0))
WRK_CONNECTIONS = 32


def measure_all(*, quick: bool) -> dict[str, dict[str, dict[str, Any]]]:
    """By server and work: microseconds of the server's CPU for each framework and raw, and for sockets the client's share of its core."""
    seconds, rounds = (1, 1) if quick else (3, 3)
    whom = {server: FRAMEWORKS if server == SERVERS[0] and not quick else ["ours"] for server in SERVERS}
    return {server: _measure_server(server, ["raw", *frameworks], seconds, rounds) for server, frameworks in whom.items()}


def _measure_server(server: str, frameworks: Sequence[str], seconds: int, rounds: int) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, list[float]]] = {}
    busy: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in (*HTTP, "message"):
            for framework in frameworks:
                with serving(server, framework, name) as served:
                    if name in HTTP:
                        found.setdefault(name, {}).setdefault(framework, []).append(_ask(served, name, seconds))
                        continue
                    for sockets in SOCKETS:
                        us, share = _talk(served, sockets, seconds)
                        found.setdefault(f"{sockets} sockets", {}).setdefault(framework, []).append(us)
                        busy.setdefault(f"{sockets} sockets", []).append(share)
    return {
        name: {
            **{framework: round(median(row[framework]), 2) for framework in frameworks},
            "ratios": {framework: round(_ratio(row, framework), 3) for framework in frameworks[1:]},
            **({"client": round(median(busy[name]), 2)} if name in busy else {}),
        }
        for name, row in found.items()
    }


def _ratio(row: dict[str, list[float]], framework: str) -> float:
    """Of neighbours in time."""
    return median(by_hand / theirs for by_hand, theirs in zip(row["raw"], row[framework], strict=True))


@contextmanager
def serving(server: str, framework: str, name: str) -> Iterator[Server]:
    """A fresh server with this application, alone on its core, its answers checked."""
    environ = {"PYTHONPATH": environment(framework)["PYTHONPATH"], "BENCHMARK_FRAMEWORK": framework, "BENCHMARK_WORK": name}
    everywhere = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as folder:
        os.sched_setaffinity(0, {SERVER_CORE})  # what is started now inherits it
        with serve(server, "benchmarks.served:app", Path(folder) / "log", environ=environ) as served:
            os.sched_setaffinity(0, everywhere)
            if name in HTTP:
                _check(served, WORKS[name])
            yield served


def _check(served: Server, work: Work) -> None:
    for scope in work.scopes[:: max(1, len(work.scopes) // 50)]:
        headers = {key.decode(): value.decode() for key, value in scope["headers"] if key not in (b"host", b"connection", b"content-length")}
        asked = Request(f"{served.url}{scope['path']}?{scope['query_string'].decode()}", headers=headers, data=work.events[0]["body"] or None)
        with urlopen(asked, timeout=10) as answer:
            got = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
            events = [{"status": answer.status, "headers": got}, {"body": answer.read()}]
        if complaint := wrong(work, scope, events):
            raise SystemExit(complaint)


def _ask(served: Server, name: str, seconds: int) -> float:
    """Microseconds of the server's CPU for one request, under wrk."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "work.lua"
        script.write_text(_script(WORKS[name]))
        load = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{WRK_CONNECTIONS}", "-s", str(script)]
        subprocess.run([*load, "-d1", served.url], check=True, capture_output=True, timeout=60)
        before = cpu_of(served.process.pid)
        done = subprocess.run([*load, f"-d{seconds}", served.url], check=True, capture_output=True, text=True, timeout=60)
        used = cpu_of(served.process.pid) - before
    requests = re.search(r"(\d+) requests in", done.stdout)
    if requests is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{served.name} {name}: {done.stdout}")
    return 1e6 * used / int(requests[1])


def _script(work: Work) -> str:
    """A wrk script that asks for the work's URLs in turn, with its headers."""
    paths = ", ".join(f'"{scope["path"]}?{scope["query_string"].decode()}"' for scope in work.scopes)
    fields = [(key.decode(), value.decode()) for key, value in work.scopes[0]["headers"] if key not in (b"host", b"connection", b"content-length")]
    headers = ", ".join(f'["{key}"] = "{value}"' for key, value in fields)
    body = f"wrk.body = [==[{BODY.decode()}]==]" if work.events[0]["body"] else ""
    return f"""
        wrk.method = "{work.scopes[0]["method"]}"
        wrk.headers = {{ {headers} }}
        {body}
        local paths, at = {{ {paths} }}, 0
        function request()
            at = at % #paths + 1
            return wrk.format(nil, paths[at])
        end
    """


def _talk(served: Server, sockets: int, seconds: int) -> tuple[float, float]:
    """Microseconds of the server's CPU for one message there and back, and the share of its core that the client used."""
    pinned = ["taskset", "-c", str(LOAD_CORE)]
    port = urlsplit(served.url).port
    before = cpu_of(served.process.pid)
    idle = child("benchmarks.talkers", port, sockets, 0, under=pinned)
    opened = cpu_of(served.process.pid)
    done = child("benchmarks.talkers", port, sockets, seconds, under=pinned)
    used = cpu_of(served.process.pid) - opened - (opened - before)  # less what the handshakes cost
    return 1e6 * used / (done["messages"] - idle["messages"]), done["share"]


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process and all below it have used."""
    parents: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        number = int(stat.parent.name)
        parents.setdefault(int(fields[1]), []).append(number)
        used[number] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    family = [pid]
    for member in family:
        family += parents.get(member, [])
    return sum(used.get(member, 0.0) for member in family)
