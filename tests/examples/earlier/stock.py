"""A JSON service over a dict: a collection, a tag in a path, and a POST of JSON. ``wrap_json`` stands in the pile without parentheses."""

from shallot import build_server
from shallot.middlewares import apply_middleware, wrap_json, wrap_routes
from shallot.response import json, text

shelves = {
    "tea": {"kind": "leaves", "boxes": 2},
    "salt": {"kind": "crystals", "boxes": 0},
}


async def nothing_here(request):
    return text("Nothing here", 404)


async def show_all(request):
    return json({"goods": list(shelves)})


async def show_one(request, goods):
    return json(shelves[goods])


async def count_again(request):
    for goods, boxes in request["json"].items():
        shelves[goods]["boxes"] = boxes
    return json({"counted": sorted(request["json"])})


routes = [
    ("/goods", ["GET"], show_all),
    ("/goods/{goods}", ["GET"], show_one),
    ("/goods", ["POST"], count_again),
]

app = build_server(apply_middleware(wrap_json, wrap_routes(routes))(nothing_here))

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=5000)
