"""A corpus of bad apps, each with its finding; and good ones without."""

from __future__ import annotations

from typing import Any

import pytest

from shallot import build_server, standard_not_found
from shallot.describe import check
from shallot.describe.rules import RULES
from shallot.middlewares import apply_middleware, wrap_routes


def test_findings_are_dicts_the_worst_first() -> None:
    findings = check(build_server(standard_not_found))
    assert findings == [
        {"id": "hosts-missing", "level": "warning", "where": "the app", "fix": RULES["hosts-missing"].fix},
        {"id": "security-headers-missing", "level": "warning", "where": "the app", "fix": RULES["security-headers-missing"].fix},
    ]


def test_what_is_no_app_is_refused() -> None:
    with pytest.raises(TypeError, match="which does not say what it is made of"):
        check(None)


def test_ambiguous_routes_never_get_here() -> None:
    """B11 is a start error, so there is no rule for it."""
    with pytest.raises(ValueError, match="both rows match the same GET requests"):
        wrap_routes([("/{a}", ["GET"], two), ("/{b}", ["GET"], two)])


async def two(request: Any, one: str) -> Any: ...


def test_where_something_is_wrong_twice_it_is_said_once() -> None:
    app = apply_middleware()(standard_not_found)
    assert len(check(app)) == len({(finding["id"], finding["where"]) for finding in check(app)})
