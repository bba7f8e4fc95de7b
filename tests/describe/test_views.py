from __future__ import annotations

from typing import Any

import pytest

from shallot import build_server, standard_not_found
from shallot.describe.views import own_layers, read_view
from shallot.limits import default_limits
from shallot.middlewares import apply_middleware, wrap_cookies, wrap_cors, wrap_json, wrap_routes


async def show(request: Any, number: Any) -> Any: ...


def names(layers: Any) -> list[str]:
    return [layer["name"] for layer in layers]


ROUTES: Any = [
    ("/fruits", [("/{number:half}", ["GET", "PUT"], show, {"name": "fruit", "middlewares": [wrap_json]})], {"middlewares": [wrap_cors()]}),
    ("/{number}", ["DELETE"], show),
]
PILE = apply_middleware(wrap_cookies, wrap_routes(ROUTES, converters={"half": float}), wrap_json())(standard_not_found)


def test_a_row_has_all_layers_that_its_requests_pass() -> None:
    view = read_view(build_server(PILE, limits={"body_bytes": 5}, resources={"db": lambda config: None}))
    assert [(place.where, names(place.layers)) for place in view.places] == [
        ("route GET, PUT /fruits/{number:half}", ["wrap_cookies", "wrap_routes", "wrap_json", "wrap_cors", "wrap_json"]),
        ("route DELETE /{number}", ["wrap_cookies", "wrap_routes", "wrap_json"]),
    ]
    assert (view.places[0].handler, view.places[0].data["name"]) == (show, "fruit")
    assert names(view.layers) == ["wrap_cookies", "wrap_routes", "wrap_json"]
    assert (view.limits["body_bytes"], list(view.resources)) == (5, ["db"])


def test_each_layer_is_found_once() -> None:
    view = read_view(PILE)
    assert names(view.every()) == ["wrap_cookies", "wrap_routes", "wrap_json", "wrap_cors", "wrap_json"]
    assert (len(view.find("wrap_json")), len(view.find("wrap_cookies")), view.find("wrap_csrf")) == (2, 1, [])


def test_a_pile_without_an_app_has_the_usual_limits() -> None:
    assert (read_view(PILE).limits, read_view(PILE).resources) == (default_limits(), {})


def test_a_row_without_layers_of_its_own() -> None:
    assert own_layers({}) == []


@pytest.mark.parametrize("app", [None, show, apply_middleware(wrap_json), wrap_json()], ids=["nothing", "a function", "a pile without its handler", "a layer"])
def test_what_says_nothing_of_itself_is_refused(app: Any) -> None:
    with pytest.raises(TypeError, match=r"^expected what build_server\(\.\.\.\) gives, got .*, which does not say what it is made of \(app\.spec\)$"):
        read_view(app)
