"""Imports of both tasks, where networks were fitted on another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from made_records import identified
from scored_runs import make_run

from crossbench.results.records.data_origin import (
    import_version,
    origin_in_words,
    pinned_versions,
)
from crossbench.results.records.store import Store


def about(version: str) -> dict[str, str]:
    return {"version": version * 16, "importer": "cells"}


def test_a_run_pins_the_imports_of_both_tasks_and_says_so(tmp_path: Path) -> None:
    record, predictions = make_run("acs", "blood.from.derma")
    data = about("a") | {"fitted_on": about("b")}
    record = identified(replace(record, provenance=record.provenance | {"data": data}), predictions)
    Store(tmp_path).write(record, predictions)
    assert pinned_versions([tmp_path]) == {("blood", "a" * 16): 1, ("derma", "b" * 16): 1}
    assert import_version(record) == "a" * 16
    words = "imported as {} (importer cells)"
    told = f"{words.format('a' * 16)}; fitted on data {words.format('b' * 16)}"
    assert origin_in_words(record.provenance) == told
