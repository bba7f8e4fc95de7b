"""``module:app`` -> the app, or an error that says what to write instead. The one place that imports a user's code by name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from ..describe.views import has_view

__all__ = ["WrongTarget", "load_app"]


class WrongTarget(Exception):
    """What was named leads to no app; the text says why, and what to write."""


def load_app(target: str, app_dir: str = ".") -> Any:
    """What ``target``, like ``package.module:app``, names; ``app_dir`` is where its modules are looked for first.

    ``WrongTarget`` where there is none. What the module itself raises while it is imported is passed on.
    """
    module, colon, path = target.partition(":")
    if not colon or not module or not path:
        raise WrongTarget(f"expected module:app, like myproject.web:app, got {target!r}")
    if module.endswith(".py") or "/" in module:
        cure = f"{Path(module).stem}:{path}"
        raise WrongTarget(f"{module!r} is a file; write it as a module, {cure!r}, and name its folder with --app-dir if it is another one")
    folder = str(Path(app_dir).resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = resolve_name(f"{module}:")  # with its colon it is one import, whose errors are its own
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # a module that theirs wants
        raise WrongTarget(f"no module {error.name!r} in {folder}; stand in the folder that has it, or name that with --app-dir") from None
    except ValueError:
        raise WrongTarget(f"expected module:app, like myproject.web:app, got {target!r}") from None
    app = _walk(found, module, path)
    if not has_view(app):
        raise WrongTarget(f"{target} is a {type(app).__name__}, not what build_server(...) gives")
    return app


def _walk(module: Any, name: str, path: str) -> Any:
    value = module
    for part in path.split("."):
        if not hasattr(value, part):
            raise WrongTarget(f"{name} has no {path!r}{_nearest(part, dir(value))}")
        value = getattr(value, part)
    return value


def _nearest(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, [one for one in names if not one.startswith("_")], 1)
    return f"; did you mean {near[0]!r}?" if near else ""
