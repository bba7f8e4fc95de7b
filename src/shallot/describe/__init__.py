"""shallot.describe: what an app says of itself, read from its ``spec``. It calls no handler and serves nothing."""

from .checks import check
from .rules import Finding

__all__ = ["Finding", "check"]
