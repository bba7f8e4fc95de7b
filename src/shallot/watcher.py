"""The watcher of a streamed response: somebody listens whether the client leaves. Sends nothing, and knows no response."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from .body import BodyStream
from .errors import ClientDisconnect
from .sending import Work
from .types import Receive

__all__ = ["while_connected"]

log = logging.getLogger("shallot")


async def while_connected(receive: Receive, body: BodyStream | None, work: Work) -> bytes:
    """Await ``work(is_gone)``, and cancel it once the client left: that is a ``ClientDisconnect``. A cancellation from outside is passed on.

    Where the request is streamed too, its own reader hears that the client left; only where nobody reads on is there anything to watch.
    """
    task = cast("asyncio.Task[Any]", asyncio.current_task())
    others = task.cancelling()
    gone = False

    async def watch() -> None:
        nonlocal gone
        try:
            if body is not None:
                await body.unread()
            event = await receive()
            if event["type"] == "http.request":  # the empty body that nobody had to read
                event = await receive()
            gone = event["type"] in ("http.disconnect", "websocket.disconnect")
        except ClientDisconnect:
            gone = True
        except Exception:
            log.debug("whether the client leaves is not to be known", exc_info=True)
        if gone:
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        last = await work(lambda: gone)
    except asyncio.CancelledError:
        if not gone or task.cancelling() - 1 > others:
            raise
        last = b""
    finally:
        watcher.cancel()
        if gone:
            task.uncancel()
        await asyncio.wait([watcher])
    if gone:
        raise ClientDisconnect
    return last
