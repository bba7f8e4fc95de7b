"""python -m shallot: commands that look at an app. Each is a row of ``commands.COMMANDS``; they serve nothing."""

from .commands import main

__all__ = ["main"]
