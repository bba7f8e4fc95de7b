"""The gate before a channel: publishers wait there for readers that ask for it (``slow="block"``), but not for ever. Knows nothing of messages."""

from __future__ import annotations

import asyncio

from ..deadline import DeadlinePassed, within
from .reader import Reader

__all__ = ["Gate"]


class Gate:
    """Open, but while some reader holds it."""

    __slots__ = ("_block_s", "_free", "_held")

    def __init__(self, block_s: float) -> None:
        self._block_s = block_s
        self._held: dict[Reader, None] = {}
        self._free: asyncio.Event | None = None

    def hold(self, reader: Reader) -> None:
        """Publishers have to wait for ``reader``."""
        reader.holds_up = True
        self._held[reader] = None

    def relieve(self, reader: Reader) -> None:
        """They need not any more."""
        if self._held.pop(reader, self) is None:
            reader.holds_up = False
            if not self._held and self._free is not None:
                self._free.set()
                self._free = None

    async def has_room(self) -> None:
        """Returns when no reader holds up the publishers; those that do so for longer than ``block_s`` are closed."""
        if not self._held:
            return
        if self._free is None:
            self._free = asyncio.Event()
        try:
            await within(self._block_s, self._free.wait())
        except DeadlinePassed:
            for reader in list(self._held):
                reader.overrun(waited=True)
                self.relieve(reader)
