"""shallot.compose: a pile of middlewares around a handler."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest

from shallot.compose import apply_middleware, as_handler, chain_middleware, check_call, middleware_factory, mismatch, read_refusals, read_spec


async def hello(request, *params):
    return {"status": 200, "params": params, "order": ["handler"]}


@middleware_factory
def wrap_mark(mark="default", *, times=1):
    """Marks."""

    def middleware(next_middleware):
        async def x(handler, request):
            response = await next_middleware(handler, request)
            return {**response, "order": [mark] * times + response["order"]}

        return x

    return middleware


@middleware_factory
def wrap_required(key, *, secret, size=1):
    return lambda next_middleware: next_middleware


@middleware_factory
def wrap_any(*args, **options):
    return lambda next_middleware: next_middleware


def plain(next_middleware):
    async def x(handler, request):
        response = await next_middleware(handler, request)
        return {**response, "order": ["plain", *response["order"]]}

    return x


# ---- apply_middleware


async def test_nothing_composed_is_the_handler():
    assert (await apply_middleware()(hello)({}))["order"] == ["handler"]


async def test_outermost_first():
    app = apply_middleware(wrap_mark("one"), plain, wrap_mark("two"))(hello)
    assert (await app({}))["order"] == ["one", "plain", "two", "handler"]


async def test_bare_factory_is_called_without_arguments():
    assert (await apply_middleware(wrap_mark, wrap_any)(hello)({}))["order"] == ["default", "handler"]


async def test_values_of_the_router_follow_the_request():
    app = apply_middleware()(hello)
    assert (await app({"path_params": {"b": 1, "a": 2}}))["params"] == (1, 2)
    assert (await app({"path_params": {}}))["params"] == ()


async def test_a_middleware_may_swap_the_handler():
    async def other(request, x):
        return {"status": 201, "x": x}

    def swap(next_middleware):
        return lambda handler, request: next_middleware(other, {**request, "path_params": {"x": 5}})

    assert await apply_middleware(swap)(hello)({}) == {"status": 201, "x": 5}


def test_each_pile_is_built_once_for_any_number_of_handlers():
    built = []

    def middleware(next_middleware):
        built.append(next_middleware)
        return next_middleware

    pile = apply_middleware(middleware)
    pile(hello)
    pile(hello)
    assert len(built) == 1


def test_both_names():
    assert chain_middleware is apply_middleware


def needs_option(option):
    return lambda next_middleware: next_middleware


@pytest.mark.parametrize(
    ("middleware", "complaint"),
    [
        pytest.param(1, "apply_middleware: expected a middleware, got 1", id="no-function"),
        pytest.param([needs_option], "; write apply_middleware(*layers)", id="list"),
        pytest.param(hello, "a handler stands behind: apply_middleware(...)(hello)", id="handler"),
        pytest.param(wrap_required, "apply_middleware: wrap_required needs key and secret; write wrap_required(key=..., secret=...)", id="required-options"),
        pytest.param(lambda following: None, "<lambda> must return a function of (handler, request), not None: that is no function", id="returns-none"),
        pytest.param(needs_option, "too many positional arguments; if it takes options, write needs_option(...)", id="unmarked-factory"),
        pytest.param(lambda following: lambda handler: None, "too many positional arguments", id="takes-too-few"),
    ],
)
def test_mistakes_are_found_when_composing(middleware, complaint):
    with pytest.raises(TypeError) as error:
        apply_middleware(middleware)
    assert complaint in str(error.value)


# ---- spec


def test_spec_lists_names_and_options_outermost_first():
    class Own:
        def __call__(self, next_middleware):
            return next_middleware

        def __repr__(self):
            return "Own()"

    app: Any = apply_middleware(wrap_mark("a", times=2), wrap_any(1, x=2), wrap_mark, plain, Own())(hello)
    assert app.spec == [
        {"name": "wrap_mark", "options": {"mark": "a", "times": 2}},
        {"name": "wrap_any", "options": {"args": (1,), "options": {"x": 2}}},
        {"name": "wrap_mark", "options": {"mark": "default", "times": 1}},
        {"name": "plain", "options": {}},
        {"name": "Own()", "options": {}},
    ]


def test_spec_of_piles_in_piles():
    app = apply_middleware(plain)(apply_middleware(wrap_mark("in"))(hello))
    assert [layer["name"] for layer in read_spec(app)] == ["plain", "wrap_mark"]
    assert read_spec(hello) == ()


def test_a_factory_keeps_its_face():
    assert (wrap_mark.__name__, wrap_mark.__doc__) == ("wrap_mark", "Marks.")
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        wrap_mark(size=1)


# ---- on_refusal


def refusing(change):
    def middleware(next_middleware):
        return next_middleware

    middleware.on_refusal = change
    return middleware


def test_refusals_of_piles_in_piles_are_collected_innermost_first():
    changes = [lambda response, request: response for _ in range(3)]
    outer, middle, inner = map(refusing, changes)
    app = apply_middleware(outer, plain, middle)(apply_middleware(inner)(hello))
    assert read_refusals(app) == [changes[2], changes[1], changes[0]]
    assert read_refusals(apply_middleware(plain)(hello)) == []
    assert read_refusals(hello) == ()


async def awaited(response, request): ...


@pytest.mark.parametrize("change", ["x-frame-options", awaited], ids=["no-function", "async"])
def test_what_is_no_refusal(change):
    with pytest.raises(TypeError, match=r"apply_middleware: on_refusal of middleware must be a plain function of \(response, request\), not"):
        apply_middleware(refusing(change))


# ---- as_handler


async def test_coroutine_functions_stay_themselves():
    class Own:
        async def __call__(self, request): ...

    own, composed = Own(), apply_middleware()(hello)
    for handler in (hello, partial(hello, x=1), own, composed):
        assert as_handler(handler) is handler


VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="unset")


def plain_handler(request, *params):
    return {"params": params, "thread": threading.get_ident(), "variable": VARIABLE.get()}


class PlainObject:
    def __call__(self, request, *params):
        return plain_handler(request, *params)


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(plain_handler, id="function"),
        pytest.param(PlainObject(), id="object"),
        pytest.param(partial(plain_handler), id="partial"),
        pytest.param(PlainObject().__call__, id="method"),
    ],
)
async def test_plain_handlers_run_in_a_thread_with_the_context(handler):
    token = VARIABLE.set("set")
    answer = await apply_middleware()(handler)({"path_params": {"x": 1}})
    VARIABLE.reset(token)
    assert answer["params"] == (1,)
    assert answer["variable"] == "set"
    assert answer["thread"] != threading.get_ident()


async def test_plain_handlers_run_in_the_threads_of_the_app():
    ran = []

    async def run_in_thread(function, *args):
        ran.append((function, args))
        return function(*args)

    request = {"run_in_thread": run_in_thread}
    assert (await as_handler(plain_handler)(request, 1))["params"] == (1,)
    assert ran == [(plain_handler, (request, 1))]


async def test_an_awaitable_that_a_plain_handler_returns_is_awaited_on_the_loop():
    async def later():
        return {"loop": asyncio.get_running_loop(), "thread": threading.get_ident()}

    answer = await as_handler(lambda request: later())({})
    assert answer == {"loop": asyncio.get_running_loop(), "thread": threading.get_ident()}


async def test_a_class_is_called_not_awaited():
    class Answer(dict):
        async def __call__(self): ...

    assert await as_handler(Answer)({"status": 200}) == {"status": 200}


def test_the_real_handler_stays_visible():
    assert as_handler(plain_handler).__wrapped__ is plain_handler


async def agen(request):
    yield


def gen(request):
    yield


@pytest.mark.parametrize(
    ("handler", "complaint"),
    [
        pytest.param("hello", "a handler must be a function of the request, not 'hello'", id="no-function"),
        pytest.param({"headers": {"cookie": "secret"}}, "a handler must be a function of the request, not a dict", id="dict"),
        pytest.param(apply_middleware(), "apply_middleware(...) takes a handler; write apply_middleware(...)(standard_not_found)", id="pile"),
        pytest.param(
            middleware_factory(lambda: lambda following: following)(), "takes a handler; write apply_middleware(...)(standard_not_found)", id="middleware"
        ),
        pytest.param(agen, "a handler returns a response, but agen is a generator function; a conversation is decorated with @websocket", id="async-generator"),
        pytest.param(gen, "a handler returns a response, but gen is a generator function", id="generator"),
        pytest.param(partial(agen), "a handler returns a response, but functools.partial(<function agen", id="partial"),
    ],
)
def test_what_is_no_handler(handler, complaint):
    with pytest.raises(TypeError) as error:
        as_handler(handler)
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: wrap_mark(tmes=2), "wrap_mark: got an unexpected keyword argument 'tmes'; its options are mark, times"),
        (lambda: wrap_required(secret="s"), "wrap_required: missing a required argument: 'key'; its options are key, secret, size"),
        (lambda: middleware_factory(lambda: plain)(1), "<lambda>: too many positional arguments; its options are none"),
    ],
)
def test_an_option_that_there_is_not_is_told_with_those_there_are(build, complaint):
    with pytest.raises(TypeError) as error:
        build()
    assert str(error.value) == complaint


@pytest.mark.parametrize(
    ("function", "arguments", "complaint"),
    [
        pytest.param(lambda a, b=1: 0, ("a",), None, id="fits"),
        pytest.param(lambda *a: 0, ("a", "b"), None, id="any-number"),
        pytest.param(lambda a: 0, (), "missing a required argument: 'a'", id="too-few"),
        pytest.param(lambda: 0, ("a",), "too many positional arguments", id="too-many"),
        pytest.param(type, ("a",), None, id="no-signature"),
    ],
)
def test_mismatch(function, arguments, complaint):
    assert mismatch(function, *arguments) == complaint


def talk(scope, receiver, room): ...


talk.is_websocket = True


@pytest.mark.parametrize(
    ("handler", "tags", "complaint"),
    [
        pytest.param(lambda request: 0, ("n",), "routes: the handler is called with (request, n): too many positional arguments\n  here", id="too-many"),
        pytest.param(talk, (), "routes: the handler is called with (scope, receiver): missing a required argument: 'room'\n  here", id="too-few"),
    ],
)
def test_a_handler_that_cannot_be_called(handler, tags, complaint):
    with pytest.raises(TypeError) as error:
        check_call("routes", handler, *tags, shown="\n  here")
    assert str(error.value) == complaint


@pytest.mark.parametrize(("handler", "tags"), [(lambda request: 0, ()), (lambda request, n: 0, ("n",)), (talk, ("room",))], ids=["bare", "tag", "websocket"])
def test_a_handler_that_can_be_called(handler, tags):
    check_call("routes", handler, *tags)


def test_a_middleware_is_told_what_stands_around_it_and_within_it():
    told = []

    def curious(next_middleware):
        return next_middleware

    def plain(next_middleware):
        return next_middleware

    def other(next_middleware):
        return next_middleware

    curious.on_composed = lambda outside, inside: told.append([[spec["name"] for spec in specs] for specs in (outside, inside)])

    async def handler(request):
        return {"status": 200}

    inner = apply_middleware(other)(handler)
    assert told == []
    apply_middleware(plain, curious, plain)(inner)
    assert told == [[["plain"], ["plain", "other"]]]


def test_a_middleware_may_refuse_its_place():
    def choosy(next_middleware):
        return next_middleware

    def refuse(outside, inside):
        raise ValueError("not here")

    choosy.on_composed = refuse
    with pytest.raises(ValueError, match="not here"):
        apply_middleware(choosy)(lambda request: {"status": 200})
