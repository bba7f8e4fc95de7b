"""wrap_accept: which of our media types and languages suits the client best (RFC 9110 12). It chooses; to write the answer so is the handler's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..codec.headers import parse_media_type, with_vary
from ..codec.negotiation import best_language, best_match
from ..codec.remembered import remembered
from ..compose import middleware_factory
from ..response import problem
from ..types import Handler, Middleware, NextMiddleware, Response

__all__ = ["accept_request", "accept_response", "wrap_accept"]


def accept_request(request: Any, types: Sequence[str] = (), languages: Sequence[str] = ()) -> Any:
    """``request`` with ``accepted_type``, which is ``None`` where the client takes none of ``types``, and ``accepted_language``, which then is the first.

    >>> request = accept_request({"headers": {"accept": "text/*", "accept-language": "fr"}}, ["application/json", "text/csv"], ["en", "de"])
    >>> request["accepted_type"], request["accepted_language"]
    ('text/csv', 'en')
    """
    choices = _choices(types, languages)
    _choose(request, choices)
    return request


class _Choices(NamedTuple):
    """What is chosen of our offers, by the header that chooses."""

    type_by: Callable[[str | None], str | None]
    language_by: Callable[[str | None], str | None]


def _choices(types: Sequence[str], languages: Sequence[str]) -> _Choices:
    first = next(iter(languages), None)

    def language_by(header: str | None) -> str | None:
        return best_language(header, languages) or first

    return _Choices(partial(best_match, offers=types), language_by)


def _choose(request: Any, choices: _Choices) -> str | None:
    headers = request.get("headers", {})
    chosen: str | None = choices.type_by(headers.get("accept"))
    request["accepted_type"] = chosen
    request["accepted_language"] = choices.language_by(headers.get("accept-language"))
    return chosen


def accept_response(response: Response, types: Sequence[str] = (), languages: Sequence[str] = ()) -> Response:
    """A copy of ``response`` whose ``vary`` names what was chosen by.

    >>> accept_response({"status": 200}, ["text/csv"])
    {'status': 200, 'headers': {'vary': 'accept'}}
    """
    names = [name for name, offers in (("accept", types), ("accept-language", languages)) if offers]
    return {**response, "headers": with_vary(response.get("headers") or {}, *names)}


@middleware_factory
def wrap_accept(*, types: Sequence[str] = (), languages: Sequence[str] = ()) -> Middleware:
    """Put that of ``types`` which the client likes best under ``request["accepted_type"]``, and that of ``languages`` under ``request["accepted_language"]``.

    | option | meaning | default |
    |---|---|---|
    | ``types`` | media types that the handlers can answer with, the preferred first | none |
    | ``languages`` | languages, the default first (``"en"``, ``"de-CH"``) | none |

    Of several that the client likes equally, the first; a client that says nothing takes all. Where it takes none of ``types``, the answer is 406 with the
    types as ``offers`` (problem+json), and the handler is not called. A language never refuses: none that suits means the first (RFC 9110 12.5.4). Each
    answer says ``vary``, also what a handler's error became. Without ``types`` (``languages``) the key is ``None``.

    WebSocket: the same keys and header, but no 406: browsers choose the ``accept`` of a handshake themselves, so the first of ``types`` stands in.

    >>> wrap_accept(types="text/html")
    Traceback (most recent call last):
    ...
    TypeError: wrap_accept: types must be a list, not the str 'text/html'; write ['text/html']
    """
    for option, offers in {"types": types, "languages": languages}.items():
        if isinstance(offers, str):
            raise TypeError(f"wrap_accept: {option} must be a list, not the str {offers!r}; write [{offers!r}]")
    for offer in types:
        if "*" in offer or not parse_media_type(offer)[0]:
            raise ValueError(f"wrap_accept: types are like 'application/json', not {offer!r}")
    for offer in languages:
        if not offer.replace("-", "").isalnum() or not offer.isascii():
            raise ValueError(f"wrap_accept: languages are like 'en' or 'de-CH', not {offer!r}")
    types, languages = tuple(types), tuple(languages)
    choices = _Choices(*map(remembered, _choices(types, languages)))

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def accept(handler: Handler, request: Any) -> Response:
            if _choose(request, choices) is None and types:
                if request.get("type") != "websocket":
                    return accept_response(problem(406, offers=list(types)), types, languages)
                request["accepted_type"] = types[0]
            return accept_response(await next_middleware(handler, request), types, languages)

        return accept

    def on_refusal(response: Response, request: Any) -> Response:
        return accept_response(response, types, languages)

    setattr(middleware, "on_refusal", on_refusal)  # noqa: B010  # a function has no typed attributes
    return middleware
