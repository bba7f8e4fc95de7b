from __future__ import annotations

from asyncio import CancelledError

import pytest

from shallot.errors import BodyTooLarge, CloseWith, Forbidden, WSDisconnect
from shallot.websocket.endings import CUTS, Ending, ending_of, is_expected

LEFT = (1001, "tab")
ERROR = LookupError("x")


@pytest.mark.parametrize(
    ("failure", "left", "cut", "cancelled", "expected"),
    [
        (CloseWith(4000), None, None, False, True),
        (ERROR, None, None, False, False),
        (WSDisconnect(), LEFT, None, False, True),
        (WSDisconnect(), None, None, False, False),
        (CancelledError(), None, None, False, False),
        (CancelledError(), None, "idle", False, True),
        (CancelledError(), None, None, True, True),
        (ERROR, LEFT, None, False, False),
    ],
    ids=["close with", "error", "left", "left, it says", "cancelled by nobody", "cut", "cancelled", "error after leaving"],
)
def test_is_expected(failure, left, cut, cancelled, expected):
    assert is_expected(failure, left, cut, cancelled) is expected


@pytest.mark.parametrize(
    ("failure", "left", "cut", "cancelled", "ending"),
    [
        (None, None, None, False, Ending(1000, "", "server", True)),
        (ERROR, None, None, False, Ending(1011, "", "server", True)),
        (CloseWith(4000, "why"), None, None, False, Ending(4000, "why", "server", True)),
        (CloseWith(1006), None, None, False, Ending(1011, "", "server", True)),
        (Forbidden(), None, None, False, Ending(1008, "", "server", True)),
        (BodyTooLarge(), None, None, False, Ending(1009, "", "server", True)),
        (ERROR, LEFT, "idle", True, Ending(1001, "tab", "client", False)),
        (None, (1012, ""), None, False, Ending(1012, "", "server", False)),
        (CancelledError(), None, "idle", True, CUTS["idle"]),
        (CancelledError(), None, None, True, CUTS["shutdown"]),
        (CloseWith(1009), None, "trouble", False, Ending(1009, "", "server", True)),
    ],
    ids=["end", "error", "close with", "illegal", "forbidden", "peer", "left wins", "1012", "cut wins", "cancelled", "trouble"],
)
def test_ending_of(failure, left, cut, cancelled, ending):
    assert ending_of(failure, left, cut, cancelled) == ending
