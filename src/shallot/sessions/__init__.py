"""Sessions and their stores, loaded when first asked for (PEP 562); no code lives here."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cookie import cookie_store as cookie_store
    from .keeping import SESSION_EFFECTS as SESSION_EFFECTS
    from .keeping import save_session as save_session
    from .keeping import session_end as session_end
    from .memory import memory_store as memory_store
    from .record import Record as Record
    from .record import SessionStore as SessionStore
    from .record import format_record as format_record
    from .record import parse_record as parse_record
    from .record import stored_name as stored_name
    from .redis import redis_store as redis_store
    from .session import rotate_session as rotate_session

_WHERE = {
    "cookie_store": ".cookie",
    "format_record": ".record",
    "memory_store": ".memory",
    "parse_record": ".record",
    "Record": ".record",
    "redis_store": ".redis",
    "rotate_session": ".session",
    "save_session": ".keeping",
    "SESSION_EFFECTS": ".keeping",
    "session_end": ".keeping",
    "SessionStore": ".record",
    "stored_name": ".record",
}

__all__ = [
    "SESSION_EFFECTS",
    "Record",
    "SessionStore",
    "cookie_store",
    "format_record",
    "memory_store",
    "parse_record",
    "redis_store",
    "rotate_session",
    "save_session",
    "session_end",
    "stored_name",
]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'shallot.sessions' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
