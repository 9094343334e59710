from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "measure_change.py"


@pytest.mark.slow
@pytest.mark.skipif(not (SCRIPT.parents[1] / ".git").exists(), reason="no repository of git here")
def test_the_past_method_takes_turns_with_the_present_one(tmp_path: Path) -> None:
    layers = tmp_path / "layers.toml"
    layers.write_text('[[layer]]\nname = "tiny"\nshape = [2, 4, 6, 6]\noutputs = 4\nkernel = 3\n')
    bench = ["ops", "--shapes", layers, "--repeats", "1", "--threads", "1", "--out", tmp_path]

    done = subprocess.run(
        [sys.executable, SCRIPT, "HEAD", "crossd", "--", *bench],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert re.search(r"crossd-[0-9a-f]{7}", done.stdout)
