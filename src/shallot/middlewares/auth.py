"""wrap_auth: who asks, and whether that one may. Schemes and requirements are data; it keeps no user and checks no password itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import isawaitable, iscoroutinefunction
from typing import Any, cast

from ..codec.routes import Row, layers_over, rows_of, unseen_rows
from ..compose import middleware_factory
from ..response import problem, with_header
from ..schemes import Identify, Scheme, asking
from ..types import Handler, Middleware, NextMiddleware, Requirement, Response, Spec

__all__ = ["auth_request", "auth_response", "open_websockets", "roles_of", "unguarded_rows", "wrap_auth"]

log = logging.getLogger("shallot.auth")


def roles_of(identity: Any) -> Collection[str]:
    """The roles of an identity that is a dict: what stands under ``roles``, a collection or one ``str``; none of any other.

    >>> roles_of({"name": "ann", "roles": ["editor"]}), roles_of({"roles": "admin"}), roles_of("ann")
    (['editor'], ['admin'], ())
    """
    roles: Any = cast("Mapping[str, Any]", identity).get("roles") or () if isinstance(identity, Mapping) else ()
    return [roles] if isinstance(roles, str) else roles


def auth_request(request: Mapping[str, Any], requirement: Requirement, roles: Callable[[Any], Collection[str]] = roles_of) -> int | None:
    """401 where ``request["identity"]`` is nobody and the requirement wants somebody, 403 where it wants another; ``None`` if it is met.

    >>> [auth_request({"identity": {"roles": ["editor"]}}, requirement) for requirement in (None, True, "editor", "admin", ["admin", "editor"])]
    [None, None, None, 403, None]
    >>> auth_request({"identity": None}, True)
    401
    """
    if requirement is None:
        return None
    identity = request["identity"]
    if identity is None:
        return 401
    if requirement is True:
        return None
    if callable(requirement):
        verdict: Any = requirement(identity, request)
        if isawaitable(verdict):
            raise TypeError(f"wrap_auth: the requirement {requirement!r} must answer at once; what has to wait belongs to the function that gives the identity")
        return None if verdict else 403
    wanted = [requirement] if isinstance(requirement, str) else requirement
    if isinstance(wanted, bool):
        raise TypeError("wrap_auth: a requirement is None (open to all), True, a role, a list of roles or a function; not False")
    return 403 if set(wanted).isdisjoint(roles(identity)) else None


def _check_requirement(requirement: Any, where: str) -> None:
    names = _listed(requirement)
    is_roles = bool(names) and all(_is(name, str) and name for name in names)
    if not (requirement is None or requirement is True or is_roles or (callable(requirement) and not iscoroutinefunction(requirement))):
        raise TypeError(f"wrap_auth: {where} must be None (open to all), True, a role, a list of roles or a plain f(identity, request), not {requirement!r}")


def _listed(value: Any) -> list[Any]:
    return list(value) if _is(value, list, tuple, set, frozenset) else [value]


def _is(value: object, *kinds: type) -> bool:
    """``isinstance`` that tells a type checker nothing: what users write is checked here, not trusted."""
    return isinstance(value, kinds)


def unguarded_rows(specs: Sequence[Spec]) -> list[Row]:
    """The rows of an ``app.spec`` that require something, ``data["auth"]``, with no ``wrap_auth`` inside of ``wrap_routes`` that would see to it.

    >>> [row.path for row in unguarded_rows([{"name": "wrap_routes", "options": {"routes": [("/a", ["GET"], print, {"auth": True})]}}])]
    ['/a']
    """
    return [row for row in unseen_rows(specs, "wrap_auth", "auth") if row.data["auth"] is not None]


def open_websockets(specs: Sequence[Spec]) -> list[Row]:
    """The rows of an ``app.spec`` for WebSockets of which no rule says who may open them: neither the row's own nor a ``default``.

    >>> [row.path for row in open_websockets([{"name": "wrap_routes", "options": {"routes": [("/a", ["WS"], print)]}}])]
    ['/a']
    """
    return [
        row
        for row in rows_of(specs)
        if "WS" in row.methods and "auth" not in row.data and all(spec["options"].get("default") is None for spec in layers_over(specs, row, "wrap_auth"))
    ]


def auth_response(status: int, challenges: Sequence[str]) -> Response:
    """The answer 401, with a challenge of each scheme (RFC 9110 15.5.2), or 403. Kept in no cache.

    >>> auth_response(401, ["Bearer"])["headers"]["www-authenticate"]
    ['Bearer']
    """
    response = with_header(problem(status), "cache-control", "no-store")
    return with_header(response, "www-authenticate", list(challenges)) if status == 401 else response


@middleware_factory
def wrap_auth(
    identify: Identify | Scheme | Sequence[Identify | Scheme],
    *,
    default: Requirement = None,
    roles: Callable[[Any], Collection[str]] = roles_of,
    on_denied: Callable[[Response, Any], Response] | None = None,
) -> Middleware:
    """Put who asks under ``request["identity"]`` (``None``: nobody), and let in only whom the row's ``data["auth"]`` lets in: else 401 or 403.

    | option | meaning | default |
    |---|---|---|
    | ``identify`` | ``f(request)`` -> identity (``None``, ``False``: nobody), or one of ``shallot.schemes``; of a list the first that knows somebody counts | |
    | ``default`` | the requirement of rows without ``auth``, and of requests that no row answers | ``None`` |
    | ``roles`` | ``f(identity)``: the names of its roles | ``roles_of`` |
    | ``on_denied`` | ``f(response, request)``: what to answer in place of our 401 or 403: a redirect to the login page, say | as it is |

    | requirement | who may |
    |---|---|
    | ``None`` | everybody |
    | ``True`` | everybody who is somebody |
    | ``"admin"``, ``["admin", "editor"]`` | who has (one of) the roles |
    | ``f(identity, request)`` | who it is true for; a plain function that answers at once |

    Functions that give identities may be ``async``; a plain ``def`` runs in a thread. A 401 names each scheme's challenge in ``www-authenticate`` (RFC 9110
    11.6.1). Requirements stand in the rows, so it goes **inside** ``wrap_routes``, behind it in the pile, or into the ``middlewares`` of rows: rows that
    say ``auth`` inside of it, and what is no requirement, are a ``ValueError`` or ``TypeError`` at the start.

    WebSocket: the same, as a denial before the handshake is accepted; ``scope["identity"]`` in the handler. At the start a WARNING names the WebSocket rows
    that no rule covers; ``{"auth": None}`` says that one is open to all.

    >>> wrap_auth(lambda request: request["cookies"].get("user"), default=True).spec["options"]["default"]
    True
    """
    given = [scheme if _is(scheme, Mapping) else Scheme(identify=scheme) for scheme in _listed(identify)]
    if not given:
        raise ValueError("wrap_auth: identify is empty, so everybody would be nobody; write wrap_auth(session())")
    asks = [asking(scheme["identify"]) for scheme in given]
    challenges = [scheme["challenge"] for scheme in given if "challenge" in scheme] or ["Custom"]  # a 401 must name one
    _check_requirement(default, "default")

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def auth(handler: Handler, request: Any) -> Response:
            request["identity"] = None
            for ask in asks:
                identity = await ask(request, request)
                if identity is not None and identity is not False:
                    request["identity"] = identity
                    break
            route = request.get("route")
            status = auth_request(request, default if route is None else route["data"].get("auth", default), roles)
            if status is None:
                return await next_middleware(handler, request)
            response = auth_response(status, challenges)
            return response if on_denied is None else on_denied(response, request)

        return auth

    def on_composed(outside: Sequence[Spec], inside: Sequence[Spec]) -> None:
        for row in rows_of(outside):
            _check_requirement(row.data.get("auth"), f'the row {row.path!r}: data["auth"]')
        if strays := unseen_rows(inside, "wrap_auth", "auth"):  # ``None``, too: under a default that row would not be open
            raise ValueError(f"wrap_auth: the row {strays[0].path!r} says auth, which only a wrap_auth inside wrap_routes sees; put it behind wrap_routes")
        if default is None and (uncovered := open_websockets(outside)):
            paths = ", ".join(row.path for row in uncovered)
            log.warning('no rule says who may open the WebSocket %s; give its row {"auth": True}, or {"auth": None} if it is open to all', paths)

    setattr(middleware, "on_composed", on_composed)  # noqa: B010
    return middleware
