"""What the servers serve: ``benchmarks.served:app`` is the framework and the work that the environment names."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from .works import WORKS

app: Any = getattr(import_module(f"benchmarks.apps.{os.environ['BENCHMARK_FRAMEWORK']}"), WORKS[os.environ["BENCHMARK_WORK"]].app)()
