"""Any text in the headers of a conditional request: always one of three answers, and tags that are in the text."""

from __future__ import annotations

from shallot.codec.conditional import check_preconditions, is_range_current, parse_etags
from shallot.codec.dates import format_date, parse_date

NAMES = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since")


def fuzz(data: bytes) -> None:
    text = data.decode("latin-1")
    headers = {name: text for number, name in enumerate(NAMES) if data[:1] and data[0] >> number & 1}
    for method in ("GET", "PUT"):
        status = check_preconditions(method, headers, '"tag"', 1_700_000_000)
        if status not in (200, 304, 412) or (status == 304 and method == "PUT"):
            raise AssertionError(f"{method} {headers}: {status}")
    is_range_current(text, '"tag"', 1_700_000_000)
    if any(tag not in text for tag in parse_etags(text)):
        raise AssertionError(f"a tag that is not there: {parse_etags(text)}")
    moment = parse_date(text)
    if moment is not None and moment >= -62_167_219_200 and parse_date(format_date(moment)) != moment:
        raise AssertionError(f"another date: {text!r}")
