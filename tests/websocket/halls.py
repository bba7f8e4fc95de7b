"""Where a conversation takes place in tests: on a fake server, with a journal of what its handler and hooks did, beside what went over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

from shallot.effects import ws_send
from shallot.testing import FakeServer


class Place:
    """``app`` on ``server``; ``scope`` is what the handler got."""

    app: Any
    server: FakeServer

    def __init__(self) -> None:
        self.journal: list[Any] = []
        self.scope: Any = {}

    async def run(self, **keywords: Any) -> Self:
        await self.server.run(self.app, **keywords)
        return self

    def start(self) -> Self:
        self.server.start(self.app)
        return self

    async def left(self, *code: int) -> Self:
        """The client leaves, and the conversation ends."""
        self.server.leave(*code)
        await self.server.end()
        return self

    @property
    def sent(self) -> list[Any]:
        """What went out after the answer to the handshake."""
        return self.server.sent[1:]

    @property
    def close(self) -> tuple[int, str, str]:
        code, reason, by = self.scope["close"].values()
        return code, reason, by


def now() -> float:
    return asyncio.get_running_loop().time()


async def ticker(scope: Any, receiver: Any) -> AsyncIterator[Any]:
    try:
        while True:
            yield ws_send("tick")
            await asyncio.sleep(1)
    finally:
        scope["journal"].append("finally")
