"""Header lines, both ways: in, any bytes decode, and joining is linear; out, what passes holds no byte that ends a line. A line is a name, a colon, a value."""

from __future__ import annotations

from shallot.codec.headers import format_headers, parse_headers, parse_parameters, with_header, with_vary

SEEDS = [b"x-a: 1\nx-a: 2\ncookie: a=1\ncookie: b=2", b"vary: accept, *", b"content-type: text/html; charset=utf-8", b"X_A: 1\nx-a: 2", b"a:\xff\xe9"]
LINE_ENDS = {0, 10, 13}


def fuzz(data: bytes) -> None:
    lines = [(name.lower(), value) for name, _, value in (line.partition(b":") for line in data.split(b"\n"))]
    headers = parse_headers(lines)
    assert set(headers) == {name.decode("latin-1").lower() for name, _ in lines}
    assert sum(map(len, headers.values())) <= sum(len(value) + 2 for _, value in lines)
    parameters = parse_parameters(data.decode("latin-1"))
    assert "" not in parameters and all(name == name.lower() for name in parameters)
    written = {name: value for name, value in headers.items() if _is_fine(name, value)}
    for name, value in format_headers(written):
        assert not LINE_ENDS & {*name, *value}
        assert b":" not in name and b" " not in name
    assert parse_headers(format_headers(written)) == {name: value.strip(" \t") for name, value in written.items()}
    varied = with_vary(written, "origin")
    assert with_vary(varied, "origin") == varied
    assert with_header(varied, "vary", "x")["vary"] == "x"


def _is_fine(name: str, value: str) -> bool:
    try:
        format_headers({name: value})
    except (TypeError, ValueError):
        return False
    return True
