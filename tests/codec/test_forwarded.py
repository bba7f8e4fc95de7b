"""shallot.codec.forwarded: read from the right, piece by piece."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot.codec.forwarded import parse_forwarded, parse_list, parse_node, plain_address

from .costs import cpu_seconds


@pytest.mark.parametrize(
    ("text", "members"),
    [("a", ["a"]), ("a, b ,\tc", ["c", "b", "a"]), ("", [""]), (",", ["", ""]), ("a,,b", ["b", "", "a"])],
)
def test_lists_are_read_from_the_right(text, members):
    assert list(parse_list(text)) == members


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        pytest.param("for=192.0.2.60;proto=http;by=203.0.113.43", [{"for": "192.0.2.60", "proto": "http", "by": "203.0.113.43"}], id="RFC 7239 4"),
        pytest.param('For="[2001:db8:cafe::17]:4711"', [{"for": "[2001:db8:cafe::17]:4711"}], id="quoted"),
        pytest.param("for=192.0.2.43, for=198.51.100.17", [{"for": "198.51.100.17"}, {"for": "192.0.2.43"}], id="two"),
        pytest.param("for=_gazonk;\tHOST=a ; proto=https", [{"for": "_gazonk", "host": "a", "proto": "https"}], id="blanks and capitals"),
        pytest.param('host=""', [{"host": ""}], id="an empty quoted one"),
        pytest.param("for=a;host=b;host=c", [None], id="a name twice"),
        pytest.param("for=a;host=b;Host=b", [None], id="a name twice, whatever its case"),
        pytest.param('for="a;host=evil"', [None], id="a semicolon in quotes"),
        pytest.param('for="a, for=1.2.3.4', [{"for": "1.2.3.4"}, None], id="what is open on the left changes nothing on the right"),
        pytest.param('for=", for="[::1]"', [{"for": "[::1]"}, None], id="quotes that only look like a pair"),
        pytest.param('for="a\\"', [None], id="a backslash"),
        pytest.param("", [None], id="nothing"),
        pytest.param("for=a,", [None, {"for": "a"}], id="an empty element"),
        pytest.param("for=a;", [None], id="an empty pair"),
        pytest.param("for = a", [None], id="blanks around ="),
        pytest.param("for", [None], id="no value"),
        pytest.param("for=a=b", [None], id="two values"),
        pytest.param("for=[::1]", [None], id="brackets need quotes"),
    ],
)
def test_forwarded(text, elements):
    assert list(parse_forwarded(text)) == elements


TOKENS = some.from_regex(r"[a-z0-9_.]{1,9}", fullmatch=True)
VALUES = TOKENS | some.from_regex(r"[ !#-+\-./0-:<-\[\]-~]{0,9}", fullmatch=True)


def show(element):
    return ";".join(f'{name}="{value}"' for name, value in element.items())


@given(some.lists(some.dictionaries(TOKENS, VALUES, min_size=1), min_size=1))
def test_there_and_back(elements):
    assert list(parse_forwarded(", ".join(map(show, elements)))) == elements[::-1]


REST = some.lists(some.sampled_from([",", ";", "=", '"', "\\", " ", "for", "for=a", 'by="b"']) | some.text(max_size=3)).map("".join)


@given(REST, some.dictionaries(TOKENS, VALUES, min_size=1))
def test_nothing_on_the_left_changes_the_last(rest, element):
    assert next(parse_forwarded(f"{rest}, {show(element)}")) == element


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("192.0.2.1", ("192.0.2.1", 0)),
        ("192.0.2.1:4711", ("192.0.2.1", 4711)),
        ("[2001:DB8::1]", ("2001:db8::1", 0)),
        ("[2001:db8::1]:80", ("2001:db8::1", 80)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("::ffff:192.0.2.1", ("192.0.2.1", 0)),
        ("[::ffff:192.0.2.1]:65535", ("192.0.2.1", 65535)),
        *((text, None) for text in ("", "unknown", "_hidden", "evil", "example.org", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4:65536", "1.2.3.4:x")),
        *((text, None) for text in ("[1.2.3.4]", "[::1", "[::1]x", "[:::]", "fe80::1%eth0", "1.2.3.4 ", "1.2.3.4\n", "1.2.3.4/8", "١.2.3.4", "1.2.3.4:")),
    ],
)
def test_nodes(text, node):
    found = parse_node(text)
    assert (found and (str(found[0]), found[1])) == node


@given(some.ip_addresses(), some.integers(1, 65535))
def test_every_address_is_a_node(address, port):
    plain = plain_address(str(address))
    shown = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    assert parse_node(str(address)) == parse_node(shown) == (plain, 0)
    assert parse_node(f"{shown}:{port}") == (plain, port)


def test_plain_addresses():
    assert plain_address("::ffff:1.2.3.4") == ip_address("1.2.3.4")
    assert plain_address("/run/app.sock") is None


@pytest.mark.parametrize("unit", [",", ";", '"', "for=a;", "for=a,", 'for="', "a" * 9, "=", " ", "\\"])
def test_linear(unit):
    def seconds(times):
        text = unit * times
        return cpu_seconds(lambda: list(parse_forwarded(text)), attempts=3)

    assert seconds(16_000) < 6 * seconds(4_000) + 0.01
