"""The script of the browser's side, as it is served; what it does is seen in a browser (``tests/live/test_browser_client.py``)."""

from __future__ import annotations

import gzip

from shallot import build_server, standard_not_found
from shallot.browser import SCRIPT, SCRIPT_PATH, script_response, script_route
from shallot.middlewares import apply_middleware, wrap_not_modified, wrap_routes
from shallot.testing import client


def test_it_stays_small_and_stands_alone() -> None:
    assert len(gzip.compress(SCRIPT, 9)) < 4096
    assert SCRIPT_PATH.read_bytes() == SCRIPT
    assert b"import(" not in SCRIPT and not [line for line in SCRIPT.splitlines() if line.startswith(b"import")]


def test_each_answer_is_a_fresh_one() -> None:
    first = script_response()
    assert first["body"] == SCRIPT
    first["headers"].clear()  # type: ignore[attr-defined]
    assert script_response()["headers"] != {}


async def test_the_row_serves_it_and_a_copy_is_asked_for_once() -> None:
    app = build_server(apply_middleware(wrap_not_modified(), wrap_routes([("/assets", [script_route])]))(standard_not_found))
    async with client(app) as c:
        answer = await c.get("/assets/shallot.js")
        assert (answer["status"], answer["body"], answer["headers"]["cache-control"]) == (200, SCRIPT, "no-cache")
        assert (await c.get("/assets/shallot.js", headers={"if-none-match": answer["headers"]["etag"]}))["status"] == 304
