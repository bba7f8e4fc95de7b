"""What a client would rather have (RFC 9110 12.5): ``accept``, ``accept-encoding`` and ``accept-language`` -> the best of what we offer.

Pure, linear in the header, never an error: members that are not what the RFC allows are left out, and so is everything behind the 64th.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from .headers import parse_media_type, parse_parameters

__all__ = ["Weighted", "best_encoding", "best_language", "best_match", "parse_weighted"]

MAX_MEMBERS = 64

# Possessive: it never goes back. A comma inside quotes separates nothing; an open quote lasts to the end.
_MEMBER = re.compile(r'(?:[^",]++|"(?:[^"\\]++|\\.)*+"?)++', re.DOTALL)
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,9})?|1(?:\.0{0,9})?|\.[0-9]{1,9}")
_LITTLE = 0.0001
"""So much less than itself does a client like the parent of its language; weights have three digits."""
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z/]{1,128}")


class Weighted(NamedTuple):
    """One member of the header: what it names in lower case, its parameters without the weight, and the weight, 0 (refused) to 1."""

    value: str
    parameters: Mapping[str, str]
    weight: float


def parse_weighted(header: str) -> list[Weighted]:
    """The members in the order in which they stand (RFC 9110 12.4.2); one without a weight has 1, one with a broken weight or name is left out.

    >>> [(member.value, member.weight) for member in parse_weighted("text/html, */*;q=0.8, b/c;q=high")]
    [('text/html', 1.0), ('*/*', 0.8)]
    """
    members: list[Weighted] = []
    for found in islice(_MEMBER.finditer(header), MAX_MEMBERS):
        value, semicolon, rest = found[0].partition(";")
        value = value.strip(" \t").lower()
        if not _TOKEN.fullmatch(value):
            continue
        if not semicolon:
            members.append(Weighted(value, {}, 1.0))
            continue
        parameters = parse_parameters(rest)
        weight = parameters.pop("q", "1")
        if _WEIGHT.fullmatch(weight):
            members.append(Weighted(value, parameters, float(weight)))
    return members


def best_match(header: str | None, offers: Sequence[str]) -> str | None:
    """That of the media types ``offers`` which ``accept`` likes best, as it is written there; ``None`` if it takes none of them.

    Of several that it likes equally, the first of ``offers``; so put your own preference first. Without a header, or with an empty one, all are welcome.
    The most specific range decides for a type (RFC 9110 12.5.1): ``a/b;c=d`` before ``a/b``, ``a/*`` and ``*/*``. A ``charset`` says nothing.

        >>> best_match("text/html, application/*;q=0.9, text/*;q=0.1", ["application/json", "text/plain"])
        'application/json'
        >>> best_match("image/*", ["application/json"]) is None
        True
    """
    members = parse_weighted(header) if header else []
    return _first_of_best(offers, [_media_weight(offer, members) for offer in offers] if members else [1.0] * len(offers))


def _media_weight(offer: str, members: Iterable[Weighted]) -> float:
    media_type, parameters = parse_media_type(offer)
    main = media_type.partition("/")[0]
    ranks = {media_type: 3, f"{main}/*": 2, "*/*": 1, "*": 1}
    best, weight = 0, 0.0
    for member in members:
        rank = ranks.get(member.value, 0)
        wanted = {name: value for name, value in member.parameters.items() if name != "charset"}
        if rank and wanted.items() <= parameters.items() and (specific := 100 * rank + len(wanted)) > best:
            best, weight = specific, member.weight
    return weight


def best_language(header: str | None, offers: Sequence[str]) -> str | None:
    """That of the languages ``offers`` which ``accept-language`` likes best (RFC 4647), as it is written there; ``None`` if it takes none of them.

    A range takes its own dialects (``de`` takes ``de-CH``), and where it finds nothing better its own parents (``de-AT`` takes ``de``). Of several
    liked equally, the first of ``offers``. Without a header all are welcome.

        >>> best_language("de-AT, en;q=0.5", ["en", "de"])
        'de'
    """
    members = parse_weighted(header) if header else []
    return _first_of_best(offers, [_language_weight(offer.lower(), members) for offer in offers] if members else [1.0] * len(offers))


def _language_weight(offer: str, members: Iterable[Weighted]) -> float:
    longest, weight, parents = 0, -1.0, 0.0
    for member in members:
        value = member.value
        if value == "*" or offer == value or offer.startswith(f"{value}-"):
            specific = 1 if value == "*" else 1 + len(value)
            if specific > longest:
                longest, weight = specific, member.weight
        elif value.startswith(f"{offer}-"):
            parents = max(parents, member.weight - _LITTLE)
    return 0.0 if weight == 0 and longest > 1 else max(weight, parents)


def best_encoding(header: str | None, offers: Sequence[str]) -> str | None:
    """That of the content codings ``offers`` which ``accept-encoding`` likes best; ``"identity"`` where it likes none of them, or nothing more than that;
    ``None`` where it refuses that too (RFC 9110 12.5.3). Without a header: ``"identity"``. ``x-gzip`` is ``gzip``.

        >>> best_encoding("gzip, deflate, br", ["zstd", "br", "gzip"])
        'br'
        >>> best_encoding("gzip;q=0", ["gzip"])
        'identity'
    """
    weights: dict[str, float] = {}
    for member in parse_weighted(header or ""):
        weights.setdefault(member.value.removeprefix("x-"), member.weight)
    rest = weights.get("*", 0.0)
    best = _first_of_best(offers, [weights.get(offer, rest) for offer in offers])
    identity = weights.get("identity", None if weights.get("*") != 0 else 0.0)
    if best is None:
        return None if identity == 0 else "identity"
    return "identity" if identity is not None and identity > weights.get(best, rest) else best


def _first_of_best(offers: Sequence[str], weights: Sequence[float]) -> str | None:
    best = max(weights, default=0.0)
    return offers[weights.index(best)] if best > 0 else None
