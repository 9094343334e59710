"""Folders of the user's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossbench.errors import RequestError
from crossbench.files.paths import data_dir

if TYPE_CHECKING:
    from pathlib import Path


def test_a_data_folder_that_is_none_is_refused_by_what_it_is(tmp_path: Path) -> None:
    assert data_dir(tmp_path) == tmp_path
    with pytest.raises(RequestError, match="nowhere' does not exist; create it or correct it"):
        data_dir(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="file' is a file; name a folder"):
        data_dir(tmp_path / "file")
