"""Clients of a room: one says something, all others must hear all of it, in order. Made with picows, which costs less than any server.

    python -m benchmarks.fanout_clients PORT SOCKETS SECONDS DIALECT WINDOW...

For each window (how many messages may be under way at a time) a line of JSON: messages, deliveries, seconds of the server's CPU (``SERVER``: its process)
and of the clock, the share of a core that the clients used, and delays in ms from the saying of a message to its hearing. ``STUCK=1``: one more reads nothing.
``SIZE``: of a message.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from array import array
from statistics import quantiles
from time import perf_counter, process_time
from typing import Any, NamedTuple

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .servers import cpu_of

PATIENCE_S = 60.0
AT_ONCE = 50
"""Handshakes under way at a time."""
MARK = re.compile(rb"#(\d+);")
FILLING = "x" * int(os.environ.get("SIZE", "190"))


class Dialect(NamedTuple):
    """How a client of a framework says what must be said."""

    hear: str
    say: str
    greeting: tuple[str, ...] = ()
    """What each client sends first, each after an answer."""
    saying: str = "%s"


DIALECTS = {
    "plain": Dialect("/hear", "/say"),
    "socketio": Dialect(*["/socket.io/?EIO=4&transport=websocket"] * 2, ("40", '42["hear",""]'), '42["say","%s"]'),
}


class Room:
    """What was said, and who has heard how much of it."""

    def __init__(self) -> None:
        self.said_at: list[float] = []
        self.heard: list[int] = []
        self.marks: dict[bytes, tuple[int, int]] = {}
        self.delays = array("d")
        self.all_heard = 0
        self.hearers: list[Hearer] = []
        self.complaint = ""
        self.news = asyncio.Event()

    def count(self, hearer: Hearer, payload: bytes) -> None:
        """Each delivery is checked: nothing missing, nothing twice, nothing out of order."""
        found = self.marks.get(payload)
        if found is None:
            numbers = [int(number) for number in MARK.findall(payload)]
            if not numbers or numbers != list(range(numbers[0], numbers[-1] + 1)):
                self.complain(f"unexpected {payload[:200]!r}")
                return
            found = numbers[0], numbers[-1] + 1
            if len(self.marks) > 200:
                self.marks.clear()
            self.marks[payload] = found
        first, end = found
        if first != hearer.next:
            self.complain(f"a socket expected message {hearer.next} and got {first}")
        hearer.next = end
        now = perf_counter()
        for number in range(first, end):
            self.delays.append(now - self.said_at[number])
            self.heard[number] += 1
        while self.all_heard < len(self.heard) and self.heard[self.all_heard] == len(self.hearers):
            self.all_heard += 1
            self.news.set()

    def complain(self, complaint: str) -> None:
        self.complaint = self.complaint or complaint
        self.news.set()


class Hearer(WSListener):
    def __init__(self, room: Room, dialect: Dialect) -> None:
        super().__init__()
        self.room = room
        self.next = 0
        self.ready = asyncio.Event()
        self.greeting = list(dialect.greeting)
        if not self.greeting:
            self.ready.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            self.room.complain(f"a socket was closed: {frame.get_close_code()}")
        elif self.ready.is_set():
            payload = frame.get_payload_as_bytes()
            if payload == b"2":  # the ping of Engine.IO
                transport.send(WSMsgType.TEXT, b"3")
            else:
                self.room.count(self, payload)
        elif self.greeting:
            transport.send(WSMsgType.TEXT, self.greeting.pop(0).encode())
        else:
            self.ready.set()


async def enter(room: Room, dialect: Dialect, port: int) -> WSTransport:
    transport, hearer = await ws_connect(lambda: Hearer(room, dialect), f"ws://127.0.0.1:{port}{dialect.hear}")
    await hearer.ready.wait()
    room.hearers.append(hearer)
    return transport


class Speaker(Hearer):
    """Enters no room: an answer that is not waited for is none to it."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.get_payload_as_bytes() == b"2":
            transport.send(WSMsgType.TEXT, b"3")
        elif len(self.greeting) > 1:
            transport.send(WSMsgType.TEXT, self.greeting.pop(0).encode())
        else:
            self.ready.set()


def open_stuck(port: int) -> socket.socket:
    """It asks for all, and reads nothing."""
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", port))
    lines = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    stuck.sendall(f"GET /hear HTTP/1.1\r\n{lines}".encode())
    if not stuck.recv(12).startswith(b"HTTP/1.1 101"):
        raise SystemExit("the handshake was refused")
    return stuck


async def converse(room: Room, speaker: WSTransport, dialect: Dialect, window: int, seconds: float) -> dict[str, Any]:
    """Say as much in ``seconds`` as the window allows, and wait until all have heard it."""
    server = int(os.environ["SERVER"])
    room.delays = array("d")
    first = len(room.said_at)
    began, cpu, theirs = perf_counter(), process_time(), cpu_of(server)
    try:
        while True:
            is_over = perf_counter() - began >= seconds
            while not is_over and len(room.said_at) - room.all_heard < window:
                text = f"#{len(room.said_at)};{FILLING}"
                room.heard.append(0)
                room.said_at.append(perf_counter())
                speaker.send(WSMsgType.TEXT, (dialect.saying % text).encode())
            if (is_over and room.all_heard == len(room.said_at)) or room.complaint:
                break
            room.news.clear()
            async with asyncio.timeout(PATIENCE_S):
                await room.news.wait()
    except TimeoutError:
        room.complain(f"nothing was heard for {PATIENCE_S:g} s: {room.all_heard - first} of {len(room.said_at) - first} messages reached all")
    if room.complaint:
        raise SystemExit(room.complaint)
    took, messages = perf_counter() - began, len(room.said_at) - first
    cuts = quantiles(room.delays, n=100)
    return {
        "messages": messages,
        "deliveries": messages * len(room.hearers),
        "cpu_s": cpu_of(server) - theirs,
        "took_s": took,
        "share": (process_time() - cpu) / took,
        "p50": 1e3 * cuts[49],
        "p99": 1e3 * cuts[98],
    }


async def run(port: int, sockets: int, seconds: float, dialect: Dialect, windows: list[int]) -> list[dict[str, Any]]:
    room = Room()
    transports: list[WSTransport] = []
    for start in range(0, sockets, AT_ONCE):
        transports += await asyncio.gather(*(enter(room, dialect, port) for _ in range(start, min(start + AT_ONCE, sockets))))
    stuck = open_stuck(port) if os.environ.get("STUCK") else None
    speaker, greeter = await ws_connect(lambda: Speaker(room, dialect), f"ws://127.0.0.1:{port}{dialect.say}")
    await greeter.ready.wait()
    await asyncio.sleep(1.0)
    await converse(room, speaker, dialect, windows[0], seconds / 5)  # everything is warm then
    found = [await converse(room, speaker, dialect, window, seconds) for window in windows]
    if stuck is not None:
        stuck.close()
    for transport in [speaker, *transports]:
        transport.disconnect(graceful=False)
    return found


def main() -> None:
    port, sockets, seconds, dialect, *windows = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run(int(port), int(sockets), float(seconds), DIALECTS[dialect], [int(window) for window in windows]))))


if __name__ == "__main__":
    main()
