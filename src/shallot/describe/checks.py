"""check: the findings about an app, as data."""

from __future__ import annotations

from typing import Any

from .rules import RULES, Finding, Level
from .views import read_view

__all__ = ["check"]

LEVELS: list[Level] = ["error", "warning", "info"]


def check(app: Any) -> list[Finding]:
    """What is insecure, out of order or worth a look in ``app``, worst first: dicts with ``id``, ``level``, ``where`` and ``fix``.

    It looks at ``app.spec``, the rows of ``wrap_routes`` with their own middlewares, ``app.limits`` and ``app.resources``; it calls nothing. What is always
    wrong (ambiguous routes, CORS ``*`` with credentials, a key that is too short, ...) is refused when the app is built, and never gets here.
    ``TypeError`` for what ``build_server`` did not make. The rules: ``shallot.describe.rules.RULES``, docs/topics/checks.md.

    WebSocket: rows with ``WS`` have rules of their own, such as ``ws-origin-missing``.

        >>> from shallot import build_server, standard_not_found
        >>> from shallot.middlewares import apply_middleware, wrap_errors
        >>> [finding["id"] for finding in check(build_server(apply_middleware(wrap_errors(debug=True))(standard_not_found)))]
        ['debug-on', 'hosts-missing', 'security-headers-missing']
    """
    view = read_view(app)
    findings: list[Finding] = [
        {"id": name, "level": rule.level, "where": where, "fix": rule.fix} for name, rule in RULES.items() for where in dict.fromkeys(rule.places(view))
    ]
    return sorted(findings, key=lambda finding: LEVELS.index(finding["level"]))
