"""A chat room for any number of machines. Run it with ``uvicorn --app-dir examples chat:app`` and talk on ``ws://localhost:8000/chat/lobby?name=ann``.

Bring the last ``cursor`` along (``?name=ann&cursor=...``) to hear what was said meanwhile. For many processes on many machines: start a Redis, and set
``CHAT_REDIS=redis://localhost``.
"""

import os

import shallot.channels
from shallot import build_server, publish, standard_not_found, subscribe, websocket, ws_accept, ws_send, ws_send_json
from shallot.middlewares import apply_middleware, wrap_parameters, wrap_routes
from shallot.response import text


async def by_name(scope):
    """Stands in for ``wrap_auth``: whoever says a name is believed."""
    scope["identity"] = scope["query_params"].get("name", [""])[0]
    return ws_accept() if scope["identity"] else text("who are you?", 401)


@websocket(on_connect=by_name)
async def chat(scope, receiver, room):
    channel, name = f"chat:{room}", scope["identity"]
    yield subscribe(channel, cursor=scope.get("cursor"), member={"id": name})
    async for message in receiver:
        match message:
            case str(text):
                yield publish(channel, {"from": name, "text": text})
            case {"type": "channel.message", "text": text}:  # the whole message as JSON, cursor included, encoded once per node
                yield ws_send(text)
            case {"type": "channel.gap", "missed": missed}:
                yield ws_send_json({"notice": f"{missed or 'some'} messages could not be recovered"})
            case {"type": "channel.joined" | "channel.left" as what, "member": member}:
                yield ws_send_json({"notice": f"{member['id']} {what.removeprefix('channel.')}"})


topics = {"chat:*": {"keep": 1000, "ttl_s": 300, "presence": True, "slow": "close"}}
handler = apply_middleware(wrap_parameters(), wrap_routes([("/chat/{room}", ["WS"], chat)]))(standard_not_found)
url = os.environ.get("CHAT_REDIS")
# Each is asked for by its name, for the one needs the extra redis.
channels = shallot.channels.redis_channels(url, topics) if url else shallot.channels.memory_channels(topics)
app = build_server(handler, resources={"channels": channels})
