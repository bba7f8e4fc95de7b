"""A handler alone, no middleware: it greets whoever asks by the name of their browser."""

from shallot import build_server
from shallot.response import text


async def greet(request):
    browser = request["headers"].get("user-agent")
    return text(f"Good day to you and to {browser}")


app = build_server(greet)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=5000)
