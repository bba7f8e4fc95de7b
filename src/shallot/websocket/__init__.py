"""The conversation: one WebSocket, one async generator. Knows no middleware and no channel backend."""

from .decorator import websocket as websocket

__all__ = ["websocket"]
