from __future__ import annotations

import runpy
import sys
from typing import Any

import pytest

import shallot.__main__
from shallot.cli.commands import main


def test_it_runs_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert shallot.__main__.main is main
    monkeypatch.setattr(sys, "argv", ["shallot", "--help"])
    monkeypatch.delitem(sys.modules, "shallot.__main__")
    with pytest.raises(SystemExit) as end:
        runpy.run_module("shallot", run_name="__main__")
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("usage: python -m shallot")
