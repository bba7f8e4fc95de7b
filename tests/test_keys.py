from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from shallot.keys import CONVERSATION, EFFECTS, MESSAGES, REQUEST, RESPONSE, Key
from shallot.testing import request
from shallot.websocket.feeds import FEED_EFFECTS
from shallot.websocket.table import CONVERSATION_KINDS
from shallot.websocket.timers import TIMER_EFFECTS

SPEC = (Path(__file__).parents[1] / "SPEC.md").read_text()


def table(heading: str) -> set[str]:
    """The first cells of the tables in a chapter."""
    chapter = re.search(rf"^## {heading}$(.*?)^## ", SPEC, re.MULTILINE | re.DOTALL)
    assert chapter
    return {name for row in re.findall(r"^\|(.*?)\|", chapter[1], re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}


def test_the_keys_are_those_of_the_specification() -> None:
    assert table("1. Request") <= set(REQUEST)
    assert table("2. Response") == set(RESPONSE)
    assert set(CONVERSATION) <= table("3. Conversation")


def test_the_kinds_are_those_of_the_core() -> None:
    assert set(EFFECTS) == {*CONVERSATION_KINDS, *TIMER_EFFECTS, *FEED_EFFECTS}
    assert all(kind in SPEC for kind in [*EFFECTS, *MESSAGES])


async def stream() -> Any:
    yield b""


FITTING: list[tuple[Key, list[Any], list[Any]]] = [
    (REQUEST["type"], ["http", "websocket"], ["lifespan", None]),
    (REQUEST["method"], ["GET", "M-SEARCH", "WS"], ["get", "GE T", "É", "", b"GET", "GET\n"]),
    (REQUEST["path"], ["/", "/a b", "/é"], ["", "a", "/\n", "/\x7f", "/\ufffd", None]),
    (REQUEST["headers"], [{}, {"a": "b"}], [None, {"a": 1}, {1: "a"}]),
    (REQUEST["headers_list"], [[], [(b"a", b"b")], ((b"a", b"b"),)], [{}, [(b"a",)], [("a", b"b")], [(b"a", 1)]]),
    (REQUEST["config"], [{}], [None, []]),
    (REQUEST["stream"], [stream()], [iter(())]),
    (REQUEST["route"], [{"path": "", "methods": [], "name": None, "data": {}, "more": 1}], [{}, None, {"path": ""}]),
    (REQUEST["conversation_limits"], [{}, {"send_s": 1, "idle_s": None}], [{"send_s": 0}, {"send": 1}, None, {"body_s": 1}]),
    (REQUEST["identity"], [None, object()], []),
    (REQUEST["accepted_type"], [None, "a/b"], [1]),
    (RESPONSE["status"], [200], [True, "200", None]),
    (RESPONSE["compress"], [True, False], [0, None]),
    (CONVERSATION["reads"], [False], [True, None, 0]),
    (
        CONVERSATION["taps"],
        [[], [{}], [{"begin": print, "message": print, "effect": print, "result": print, "end": print}]],
        [{}, [{"a": print}], [{"end": 1}]],
    ),
    (EFFECTS["timer.after"]["seconds"], [0, 1.5], [-1, True, "1", float("inf"), float("nan")]),
    (EFFECTS["websocket.close"]["code"], [1000, 1014, 4999], [1004, 1015, 999, 5000, "1000", None]),
    (MESSAGES["feed.failed"]["error"], [ValueError()], ["x"]),
]


@pytest.mark.parametrize(("key", "right", "wrong"), FITTING, ids=[key.expected for key, *_ in FITTING])
def test_what_fits(key: Key, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not key.fits(value)] == []
    assert [value for value in wrong if key.fits(value)] == []


def test_a_request_of_the_tests_fits() -> None:
    asked = request("GET", "/")
    assert [name for name, key in REQUEST.items() if (name in asked and not key.fits(asked[name])) or (key.required and name not in asked)] == []
