"""shallot.channels.postgres_schema: what can be said of the texts. That they do what they should is for tests/channels/test_postgres.py."""

from __future__ import annotations

import re

import pytest

from shallot.channels.postgres_schema import NOTIFY_BYTES, VERSION, format_schema, format_statements


@pytest.mark.parametrize("schema", ["shallot", "other"])
def test_every_name_of_ours_stands_in_the_schema(schema: str) -> None:
    texts = [format_schema(schema), *format_statements(schema)]
    assert all(schema in text for text in texts)
    for text in texts:
        tables = re.findall(r"(?:FROM|INTO|UPDATE|JOIN|TABLE|EXISTS) (?!NOT |SELECT|LATERAL)([a-z_.]+)", text)
        inner = {"h", "mine", "everyone", "gone", "unnest", "set", "given", "until", "ids_until", "members_node", "dead", "first", schema, "as_number", "begun"}
        assert {table for table in tables if not table.startswith((f"{schema}.", "h."))} <= inner


def test_functions_carry_a_version() -> None:
    assert re.findall(r"FUNCTION shallot\.(\w+)", format_schema("shallot")) == [f"publish{VERSION}", f"sweep{VERSION}"]


def test_notifications_fit() -> None:
    assert f">= {NOTIFY_BYTES} " in format_schema("shallot").replace(")", " ")
    assert NOTIFY_BYTES < 7_999, "what PostgreSQL takes"
