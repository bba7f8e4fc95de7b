"""An upload that never sits in memory. Run it with ``uvicorn --app-dir examples upload:app``, then

curl -T some_large_file localhost:8000/upload
"""

from hashlib import sha256

from shallot import build_server, standard_not_found
from shallot.middlewares import apply_middleware, wrap_routes
from shallot.response import text


async def upload(request):
    digest = sha256()  # a stand-in for a disk, or for another server
    async for chunk in request["stream"]:
        digest.update(chunk)
    print("received", digest.hexdigest())
    return text("thanks", 201)


handler = apply_middleware(wrap_routes([("/upload", ["POST", "PUT"], upload)]))(standard_not_found)
app = build_server(handler, stream_body=lambda scope: scope["path"].startswith("/upload"))
