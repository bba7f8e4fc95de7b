"""Channels with the wrong words."""

from collections.abc import AsyncIterator

from shallot import history, members, publish, subscribe, unsubscribe, websocket
from shallot.types import ChannelGap, ChannelMessage, Effect, Receiver, WSScope


@websocket
async def wrong_words(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield subscribe(["a"])  # error: mypy pyright
    yield subscribe("a", slow="drop")  # error: mypy pyright
    yield subscribe("a", batch="64")  # error: mypy pyright
    yield subscribe("a", member="ann")  # error: mypy pyright
    yield subscribe("a", since="c")  # error: mypy pyright
    yield unsubscribe()  # error: mypy pyright
    yield publish("a")  # error: mypy pyright
    yield publish("a", "data", id=7)  # error: mypy pyright
    yield members(None)  # error: mypy pyright
    yield history("a", limit="20")  # error: mypy pyright
    yield {"type": "channel.publish", "chanel": "a", "data": 1}  # error: mypy pyright
    yield {"type": "channel.subscribe", "channel": "a", "slow": "drop"}  # error: mypy pyright


def reads(message: ChannelMessage, gap: ChannelGap) -> None:
    print(message["txt"])  # error: mypy pyright
    print(gap["reason"] == "lost")  # error: mypy pyright
