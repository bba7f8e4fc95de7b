"""Constructors of effects: the dicts that a conversation yields. They make dicts and nothing else: no ids, no times, so effects compare equal."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from typing import Any

from .codec.json import format_json
from .types import (
    Accept,
    ChannelHistory,
    ChannelMembers,
    ChannelPublish,
    ChannelSubscribe,
    ChannelUnsubscribe,
    FeedClose,
    FeedOpen,
    SendBytes,
    SendClose,
    SendText,
    SlowReader,
    TimerAfter,
    TimerCancel,
    TimerEvery,
)

__all__ = [
    "after",
    "cancel",
    "every",
    "feed",
    "history",
    "members",
    "publish",
    "subscribe",
    "unfeed",
    "unsubscribe",
    "ws_accept",
    "ws_close",
    "ws_send",
    "ws_send_json",
]


def ws_send(data: str | bytes) -> SendText | SendBytes:
    """Send one message to the client: ``str`` as a text frame, ``bytes`` as a binary one (RFC 6455 5.6).

    >>> ws_send("hi")
    {'text': 'hi', 'type': 'websocket.send'}
    """
    if isinstance(data, str):
        return {"text": data, "type": "websocket.send"}
    if isinstance(data, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]  # not every caller is type-checked
        return {"bytes": data, "type": "websocket.send"}
    raise TypeError(f"ws_send: expected str or bytes, got {type(data).__name__}; for JSON there is ws_send_json")


def ws_send_json(value: Any) -> SendText:
    """Send ``value`` as one text message of compact JSON (RFC 8259); what JSON cannot say is a ``TypeError`` or ``ValueError``.

    >>> ws_send_json({"now": 1})
    {'text': '{"now":1}', 'type': 'websocket.send'}
    """
    return {"text": format_json(value).decode(), "type": "websocket.send"}


def ws_close(code: int = 1000, reason: str = "") -> SendClose:
    """Close the conversation (RFC 6455 7.4): the yield that carries it does not return.

    Legal codes are 1000-1003, 1007-1014 and 3000-4999; ``reason`` is at most 123 bytes of UTF-8. Both are checked where it is yielded.
    As the answer of ``on_connect`` it refuses the handshake with 403.

    >>> ws_close()
    {'type': 'websocket.close', 'code': 1000}
    """
    if isinstance(code, bool) or not isinstance(code, int):  # pyright: ignore[reportUnnecessaryIsInstance]  # not every caller is type-checked
        raise TypeError(f"ws_close: code must be an int, got {code!r}")
    if not isinstance(reason, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # not every caller is type-checked
        raise TypeError(f"ws_close: reason must be a str, got {reason!r}")
    if reason:
        return {"type": "websocket.close", "code": code, "reason": reason}
    return {"type": "websocket.close", "code": code}


def ws_accept(subprotocol: str | None = None, headers: Mapping[str, str | list[str]] | None = None) -> Accept:
    """Accept the handshake: the answer of ``on_connect``. ``subprotocol`` must be one that the client offered.

    >>> ws_accept(subprotocol="v1")
    {'type': 'websocket.accept', 'subprotocol': 'v1'}
    """
    if headers:
        return {"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers}
    return {"type": "websocket.accept", "subprotocol": subprotocol}


def after(seconds: float, name: str) -> TimerAfter:
    """Fire once, ``seconds`` from now: the receiver hands over ``{"type": "timer.fired", "name", "missed"}``. The same name replaces.

    >>> after(2.5, "late")
    {'type': 'timer.after', 'seconds': 2.5, 'name': 'late'}
    """
    return {"type": "timer.after", "seconds": seconds, "name": name}


def every(seconds: float, name: str) -> TimerEvery:
    """Fire every ``seconds``, first after one interval. At most one firing waits; ``missed`` counts those it stands for besides itself.

    >>> every(1, "tick")
    {'type': 'timer.every', 'seconds': 1, 'name': 'tick'}
    """
    return {"type": "timer.every", "seconds": seconds, "name": name}


def cancel(name: str) -> TimerCancel:
    """End the timer ``name``, a firing not yet delivered included; an unknown name is nothing.

    >>> cancel("tick")
    {'type': 'timer.cancel', 'name': 'tick'}
    """
    return {"type": "timer.cancel", "name": name}


def feed(name: str, iterable: AsyncIterable[Any]) -> FeedOpen:
    """Let any async iterable join the mailbox: ``feed.item`` (``name``, ``data``) for each item, then ``feed.ended`` or ``feed.failed`` (``error``).

    The iterable is read one item ahead of what the handler has taken, in a task of its own, and closed there. An open name is replaced.
    """
    return {"type": "feed.open", "name": name, "iterable": iterable}


def unfeed(name: str) -> FeedClose:
    """End the feed ``name``: its iterable is closed, items not yet delivered are dropped; an unknown name is nothing.

    >>> unfeed("log")
    {'type': 'feed.close', 'name': 'log'}
    """
    return {"type": "feed.close", "name": name}


def subscribe(
    channel: str, cursor: str | None = None, slow: SlowReader | None = None, batch: int | None = None, member: Mapping[str, Any] | None = None
) -> ChannelSubscribe:
    """Hear ``channel``: each message after ``cursor`` (without one: from now on) comes as ``channel.message``, exactly once and in order.

    The ``yield`` gives ``{"cursor", "recovered", "missed"}``; where some after the cursor are missing, one ``channel.gap`` says so. All options
    are checked where it is yielded:

    ``cursor``   where to go on: the ``cursor`` of the last message that the client has seen
    ``slow``     when this reader falls too far behind: ``"close"``, ``"oldest"``, ``"newest"``, ``"latest"``, ``"block"``; left out: the channel's setting
    ``batch``    hand over up to so many waiting messages as one, with ``items`` in place of ``data``, at most a hundred times a second
    ``member``   be present in the channel as this: a dict with an ``id`` (``str``); ``ValueError`` on a channel without presence

    >>> subscribe("chat:lobby", member={"id": "ann"})
    {'type': 'channel.subscribe', 'channel': 'chat:lobby', 'member': {'id': 'ann'}}
    """
    effect: ChannelSubscribe = {"type": "channel.subscribe", "channel": channel}
    if cursor is not None:
        effect["cursor"] = cursor
    if slow is not None:
        effect["slow"] = slow
    if batch is not None:
        effect["batch"] = batch
    if member is not None:
        effect["member"] = member
    return effect


def unsubscribe(channel: str) -> ChannelUnsubscribe:
    """Hear ``channel`` no more: what was not delivered yet is dropped, a presence ends. A channel that is not heard is nothing.

    >>> unsubscribe("chat:lobby")
    {'type': 'channel.unsubscribe', 'channel': 'chat:lobby'}
    """
    return {"type": "channel.unsubscribe", "channel": channel}


def publish(channel: str, data: Any, id: str | None = None) -> ChannelPublish:
    """Say ``data`` (what JSON can say) to all who hear ``channel``, on every machine. From a conversation, a hook or a response's ``effects``.

    The ``yield`` gives ``{"cursor", "duplicate"}`` once the backend has stored it. The same ``id`` again within a minute is not stored twice, so a
    publish that failed with ``Unavailable`` can be repeated.

    >>> publish("chat:lobby", {"text": "hi"})
    {'type': 'channel.publish', 'channel': 'chat:lobby', 'data': {'text': 'hi'}}
    """
    if id is None:
        return {"type": "channel.publish", "channel": channel, "data": data}
    return {"type": "channel.publish", "channel": channel, "data": data, "id": id}


def members(channel: str) -> ChannelMembers:
    """Who is present in ``channel``: the ``yield`` gives a dict by member id; ``ValueError`` on a channel without presence.

    >>> members("chat:lobby")
    {'type': 'channel.members', 'channel': 'chat:lobby'}
    """
    return {"type": "channel.members", "channel": channel}


def history(channel: str, limit: int = 100, before: str | None = None) -> ChannelHistory:
    """The last ``limit`` messages of ``channel`` that are kept, oldest first: the ``yield`` gives a list of ``channel.message``.

    ``before`` is the cursor of a message: only what is older than it.

    >>> history("chat:lobby", limit=20)
    {'type': 'channel.history', 'channel': 'chat:lobby', 'limit': 20}
    """
    if before is None:
        return {"type": "channel.history", "channel": channel, "limit": limit}
    return {"type": "channel.history", "channel": channel, "limit": limit, "before": before}
