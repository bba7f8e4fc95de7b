"""What handlers and hooks of the test app write down, and how a test waits for it: for events, never for time."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from pathlib import Path


class Journal:
    """Lines by key, in order. With ``path`` each is also appended there at once: for what happens after the last answer."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lines: defaultdict[str, list[str]] = defaultdict(list)
        self._news: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def note(self, key: str, line: str) -> None:
        self._lines[key].append(line)
        self._news[key].set()
        if self.path:
            with self.path.open("a") as file:
                file.write(f"{key} {line}\n")

    def lines(self, key: str) -> list[str]:
        return self._lines[key]

    async def wait(self, key: str, mark: str, seconds: float) -> list[str]:
        """The lines under ``key`` as soon as one begins with ``mark``, or those there are after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                while not any(line.startswith(mark) for line in self._lines[key]):
                    self._news[key].clear()
                    await self._news[key].wait()
        except TimeoutError:
            pass  # the test shows what was seen instead
        return self._lines[key]

    def gate(self, key: str) -> asyncio.Event:
        """What a handler waits for until the test says go."""
        return self._gates[key]


journal = Journal(Path(os.environ["LIVE_JOURNAL"]) if "LIVE_JOURNAL" in os.environ else None)
