"""What was measured, as JSON under benchmarks/results and as the tables of docs/topics/benchmarks.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .fanout import TITLES, WINDOWS
from .frameworks import BROKERS, FRAMEWORKS, MEASURED, PEERS, ROOMS, ROOT, circumstances
from .works import WORKS

__all__ = ["show", "store", "write_pages"]

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "topics" / "benchmarks.md"
STEPS_PAGE = ROOT / "docs" / "topics" / "where-the-time-goes.md"

Rows = Iterator[Sequence[object]]

VERSIONS = {"fanout": ROOMS, "latency": BROKERS}
"""Whose versions matter for a stage, where it is not everybody's."""

AIMS = {"hello": 0.25, "routed": 0.30, "post": 0.35, "message": 0.55, "connect": 0.20}
"""The ratios that we set out to reach."""


def store(stage: str, figures: Any) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stage}.json").write_text(json.dumps({**circumstances(VERSIONS.get(stage, MEASURED)), "figures": figures}, indent=1) + "\n")


def show(stage: str, figures: Any) -> str:
    """The stage's section: a heading, what its figures are, and its tables."""
    title, note, tables = SECTIONS[stage]
    return "\n\n".join([f"## {title}", note, *("\n".join(_table(rows)) for rows in tables(figures))])


def write_pages() -> None:
    """All sections that there are results of; the steps have a page of their own."""
    stored = {stage: json.loads(path.read_text()) for stage in SECTIONS if (path := RESULTS / f"{stage}.json").exists()}
    for page, head, stages in ((PAGE, HEAD, [*SECTIONS][:-1]), (STEPS_PAGE, STEPS_HEAD, ["steps"])):
        parts = [head]
        for stage in stages:
            if result := stored.get(stage):
                notes = [NOTES[stage]] if stage in NOTES else []
                versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
                parts += [show(stage, result["figures"]), *notes, f"Measured on {result['date']}: Python {result['python']}; {result['machine']}. {versions}."]
        if len(parts) > 1:
            page.write_text("\n\n".join(parts) + "\n")


HEAD = """# Benchmarks

Written by `make bench`: change `benchmarks/`, not this page. Every application is written the way its framework's own documentation writes it, and
every answer is checked before anything is timed. **Ratios** are the hand-written ASGI function's cost divided by the framework's, in the same run: 1.00 is
the limit, and 0.25 means four times the cost. Compare ratios, not microseconds: those belong to the machine."""


STEPS_HEAD = """# Where the time goes

Written by `make bench`: change `benchmarks/steps.py`, not this page. What one request and one message cost in process, step by step, and the
hand-written function beside them; its ratio is on [the page of benchmarks](benchmarks.md). Through a server all of this is the smaller part: reading the
socket, parsing HTTP and writing cost more than what stands here."""


AIMS_NOTE = """Where an aim was not reached, this is why; [where the time goes](where-the-time-goes.md) has the steps.

* **Plain text.** The largest part is the request's headers: ten lines become a plain `dict` of `str`, for every request, whether anybody reads them or
  not. Compiled frameworks give an object that decodes what is asked for. A request that is plain data is what shallot is about, so that stays.
* **JSON echo.** A third goes into giving the same values, bytes and errors with msgspec as without: every value's type is looked at before msgspec's
  bytes are taken, and what was read is written once more, to find a key that came twice.
* **Echo, per message.** An async generator for the handler and another for what it hears leave 0.60 before anything is checked. Handing over an effect and a
  message costs a dozen comparisons more; without them no close, no limit and no cancellation would be noticed in time. The earlier package of our name makes
  none, and is beside us.
* **Connect.** The least that can be called ours, the request as a plain dict, the pile, a handler and what it hears as two async generators, and the exception
  that tells it that the client left, reaches 0.17, with nothing bounded, watched or checked: the request dict is more than a quarter of that, and the two
  generators with the exception cost half as much again as the hand-written function. The rest is what is promised: a deadline for the handshake, a response
  that is looked at, a conversation and a receiver that the watch can cut short, and an end that finds out whether anybody is owed anything."""


FANOUT_NOTE = """What we set out to reach: the first of the frameworks, 0.9 of the hand-written loop with a frame for each message, thrice it in batches, and
at most 300 bytes for an idle subscription.

* **A frame for each message.** In bursts to 1,000 sockets on uvicorn that is so. One at a time it is not: each message wakes a thousand tasks, each through
  the ten coroutines that a conversation stands in, and the processor's caches hold none of them any more when their turn comes; the loop by hand stays in one
  small piece of code, and waits for whoever reads slowly. Every design with a task for each socket pays this, a queue for each by hand too; with ten times the
  sockets it is paid in bursts as well, and where a broker hands messages over one by one.
* **On granian** the loop by hand waits for each send's answer from another thread, so that whoever sends from many tasks is faster than it. In bursts to
  1,000 sockets there, litestar's channels were 5 % ahead of ours; everywhere else ours is the first of the frameworks.
* **Batches** gain what they join: with one message under way there is nothing to join.
* **A reader that reads nothing** stops the loop by hand for everybody until the server drops it. Ours falls behind alone, and is closed when it is too far.
* **An idle subscription** is a reader of 152 bytes, its way to wake the mailbox, and its places in two tables. The first of a conversation also brings the
  mailbox, and a task that listens to the client meanwhile: without them a conversation cannot hear two sides. Next to what uvicorn holds for a socket that is
  little."""


NOTES = {"timing": AIMS_NOTE, "fanout": FANOUT_NOTE}


def _table(rows: Rows) -> Iterator[str]:
    head, *body = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (head, *body)) for column in range(len(head))]
    for row in (head, ["-" * width for width in widths], *body):
        yield f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"


def _timing(figures: Any) -> Iterator[Rows]:
    def ratios() -> Rows:
        yield ["work", "by hand, µs", *FRAMEWORKS]
        for name, row in figures.items():
            best = max(each["ratio"] for each in row.values())
            shown = [f"**{row[each]['ratio']:.2f}**" if row[each]["ratio"] == best else f"{row[each]['ratio']:.2f}" for each in FRAMEWORKS]
            yield [WORKS[name].title, f"{row['ours']['raw_us']:.2f}", *shown]

    def spread() -> Rows:
        yield ["work", *FRAMEWORKS]
        for name, row in figures.items():
            yield [WORKS[name].title, *("{:.3f}-{:.3f}".format(*row[each]["quartiles"]) for each in FRAMEWORKS)]

    def aims() -> Rows:
        yield ["work", "aim", "ours", "", "the best peer"]
        for name, row in figures.items():
            ours = row["ours"]["ratio"]
            best = max(PEERS, key=lambda each: row[each]["ratio"])
            place = 1 + sum(row[each]["ratio"] > ours for each in PEERS)
            yield [WORKS[name].title, f"{AIMS[name]:.2f}", f"{ours:.2f}", f"place {place}", f"{best} {row[best]['ratio']:.2f}"]

    yield ratios()
    yield spread()
    yield aims()


def _instructions(figures: Any) -> Iterator[Rows]:
    def rows() -> Rows:
        frameworks = [each for each in next(iter(figures.values())) if each != "raw"]
        yield ["work", "by hand", *(f"{each}" for each in frameworks)]
        for name, row in figures.items():
            yield [WORKS[name].title, f"{row['raw']:,}", *(f"{row[each]:,} ({row['raw'] / row[each]:.2f})" for each in frameworks)]

    yield rows()


def _servers(figures: Any) -> Iterator[Rows]:
    """A table for each server, since not everybody was measured on each."""

    def rows(server: str, works: Any) -> Rows:
        frameworks = list(next(iter(works.values()))["ratios"])
        yield [server, "by hand, µs", *(f"{each}, µs (ratio)" for each in frameworks), "client's core"]
        for name, row in works.items():
            title = WORKS[name].title if name in WORKS else f"WebSocket echo, per message, {name}"
            shown = [f"{row[each]:.1f} ({row['ratios'][each]:.2f})" for each in frameworks]
            yield [title, f"{row['raw']:.1f}", *shown, f"{row['client']:.0%}" if "client" in row else ""]

    for server, works in figures.items():
        yield rows(server, works)


def _growth(figures: Any) -> Iterator[Rows]:
    def routes() -> Rows:
        counts = list(figures["routes"]["request"])
        yield ["rows in the table", *(f"{int(count):,}" for count in counts)]
        for kind, row in figures["routes"].items():
            yield [f"µs of a {kind}", *(f"{row[count]:.1f}" for count in counts)]

    def middlewares() -> Rows:
        yield ["middleware", "µs more for a request", "for a message of a conversation"]
        for name, us in sorted(figures["middlewares"].items(), key=lambda item: item[1]["GET"]):
            yield [f"`{name}`", f"{us['GET']:.2f}", f"{us['WS']:.2f}" if "WS" in us else ""]

    def starting() -> Rows:
        yield ["", *("by hand" if each == "raw" else each for each in figures["starting"])]
        yield ["ms of CPU to import it and build an application", *(each["ms"] for each in figures["starting"].values())]

    yield routes()
    yield middlewares()
    yield starting()


def _memory(figures: Any) -> Iterator[Rows]:
    def rows() -> Rows:
        yield ["", "bytes a socket", "relative to by hand"]
        for name, row in figures.items():
            yield [f"`{name}`", f"{row['bytes']:,}", f"{row['relative']:.2f}"]

    yield rows()


def _fanout(figures: Any) -> Iterator[Rows]:
    def scene(title: str, casts: Any) -> Rows:
        yield [title, *(f"{window}: deliveries for a second of CPU (ratio)" for window in WINDOWS), "delay in bursts, ms: p50", "p99", "client's core"]
        for name, row in casts.items():
            if "complaint" in row:
                yield [TITLES[name], row["complaint"].replace("|", "/"), *[""] * 4]
                continue
            bursts = row[[*WINDOWS][-1]]
            shown = [f"{row[window]['per_cpu_s']:,} ({row[window]['ratio']:.2f})" for window in WINDOWS]
            yield [TITLES[name], *shown, f"{bursts['p50']:.0f}", f"{bursts['p99']:.0f}", f"{bursts['share']:.0%}"]

    def stuck(casts: Any) -> Rows:
        yield ["1,000 readers of 32 kB and one that reads nothing, on uvicorn", "p99 without it, ms", "beside it", "ratio"]
        for name, row in casts.items():
            if "complaint" in row:
                yield [TITLES[name], "", row["complaint"].replace("|", "/"), ""]
                continue
            for window in WINDOWS:
                yield [f"{TITLES[name]}, {window}", row[window]["without"], row[window]["beside"], f"{row[window]['ratio']:.2f}"]

    for title, casts in figures["scenes"].items():
        yield scene(title, casts)
    if "stuck" in figures:
        yield stuck(figures["stuck"])


def _latency(figures: Any) -> Iterator[Rows]:
    def delays() -> Rows:
        yield ["", "ours, ms: p50", "p99", "the bare library, ms: p50", "p99", "ours / bare, medians"]
        for name, row in figures["latency"].items():
            yield [name, *(f"{row[who][cut]:.3f}" for who in ("ours", "bare") for cut in ("p50", "p99")), f"{row['ratio']:.2f}"]

    def weights() -> Rows:
        yield ["an idle subscription", "bytes"]
        for what, size in figures["bytes"].items():
            yield [what, f"{size:,}"]

    yield delays()
    yield weights()


WAITING = "The same, and the handler waits twice: for a database, say"


def _steps(figures: Any) -> Iterator[Rows]:
    def rows(name: str, steps: Any) -> Rows:
        yield [WAITING if name == "waiting" else WORKS[name].title, "µs", "share"]
        for step, us in steps.items():
            if step not in ("ours", "by hand"):
                yield [step, f"{us:.2f}", f"{us / steps['ours']:.0%}"]
        yield ["**all of it**", f"**{steps['ours']:.2f}**", ""]
        yield ["by hand", f"{steps['by hand']:.2f}", f"{steps['by hand'] / steps['ours']:.0%}"]

    for name, steps in figures.items():
        yield rows(name, steps)


SECTIONS: Mapping[str, tuple[str, str, Callable[[Any], Iterator[Rows]]]] = {
    "timing": (
        "In process",
        "Calls per second of CPU, on uvloop, with ten realistic headers; rounds of the hand-written function and the framework take turns.\n"
        "The median, and below it the quartiles.",
        _timing,
    ),
    "instructions": (
        "Instructions",
        "The same works, counted by valgrind: instructions of the processor for one request, message or connection, and the ratio. Waiting, caches and other\n"
        "people's programs do not change them, nor do system calls show.",
        _instructions,
    ),
    "servers": (
        "Through servers",
        "CPU time of the server's processes for one request (`wrk`, 32 connections) or message (picows). The server has one core, the load another;\n"
        "the last column is how much of its core the WebSocket client used: far below 100 % it is no bottleneck.",
        _servers,
    ),
    "growth": (
        "What things cost by themselves",
        "Routes: every path has a tag; requests and connections go to rows all over the table. Middlewares: each alone, above the same request or message\n"
        "without it, in process (csrf and flash: above a session; `api_defaults` and `site_defaults` are whole shelves); differences within 0.2 µs are noise.\n"
        "`wrap_static` looks for a file in a thread, and `wrap_auth` asks a plain `def` in one. Starting: the median over fresh processes, above a Python\n"
        "that does nothing.",
        _growth,
    ),
    "memory": ("An idle WebSocket", "Growth of uvicorn's resident memory for each idle socket.", _memory),
    "fanout": (
        "From one to many",
        "One socket says messages of 200 bytes, all others hear them: deliveries for a second of the server's CPU, and relative to a hand-written loop over\n"
        "sockets in the same round. One at a time: the next is said when all have heard the last; in bursts: twenty are under way. The client (picows) checks\n"
        "that every socket hears every message once and in order; who loses one has no figure. The server has one core, the client the other. By hand one\n"
        "process is all there is, through Redis too. Ours forwards the whole message as JSON, with its id and cursor; the others forward the text.",
        _fanout,
    ),
    "latency": (
        "From the publish to the delivery",
        "In one process, one message of 200 bytes at a time, on throw-away brokers that flush nothing to the disk. The bare library does the nearest thing\n"
        "that it offers: a queue; PUBLISH; a JetStream publish and its ordered consumer; an INSERT with NOTIFY. It has no ids, cursors or recovery.\n"
        "Below, what Python allocates for an idle subscription on channels in memory; the first one of a conversation brings a mailbox, and a task that reads\n"
        "the client beside it.",
        _latency,
    ),
    "steps": (
        "Step by step",
        "Each step of a request is done alone, many times. A message is measured by layers: the hand-written loop, then the same with a handler that is an\n"
        "async generator, then with an async iterator that it hears through, then ours, which adds all that is promised about conversations.",
        _steps,
    ),
}
