"""Files from a folder of the working directory, with their content types; all else is greeted."""

from shallot import build_server
from shallot.middlewares import apply_middleware, wrap_content_type, wrap_static
from shallot.response import text


async def greet(request):
    return text("Nothing on the shelf by that name, but good day to you")


pile = apply_middleware(
    wrap_content_type(),
    wrap_static("./static"),
)

app = build_server(pile(greet))

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=5000)
