"""HTTP speaks to a room, and the same generator serves sockets and Server-Sent Events. Run it with ``uvicorn --app-dir examples orders:app``, then

curl -N -H 'accept: text/event-stream' localhost:8000/orders/live
curl -X POST -H 'content-type: application/json' -d '{"fruit": "pear"}' localhost:8000/orders

What was ordered while you were away comes first if you say the last id that you have seen: ``-H 'last-event-id: ...'``.
"""

from shallot import build_server, publish, standard_not_found, subscribe, websocket, ws_send, ws_send_json
from shallot.channels import memory_channels
from shallot.middlewares import apply_middleware, wrap_json, wrap_routes


async def order(request):
    return {"status": 202, "effects": [publish("orders", request["json"])]}


@websocket
async def live_orders(scope, receiver):
    yield subscribe("orders", cursor=scope.get("cursor"))
    async for message in receiver:
        match message:
            case {"type": "channel.message", "text": text}:
                yield ws_send(text)
            case {"type": "channel.gap"}:
                yield ws_send_json(message)


routes = [
    ("/orders", ["POST"], order),
    ("/orders/live", ["WS", "GET"], live_orders),  # WebSocket, or text/event-stream with Last-Event-ID = cursor
]
app = build_server(
    apply_middleware(wrap_routes(routes), wrap_json())(standard_not_found),
    resources={"channels": memory_channels({"orders": {"keep": 1000, "ttl_s": 3600}})},
)
