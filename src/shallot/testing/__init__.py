"""shallot.testing: call apps, handlers and conversations in process, with plain data. For tests only; the core knows nothing of it.

No module here has the name of a function: it would take its place.
"""

from .answers import Answer, Denied
from .channels_suite import BackendSuite
from .channels_unruly import Unruly
from .clients import Client, Opening, Sending, client
from .clock import VirtualLoop, virtual_time
from .conduct import WrongEvent
from .cuts import Cut, cut_everywhere
from .failures import Unexpected
from .fakes import AfterLeave, ClientGone, FakeServer
from .leaks import leaving_nothing
from .plays import play
from .replays import Difference, replay
from .requests import request
from .runs import run
from .scenarios import Row, Scenario, format_scenario, parse_scenario
from .scopes import http_scope, websocket_scope
from .sockets import Accepted, Closed, Socket
from .stores import StoreCase, session_store_cases
from .streams import Stream
from .written import format_tests

__all__ = [
    "Accepted",
    "AfterLeave",
    "Answer",
    "BackendSuite",
    "Client",
    "ClientGone",
    "Closed",
    "Cut",
    "Denied",
    "Difference",
    "FakeServer",
    "Opening",
    "Row",
    "Scenario",
    "Sending",
    "Socket",
    "StoreCase",
    "Stream",
    "Unexpected",
    "Unruly",
    "VirtualLoop",
    "WrongEvent",
    "client",
    "cut_everywhere",
    "format_scenario",
    "format_tests",
    "http_scope",
    "leaving_nothing",
    "parse_scenario",
    "play",
    "replay",
    "request",
    "run",
    "session_store_cases",
    "virtual_time",
    "websocket_scope",
]
