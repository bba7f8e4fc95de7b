"""Readers who come back: where each goes on, and whether anything is missing there. One read serves all who wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import Unavailable
from ..types import Subscribed
from .channel import PAGE, Channel, Station
from .contract import Entry, Page, Position
from .cursor import parse_cursor
from .log import Log, Node

__all__ = ["Place", "find_place"]

ATTEMPTS = 8
"""How often the log may change under a read before it is given up."""


class Place(NamedTuple):
    """Where a reader goes on, what its ``subscribe`` gives back, and the gap that it has to hear of first."""

    node: Node
    result: Subscribed
    gap: Mapping[str, Any] | None


async def find_place(channel: Channel, log: Log, station: Station, cursor: str | None) -> Place:
    """The place for ``cursor``. Without one: now. With one that does not hold: the oldest message that is kept, behind one gap."""
    if cursor is None:
        return Place(log.tail, {"cursor": log.tail.cursor, "recovered": False, "missed": 0}, None)
    position = parse_cursor(cursor)
    node = None if position is None else _find(log, position, station)
    if node is None and position is not None and (position.epoch != log.last.epoch or position.offset > log.last.offset):
        await channel.caught_up()  # another node was ahead of this one
        node = _find(log, position, station)
    if node is None:
        await _read_back(channel, log, station, position if position is not None and position.epoch == log.last.epoch else None)
        node = None if position is None else _find(log, position, station)
    if node is None and position is not None and log.is_nameless(position):
        await _read_back(channel, log, station, position)  # it was read for along with others, who wanted more
        node = _find(log, position, station)
    if node is not None:
        return Place(node, {"cursor": cursor, "recovered": True, "missed": 0}, None)
    station.counters["gaps"] += 1
    start, reason = log.oldest, _reason(log, position)
    missed = start.position.offset - position.offset if position is not None and reason == "trimmed" and station.contiguous else None
    gap = {"type": "channel.gap", "channel": channel.name, "reason": reason, "missed": missed, "cursor": start.cursor}
    return Place(start, {"cursor": start.cursor, "recovered": False, "missed": missed}, gap)


def _find(log: Log, position: Position, station: Station) -> Node | None:
    """Where ``position`` stands in the window. One without an id is where a gap ended: before the next message, whatever stood there."""
    node = log.find(position)
    if node is None and not position.id and position.epoch == log.last.epoch and position.offset <= log.last.offset:
        if station.contiguous:
            return log.window.get(position.offset)
        return next((node for offset, node in reversed(log.window.items()) if offset <= position.offset), None)
    return node


def _reason(log: Log, position: Position | None) -> str:
    if position is None:
        return "cursor"
    if position.epoch != log.last.epoch:
        return "epoch"
    other = log.window.get(position.offset)
    return "rollback" if position.offset > log.last.offset or (other is not None and other.position.id) else "trimmed"


async def _read_back(channel: Channel, log: Log, station: Station, position: Position | None) -> None:
    """Returns when the window reaches back to ``position``, or as far as the backend does (``None``: so far)."""
    done = asyncio.get_running_loop().create_future()
    channel.returning.append((position, done))
    if not channel.recovering:
        channel.recovering = True
        station.spawn(_serve(channel, log, station))
    await done


async def _serve(channel: Channel, log: Log, station: Station) -> None:
    await asyncio.sleep(0)  # who comes back at the same time is served at the same time
    try:
        while channel.returning:
            waiting, channel.returning = channel.returning, []
            try:
                await _replay(channel, log, station, [position for position, _ in waiting])
            except Exception as error:
                for _, done in waiting:
                    if not done.done():
                        done.set_exception(error)
            else:
                for _, done in waiting:
                    if not done.done():
                        done.set_result(None)
    finally:
        channel.recovering = False


async def _replay(channel: Channel, log: Log, station: Station, positions: list[Position | None]) -> None:
    """Let the window reach back to the lowest of ``positions``, or as far as the backend does."""
    known = [position for position in positions if position is not None]
    lowest = min(known, key=lambda position: position.offset) if len(known) == len(positions) else None
    for _ in range(ATTEMPTS):
        found = await _collect(channel, log, station, lowest)
        if found is not None:
            start, entries = found
            if start is not None and start.offset < log.oldest.position.offset:
                log.replay(start, entries, station.now())
                return
            if start is None or start != lowest or log.name(start):
                return  # the window reaches back further than what the backend keeps, or just as far
        await channel.caught_up()
        if lowest is not None and _find(log, lowest, station) is not None:
            return
    raise Unavailable(f"channel {channel.name!r} changes faster than it can be read")


async def _collect(channel: Channel, log: Log, station: Station, lowest: Position | None) -> tuple[Position | None, list[Entry]] | None:
    """All messages after ``lowest``, or all that are kept, until they meet the window; and the position before them. ``None``: they do not meet it."""
    entries: list[Entry] = []
    start = after = lowest
    while True:
        page = await station.read(channel.name, after)
        if page.head.epoch != log.last.epoch or (page.gap and entries):
            return None
        if page.gap or after is None:
            start = Position(page.head.epoch, page.entries[0].offset - 1, "") if page.entries else None
        entries += page.entries
        reached = entries[-1].offset if entries else start.offset if start is not None else page.head.offset
        if reached >= log.edge - 1 or _is_all(page, station):
            return start, entries
        if len(page.entries) < PAGE:
            return None
        after = Position(page.head.epoch, entries[-1].offset, entries[-1].id)


def _is_all(page: Page, station: Station) -> bool:
    """Is nothing behind this page? Only where offsets have holes that says that it meets the window."""
    return not station.contiguous and len(page.entries) < PAGE
