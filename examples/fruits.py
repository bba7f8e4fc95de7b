"""Routes are a table, handlers are functions. Run it with ``uvicorn --app-dir examples fruits:app``, then

curl localhost:8000/fruits
curl -X PUT -H 'content-type: application/json' -d '{"name": "pear"}' localhost:8000/fruits/2
"""

from shallot import build_server, standard_not_found
from shallot.middlewares import apply_middleware, url_for, wrap_json, wrap_routes
from shallot.response import json, text

fruits = {1: {"name": "apple"}}


async def list_fruits(request):
    return json({"fruits": [url_for(routes, "fruit", number=n) for n in fruits]})


async def show_fruit(request, number: int):
    return json(fruits[number]) if number in fruits else text("no such fruit", 404)


async def put_fruit(request, number: int):
    fruits[number] = request["json"]
    return json(fruits[number], status=201)


routes = [
    ("/fruits", [
        ("/", ["GET"], list_fruits),
        ("/{number:int}", ["GET"], show_fruit, {"name": "fruit"}),
        ("/{number:int}", ["PUT"], put_fruit),
    ]),
]  # fmt: skip
app = build_server(apply_middleware(wrap_routes(routes), wrap_json())(standard_not_found))
