"""shallot.tickets: each opens one thing, once, soon."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot.tickets import memory_tickets

from .clock import Clock


def test_G5_a_ticket_opens_once_and_soon() -> None:
    clock = Clock(100)
    tickets = memory_tickets(clock=clock)
    one, two, three = (tickets.issue(who) for who in ("ann", {"name": "bob"}, "cid"))
    clock.now += 29.9
    assert (tickets.redeem(one), tickets.redeem(one)) == ("ann", None)
    assert tickets.redeem(two) == {"name": "bob"}
    clock.now += 0.1
    assert tickets.redeem(three) is None
    clock.now = 100
    assert tickets.redeem(three) is None


def test_a_ticket_is_long_and_fits_a_url() -> None:
    tickets = memory_tickets()
    issued = {tickets.issue("ann") for _ in range(100)}
    assert len(issued) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", ticket) for ticket in issued)


@given(some.text())
def test_what_was_not_issued_opens_nothing(text: str) -> None:
    tickets = memory_tickets()
    issued = tickets.issue("ann")
    assert tickets.redeem(text) is None
    assert tickets.redeem("\ud800") is None
    assert tickets.redeem(issued) == "ann"


def test_the_oldest_goes_for_a_new_one() -> None:
    tickets = memory_tickets(max_tickets=3)
    issued = [tickets.issue(number) for number in range(5)]
    assert [tickets.redeem(ticket) for ticket in issued] == [None, None, 2, 3, 4]


def test_expired_ones_make_room() -> None:
    clock = Clock(100)
    tickets = memory_tickets(seconds=1, max_tickets=2, clock=clock)
    tickets.issue("old")
    clock.now += 0.5
    kept = tickets.issue("kept")
    clock.now += 0.5
    new = tickets.issue("new")
    assert (tickets.redeem(kept), tickets.redeem(new)) == ("kept", "new")


def test_two_stores_know_nothing_of_each_other() -> None:
    assert memory_tickets().redeem(memory_tickets().issue("ann")) is None


def test_of_many_threads_one_redeems() -> None:
    tickets = memory_tickets()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            issued = tickets.issue("ann")
            redeemed = list(pool.map(tickets.redeem, [issued] * 8))
            assert sorted(redeemed, key=str) == [None] * 7 + ["ann"]


@pytest.mark.parametrize("options", [{"seconds": 0}, {"seconds": -1}, {"seconds": float("nan")}, {"max_tickets": 0}])
def test_wrong_options(options: Any) -> None:
    with pytest.raises(ValueError, match=r"^memory_tickets: seconds must be more than 0 and max_tickets at least 1, not .* and .*$"):
        memory_tickets(**options)


def test_nobody_gets_no_ticket() -> None:
    with pytest.raises(ValueError, match=r"^issue: a ticket is somebody's; None is nobody$"):
        memory_tickets().issue(None)
