"""The store in Redis: for many processes. Time to live and compare-and-set are Redis' own."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

try:
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.exceptions import RedisError
except ImportError as error:
    raise ImportError("redis_store needs redis: pip install 'shallot[redis]'") from error

from ..errors import Unavailable
from .keeping import SESSION_EFFECTS
from .record import MAX_RECORD_BYTES, Record, format_record, parse_record, stored_name

__all__ = ["RedisStore", "redis_store"]

T = TypeVar("T")

_WRITE = """
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'record', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""
_TAKE = """
local record = redis.call('HGET', KEYS[1], 'record')
redis.call('DEL', KEYS[1])
return record
"""


def redis_store(url: str, *, prefix: str = "session:", max_bytes: int = MAX_RECORD_BYTES, max_connections: int = 50, timeout_s: float = 2.0) -> RedisStore:
    """A store in Redis (or Valkey), which is also a resource: ``build_server(..., resources={"sessions": store})`` opens and closes it.

    | option | meaning | default |
    |---|---|---|
    | ``url`` | ``redis://user:password@host:6379/0``, ``rediss://`` for TLS, ``unix://`` | required |
    | ``prefix`` | in front of each name | ``"session:"`` |
    | ``max_bytes`` | of one record, as JSON | 65,536 |
    | ``max_connections`` | open at the same time; more requests wait | 50 |
    | ``timeout_s`` | for a connection, and for each answer, in seconds | 2 |

    Start-up fails where Redis cannot be reached; later each request that needs it is answered with 503. A session is one hash, ``prefix`` and the SHA-256
    of its id, which expires by itself. Redis must not evict what has not expired: give sessions a database whose policy is ``noeviction``.

        >>> redis_store("redis://localhost").prefix
        'session:'
    """
    if max_bytes < 1 or max_connections < 1 or timeout_s <= 0:
        raise ValueError(f"redis_store: max_bytes, max_connections and timeout_s must be above 0, not {max_bytes}, {max_connections} and {timeout_s}")
    return RedisStore(url, prefix=prefix, max_bytes=max_bytes, max_connections=max_connections, timeout_s=timeout_s)


class RedisStore:
    """What ``redis_store`` gives. It lives from ``async with`` to its end; and may live again."""

    effects = SESSION_EFFECTS

    def __init__(self, url: str, *, prefix: str, max_bytes: int, max_connections: int, timeout_s: float) -> None:
        self.prefix = prefix
        self._url = url
        self._max_bytes = max_bytes
        self._max_connections = max_connections
        self._timeout_s = timeout_s
        self._client: Any = None

    async def __aenter__(self) -> RedisStore:
        pool: Any = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            self._url,
            max_connections=self._max_connections,
            timeout=self._timeout_s,
            socket_timeout=self._timeout_s,
            socket_connect_timeout=self._timeout_s,
        )
        client: Any = Redis.from_pool(pool)
        try:
            await _answered(client.ping())
        except BaseException:
            await client.aclose()
            raise
        self._write, self._take = client.register_script(_WRITE), client.register_script(_TAKE)
        self._client = client
        return self

    async def __aexit__(self, *error: object) -> None:
        client, self._client = self._client, None
        await client.aclose()

    async def read(self, key: str) -> Record | None:
        """The record under ``key``."""
        text = await _answered(self._open().hget(self._name(key), "record"))
        return None if text is None else parse_record(text)

    async def write(self, record: Record, ttl_s: float) -> str | None:
        """Compare the version and keep the record, in one script."""
        version, text = record["version"], format_record(record, self._max_bytes)
        self._open()
        arguments = [version - 1, version, text, max(1, int(ttl_s * 1000))]
        is_written = await _answered(self._write(keys=[self._name(record["id"])], args=arguments))
        return record["id"] if is_written else None

    async def delete(self, key: str) -> Record | None:
        """Forget the record under ``key`` and give it back, in one script."""
        self._open()
        text = await _answered(self._take(keys=[self._name(key)]))
        return None if text is None else parse_record(text)

    def _open(self) -> Any:
        if self._client is None:
            raise RuntimeError('redis_store: not open; give it to build_server(..., resources={"sessions": store}), or use it within "async with store"')
        return self._client

    def _name(self, key: str) -> str:
        return self.prefix + stored_name(key)


async def _answered(work: Awaitable[T]) -> T:
    try:
        return await work
    except (RedisError, OSError) as error:
        raise Unavailable(f"redis_store: {type(error).__name__}") from error
