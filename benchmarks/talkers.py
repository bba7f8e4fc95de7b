"""Clients that talk: each says the next message when the last one came back. Made with picows, which costs less than any server.

python -m benchmarks.talkers PORT SOCKETS SECONDS    ->   JSON: messages, and the share of a core that the clients used
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter, process_time
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .works import MESSAGE

SAID = MESSAGE.encode()


class Talker(WSListener):
    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self.tally = tally

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, SAID)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        tally = self.tally
        if frame.get_payload_as_memoryview() != SAID:
            tally.complaint = tally.complaint or f"{frame.msg_type}: {frame.get_payload_as_bytes()!r}"
        tally.messages += 1
        if tally.more:
            transport.send(WSMsgType.TEXT, SAID)


class Tally:
    messages = 0
    more = True
    complaint = ""


async def talk(port: int, sockets: int, seconds: float) -> dict[str, Any]:
    tally = Tally()
    tally.more = seconds > 0
    transports = [(await ws_connect(lambda: Talker(tally), f"ws://127.0.0.1:{port}/talk"))[0] for _ in range(sockets)]
    began, cpu = perf_counter(), process_time()
    await asyncio.sleep(max(seconds, 0.2))
    share = (process_time() - cpu) / (perf_counter() - began)
    tally.more = False
    await asyncio.sleep(0.1)
    for transport in transports:
        transport.disconnect()
    if tally.complaint:
        raise SystemExit(f"wrong echo: {tally.complaint}")
    return {"messages": tally.messages, "share": round(share, 3)}


def main() -> None:
    port, sockets, seconds = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(talk(int(port), int(sockets), float(seconds)))))


if __name__ == "__main__":
    main()
