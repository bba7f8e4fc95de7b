"""shallot.channels: publish and subscribe, for many sockets on many machines. The public names, loaded when first asked for (PEP 562); no code lives here."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contract import Backend as Backend
    from .contract import LinkLost as LinkLost
    from .memory import memory_channels as memory_channels
    from .nats import nats_channels as nats_channels
    from .postgres import postgres_channels as postgres_channels
    from .redis import redis_channels as redis_channels
    from .resource import Channels as Channels

_WHERE = {
    "Backend": "contract",
    "Channels": "resource",
    "LinkLost": "contract",
    "memory_channels": "memory",
    "nats_channels": "nats",
    "postgres_channels": "postgres",
    "redis_channels": "redis",
}

__all__ = [
    "Backend",
    "Channels",
    "LinkLost",
    "memory_channels",
    "nats_channels",
    "postgres_channels",
    "redis_channels",
]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'shallot.channels' has no attribute {name!r}")
    value = getattr(import_module("." + _WHERE[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
