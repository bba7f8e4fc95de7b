"""A node of its own, for tests that kill it: ``python -m tests.live.channel_node KIND URL CHANNEL MEMBERS``.
Says ``ready`` when all its members have joined."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack

from shallot.channels import presence

from .channel_kinds import KINDS


async def main(kind: str, url: str, channel: str, members: int) -> None:
    async with KINDS[kind].channels(url, {"*": {"presence": True}}) as channels, AsyncExitStack() as sockets:
        for number in range(members):
            await sockets.enter_async_context(channels.subscription(channel, member={"id": f"m{number}"}))
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    presence.LEASE_S, presence.RENEW_S = float(os.environ["LEASE_S"]), float(os.environ["RENEW_S"])
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
