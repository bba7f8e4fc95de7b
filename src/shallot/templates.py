"""templates: files with gaps (jinja2) -> responses. The one module that imports jinja2; it knows no request."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from .codec.headers import find_header
from .codec.mime import guess_type
from .types import Response

try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape
except ImportError as error:
    raise ImportError("shallot.templates needs jinja2: pip install 'shallot[templates]'") from error

__all__ = ["Render", "templates"]

_PLAIN = ("txt", "csv", "md")
_NOT_ESCAPED = [f"{extension}{end}" for extension in _PLAIN for end in ("", ".j2", ".jinja")]
_TEMPLATES = ("html", "htm", "xhtml", "xml", "svg", "j2", "jinja", *_PLAIN)


class Render(Protocol):
    """What ``templates`` gives: ``render(name, status=200, headers=None, **values)``."""

    def __call__(self, name: str, /, status: int = 200, headers: Mapping[str, str | list[str]] | None = None, **values: Any) -> Response: ...


def templates(
    directory: str | os.PathLike[str],
    *,
    globals: Mapping[str, Any] | None = None,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    extensions: Collection[str] = _TEMPLATES,
    debug: bool = False,
) -> Render:
    """A function ``render(name, /, status=200, headers=None, **values) -> response`` that fills the templates of ``directory``.

    | option | meaning | default |
    |---|---|---|
    | ``directory`` | the folder of the templates; ``name`` is the path below it, with ``/`` | |
    | ``globals`` | names that all templates know, such as ``{"url_for": partial(url_for, routes)}`` | none |
    | ``filters`` | functions for ``{{ value \\| name }}`` | jinja2's own |
    | ``extensions`` | files that are templates, by the end of their names | html, htm, xhtml, xml, svg, j2, jinja, txt, csv, md |
    | ``debug`` | look for changed files on each ``render``, which is a look at the disk | ``False``: all are read here, once |

    Values are escaped in all templates but ``.txt``, ``.csv`` and ``.md``; a name that has no value is a ``jinja2.UndefinedError``, not an empty
    place. ``content-type`` is that of the extension (``page.html``, ``page.html.j2``), in UTF-8, unless ``headers`` has one. ``status`` and
    ``headers`` cannot be names of values.

    All templates are read and compiled here: a folder that does not exist is a ``NotADirectoryError``, a mistake in a template a
    ``jinja2.TemplateSyntaxError`` that names file and line. ``render`` then only computes, on the loop in an ``async def`` handler: some 10 us for a
    small page, milliseconds for a thousand rows. For larger ones use a plain ``def`` handler, which runs in a thread, or
    ``await request["run_in_thread"](render, "page.html", rows=rows)``. A template is code: never make one of what users wrote.
    """
    folder = os.path.abspath(directory)
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"templates: no such folder: {folder}")
    if isinstance(extensions, str):
        raise TypeError(f"templates: extensions must be a collection of them, not the str {extensions!r}; write [{extensions!r}]")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(enabled_extensions=(), disabled_extensions=_NOT_ESCAPED, default=True),
        undefined=StrictUndefined,
        auto_reload=debug,
        cache_size=-1,  # as many as there are files
    )
    environment.globals.update(globals or {})
    environment.filters.update(filters or {})
    compiled: dict[str, Template] = {name: environment.get_template(name) for name in environment.list_templates(extensions=list(extensions))}

    def render(name: str, /, status: int = 200, headers: Mapping[str, str | list[str]] | None = None, **values: Any) -> Response:
        template = environment.get_template(name) if debug else compiled.get(name)
        if template is None:
            raise LookupError(f"render: no template {name!r} in {folder}; there are {', '.join(sorted(compiled)) or 'none'}")
        body = template.render(values).encode()
        given = headers or {}
        kind = {} if find_header(given, "content-type") is not None else {"content-type": _type_of(name)}
        return {"status": status, "body": body, "headers": {**kind, **given, "content-length": str(len(body))}}

    return render


def _type_of(name: str) -> str:
    bare = name.removesuffix(".j2").removesuffix(".jinja")
    return f"{guess_type(bare) or 'text/html'}; charset=utf-8"
