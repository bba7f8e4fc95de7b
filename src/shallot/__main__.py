"""``python -m shallot``; see ``shallot.cli``."""

from __future__ import annotations

import sys

from .cli.commands import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
