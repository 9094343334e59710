"""A method of recordings of a third party, from the listing to the report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from third_party import python

from crossbench.specs.conformance import ConformanceReport

RUN = """
import sys
from crossbench.cli import main
for protocol in ("frozen-fusion", "linear-probe"):
    asked = ["--task", "phantom-connectivity", "--method", "region-moments", "--protocol", protocol]
    code = main(["run", *asked, "--preset", "smoke", "--out", {out!r}, "--device", "cpu"])
    assert code == 0, code
sys.exit(main(["report", {out!r}]))
"""


def crossbench(*words: str) -> str:
    """Code that runs the command line with these words."""
    return f"import sys; from crossbench.cli import main; sys.exit(main({words!r}))"


def test_it_is_listed_among_methods_of_recordings(installed: Path) -> None:
    code = "import os; os.environ['COLUMNS'] = '200'; " + crossbench("list", "methods")
    done = python(code, path=installed)
    line = r"^region-moments +recording +example-operator 1\.2\.0 +A linear layer on the mean"
    assert re.search(line, done.stdout, flags=re.MULTILINE), done.stdout + done.stderr


@pytest.mark.slow
def test_it_runs_under_two_protocols_and_is_reported(installed: Path, tmp_path: Path) -> None:
    done = python(RUN.format(out=str(tmp_path)), path=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = [json.loads(file.read_text()) for file in tmp_path.rglob("*.json")]
    assert {run["status"] for run in runs} == {"ok"}
    found = {
        run["key"]["protocol"]: run for run in runs if run["key"]["method"] == "region-moments"
    }
    for protocol in ("frozen-fusion", "linear-probe"):
        assert f"fMRI tasks · phantom data · preset smoke · {protocol}" in done.stdout
        assert found[protocol]["provenance"]["method"]["distribution"] == "example-operator"
    assert found["frozen-fusion"]["provenance"]["learns"] == {"head": 2 * 20 * 2 + 2}
    assert found["linear-probe"]["metrics"]["balanced_accuracy"] > 0.6


@pytest.mark.slow
def test_it_keeps_the_contract(installed: Path) -> None:
    words = ("check-method", "region-moments", "--json", "--device", "cpu")
    done = python(crossbench(*words), path=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    report = ConformanceReport.from_mapping(json.loads(done.stdout))
    assert report.verdict.endswith("none fails")
    assert report.check("runs").status == "pass"
