"""What every command shares: exit codes, and where words and data go."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_OK, EXIT_FAILED, EXIT_REQUEST, EXIT_INTERRUPTED = 0, 1, 2, 130


def say(lines: Sequence[str]) -> None:
    """Words for people, on standard error, so that standard output stays clean."""
    for line in lines:
        print(line, file=sys.stderr)


def print_json(value: Any) -> None:
    """Data for programs, on standard output."""
    print(json.dumps(value, indent=2, allow_nan=False))
