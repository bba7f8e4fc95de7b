"""Apps that do as they are told, for the tests of what stands in for a server."""

from __future__ import annotations

from typing import Any


def sending(*events: dict[str, Any], error: Exception | None = None) -> Any:
    """Sends ``events``, whatever it is asked, and raises ``error`` then."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for event in events:
            await send(event)
        if error is not None:
            raise error

    return app
