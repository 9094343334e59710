from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from record_files import change_record, unseal
from streamlit import config
from streamlit.testing.v1 import AppTest

from crossbench.results.records.store import Store

Open = Callable[..., AppTest]


@pytest.fixture
def at_localhost() -> Iterator[None]:
    before = config.get_option("server.address")
    config.set_option("server.address", "localhost")
    yield
    config.set_option("server.address", before)


def zipped(folder: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    return stream.getvalue()


def test_a_folder_is_checked_file_by_file(
    open_view: Open, at_localhost: None, results_folder: Path
) -> None:
    page = open_view("check")
    assert not page.dataframe
    page.text_input(key="check-folder").set_value(str(results_folder)).run()
    assert page.warning[0].value == "150 of 151 JSON files are valid records."
    first = page.dataframe[0].value.iloc[0]
    assert (first["Record"], first["File"]) == ("not valid", "standard/broken.json")
    assert "not readable as JSON" in first["Why not"]
    page.text_input(key="check-folder").set_value("/no/such/folder").run()
    assert page.warning[0].value == "There is no such folder."


def test_metrics_are_computed_again_and_unsealed_records_are_said_to_be(
    tmp_path: Path, open_view: Open, at_localhost: None, run_of: Any
) -> None:
    tampered, old = (Store(tmp_path).write(*run_of(name, "blood")) for name in ("acs", "crossd"))
    change_record(tampered, lambda m: m["metrics"].update(auroc=0.999))
    unseal(old)
    page = open_view("check")
    page.text_input(key="check-folder").set_value(str(tmp_path)).run()
    rows = page.dataframe[0].value
    assert rows["Record"].tolist() == ["not valid", "valid, unsealed"]
    assert rows["Why not"][0].startswith("its auroc is 0.999, and 0.")


def test_others_on_the_network_cannot_look_at_folders(open_view: Open) -> None:
    assert not open_view("check").text_input


def test_an_uploaded_archive_is_checked(open_view: Open, results_folder: Path) -> None:
    page = open_view("check")
    archive: Any = ("results.zip", zipped(results_folder), "application/zip")
    page.file_uploader(key="check-uploads").set_value([archive]).run()
    assert not page.exception
    assert page.warning[0].value == "150 of 151 JSON files are valid records."
