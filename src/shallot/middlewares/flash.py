"""wrap_flash: a message that is shown once, on the page after this one. Stands on the session, and knows no store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeVar, cast

from ..compose import middleware_factory
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["MAX_MESSAGES", "Flash", "flash_request", "flash_response", "take_flash", "with_flash", "wrap_flash"]

MAX_MESSAGES = 20
"""The most that wait; the oldest go."""
KEY = "flash"
"""Of the session, and of the response."""

R = TypeVar("R", bound=Mapping[str, Any])


class Flash(TypedDict):
    """One message, and what kind it is: ``"info"``, ``"error"``, or a word of your own."""

    text: str
    level: str


def with_flash(response: R, text: str, level: str = "info") -> R:
    """A copy of ``response`` that leaves a message for the next page: its key ``flash`` is a list of dicts.

    >>> with_flash({"status": 303}, "saved")
    {'status': 303, 'flash': [{'text': 'saved', 'level': 'info'}]}
    """
    message: Flash = {"text": text, "level": level}
    return cast(R, {**response, KEY: [*response.get(KEY, ()), message]})


def take_flash(request: Mapping[str, Any]) -> list[Flash]:
    """The messages that wait for this browser, the oldest first. They are taken out of the session: the next call gives ``[]``.

    >>> take_flash({"session": {"flash": [{"text": "saved", "level": "info"}]}})
    [{'text': 'saved', 'level': 'info'}]
    """
    session = flash_request(request)["session"]
    messages: list[Flash] = session.pop(KEY, [])
    return messages


def flash_request(request: R) -> R:
    """``request``, or the ``TypeError`` that says what is missing."""
    if "session" not in request:
        raise TypeError('wrap_flash: request has no "session"; put wrap_session outside it')
    return request


def flash_response(response: Response, request: Mapping[str, Any]) -> Response:
    """A copy of ``response`` whose key ``flash`` has become a part of its ``session``, behind the messages that wait already.

    A response that ends the session begins a new one with the message.

        >>> flash_response({"status": 303, "flash": [{"text": "saved", "level": "info"}]}, {"session": {"n": 1}})
        {'status': 303, 'session': {'n': 1, 'flash': [{'text': 'saved', 'level': 'info'}]}}
        >>> flash_response({"status": 303, "session": None, "flash": [{"text": "bye", "level": "info"}]}, {"session": {"n": 1}})
        {'status': 303, 'session': {'flash': [{'text': 'bye', 'level': 'info'}]}, 'rotate_session': True}
    """
    if KEY not in response:
        return response
    answer: dict[str, Any] = {**response}
    messages: Sequence[Flash] = answer.pop(KEY)
    session: Mapping[str, Any] | None = answer["session"] if "session" in answer else flash_request(request)["session"]
    if messages:
        waiting = (session or {}).get(KEY, [])
        answer["session"] = {**(session or {}), KEY: [*waiting, *messages][-MAX_MESSAGES:]}
        if not session:
            answer["rotate_session"] = True
    return cast(Response, answer)


@middleware_factory
def wrap_flash() -> Middleware:
    """Let a response leave messages for the next page, across a redirect: ``with_flash(redirect("/"), "saved")``, and there ``take_flash(request)``.

    They wait in the session, under ``flash``, until somebody takes them: at most 20. Without a session a request is a ``TypeError`` that says so.

    WebSocket: the same; a conversation may take messages on its handshake (``on_connect``), a denial may leave one.

    >>> wrap_flash().spec
    {'name': 'wrap_flash', 'options': {}}
    """

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def flash(handler: Handler, request: Any) -> Response:
            return flash_response(await next_middleware(handler, flash_request(request)), request)

        return flash

    return middleware
