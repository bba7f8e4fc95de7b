"""What an idle conversation costs the server, relative to a hand-written ASGI function. ``benchmarks/idle_memory.py`` is the whole measure."""

from __future__ import annotations

from benchmarks.idle_memory import LIMIT, measure


def test_an_idle_conversation_costs_little_more_than_hand_written_asgi() -> None:
    """Five hundred sockets of a browser's kind. What disturbs a run only adds to it, half a percent at most: the smaller of two counts."""
    by_hand, ours = (min(measure(work, 500, "browser") for _ in range(2)) for work in ("by_hand", "routed"))
    assert ours <= LIMIT * by_hand, f"{ours:.0f} bytes a socket, {ours / by_hand:.3f} of {by_hand:.0f}"
