"""Files at hand for tests, which lie beside the checkout and are never part of it."""

from __future__ import annotations

from pathlib import Path

import pytest


def shared_data(*names: str) -> Path:
    """A file or folder of ``shared/data``; the test is skipped where it is not there."""
    for parent in Path(__file__).resolve().parents:
        found = parent.joinpath("shared", "data", *names)
        if found.exists():
            return found
    pytest.skip(f"no shared/data/{'/'.join(names)} beside the checkout")
