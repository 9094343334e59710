"""Folders of temporary files that go with the process that they were made for."""

from __future__ import annotations

import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

from crossbench.files.atomic import lives, owner

_NAME = re.compile(r"crossbench-([0-9a-f]{8})-(\d+)-.+")


def make_scratch() -> Path:
    """Make an empty folder below the system's one of temporary files; the caller removes it.

    Those that processes of this machine made and did not live to remove go with the first call.
    """
    _remove_abandoned()
    return Path(tempfile.mkdtemp(prefix=f"crossbench-{owner()}-"))


@cache
def _remove_abandoned() -> None:
    here, _, _ = owner().partition("-")
    for folder in Path(tempfile.gettempdir()).glob("crossbench-*"):
        match = _NAME.fullmatch(folder.name)
        if match is not None and match[1] == here and not lives(int(match[2])):
            shutil.rmtree(folder, ignore_errors=True)
