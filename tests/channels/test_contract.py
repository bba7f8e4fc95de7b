"""shallot.channels.contract: when a reader may go on, and when it must be told of a gap."""

from __future__ import annotations

import pytest

from shallot.channels.contract import LinkLost, Page, Position, judge
from shallot.errors import Unavailable

HEAD = Position("e", 9, "nine")


@pytest.mark.parametrize(
    ("after", "at", "oldest", "contiguous", "expected"),
    [
        pytest.param(Position("e", 9, "nine"), "nine", 5, True, "", id="at-the-head"),
        pytest.param(Position("e", 9, "nine"), None, None, True, "", id="at-the-head-all-expired"),
        pytest.param(Position("e", 7, "seven"), "seven", 5, True, "", id="inside"),
        pytest.param(Position("e", 0, ""), None, 1, True, "", id="before-the-first"),
        pytest.param(Position("x", 7, "seven"), "seven", 5, True, "epoch", id="other-epoch"),
        pytest.param(Position("x", 10, "ten"), None, 5, True, "epoch", id="other-epoch-first"),
        pytest.param(Position("e", 9, "other"), "nine", 5, True, "rollback", id="other-message-at-the-head"),
        pytest.param(Position("e", 9, ""), "nine", 5, True, "rollback", id="no-id-at-the-head"),
        pytest.param(Position("e", 7, "seven"), "other", 5, True, "rollback", id="other-message-inside"),
        pytest.param(Position("e", 10, "ten"), None, 5, True, "rollback", id="ahead-of-the-head"),
        pytest.param(Position("e", 4, "four"), None, 5, True, "trimmed", id="trimmed"),
        pytest.param(Position("e", 7, "seven"), None, None, True, "trimmed", id="all-expired"),
        pytest.param(Position("e", 0, ""), None, 2, True, "trimmed", id="first-trimmed"),
        pytest.param(Position("e", 0, ""), None, None, True, "trimmed", id="first-expired"),
        pytest.param(Position("e", 0, "forged"), None, 1, True, "trimmed", id="no-message-has-offset-0"),
        pytest.param(Position("e", 0, ""), None, 1, False, "trimmed", id="holes-everywhere"),
    ],
)
def test_judge(after, at, oldest, contiguous, expected):
    assert judge(after, HEAD, at, oldest, contiguous=contiguous) == expected


def test_an_empty_channel_holds_its_own_position():
    assert judge(Position("e", 0, ""), Position("e", 0, ""), None, None) == ""


def test_a_page_has_no_gap_unless_it_says_so():
    assert Page(HEAD, []).gap == ""


def test_a_lost_link_is_worth_a_retry():
    assert issubclass(LinkLost, Unavailable)
    assert LinkLost.status == 503
