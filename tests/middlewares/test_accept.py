from __future__ import annotations

from typing import Any

import pytest

from shallot import build_server
from shallot.codec.json import parse_json
from shallot.compose import apply_middleware
from shallot.errors import PeerError
from shallot.middlewares.accept import accept_request, accept_response, wrap_accept
from shallot.testing import client

TYPES = ["application/json", "text/html"]
LANGUAGES = ["en", "de"]


def asking(accept: str | None = None, language: str | None = None, **keys: Any) -> Any:
    given = {"accept": accept, "accept-language": language}
    return {"type": "http", "headers": {name: value for name, value in given.items() if value is not None}, **keys}


async def show(request: Any) -> Any:
    return {"status": 200, "chosen": [request["accepted_type"], request["accepted_language"]]}


@pytest.mark.parametrize(
    ("request_", "chosen"),
    [
        pytest.param({}, ["application/json", "en"], id="the smallest request"),
        pytest.param(asking(), ["application/json", "en"], id="no headers"),
        pytest.param(asking("text/*;q=0.5, application/*;q=0.1", "de-AT"), ["text/html", "de"], id="both"),
        pytest.param(asking("*/*", "fr"), ["application/json", "en"], id="a language that is not there"),
        pytest.param(asking("image/png", "de", type="websocket"), ["application/json", "de"], id="a WebSocket is not refused"),
    ],
)
async def test_what_suits_best(request_: Any, chosen: Any) -> None:
    response = await apply_middleware(wrap_accept(types=TYPES, languages=LANGUAGES))(show)(request_)
    assert response == {"status": 200, "chosen": chosen, "headers": {"vary": "accept, accept-language"}}


async def test_what_nobody_can_take_is_refused() -> None:
    async def never(request: Any) -> Any:
        raise AssertionError

    response = await apply_middleware(wrap_accept(types=TYPES))(never)(asking("image/png"))
    assert (response["status"], response["headers"]["vary"]) == (406, "accept")  # type: ignore[typeddict-item]
    assert parse_json(response["body"]) == {"type": "about:blank", "title": "Not Acceptable", "status": 406, "offers": TYPES}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"status": 200, "chosen": [None, None], "headers": {}}),
        ({"types": TYPES}, {"status": 200, "chosen": ["application/json", None], "headers": {"vary": "accept"}}),
        ({"languages": LANGUAGES}, {"status": 200, "chosen": [None, "en"], "headers": {"vary": "accept-language"}}),
    ],
    ids=["neither", "types", "languages"],
)
async def test_either_alone(options: Any, expected: Any) -> None:
    assert await apply_middleware(wrap_accept(**options))(show)(asking()) == expected


async def test_what_an_error_became_says_vary_too() -> None:
    """Whether there is an error may depend on what was chosen, and caches may keep some of them (RFC 9110 15.1)."""

    class Gone(PeerError):
        status = 410

    async def only_json(request: Any) -> Any:
        raise Gone(request["accepted_type"])

    async with client(build_server(apply_middleware(wrap_accept(types=TYPES, languages=LANGUAGES))(only_json))) as c:
        answer = await c.get("/")
    assert (answer["status"], answer["headers"]["vary"]) == (410, "accept, accept-language")


async def test_the_same_headers_again_choose_the_same() -> None:
    chosen: list[Any] = []

    async def note(request: Any) -> Any:
        chosen.append((request["accepted_type"], request["accepted_language"]))
        return {"status": 200}

    ask = apply_middleware(wrap_accept(types=TYPES, languages=LANGUAGES))(note)
    for accept in ("text/html", "application/json", "text/html", None, None):
        await ask(asking(*([accept] if accept else [])))
    assert chosen == [("text/html", "en"), ("application/json", "en"), ("text/html", "en"), ("application/json", "en"), ("application/json", "en")]


def test_pure_halves() -> None:
    request = asking("image/png")
    assert accept_request(request, TYPES) is request
    assert (request["accepted_type"], request["accepted_language"]) == (None, None)
    response: Any = {"status": 101, "headers": {"Vary": "Origin"}, "websocket": {}}
    assert accept_response(response, TYPES) == {"status": 101, "headers": {"vary": "Origin, accept"}, "websocket": {}}
    assert response["headers"] == {"Vary": "Origin"}


@pytest.mark.parametrize(
    ("options", "kind", "error"),
    [
        ({"types": "text/html"}, TypeError, "wrap_accept: types must be a list, not the str 'text/html'; write ['text/html']"),
        ({"languages": "en"}, TypeError, "wrap_accept: languages must be a list, not the str 'en'; write ['en']"),
        ({"types": ["text/*"]}, ValueError, "wrap_accept: types are like 'application/json', not 'text/*'"),
        ({"types": ["json"]}, ValueError, "wrap_accept: types are like 'application/json', not 'json'"),
        ({"languages": ["de_CH"]}, ValueError, "wrap_accept: languages are like 'en' or 'de-CH', not 'de_CH'"),
        ({"languages": ["é"]}, ValueError, "wrap_accept: languages are like 'en' or 'de-CH', not 'é'"),
    ],
)
def test_options(options: Any, kind: Any, error: str) -> None:
    with pytest.raises(kind) as caught:
        wrap_accept(**options)
    assert str(caught.value) == error
