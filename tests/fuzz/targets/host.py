"""``host``: what is one parses, prints and parses again to the same; what a list names ends with the name."""

from __future__ import annotations

from shallot.codec.hosts import host_matcher, is_host, parse_host

_is_ours = host_matcher([".example.org", "[::1]"])


def fuzz(data: bytes) -> None:
    text = data.decode("latin-1")
    host = parse_host(text)
    assert is_host(text) == (host is not None)
    if host is not None:
        assert parse_host(host.name if host.port is None else f"{host.name}:{host.port}") == host
        assert not set("/?#@ ,;\\%\r\n") & set(host.name)
    if _is_ours(text):
        assert host is not None
        assert host.name in ("example.org", "example.org.", "[::1]") or host.name.removesuffix(".").endswith(".example.org")
