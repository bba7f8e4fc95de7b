"""Tables, piles and servers that do not fit together."""

from shallot import build_server, standard_not_found
from shallot.middlewares import apply_middleware, wrap_cors, wrap_json, wrap_routes
from shallot.response import text
from shallot.types import Handler, Limits, Middleware, NextMiddleware, Request, Response, RouteData, Routes


async def hello(request: Request) -> Response:
    return text("hello")


async def answers_text(request: Request) -> str:
    return "hello"


method_without_list: Routes = [
    ("/", 5, hello),  # error: mypy pyright
]

no_handler: Routes = [
    ("/", ["GET"]),  # error: mypy pyright
]

handler_called: Routes = [
    ("/", ["GET"], text("hello")),  # error: mypy pyright
]

methods_after_handler: Routes = [
    ("/", hello, ["GET"]),  # error: mypy pyright
]

data_as_text: Routes = [
    ("/", ["GET"], hello, "home"),  # error: mypy pyright
]

handler_answers_text: Routes = [
    ("/", ["GET"], answers_text),  # error: mypy pyright
]

path_is_bytes: Routes = [
    (b"/", ["GET"], hello),  # error: mypy pyright
]

misspelt_data: RouteData = {"nmae": "home"}  # error: mypy pyright

local_limit: RouteData = {"limits": {"body_bytes": 1}}  # error: mypy pyright

misspelt_limit: Limits = {"body_byte": 1}  # error: mypy pyright


def answers_at_once(next_middleware: NextMiddleware) -> NextMiddleware:
    def middleware(handler: Handler, request: Request) -> Response:
        return text("no")

    return middleware  # error: mypy pyright


def forgets_to_await(next_middleware: NextMiddleware) -> NextMiddleware:
    async def middleware(handler: Handler, request: Request) -> Response:
        return next_middleware(handler, request)  # error: mypy pyright

    return middleware


def forgets_the_handler(next_middleware: NextMiddleware) -> NextMiddleware:
    async def middleware(handler: Handler, request: Request) -> Response:
        return await next_middleware(request)  # error: mypy pyright

    return middleware


def wrong_shape(handler: Handler) -> Handler:
    return handler


middleware: Middleware = wrap_json  # error: mypy pyright

misspelt_option = wrap_cors(allow_orgins=["*"])  # error: mypy pyright

not_a_table = wrap_routes({"/": hello})  # error: mypy pyright

not_a_middleware = apply_middleware("wrap_json")  # error: mypy pyright

not_a_handler = build_server("hello")  # error: mypy pyright

misspelt_server_option = build_server(hello, max_body_byte=1)  # error: mypy pyright

misspelt_app_limit = build_server(standard_not_found, limits={"body_byte": 1})  # error: mypy pyright
