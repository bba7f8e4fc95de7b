from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from shallot.describe.rules import RULES, Level

PAGE = (Path(__file__).parents[2] / "docs" / "topics" / "checks.md").read_text()


def test_the_documentation_has_the_table() -> None:
    """A row per rule, in the same order, with the same words."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
    assert rows == [(name, rule.level, rule.why, rule.fix) for name, rule in RULES.items()]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_well_written(name: str) -> None:
    rule: Any = RULES[name]
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
    assert rule.level in get_args(Level)
    assert rule.why.endswith((".", ").")) and rule.why[0].isupper()
    assert rule.fix and not rule.fix.endswith(".")
