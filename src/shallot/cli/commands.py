"""The commands of ``python -m shallot``, one row each: what it is called, what it takes, and the function that does it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..codec.json import format_json
from ..describe import check
from ..describe.views import read_view
from .loading import WrongTarget, load_app
from .replaying import run_replay
from .tables import format_count, format_table

__all__ = ["COMMANDS", "Command", "main"]


class Command(NamedTuple):
    """A row of ``COMMANDS``."""

    run: Callable[[Namespace], int]
    """Prints what it found and gives the exit code: 0 good, 1 not; 2 is for what was typed wrong."""
    help: str
    arguments: Mapping[str, Mapping[str, Any]]
    """name or flag -> how argparse takes it"""


TARGET: Mapping[str, Mapping[str, Any]] = {
    "app": {"help": "module:app, like myproject.web:app"},
    "--app-dir": {"default": ".", "metavar": "FOLDER", "help": "where the module is looked for (the current folder)"},
    "--json": {"action": "store_true", "help": "print JSON instead of a table"},
}
"""What each command takes that looks at an app."""

REPLAY: Mapping[str, Mapping[str, Any]] = {
    "file": {"help": "a transcript that wrap_transcript wrote"},
    "app": TARGET["app"],
    "--app-dir": TARGET["--app-dir"],
    "--config": {"metavar": "module:name", "help": "a dict that the handlers see as scope['config'] ({})"},
    "--pytest": {"action": "store_true", "help": "print a file of tests instead"},
}


def run_check(options: Namespace) -> int:
    """Print the findings of ``check``; 1 where one of them is an error."""
    findings = check(load_app(options.app, options.app_dir))
    if options.json:
        print(format_json(findings).decode())
    elif findings:
        print(format_table(["level", "id", "where", "fix"], [[one["level"], one["id"], one["where"], one["fix"]] for one in findings]))
    levels: list[str] = [one["level"] for one in findings]
    counts = [format_count(levels.count(level), word) for level, word in (("error", "error"), ("warning", "warning"), ("info", "hint"))]
    print(", ".join(counts), file=sys.stderr)
    return 1 if "error" in levels else 0


def run_routes(options: Namespace) -> int:
    """Print the rows of the table of routes, each with the layers that a request to it passes, outermost first."""
    places = read_view(load_app(options.app, options.app_dir)).places
    rows = [
        [", ".join(place.methods), place.path, place.data.get("name", ""), _name(place.handler), " > ".join(layer["name"] for layer in place.layers)]
        for place in places
    ]
    head = ["methods", "path", "name", "handler", "layers"]
    if not rows:
        print("no routes: the app has no wrap_routes, and one handler answers all", file=sys.stderr)
    print(format_json([dict(zip(head, row, strict=True)) for row in rows]).decode() if options.json else format_table(head, rows))
    return 0


def _name(handler: Any) -> str:
    return getattr(handler, "__qualname__", None) or repr(handler)


COMMANDS: Mapping[str, Command] = {
    "check": Command(run_check, "say what is insecure or out of order in an app; exit code 1 where something is", TARGET),
    "routes": Command(run_routes, "list the routes of an app, with the layers that each request passes", TARGET),
    "replay": Command(run_replay, "play a transcript again and show the first difference; exit code 1 where there is one", REPLAY),
}
"""A new command is a new row."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what ``arguments`` (else those of the process) ask for, and give back the exit code. ``--help`` and mistakes end as argparse ends them."""
    parser = ArgumentParser(prog="python -m shallot", description="Look at an app that build_server made.", allow_abbrev=False)
    parsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, command in COMMANDS.items():
        own = parsers.add_parser(name, help=command.help, description=command.help, allow_abbrev=False)
        for argument, how in command.arguments.items():
            own.add_argument(argument, **how)
    options = parser.parse_args(arguments)
    try:
        return COMMANDS[options.command].run(options)
    except WrongTarget as error:
        print(f"{parser.prog} {options.command}: {error}", file=sys.stderr)
        return 2
