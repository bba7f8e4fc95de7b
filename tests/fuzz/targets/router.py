"""Routes: a path finds one row or none, whatever it holds; what was found makes the same path again. A line of the input is a path."""

from __future__ import annotations

from shallot.middlewares.routing import build_table, routes_request, url_for

SEEDS = [b"/", b"/fruits/41", b"/fruits/41/parts/x%2fy", b"/files/a/b/c", b"/v1.0/x", b"/9999999999999999999/", b"/\xc3\xa9/1e5", b"//fruits//41"]


async def handler(request: object, *values: object) -> object:
    return {"status": 200}


ROUTES = [
    ("/", ["GET"], handler, {"name": "root"}),
    ("/fruits/{number:int}", ["GET", "PUT"], handler, {"name": "fruit"}),
    ("/fruits/{number:int}/parts/{part}", ["GET"], handler, {"name": "part"}),
    ("/fruits/{name}", ["GET"], handler, {"name": "named"}),
    ("/files/{rest:path}", ["GET"], handler, {"name": "files"}),
    ("/v1.0/{id:uuid}", ["GET"], handler, {"name": "uuid"}),
    ("/{lat:float}/{lon:float}", ["GET"], handler, {"name": "place"}),
]
TABLE = build_table(ROUTES)


def fuzz(data: bytes) -> None:
    path = data.decode("utf-8", "replace")
    if not path.startswith("/") or any(ord(letter) < 32 or letter in "\x7f\ufffd" for letter in path):
        return  # the core lets none of these in
    request: dict[str, object] = {"method": "GET", "path": path, "raw_path": data}
    found = routes_request(request, TABLE)
    if "route" not in request:
        return
    assert found is handler
    route, params = request["route"], request["path_params"]
    assert not {"", ".", ".."} & {str(value) for value in params.values() if "/" not in str(value)}
    if len(path) < 1000:
        again = {"method": "GET", "path": _decoded(url_for(ROUTES, route["name"], **params))}
        assert routes_request(again, TABLE) is handler
        assert (again["route"]["name"], again["path_params"]) == (route["name"], params)


def _decoded(path: str) -> str:
    """As a server decodes it."""
    out, raw, at = bytearray(), path.encode(), 0
    while at < len(raw):
        is_escape = raw[at] == 37
        out.append(int(raw[at + 1 : at + 3], 16) if is_escape else raw[at])
        at += 3 if is_escape else 1
    return out.decode("utf-8")
