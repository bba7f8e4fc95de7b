"""HTTP dates (RFC 9110 5.6.7) <-> seconds since 1970. Knows no header and no clock but the one it is given."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import datetime
from math import floor
from time import gmtime, time

__all__ = ["format_date", "parse_date"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DAY, _MONTH, _CLOCK = f"(?:{'|'.join(_DAYS)})", f"(?P<month>{'|'.join(_MONTHS)})", "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_FORMATS = (
    re.compile(f"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_CLOCK} GMT"),  # IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
    re.compile(f"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_CLOCK} GMT"),  # RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
    re.compile(f"{_DAY} {_MONTH} (?P<day>[0-9 ][0-9]) {_CLOCK} (?P<year>[0-9]{{4}})"),  # asctime: Sun Nov  6 08:49:37 1994
)


def format_date(timestamp: float) -> str:
    """``timestamp`` (seconds since 1970, fractions cut off) as an IMF-fixdate; outside the years 0 to 9999 a ``ValueError``.

    >>> format_date(784111777.9)
    'Sun, 06 Nov 1994 08:49:37 GMT'
    """
    try:
        year, month, day, hour, minute, second, weekday, *_ = gmtime(floor(timestamp))
    except (OverflowError, OSError, ValueError) as error:
        raise ValueError(f"format_date: {timestamp!r} is not a time in seconds since 1970 that a date can hold") from error
    if not 0 <= year <= 9999:
        raise ValueError(f"format_date: {timestamp!r} is in the year {year}; an HTTP date has four digits for it")
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def parse_date(text: str, *, now: float | None = None) -> float | None:
    """Seconds since 1970 of any of the three formats a recipient must accept, or ``None`` for everything else. Never raises.

    A year of two digits is at most the 50th after that of ``now`` (seconds since 1970; ``None``: the clock).

        >>> parse_date("Sun, 06 Nov 1994 08:49:37 GMT")
        784111777.0
        >>> parse_date("yesterday") is None
        True
    """
    for shape in _FORMATS:
        if found := shape.fullmatch(text):
            break
    else:
        return None
    digits = found["year"]
    year = int(digits) if len(digits) == 4 else _century(int(digits), gmtime(time() if now is None else now).tm_year)
    moment = (year, _MONTHS.index(found["month"]) + 1, int(found["day"]), int(found["hour"]), int(found["minute"]), int(found["second"]))
    try:
        datetime(*moment[:5], min(moment[5], 59))  # timegm below takes any numbers; a leap second is 60
    except ValueError:
        return None
    return float(timegm(moment)) if moment[5] <= 60 else None


def _century(year: int, this_year: int) -> int:
    nearest = this_year - this_year % 100 + year
    return nearest - 100 if nearest > this_year + 50 else nearest
