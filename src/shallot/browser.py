"""The browser's side of a conversation: ``shallot.js``, one ES module without dependencies, and the row that serves it. Knows no conversation."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from .types import Response, Route

__all__ = ["SCRIPT", "SCRIPT_PATH", "script_response", "script_route"]

SCRIPT_PATH = Path(__file__).parent / "static" / "shallot.js"
"""Where the module lies, for those who serve or bundle it by themselves."""
SCRIPT = SCRIPT_PATH.read_bytes()
"""The module itself."""

_HEADERS = {"content-type": "text/javascript; charset=utf-8", "cache-control": "no-cache", "etag": f'"{sha256(SCRIPT).hexdigest()[:24]}"'}


def script_response() -> Response:
    """``shallot.js`` as a response. Its ``etag`` changes with each version; ``wrap_not_modified`` makes a 304 of it.

    >>> script_response()["headers"]["content-type"]
    'text/javascript; charset=utf-8'
    """
    return {"status": 200, "headers": {**_HEADERS}, "body": SCRIPT}


async def _send_script(request: Any) -> Response:
    return script_response()


script_route: Route = ("/shallot.js", ["GET"], _send_script, {"name": "shallot.js", "summary": "The browser's side of our conversations"})
"""A row for your routes: ``GET /shallot.js``. A prefix of your own goes around it: ``("/assets", [script_route])``."""
