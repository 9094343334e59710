"""The view of what a decision on a recording rests on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_attributions import attribute_phantom, make_attributions
from record_files import companion
from streamlit.testing.v1 import AppTest

from crossbench.results.records.store import Store

OpenView = Callable[..., AppTest]
Words = Callable[[AppTest], str]


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds of a network over connectivity, fitted and looked into."""
    folder = tmp_path_factory.mktemp("explained")
    attribute_phantom(folder)
    return folder


@pytest.fixture
def attributed(tmp_path: Path, run_of: Callable[..., Any]) -> Path:
    """Two folds of one method, and another method's; the record of the last."""
    store = Store(tmp_path)
    for method, fold in (("fmm-tc", 0), ("fmm-tc", 1), ("ts-brainlm", 0)):
        record, predictions = run_of(method, "pain", fold=fold)
        path = store.write(
            record, predictions, diagnostics=make_attributions(record.identity, seed=fold)
        )
    return path


def test_shares_edges_regions_and_checks_are_drawn(
    open_view: OpenView, words: Words, attributed: Path
) -> None:
    page = open_view("attribution", attributed.parents[3])
    assert [option.partition(" ·")[0] for option in page.selectbox("attributed").options] == [
        "fmm-tc on pain",
        "ts-brainlm on pain",
    ]
    assert [each.value for each in page.subheader] == [
        "Shares of the views",
        "Edges",
        "Regions",
        "Checks",
    ]
    assert len(page.get("vega_lite_chart")) == 4
    said = words(page)
    assert "They differ by 0.00% of it on average" in said
    assert "--diagnostics" in said
    (table,) = page.dataframe
    assert len(table.value) == 3


def test_a_real_run_is_drawn_and_its_attributions_add_up(
    open_view: OpenView, words: Words, explained: Path
) -> None:
    page = open_view("attribution", explained)
    (option,) = page.selectbox("attributed").options
    assert option == "fc-cnn on phantom-connectivity · phantom data, fusion, init random"
    assert len(page.get("vega_lite_chart")) == 4
    (found,) = re.findall(r"They differ by ([\d.]+)% of it on average", words(page))
    assert float(found) < 10
    (table,) = page.dataframe
    assert table.value.iloc[:, 0].tolist() == ["edges, as in the matrix", "regions by connectivity"]


def test_without_attributions_the_page_says_how_to_get_them(
    open_view: OpenView, words: Words
) -> None:
    page = open_view("attribution")
    assert "No run here has attributions" in page.info[0].value
    assert "crossbench run --method fc-cnn --preset fusion --diagnostics --out" in words(page)


def test_a_damaged_file_is_named_and_the_others_are_shown(
    open_view: OpenView, attributed: Path
) -> None:
    companion(attributed, "diagnostics").write_bytes(b"no zip file")
    page = open_view("attribution", attributed.parents[3])
    assert page.error[0].value == "The diagnostics cannot be read:"
    assert len(page.selectbox("attributed").options) == 1
