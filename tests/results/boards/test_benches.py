"""Bench records: kept whole, read strictly, shown per machine beside what the paper reports."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from scipy import stats

from crossbench.errors import RecordError, RequestError
from crossbench.results.boards.bench_frame import bench_frame, paired_ratio
from crossbench.results.boards.benches import bench_tables
from crossbench.results.boards.published import table3
from crossbench.results.records.benches import (
    BENCHES,
    BenchRecord,
    Measurement,
    bench_path,
    read_benches,
    write_bench,
)
from crossbench.results.records.store import Store
from crossbench.results.report.render import render

LAYER = {"outputs": 512, "kernel": 3, "stride": 1, "padding": 1, "dilation": 1, "groups": 1}
CPU = {"processor": "Some CPU", "cores": 2}


def make(*measurements: Measurement, hardware: Any = CPU, **changes: Any) -> BenchRecord:
    """A record of the paper's first layer; the baseline takes 2 ms and ``crossd`` 3 ms."""
    given = measurements or (
        Measurement(
            method="nn.Conv2d",
            status="ok",
            seconds=(0.002,) * 8,
            peak_memory=2**20,
            multiply_adds=8 * 10**9,
            parameters=294_912,
        ),
        Measurement(method="crossd", status="ok", seconds=(0.003,) * 8, peak_memory=2**31),
    )
    started = changes.pop("started", "2026-01-01T00:00:00+00:00")
    versions = {"torch": "2.15.0", "crossbench": "0.1.0"}
    origin = {"hardware": hardware, "versions": versions, "load": 0.5, "started": started}
    fields: dict[str, Any] = {
        "kind": "ops",
        "workload": "forward",
        "case": "small",
        "dimension": 2,
        "shape": (8, 64, 128, 128),
        "batch": 8,
        "settings": LAYER,
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "baseline": "nn.Conv2d",
        "peak_flops": 1e13,
        "provenance": origin,
    }
    return BenchRecord(measurements=given, **fields | changes)


def frame_of(*records: BenchRecord) -> pd.DataFrame:
    return bench_frame((Path(f"{number}.bench.json"), one) for number, one in enumerate(records))


def cells(table: Any) -> dict[tuple[str, str], Any]:
    return {
        (row.text, column.label): cell
        for row, line in zip(table.rows, table.cells, strict=True)
        for column, cell in zip(table.columns, line, strict=True)
    }


# --------------------------------------------------------------------------- files

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MEASUREMENTS = st.builds(
    Measurement,
    method=st.text(),
    status=st.sampled_from(["ok", "out-of-memory", "killed", "failed"]),
    seconds=st.lists(NUMBERS, max_size=3).map(tuple),
    peak_memory=st.none() | st.integers(-(2**63), 2**63 - 1),
    phases=st.dictionaries(st.text(), NUMBERS, max_size=2),
    error=st.none() | st.dictionaries(st.text(), st.text(), max_size=2),
)


@given(case=st.text(), measurements=st.lists(MEASUREMENTS, max_size=3))
def test_a_record_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, case: str, measurements: list[Measurement]
) -> None:
    root = tmp_path_factory.mktemp("benches")
    record = dataclasses.replace(make(), case=case, measurements=tuple(measurements))
    path = write_bench(root, record)
    assert path.is_relative_to(root / "bench" / "ops")
    assert BENCHES.read(path) == record
    assert read_benches([root]) == ([(path, record)], [])


def test_measuring_again_replaces_and_another_machine_does_not(tmp_path: Path) -> None:
    write_bench(tmp_path, make())
    write_bench(tmp_path, make(started="2026-02-01T00:00:00+00:00"))
    assert len(read_benches([tmp_path])[0]) == 1
    others = [make(hardware={"processor": "Other"}), make(threads=2), make(batch=4, shape=(4, 1))]
    assert len({bench_path(tmp_path, record) for record in [make(), *others]}) == 4


def test_run_records_and_bench_records_share_a_folder(tmp_path: Path, scored: Any) -> None:
    write_bench(tmp_path, make())
    Store(tmp_path).write(*scored())
    assert len(Store(tmp_path).files()) == 1
    assert Store(tmp_path).broken() == []
    found, broken = read_benches([tmp_path])
    assert (len(found), broken) == (1, [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("schema_version"), "no bench record: it has no schema_version"),
        (lambda m: m.update(schema_version=2), "schema version 2 is unknown"),
        (lambda m: m.update(kind="op"), "key 'kind' is 'op'; it must be one of 'ops'"),
        (lambda m: m.update(colour=1), "unknown key 'colour'"),
        (lambda m: m.pop("device"), "required key 'device' is missing"),
        (lambda m: m["measurements"][0].update(seconds=["a"]), "it must be a number"),
    ],
)
def test_what_is_no_record_is_named_and_passed_over(
    tmp_path: Path, change: Any, message: str
) -> None:
    path = write_bench(tmp_path, make())
    mapping = json.loads(path.read_text())
    change(mapping)
    path.write_text(json.dumps(mapping))
    with pytest.raises(RecordError, match=message):
        BENCHES.read(path)
    found, (broken,) = read_benches([tmp_path])
    assert found == []
    assert broken.path == path
    assert message in broken.reason


def test_a_record_that_json_has_no_form_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"bench record small.*: cannot be written as JSON"):
        write_bench(tmp_path, make(peak_flops=math.nan))
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be written"):
        write_bench(tmp_path / "file", make())


def test_a_folder_may_hold_no_benches_but_must_exist(tmp_path: Path) -> None:
    assert read_benches([tmp_path]) == ([], [])
    with pytest.raises(RequestError, match="does not exist"):
        read_benches([tmp_path / "none"])


# --------------------------------------------------------------------------- frame


def test_a_row_has_medians_ratios_and_shares() -> None:
    frame = frame_of(make())
    plain, crossd = (row for _, row in frame.iterrows())
    assert plain["ms"] == pytest.approx(2.0)
    assert plain["samples_per_second"] == pytest.approx(4000)
    assert plain["gmacs"] == pytest.approx(1.0)
    assert plain["peak_share"] == pytest.approx(2 * 8e9 / 0.002 / 1e13)
    assert (plain["ratio"], crossd["ratio"]) == (1.0, pytest.approx(1.5))
    assert crossd["ratio_low"] == crossd["ratio_high"] == pytest.approx(1.5)
    assert math.isnan(crossd["gmacs"])
    assert math.isnan(crossd["peak_share"])
    assert plain["machine"] == "Some CPU, 2 cores"
    assert bench_frame([]).empty


def test_without_a_baseline_there_is_no_ratio() -> None:
    lost = Measurement(method="nn.Conv2d", status="killed")
    own = Measurement(method="crossd", status="ok", seconds=(0.003,) * 8)
    assert frame_of(make(lost, own))["ratio"].isna().all()


def test_a_ratio_is_of_pairs() -> None:
    disturbed = np.array([1.0, 9.0, 2.0, 1.0, 5.0, 1.0, 3.0])
    assert paired_ratio(list(1.25 * disturbed), list(disturbed)) == pytest.approx((1.25,) * 3)
    ratio, low, high = paired_ratio([1.0] * 5, [1.0] * 5)
    assert ratio == 1
    assert math.isnan(low)
    assert math.isnan(high)
    assert all(math.isnan(value) for value in paired_ratio([1.0], [1.0, 2.0]))


@given(st.integers(6, 60))
def test_the_interval_covers_the_median_with_at_least_95_percent(count: int) -> None:
    ratio, low, high = paired_ratio([float(value) for value in range(1, count + 1)], [1.0] * count)
    below, above = int(low) - 1, count - int(high)
    assert below == above
    assert low <= ratio <= high
    missed = 2 * stats.binom.cdf(below, count, 0.5)  # the median lies outside
    assert missed <= 0.05
    assert 2 * stats.binom.cdf(below + 1, count, 0.5) > 0.05  # and no narrower one covers


# -------------------------------------------------------------------------- tables


def test_table_three_has_the_papers_figures_beside_ours() -> None:
    times, costs = bench_tables(frame_of(make()))
    shown = cells(times)
    assert shown["small", "nn.Conv2d"].text == "2"
    assert shown["small", "crossd"].text == "3"
    assert "×1.50 (1.50..1.50)" in shown["small", "crossd"].detail
    assert "×" not in shown["small", "nn.Conv2d"].detail
    published = table3()
    row = published[(published["method"] == "crossd") & (published["ms"] == 4.549)].iloc[0]
    assert shown["small", "crossd (reported)"].value == row["ms"]
    assert [column.aside for column in times.columns] == [False] * 2 + [True] * 4
    assert any("not comparable with ours" in note for note in times.notes)
    assert cells(costs)["small", "nn.Conv2d"].text == "1 MiB"
    assert cells(costs)["small", "crossd"].text == "2 GiB"


def test_table_three_is_a_table_of_its_own() -> None:
    other = make(case="other", settings=LAYER | {"outputs": 64})
    tables = bench_tables(frame_of(make(), other))
    assert [[row.text for row in table.rows] for table in tables] == [
        ["small"],
        ["small"],
        ["other"],
        ["other"],
    ]


@pytest.mark.parametrize(
    "changes",
    [{"workload": "train-step"}, {"settings": LAYER | {"outputs": 64}}, {"shape": (8, 64, 56, 56)}],
)
def test_only_the_papers_layer_has_the_papers_figures(changes: dict[str, Any]) -> None:
    times, _ = bench_tables(frame_of(make(**changes)))
    assert not any("reported" in column.label for column in times.columns)


def test_a_lost_method_and_a_cut_batch_are_said() -> None:
    record = make(
        Measurement(method="nn.Conv2d", status="ok", seconds=(0.1,)),
        Measurement(method="a", status="out-of-memory"),
        Measurement(method="b", status="killed"),
        Measurement(method="c", status="failed", error={"class": "E", "message": "m"}),
        batch=2,
    )
    times, costs = bench_tables(frame_of(record))
    for table in (times, costs):
        assert [cell.text for cell in table.cells[0][1:4]] == ["out of memory", "killed", "failed"]
    assert times.rows[0].detail == "8×64×128×128, batch cut to 2"


def test_machines_and_precisions_have_tables_of_their_own_and_the_latest_stands() -> None:
    later = make(
        Measurement(method="nn.Conv2d", status="ok", seconds=(0.004,)),
        started="2026-02-01T00:00:00+00:00",
    )
    tables = bench_tables(
        frame_of(later, make(), make(hardware={"gpu": "Some GPU"}), make(dtype="bfloat16"))
    )
    titles = {table.title for table in tables if table.title.startswith("Runtime")}
    assert len(titles) == 3
    assert any("Some GPU" in title for title in titles)
    (times,) = (
        table for table in tables if table.title.startswith("Runtime of one layer · forward · Some"
        " CPU, 2 cores · float32")
    )  # fmt: skip
    assert cells(times)["small", "nn.Conv2d"].text == "4"
    assert cells(times)["small", "crossd"].text == "3"


def test_a_ratio_stands_beside_its_own_baseline() -> None:
    whole = make(started="2026-01-01T00:00:00+00:00")
    cut = make(batch=2, started="2026-01-02T00:00:00+00:00")
    table, *_ = bench_tables(frame_of(whole, cut))
    assert [row.detail for row in table.rows] == [
        "8×64×128×128",
        "8×64×128×128, batch cut to 2",
    ]
    assert all(cell.value for row in table.cells for cell in row[:2])


def test_a_busy_machine_is_said() -> None:
    busy = make()
    busy.provenance["load"] = 4.0
    assert "BUSY" in bench_tables(frame_of(busy))[0].caution
    assert bench_tables(frame_of(make()))[0].caution == ""


def test_whole_runs_are_split_by_phase() -> None:
    own = Measurement(
        method="crossd",
        status="ok",
        seconds=(10.0,),
        peak_memory=2**20,
        phases={"load": 1.0, "forward": 9.0},
    )
    lost = Measurement(method="acs", status="killed")
    record = make(own, lost, kind="harness", workload="run", baseline="", batch=50, shape=(50, 1))
    (table,) = bench_tables(frame_of(record))
    shown = cells(table)
    assert shown["crossd on small", "samples a second"].text == "5"
    assert shown["crossd on small", "load"].detail == "10%"
    assert shown["acs on small", "samples a second"].text == "killed"
    assert shown["acs on small", "forward"].text == "–"


def test_networks_are_shown_by_throughput() -> None:
    networks = {"kind": "models", "dimension": 3, "shape": (8, 3, 64, 64, 64), "settings": {}}
    times, costs = bench_tables(frame_of(make(**networks)))
    assert "3D" in times.title
    assert cells(times)["small", "nn.Conv2d"].text == "4000"
    assert "0.295 M parameters" in cells(costs)["small", "nn.Conv2d"].detail


def test_no_records_no_tables_and_every_format_takes_them() -> None:
    assert bench_tables(bench_frame([])) == []
    for form in ("table", "markdown", "latex", "csv", "json"):
        assert "crossd" in render(bench_tables(frame_of(make())), form, width=100)
