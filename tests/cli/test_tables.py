from __future__ import annotations

from shallot.cli.tables import format_count, format_table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert format_table(["a", "bcd", "e"], [["xx", "y", "a long one"], ["", "", ""]]) == "a   bcd  e\nxx  y    a long one\n"


def test_a_table_without_rows_is_its_head() -> None:
    assert format_table(["a", "b"], []) == "a  b"


def test_one_thing_is_no_plural() -> None:
    assert [format_count(count, "error") for count in (0, 1, 2)] == ["0 errors", "1 error", "2 errors"]
