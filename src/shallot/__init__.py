"""shallot: a data-driven web toolkit on ASGI. The public names, loaded when first asked for (PEP 562); no code lives here."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .effects import after as after
    from .effects import cancel as cancel
    from .effects import every as every
    from .effects import feed as feed
    from .effects import history as history
    from .effects import members as members
    from .effects import publish as publish
    from .effects import subscribe as subscribe
    from .effects import unfeed as unfeed
    from .effects import unsubscribe as unsubscribe
    from .effects import ws_accept as ws_accept
    from .effects import ws_close as ws_close
    from .effects import ws_send as ws_send
    from .effects import ws_send_json as ws_send_json
    from .errors import CloseWith as CloseWith
    from .errors import WSDisconnect as WSDisconnect
    from .ring import build_server as build_server
    from .ring import standard_not_found as standard_not_found

from .websocket import websocket as websocket  # at once: loaded later, the package of this name would take the function's place

__version__ = "3.0.0a1"

_WHERE = {
    "after": "effects",
    "build_server": "ring",
    "cancel": "effects",
    "CloseWith": "errors",
    "every": "effects",
    "feed": "effects",
    "history": "effects",
    "members": "effects",
    "publish": "effects",
    "standard_not_found": "ring",
    "subscribe": "effects",
    "unfeed": "effects",
    "unsubscribe": "effects",
    "ws_accept": "effects",
    "ws_close": "effects",
    "ws_send": "effects",
    "ws_send_json": "effects",
    "WSDisconnect": "errors",
}

__all__ = [
    "CloseWith",
    "WSDisconnect",
    "after",
    "build_server",
    "cancel",
    "every",
    "feed",
    "history",
    "members",
    "publish",
    "standard_not_found",
    "subscribe",
    "unfeed",
    "unsubscribe",
    "websocket",
    "ws_accept",
    "ws_close",
    "ws_send",
    "ws_send_json",
]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'shallot' has no attribute {name!r}")
    value = getattr(import_module("." + _WHERE[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
