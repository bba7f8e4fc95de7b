"""python -m shallot replay: a transcript against the handlers of today, or as a file of tests."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

from ..codec.json import format_json
from ..codec.transcripts import Recorded, parse_transcript
from ..describe.views import View, read_view
from ..testing import Difference, format_tests, replay
from .loading import WrongTarget, load_app
from .tables import format_count

__all__ = ["run_replay"]


def run_replay(options: Namespace) -> int:
    """Play each conversation of the file; print the first difference, or how many there were. 1 where something differs.

    With ``--pytest`` nothing is played: a test file is printed.
    """
    app = load_app(options.app, options.app_dir)
    transcript = _read(options.file)
    if options.pytest:
        print(format_tests(transcript), end="")
        return 0
    view = read_view(app)
    config = _load_config(options.config)
    for recorded in transcript:
        if difference := replay(recorded, _find_handler(recorded, view), config=config):
            print(_tell(recorded, difference))
            return 1
    print(f"{format_count(len(transcript), 'conversation')}, 0 differences")
    return 0


def _read(path: str) -> list[Recorded]:
    try:
        with open(path, encoding="utf-8", newline="\n") as lines:
            return parse_transcript(lines)
    except (OSError, ValueError) as error:
        raise WrongTarget(f"{path}: {error}") from None


def _find_handler(recorded: Recorded, view: View) -> Any:
    """By its route, as the app has it today; an app without routes names its one handler in the record."""
    route = recorded.request.get("route")
    for place in view.places:
        if route is not None and place.path == route["path"] and "WS" in place.methods:
            return place.handler
    if route is not None:
        raise WrongTarget(f"the app has no WS route {route['path']!r}, which conversation {recorded.id} was on")
    return _resolve(recorded.handler)


def _load_config(name: str | None) -> Mapping[str, Any]:
    config: Any = {} if name is None else _resolve(name)
    if not isinstance(config, Mapping):
        raise WrongTarget(f"--config {name}: expected a dict, got {type(config).__name__}")
    return config  # pyright: ignore[reportUnknownVariableType]


def _resolve(name: str) -> Any:
    try:
        return resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise WrongTarget(f"{name}: {error}") from None


def _tell(recorded: Recorded, difference: Difference) -> str:
    def show(effect: Any) -> str:
        return "nothing" if effect is None else format_json(effect).decode()

    return "\n".join(
        [
            f"conversation {recorded.id} ({recorded.handler} at {recorded.request['path']}) differs after {format_count(difference['heard'], 'message')}:",
            f"  recorded: {show(difference['expected'])}",
            f"  today:    {show(difference['got'])}",
        ]
    )
