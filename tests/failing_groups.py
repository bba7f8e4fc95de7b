"""Work with a TaskGroup that fails while it is being left."""

from __future__ import annotations

import asyncio

__all__ = ["fail", "left_in_time"]


async def fail(after_s=0.0):
    await asyncio.sleep(after_s)
    raise LookupError


async def left_in_time():
    async with asyncio.TaskGroup() as group:
        group.create_task(fail(1))
