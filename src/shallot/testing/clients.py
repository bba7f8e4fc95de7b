"""A client for ASGI apps in process: plain data in, plain data out, no socket. Each wait has a deadline and tells what was seen."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypedDict, Unpack

from ..codec.json import format_json
from ..compose import mismatch
from ..types import ASGIApp, Event
from .answers import Answer, Denied, keep_cookies, read_answer
from .failures import Unexpected
from .fakes import AfterLeave, FakeServer
from .lifespans import lifespan as run_lifespan
from .scopes import HeadersIn, ParamsIn, format_cookies, format_params, http_scope, lower_names, websocket_scope, with_query
from .sockets import Socket, conversation
from .streams import Stream, exchange

__all__ = ["Client", "Opening", "Sending", "client"]


class Sending(TypedDict, total=False):
    """What a request of the client may carry."""

    headers: HeadersIn
    """Beside the client's own, by any case; ``None`` as a value leaves a header out."""
    body: bytes | str
    chunks: Iterable[bytes]
    """The body in several events, instead of ``body``."""
    json: Any
    form: ParamsIn
    query: ParamsIn
    """Behind what the path already asks."""
    cookies: Mapping[str, str]
    """Beside those that the client keeps, for this request alone."""
    deadline_s: float


_OTHERS: Mapping[str, str] = {"content": "body", "data": "form", "files": "shallot.codec.multipart.format_multipart", "params": "query"}
"""What other clients call it."""


class Opening(TypedDict, total=False):
    """What a handshake of the client may carry."""

    headers: HeadersIn | None
    subprotocols: Sequence[str]
    cookies: Mapping[str, str] | None
    query: ParamsIn | None


class Client:
    """What ``async with client(app) as c`` gives. ``cookies`` are those it keeps and sends; ``headers`` are sent with every request."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        headers: HeadersIn,
        cookies: Mapping[str, str],
        deadline_s: float,
        extensions: Mapping[str, Mapping[str, Any]],
        scheme: str,
        raise_errors: bool,
        after_leave: AfterLeave,
        state: Mapping[str, Any] | None,
    ) -> None:
        self.cookies = dict(cookies)
        self.headers = lower_names(headers)
        self._app = app
        self._deadline_s = deadline_s
        self._extensions = extensions
        self._scheme = scheme
        self._raise_errors = raise_errors
        self._after_leave: AfterLeave = after_leave
        self._state = state

    async def request(self, method: str, path: str, /, **sending: Unpack[Sending]) -> Answer:
        """Send a request, and wait for the whole answer and for the app's end.

        What escapes from the app is raised here, unless its response had begun and was cut by it: then the answer has ``cut`` and ``error``.
        With ``raise_errors=False`` it is a 500, as from a server.
        """
        deadline_s = sending.get("deadline_s", self._deadline_s)
        server = self._server(method, path, sending)
        server.start(self._app)
        try:
            await server.until(lambda: server.state == "ended" or server.is_over, f"the response to {method} {path}", deadline_s=deadline_s)
            await server.until(lambda: server.is_over, f"the app to end after its response to {method} {path}", deadline_s=deadline_s)
        finally:
            await server.stop(deadline_s=deadline_s)
        if not server.sent:
            return self._failed(server)
        is_cut = server.state != "ended"
        if self._raise_errors:
            for error in [*([server.error] if server.error and not is_cut else []), *server.wrong]:
                raise error
        answer = await read_answer(server.sent, method=method.upper(), error=server.error)
        keep_cookies(self.cookies, answer["headers_list"])
        return answer

    @asynccontextmanager
    async def stream(self, method: str, path: str, /, **sending: Unpack[Sending]) -> AsyncGenerator[Stream, None]:
        """Send a request and read its answer piece by piece: ``async with c.stream("GET", "/live") as answer: async for chunk in answer: ...``.

        Leaving the block before the end disconnects; then the app must end within the deadline.
        """
        deadline_s = sending.get("deadline_s", self._deadline_s)
        server = self._server(method, path, sending)
        async with exchange(server, self._app, deadline_s=deadline_s, raise_errors=self._raise_errors) as answer:
            keep_cookies(self.cookies, answer.headers_list)
            yield answer

    def websocket(
        self,
        path: str,
        /,
        *,
        headers: HeadersIn | None = None,
        subprotocols: Sequence[str] = (),
        cookies: Mapping[str, str] | None = None,
        query: ParamsIn | None = None,
        deadline_s: float | None = None,
    ) -> AbstractAsyncContextManager[Socket]:
        """Open a WebSocket: ``async with c.websocket("/echo") as ws``; a refusal raises ``Denied``, which carries the ``response``.

        Leaving the block leaves the socket (1001) and waits until the app has ended; what escaped from it is raised there. No ``origin`` is
        sent unless ``headers`` has one.
        """
        scope = websocket_scope(
            with_query(path, query),
            headers=self._headers({}, headers, cookies),
            subprotocols=subprotocols,
            scheme="wss" if self._scheme == "https" else "ws",
            **self._shared(),
        )
        return self._conversation(scope, self._deadline_s if deadline_s is None else deadline_s)

    async def get(self, path: str, /, **sending: Unpack[Sending]) -> Answer:
        return await self.request("GET", path, **sending)

    async def head(self, path: str, /, **sending: Unpack[Sending]) -> Answer:
        return await self.request("HEAD", path, **sending)

    async def post(self, path: str, /, **sending: Unpack[Sending]) -> Answer:
        return await self.request("POST", path, **sending)

    async def put(self, path: str, /, **sending: Unpack[Sending]) -> Answer:
        return await self.request("PUT", path, **sending)

    async def patch(self, path: str, /, **sending: Unpack[Sending]) -> Answer:
        return await self.request("PATCH", path, **sending)

    async def delete(self, path: str, /, **sending: Unpack[Sending]) -> Answer:
        return await self.request("DELETE", path, **sending)

    async def options(self, path: str, /, **sending: Unpack[Sending]) -> Answer:
        return await self.request("OPTIONS", path, **sending)

    # ---- inside

    def _server(self, method: str, path: str, sending: Sending) -> FakeServer:
        if unknown := [name for name in sending if name not in Sending.__annotations__]:
            cure = _OTHERS.get(unknown[0], f"one of {', '.join(Sending.__annotations__)}")
            raise TypeError(f"{method} {path}: a request cannot carry {unknown[0]!r}; write {cure}")
        body, implied = _body(sending)
        scope = http_scope(
            method,
            with_query(path, sending.get("query")),
            headers=self._headers(implied, sending.get("headers"), sending.get("cookies")),
            scheme=self._scheme,
            **self._shared(),
        )
        return FakeServer(scope, _request_events(body), after_leave=self._after_leave)

    def _headers(self, implied: HeadersIn, headers: HeadersIn | None, cookies: Mapping[str, str] | None) -> HeadersIn:
        sent = {**self.cookies, **(cookies or {})}
        return {**implied, **({"cookie": format_cookies(sent)} if sent else {}), **self.headers, **lower_names(headers)}

    def _shared(self) -> dict[str, Any]:
        extensions = {name: dict(detail) for name, detail in self._extensions.items()}
        return {"extensions": extensions} if self._state is None else {"extensions": extensions, "state": dict(self._state)}

    def _failed(self, server: FakeServer) -> Answer:
        error = server.error
        if self._raise_errors:
            raise error or Unexpected(server.tell("the app ended without a response"))
        body = b"Internal Server Error"
        lines = [("content-type", "text/plain; charset=utf-8")]
        answer: Answer = {"status": 500, "headers": dict(lines), "headers_list": lines, "body": body, "chunks": [body], "cut": False}
        if error is not None:
            answer["error"] = error
        return answer

    @asynccontextmanager
    async def _conversation(self, scope: dict[str, Any], deadline_s: float) -> AsyncGenerator[Socket, None]:
        try:
            async with conversation(self._app, scope, deadline_s=deadline_s, raise_errors=self._raise_errors, after_leave=self._after_leave) as socket:
                keep_cookies(self.cookies, socket.accepted["headers_list"])
                yield socket
        except Denied as denied:
            keep_cookies(self.cookies, denied.response["headers_list"])
            raise


@asynccontextmanager
async def client(
    app: ASGIApp,
    *,
    headers: HeadersIn | None = None,
    cookies: Mapping[str, str] | None = None,
    deadline_s: float = 5,
    extensions: Mapping[str, Mapping[str, Any]] | None = None,
    scheme: str = "http",
    lifespan: bool = True,
    raise_errors: bool = True,
    after_leave: AfterLeave = "raise",
) -> AsyncGenerator[Client, None]:
    """Start ``app`` and give a client for it; on leaving, shut it down. Works with any ASGI 3 app.

    | option | default | what it does |
    |---|---|---|
    | ``headers`` | | sent with every request and handshake |
    | ``cookies`` | | what the client keeps to begin with; it keeps what answers set |
    | ``deadline_s`` | 5 | seconds for each single wait; over it ``Unexpected`` is raised, with what was seen |
    | ``extensions`` | ``websocket.http.response`` | what the scopes offer (``{"http.response.pathsend": {}}`` is understood as well) |
    | ``scheme`` | ``"http"`` | or ``"https"``, and ``wss`` with it |
    | ``lifespan`` | true | run start-up and shutdown (in a task of their own); a failed one raises ``Unexpected`` |
    | ``raise_errors`` | true | raise here what escapes from the app; else answer as a server does (500, close 1006) |
    | ``after_leave`` | ``"raise"`` | what ``send`` does after the client left, as in ``FakeServer`` |

        >>> import asyncio
        >>> async def app(scope, receive, send):
        ...     await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        ...     await send({"type": "http.response.body", "body": b'{"path":"%s"}' % scope["raw_path"]})
        >>> async def main():
        ...     async with client(app, lifespan=False) as c:
        ...         return await c.get("/fruits")
        >>> asyncio.run(main())["json"]
        {'path': '/fruits'}
    """
    if complaint := mismatch(app, "scope", "receive", "send"):
        raise TypeError(f"client: expected an ASGI app, which is called with (scope, receive, send): {complaint}; a handler becomes one by build_server(...)")
    async with AsyncExitStack() as stack:
        state = await stack.enter_async_context(run_lifespan(app, deadline_s=deadline_s)) if lifespan else None
        yield Client(
            app,
            headers=headers or {},
            cookies=cookies or {},
            deadline_s=deadline_s,
            extensions={"websocket.http.response": {}} if extensions is None else extensions,
            scheme=scheme,
            raise_errors=raise_errors,
            after_leave=after_leave,
            state=state,
        )


def _body(sending: Sending) -> tuple[list[bytes], HeadersIn]:
    """The body in its pieces, and the headers that follow from it."""
    given = [name for name in ("body", "chunks", "json", "form") if name in sending]
    if len(given) > 1:
        raise TypeError(f"a request has one body: {' and '.join(given)} were given")
    if "chunks" in sending:
        return [*sending["chunks"]], {"transfer-encoding": "chunked"}
    if "json" in sending:
        body, content_type = format_json(sending["json"]), "application/json"
    elif "form" in sending:
        body, content_type = format_params(sending["form"]).encode(), "application/x-www-form-urlencoded"
    else:
        plain = sending.get("body", b"")
        body, content_type = plain.encode() if isinstance(plain, str) else plain, None
    length: HeadersIn = {"content-length": str(len(body))} if body else {}
    return [body], {**length, "content-type": content_type}


def _request_events(chunks: Sequence[bytes]) -> list[Event]:
    last = len(chunks) - 1
    return [{"type": "http.request", "body": chunk, "more_body": number < last} for number, chunk in enumerate(chunks or [b""])]
