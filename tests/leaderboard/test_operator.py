"""The view inside the operator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from record_files import companion
from streamlit.testing.v1 import AppTest

from crossbench.results.records.diagnostics import Diagnostics
from crossbench.results.records.store import Store

OpenView = Callable[..., AppTest]
Words = Callable[[AppTest], str]


@pytest.fixture
def observed(
    tmp_path: Path, run_of: Callable[..., Any], diagnostics_of: Callable[[str], Diagnostics]
) -> Path:
    """The record of a run with diagnostics, beside one without."""
    store = Store(tmp_path)
    store.write(*run_of("acs", "blood"))
    record, predictions = run_of("crossd", "blood")
    return store.write(record, predictions, diagnostics=diagnostics_of(record.identity))


def heat_map(page: AppTest) -> dict[str, Any]:
    specs = [json.loads(each.proto.spec) for each in page.get("vega_lite_chart")]
    (found,) = (spec for spec in specs if spec["description"].startswith("Kernels of "))
    return found


def titles(page: AppTest) -> list[str]:
    """What stands over the kernels, in their order."""
    told: str = heat_map(page)["description"]
    return told.rpartition(": ")[2].split(", ")


def test_kernels_and_distributions_are_drawn(open_view: OpenView, observed: Path) -> None:
    page = open_view("operator", observed.parents[3])
    assert len(page.selectbox("observed").options) == 1
    assert "crossd on blood, seed 43, fold 0" in page.selectbox("observed").options[0]
    assert page.selectbox("layer").options == ["conv1", "layer1.0.conv1"]
    shown = ["middle slice", "angle 0", "sample 0", "sample 3", "sample 7"]
    assert titles(page) == shown
    assert len(page.get("vega_lite_chart")) == 3


def test_layer_channel_and_samples_are_chosen(open_view: OpenView, observed: Path) -> None:
    page = open_view("operator", observed.parents[3])
    page.selectbox("layer").select("layer1.0.conv1")
    page.selectbox("channel").select(1)
    page.button_group(key="drawn").set_value([7])
    page.toggle("change").set_value(True).run()
    assert not page.exception
    assert titles(page) == ["middle slice", "angle 0", "sample 7"]
    assert heat_map(page)["layer"][0]["encoding"]["color"]["field"] == "change"


def test_no_sample_chosen_means_all_of_them(open_view: OpenView, observed: Path) -> None:
    page = open_view("operator", observed.parents[3])
    page.button_group(key="drawn").set_value([]).run()
    assert not page.exception
    assert titles(page) == ["middle slice", "angle 0", "sample 0", "sample 3", "sample 7"]


def test_the_page_says_what_the_operator_does_and_how_to_see_it(
    open_view: OpenView, words: Words, observed: Path
) -> None:
    said = words(open_view("operator", observed.parents[3]))
    assert "circular *shift* of the kernel by fractions of a voxel, s = Rᵀ1" in said
    assert "crossbench run --method crossd --task blood" in said
    assert "--out diagnostics --diagnostics" in said


def test_without_diagnostics_the_page_says_how_to_get_them(
    open_view: OpenView, words: Words
) -> None:
    page = open_view("operator")
    assert "No run here has diagnostics" in page.info[0].value
    assert "crossbench run --method crossd --diagnostics --out" in words(page)


def test_a_damaged_file_is_named(open_view: OpenView, words: Words, observed: Path) -> None:
    companion(observed, "diagnostics").write_bytes(b"no zip file")
    page = open_view("operator", observed.parents[3])
    assert page.error[0].value == "The diagnostics cannot be read:"
    assert "diagnostics.npz: cannot be read" in page.text[0].value
