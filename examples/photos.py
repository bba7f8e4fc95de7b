"""A form with files that never sits in memory. Run it with ``uvicorn --app-dir examples photos:app``, then

curl -F title=me -F photo=@some_picture.png localhost:8000/upload
"""

from hashlib import sha256

from shallot import build_server, standard_not_found
from shallot.middlewares import apply_middleware, wrap_multipart, wrap_routes
from shallot.response import json


def digest(file):
    return sha256(file.read()).hexdigest()


async def upload(request):
    photos = [
        {"name": photo["filename"], "type": photo["content_type"], "size": photo["size"], "sha256": await request["run_in_thread"](digest, photo["file"])}
        for photo in request["files"].get("photo", [])
    ]
    return json({"title": request["form_params"].get("title"), "photos": photos}, 201)


handler = apply_middleware(wrap_multipart(max_files=10), wrap_routes([("/upload", ["POST"], upload)]))(standard_not_found)
app = build_server(handler, stream_body=lambda scope: scope["path"].startswith("/upload"))
