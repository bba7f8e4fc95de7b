"""One connection to NATS: questions and their answers, JetStream's requests as plain data, and what is heard. All that knows the client library."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple, TypeAlias

try:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription
    from nats.errors import Error as NatsError
except ImportError as error:
    raise ImportError("nats_channels needs nats-py: pip install 'shallot[nats]'") from error

from ..codec.json import format_json, parse_json
from ..errors import Unavailable
from .contract import CONNECT_S, LinkLost, Sink
from .jetstream import Record, parse_record, parse_stored, parse_time

__all__ = ["NAME_IN_USE", "NO_STREAM", "WRONG_LAST", "Heard", "Scan", "Subscription", "Wire"]

log = logging.getLogger("shallot.channels")

Heard: TypeAlias = Callable[[str, Mapping[str, str], bytes], None]
"""Called with the subject, the headers and the data of what is heard."""

NO_MESSAGE = 10037
"""An error of JetStream that is an answer: no message stands there."""
NAME_IN_USE = 10058
"""An error that is an answer: there is another stream of this name."""
NO_STREAM = 10059
"""An error that is an answer: there is no such stream."""
WRONG_LAST = 10071
"""An error that is an answer: another message is the newest."""
FULL = {10002, 10023, 10028, 10047, 10077}
"""Errors that another connection would get, too: there is no room, on the server or for the account."""
NO_RESPONDERS = "503"
MAX_UNHEARD_BYTES = 64 * 1_048_576
"""So much of one channel may wait to be heard, by a loop that is too busy; more breaks the link."""
PULL_BYTES = 8 * 1_048_576
"""So much of a stream is asked for at a time: to who has more than 64 MiB on the way the server says no more, and breaks the connection."""
ASKED_FOR = 0
"""Answers are no larger than what was asked for."""
IDLE_S = 5.0
"""After so long the server forgets a reader of ours that was not deleted."""
PATIENCE_S = 86_400
"""Deadlines are the core's."""


class Question:
    """What was asked, and has not been answered in full."""

    def __init__(self, number: int, expected: int) -> None:
        self.number = number
        self.expected = expected
        self.replies: list[Msg] = []
        self.answer: asyncio.Future[list[Msg]] = asyncio.get_running_loop().create_future()

    def take(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if self.answer.done():
            return
        if status == NO_RESPONDERS:
            self.answer.set_exception(LinkLost("nats: nobody answers; is JetStream enabled (nats-server -js), and allowed to this account?"))
            return
        if status is None:
            self.replies.append(message)
        if status is not None or len(self.replies) == self.expected:
            self.answer.set_result(self.replies)


class Scan(NamedTuple):
    """What stands in a stream under a subject, from a number on: the first ``records`` of ``total``, and what the server's clock says."""

    records: Sequence[Record]
    total: int
    now: float


class Wire:
    """Connects once. Whatever breaks the connection ends every question, and is told to ``sink``."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._client = Client()
        self._inbox = ""
        self._numbers = count(1)
        self._questions: dict[int, Question] = {}
        self._failure: LinkLost | None = LinkLost("nats: not connected")

    async def open(self, servers: list[str], credentials: str | None) -> None:
        try:
            await self._client.connect(
                servers,
                name="shallot",
                error_cb=self._failed,
                closed_cb=self._closed,
                allow_reconnect=False,
                max_reconnect_attempts=1,  # to connect at all: without a bound it would try for ever
                reconnect_time_wait=0,
                connect_timeout=int(CONNECT_S),
                ping_interval=PATIENCE_S,
                pending_size=0,  # else who asks waits, and for ever once the connection has ended
                user_credentials=credentials,
            )
            self._failure = None
            self._inbox = self._client.new_inbox()
        except (NatsError, OSError, TimeoutError) as error:
            raise LinkLost(f"nats: {error}") from error
        await self._subscribe(f"{self._inbox}.*", self._answer, ASKED_FOR)

    async def close(self) -> None:
        """At once: what a frozen peer does not take is not waited for."""
        self._end(LinkLost("nats: the link was closed"))
        client: Any = self._client  # which knows no other end than one that waits until all is sent
        writer = getattr(client._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
            client._pending, client._pending_data_size = [], 0
        await self._client.close()

    @property
    def max_payload(self) -> int:
        return self._client.max_payload

    # ---- questions

    async def store(self, subject: str, data: bytes, headers: Mapping[str, str], *, allow: int | None = None) -> dict[str, Any]:
        """Where the stream has put it. ``allow`` is an error that the caller wants to see in the answer."""
        reply = await self._ask(subject, data, headers)
        return _checked(subject, reply.data, allow)

    async def ask(self, verb: str, *names: str, allow: int | None = None, **body: Any) -> dict[str, Any]:
        """JetStream's answer to ``verb``."""
        subject = ".".join(["$JS.API", verb, *names])
        reply = await self._ask(subject, format_json(body) if body else b"")
        return _checked(subject, reply.data, allow)

    async def find(self, stream: str, **which: Any) -> Record | None:
        """One message: ``seq=`` its number, or ``last_by_subj=`` the subject of which it is the newest."""
        answer = await self.ask("STREAM.MSG.GET", stream, allow=NO_MESSAGE, **which)
        return None if "error" in answer else parse_stored(answer["message"])

    async def scan(self, stream: str, subject: str, start: int, limit: int | None = None, *, headers_only: bool = False) -> Scan:
        """What stands there under ``subject`` (which may hold ``*``) from the number ``start`` on, oldest first, at most ``limit``."""
        config = {
            **{"filter_subject": subject, "headers_only": headers_only, "deliver_policy": "by_start_sequence", "opt_start_seq": max(1, start)},
            **{"ack_policy": "none", "replay_policy": "instant", "mem_storage": True, "num_replicas": 1, "inactive_threshold": round(IDLE_S * 1e9)},
        }
        made = await self.ask("CONSUMER.CREATE", stream, stream_name=stream, config=config)
        total: int = made["num_pending"]
        wanted = total if limit is None else min(limit, total)
        replies: list[Msg] = []
        while len(replies) < wanted and (pulled := await self._pull(f"{stream}.{made['name']}", wanted - len(replies))):
            replies += pulled
        await self._send(f"$JS.API.CONSUMER.DELETE.{stream}.{made['name']}", b"", None, f"{self._inbox}.0")  # nobody waits for the answer
        return Scan([_record(reply) for reply in replies], total, parse_time(made["created"]))

    async def _ask(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> Msg:
        with self._question(1) as question:
            await self._send(subject, data, headers, f"{self._inbox}.{question.number}")
            (reply,) = await question.answer
        return reply

    async def _pull(self, reader: str, wanted: int) -> list[Msg]:
        """The next messages; fewer if the server says that there are no more, or that they are too many bytes. They come under their own subjects, so on a
        subscription of their own."""
        inbox = f"{self._client.new_inbox()}.pull"
        with self._question(wanted) as question:

            async def take(message: Msg) -> None:
                question.take(message)

            subscription = await self._subscribe(inbox, take, ASKED_FOR)
            most = PULL_BYTES + self.max_payload  # one message, at least
            await self._send(f"$JS.API.CONSUMER.MSG.NEXT.{reader}", format_json({"batch": wanted, "no_wait": True, "max_bytes": most}), None, inbox)
            try:
                return await question.answer
            finally:
                await self.unhear(subscription)

    @contextmanager
    def _question(self, expected: int) -> Generator[Question, None, None]:
        if self._failure is not None:
            raise self._failure
        question = Question(next(self._numbers), expected)
        self._questions[question.number] = question
        try:
            yield question
        finally:
            del self._questions[question.number]

    async def _send(self, subject: str, data: bytes, headers: Mapping[str, str] | None, inbox: str) -> None:
        try:
            await self._client.publish(subject, data, reply=inbox, headers=dict(headers) if headers else None)
        except (NatsError, OSError) as error:
            raise LinkLost(f"nats: {error!r}") from error

    async def _answer(self, message: Msg) -> None:
        question = self._questions.get(int(message.subject.rpartition(".")[2]))
        if question is not None:  # or whoever asked has gone, or does not care
            question.take(message)

    # ---- hearing

    async def hear(self, subject: str, heard: Heard) -> Subscription:
        async def hear(message: Msg) -> None:
            heard(message.subject, message.headers or {}, message.data)

        return await self._subscribe(subject, hear, MAX_UNHEARD_BYTES)

    async def _subscribe(self, subject: str, take: Callable[[Msg], Coroutine[Any, Any, None]], max_pending_bytes: int) -> Subscription:
        try:
            return await self._client.subscribe(subject, cb=take, pending_bytes_limit=max_pending_bytes)  # pyright: ignore[reportUnknownMemberType]
        except (NatsError, OSError) as error:
            raise LinkLost(f"nats: {error!r}") from error

    async def unhear(self, subscription: Subscription) -> None:
        try:
            await subscription.unsubscribe()
        except (NatsError, OSError) as error:
            raise LinkLost(f"nats: {error!r}") from error

    # ---- the end

    async def _failed(self, error: Exception) -> None:
        """A connection that cannot be made says so by itself; on one that was made, every error makes it doubtful what was heard."""
        if self._failure is None:
            self._end(LinkLost(f"nats: {error!r}"))
            self._sink.lost(error)

    async def _closed(self) -> None:
        await self._failed(self._client.last_error or LinkLost("nats: the connection was closed"))

    def _end(self, failure: LinkLost) -> None:
        """Nobody is answered any more."""
        self._failure = self._failure or failure
        for question in self._questions.values():
            if not question.answer.done():
                question.answer.set_exception(failure)


def _checked(subject: str, data: bytes, allow: int | None) -> dict[str, Any]:
    answer: dict[str, Any] = parse_json(data)
    error = answer.get("error")
    if error is not None and error["err_code"] != allow:
        raise (Unavailable if error["err_code"] in FULL else LinkLost)(f"nats: {subject}: {error['description']}")
    return answer


def _record(message: Msg) -> Record:
    metadata = message.metadata
    return parse_record(metadata.sequence.stream, message.subject, message.headers or {}, message.data, metadata.timestamp.timestamp())
