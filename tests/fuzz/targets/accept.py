"""``accept``, ``accept-encoding``, ``accept-language``: never an error; what is chosen was offered, and nothing is chosen that was refused by name."""

from __future__ import annotations

from shallot.codec.negotiation import MAX_MEMBERS, best_encoding, best_language, best_match, parse_weighted

TYPES = ["application/json", "text/html;level=1", "text/html"]


def fuzz(data: bytes) -> None:
    header = data.decode("latin-1")
    members = parse_weighted(header)
    assert len(members) <= MAX_MEMBERS
    assert all(member.value == member.value.lower() and 0 <= member.weight <= 1 for member in members)
    refused = {member.value for member in members if member.weight == 0} - {member.value for member in members if member.weight > 0}
    assert best_match(header, TYPES) in [*TYPES, None]
    assert "application/json" not in refused or best_match(header, TYPES) != "application/json"
    assert best_language(header, ["en", "de-CH"]) in ["en", "de-CH", None]
    assert "en" not in refused or best_language(header, ["en"]) is None
    assert best_encoding(header, ["br", "gzip"]) in ["br", "gzip", "identity", None]
    assert "br" not in refused or best_encoding(header, ["br"]) != "br"
