"""Pictures of views are asked for by name; the browser's tests use the rest of the script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import take_screenshots as script

if TYPE_CHECKING:
    from pathlib import Path


def test_a_view_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pictures"
    monkeypatch.setattr("sys.argv", ["take_screenshots.py", str(out), "--views", "cost,runtime"])
    with pytest.raises(SystemExit):
        script.main()
    assert "unknown views runtime; there are leaderboard, " in capsys.readouterr().err
    assert not out.exists()
