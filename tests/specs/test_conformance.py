"""The report of a conformance check, to JSON and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.errors import CardError
from crossbench.specs.conformance import VERDICTS, Check, ConformanceReport, Cost, Kernel, Spent

numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(min_value=0, max_value=2**53)
checks = st.builds(
    Check,
    name=st.text(),
    status=st.sampled_from(VERDICTS),
    demand=st.text(),
    tolerance=st.text(),
    measured=numbers,
    cases=counts,
    refused=counts,
    detail=st.text(),
    example=st.text(),
    seconds=st.floats(0, 1e6),
)
spent = st.builds(
    Spent,
    parameters=counts,
    multiply_adds=st.none() | counts,
    seconds=numbers,
    bytes=st.none() | counts,
)
costs = st.builds(Cost, workload=st.text(), reference=st.text(), method=spent, plain=spent)
reports = st.builds(
    ConformanceReport,
    method=st.text(),
    sha256=st.text(),
    config=st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()),
    versions=st.dictionaries(st.text(), st.text()),
    threads=counts,
    seconds=numbers,
    memory=st.none() | counts,
    checks=st.lists(checks, max_size=3).map(tuple),
    cost=st.lists(costs, max_size=2).map(tuple),
)


@given(reports)
def test_a_report_comes_back_from_json(report: ConformanceReport) -> None:
    text = json.dumps(report.to_mapping(), allow_nan=False)
    assert ConformanceReport.from_mapping(json.loads(text)) == report


def of(*statuses: str) -> ConformanceReport:
    made = tuple(Check(name=f"check-{i}", status=each) for i, each in enumerate(statuses))  # type: ignore[arg-type]
    return ConformanceReport(method="mine", sha256="0" * 64, checks=made)


def test_one_failure_is_no_pass() -> None:
    report = of("pass", "fail", "skip")
    assert not report.passed
    assert [check.name for check in report.failed] == ["check-1"]
    assert report.verdict == "1 pass, 1 skipped, 1 fail"
    assert report.check("check-2").status == "skip"
    with pytest.raises(KeyError, match="check-9"):
        report.check("check-9")


def test_skips_alone_are_no_failure() -> None:
    assert of("pass", "skip").passed
    assert of("pass", "skip").verdict == "1 pass, 1 skipped, none fails"


def test_what_is_no_report_is_refused() -> None:
    mapping = of("pass").to_mapping()
    with pytest.raises(CardError, match="'schema' is 9; this version reads 1: make the report"):
        ConformanceReport.from_mapping(mapping | {"schema": 9})
    with pytest.raises(CardError, match="'schema' is None"):
        ConformanceReport.from_mapping({})
    mapping["checks"][0]["status"] = "maybe"
    with pytest.raises(CardError, match="one of 'pass', 'skip', 'fail'"):
        ConformanceReport.from_mapping(mapping, where="conformance.json")
    with pytest.raises(CardError, match=r"bundle: unknown key 'cheks'; did you mean checks"):
        ConformanceReport.from_mapping(of().to_mapping() | {"cheks": []}, where="bundle")


@pytest.mark.parametrize(
    "kernel",
    [
        {"channels": [0], "plane": [], "volume": [[[1.0]]]},
        {"channels": [0], "plane": [[1.0]], "volume": []},
        {"channels": [0], "plane": [[1.0], [1.0, 2.0]], "volume": [[[1.0]]]},
        {"channels": [0], "plane": [[float("nan")]], "volume": [[[1.0]]]},
        {"channels": [0], "plane": [[1.0] * 8], "volume": [[[1.0]]]},
    ],
)
def test_kernels_that_cannot_be_drawn_are_refused(kernel: dict[str, Any]) -> None:
    mapping = ConformanceReport(method="mine", sha256="").to_mapping()
    with pytest.raises(CardError, match="key 'kernels' holds what is no kernel"):
        ConformanceReport.from_mapping(mapping | {"kernels": [kernel]})


def test_kernels_come_back() -> None:
    kernel = Kernel(channels=(0, 2), plane=((1.0, 2.0),), volume=(((0.5, 1.0),), ((0.5, 1.0),)))
    report = ConformanceReport(method="mine", sha256="", kernels=(kernel,))
    assert ConformanceReport.from_mapping(report.to_mapping()) == report
