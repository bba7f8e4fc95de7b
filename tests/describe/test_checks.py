from __future__ import annotations

from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket
from shallot.describe.checks import check
from shallot.describe.rules import RULES
from shallot.limits import LIMITS
from shallot.middlewares import apply_middleware, wrap_cookies, wrap_errors, wrap_hosts, wrap_routes, wrap_security_headers


async def handler(request: Any) -> Any: ...


@websocket
async def talk(scope: Any, receiver: Any) -> Any:
    yield {}


GET, POST, WS = ("/g", ["GET"], handler), ("/p", ["POST", "GET"], handler), ("/w", ["WS"], talk)
GOOD = [wrap_security_headers(), wrap_hosts(["a.org"])]


def app(*layers: Any) -> Any:
    return build_server(apply_middleware(*layers)(standard_not_found))


def test_findings_are_dicts_the_worst_first() -> None:
    assert check(app(wrap_errors(debug=True))) == [
        {"id": "debug-on", "level": "error", "where": "wrap_errors(debug=True)", "fix": "leave out debug=True"},
        {"id": "hosts-missing", "level": "warning", "where": "the app", "fix": RULES["hosts-missing"].fix},
        {"id": "security-headers-missing", "level": "warning", "where": "the app", "fix": RULES["security-headers-missing"].fix},
    ]


def test_a_good_app_has_no_findings() -> None:
    assert check(app(*GOOD, wrap_routes([GET, POST]))) == []


def test_all_of_one_kind_are_found_and_none_twice() -> None:
    found = check(app(*GOOD, wrap_cookies, wrap_routes([WS, ("/v", ["WS"], talk)])))
    assert [finding["where"] for finding in found if finding["id"] == "ws-origin-missing"] == ["route WS /w", "route WS /v"]
    assert len(found) == len({(finding["id"], finding["where"]) for finding in found})


def test_what_is_no_app_is_refused() -> None:
    with pytest.raises(TypeError, match="which does not say what it is made of"):
        check(None)


def test_a_pile_alone_is_checked_with_the_usual_limits() -> None:
    assert check(apply_middleware(*GOOD)(standard_not_found)) == []
    assert LIMITS["body_bytes"].default == 1024 * 1024


def test_ambiguous_routes_never_get_here() -> None:
    """B11 is refused at the start, so there is no rule for it."""
    with pytest.raises(ValueError, match="both rows match the same GET requests"):
        wrap_routes([("/{a}", ["GET"], lambda request, a: None), ("/{b}", ["GET"], lambda request, b: None)])
