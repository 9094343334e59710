"""The fuzz script finds what it is there to find; its long run is in ``make slow``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fuzz as script
import numpy as np
import pytest
from fuzz_damage import damage, in_json
from fuzz_kinds import Kind

from crossbench.errors import RecordError


def case(tmp_path: Path, read: Any, *, sealed: bool = False) -> str:
    """How a case goes under a reader of one's own."""
    kind = Kind(file=Path("x.json"), read=read, within=in_json)
    return script.attempt(kind, b"{", [1], tmp_path, seal=sealed)


def test_what_a_reader_does_is_told_apart(tmp_path: Path) -> None:
    def refuse(_: Path) -> None:
        raise RecordError("x.json: no record")

    def be_silent(_: Path) -> None:
        raise RecordError("")

    def leave(_: Path) -> None:
        sys.exit(0)

    assert case(tmp_path, refuse) == "refused"
    assert case(tmp_path, lambda _: [1]) == "unchanged"
    assert case(tmp_path, lambda _: [2]) == "valid"
    assert case(tmp_path, lambda _: [2], sealed=True).startswith("FAILED damage was accepted")
    assert case(tmp_path, be_silent) == "FAILED an error without a message"
    assert "JSONDecodeError" in case(tmp_path, lambda file: json.loads(file.read_bytes()))
    assert "SystemExit" in case(tmp_path, leave)


HANGING = """
import sys, time
from pathlib import Path
import fuzz, fuzz_damage, fuzz_kinds

def read(file):
    return time.sleep(99) if file.parent.name == "scratch" else None

folder = Path(sys.argv[1])
(folder / "x").write_bytes(b"{}")
fuzz.HANG = 0.2
fuzz.KINDS["x"] = lambda _: fuzz_kinds.Kind(file=folder / "x", read=read, within=fuzz_damage.damage)
fuzz.work("x", 0, 2, 0, folder)
"""


def test_a_case_that_hangs_ends_its_process(tmp_path: Path) -> None:
    here = os.environ | {"PYTHONPATH": str(Path(script.__file__).parent)}
    words = [sys.executable, "-c", HANGING, tmp_path]
    done = subprocess.run(words, env=here, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "in read" in done.stderr


def test_the_other_cases_go_on_where_one_ends_its_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stub = tmp_path / "stub.py"
    stub.write_text("import sys\nprint('refused', flush=True)\nsys.exit(3)\n", "utf-8")
    monkeypatch.setattr(script, "__file__", str(stub))
    outcomes = list(script.supervise("card", 0, 3, 0, time.monotonic() + 60))
    assert outcomes == ["refused", "FAILED the process hung or died (3)", "refused"]


def test_a_case_can_be_made_again() -> None:
    content = b'{"a": [1, {"b": 2}], "c": "d"}'
    for within in (in_json, damage):
        twice = [within(content, np.random.default_rng([0, 7])) for _ in range(2)]
        assert twice[0] == twice[1] != content


def test_damaged_cards_are_refused_or_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--cases", "200", "--kinds", "card"]) == 0
    assert "200 cases" in capsys.readouterr().out


@pytest.mark.slow
def test_no_damage_brings_a_traceback_a_hang_or_silence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = script.main(["--cases", "2400", "--seconds", "900"])
    assert code == 0, capsys.readouterr().out
