"""``forwarded`` and ``x-forwarded-for``: nothing further left changes what is read at the right end."""

from __future__ import annotations

from shallot.codec.forwarded import parse_forwarded, parse_list, parse_node

_LAST = {"for": "[2001:db8::1]:80", "proto": "https"}


def fuzz(data: bytes) -> None:
    text = data.decode("latin-1")
    elements = list(parse_forwarded(text))
    assert len(elements) == len(list(parse_list(text)))
    assert next(parse_forwarded(f'{text}, for="[2001:db8::1]:80";proto=https')) == _LAST
    for node in parse_list(text):
        found = parse_node(node)
        assert found is None or 0 <= found[1] <= 65535
