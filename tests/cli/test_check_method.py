"""``crossbench check-method``: exit codes, limits, and a table that fits a terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from crossbench.cli import main
from crossbench.cli.check_method import milliseconds
from crossbench.results.records.conformances import find_reports
from crossbench.specs.conformance import ConformanceReport

FAULTY = Path(__file__).parents[1] / "conformance" / "faulty"


def test_a_failure_is_shown_with_its_example_and_exits_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["check-method", str(FAULTY / "wrong_shape.py"), "--device", "cpu"]
    assert main([*words, "--only", "runs,shape-stride,batch-independence"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "wrong-shape: 1 pass, 0 skipped, 2 fail"
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("shape-stride        FAIL") for line in lines)
    shown = " ".join(" ".join(lines).split())
    assert "smallest example: layer_2d of Conv2d(1, 1, 1, stride=2, bias=False) on 3 × 3" in shown


def test_the_report_as_json_comes_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["check-method", str(FAULTY / "sound.py"), "--json", "--only", "runs,tensors"]
    words += ["--out", str(tmp_path)]
    assert main([*words, "--time-limit", "90", "--memory-limit", "6G", "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    report = ConformanceReport.from_mapping(json.loads(printed.out))
    ((path, kept),), _ = find_reports([tmp_path])
    assert kept == report
    assert printed.err.splitlines()[-1] == f"report kept in {path}"
    assert report.verdict == "2 pass, 0 skipped, none fails"
    assert (report.seconds, report.memory) == (90, 6 * 2**30)
    assert report.check("tensors").detail == "carried: weight, bias"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["mine", "--time-limit", "0"],
            r"time-limit .='0'. must be a time such as 90, 10m",
        ),
        (["mine", "--memory-limit", "much"], "memory-limit .='much'. must be a size such as 512M"),
        (["./absent.py", "--device", "cpu"], "absent.py' does not exist"),
    ],
)
def test_a_wrong_request_exits_with_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-method", *words]) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(3.4e-5, "0.034 ms"), (9.96e-4, "1 ms"), (1.44e-3, "1.4 ms"), (2.5, "2,500.0 ms")],
)
def test_a_short_time_keeps_its_digits(seconds: float, shown: str) -> None:
    assert milliseconds(seconds) == shown
