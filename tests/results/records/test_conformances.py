"""Conformance reports in a results folder, beside its runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossbench.errors import RecordError
from crossbench.results.records.conformances import find_reports, read_report, write_report
from crossbench.results.records.merge import merge
from crossbench.results.records.store import Store
from crossbench.results.records.validation import validate
from crossbench.specs.conformance import Check, ConformanceReport, Kernel

REPORT = ConformanceReport(
    method="softacs:temp=2",
    sha256="0123456789abcdef" * 4,
    checks=(Check(name="shapes", status="pass", cases=4),),
    kernels=(Kernel(channels=(0,), plane=((1.0,),), volume=(((0.25,),), ((0.75,),))),),
)


def test_a_report_lies_among_runs_and_is_none(tmp_path: Path, scored: Any) -> None:
    Store(tmp_path / "a").write(*scored())
    path = write_report(tmp_path / "a", REPORT)
    assert path.name == "softacs-temp=2-01234567.conformance.json"
    assert find_reports([tmp_path / "a"]) == ([(path, REPORT)], [])
    assert Store(tmp_path / "a").broken() == []
    assert validate(tmp_path / "a").records == 2
    assert merge([tmp_path / "a"], tmp_path / "b").copied == 2
    assert merge([tmp_path / "a"], tmp_path / "b").copied == 0
    assert [report for _, report in find_reports([tmp_path / "b"])[0]] == [REPORT]


def test_a_damaged_report_is_named_and_hides_no_other(tmp_path: Path) -> None:
    path = write_report(tmp_path, REPORT)
    told = json.loads(path.read_text())
    for number, content in enumerate(
        ("[]", "{", json.dumps(told | {"schema": 7}), json.dumps(told | {"extra": 1}))
    ):
        path.with_name(f"{number}.conformance.json").write_text(content)
    found, broken = find_reports([tmp_path])
    assert [each.path for each in found] == [path]
    reasons = [reason for _, reason in broken]
    assert "holds list, not an object" in reasons[0]
    assert "is not readable as JSON" in reasons[1]
    assert "key 'schema' is 7; this version reads 1" in reasons[2]
    assert "extra" in reasons[3]
    assert len(validate(tmp_path).findings) == 4
    with pytest.raises(RecordError, match=r"gone\.json: cannot be read"):
        read_report(tmp_path / "gone.json")
