"""One bad file among good ones: every reader survives it and names it."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from record_files import change_record, companion

from crossbench.cli import main
from crossbench.errors import RecordError
from crossbench.results.records.cache import read_cached
from crossbench.results.records.frame import to_frame
from crossbench.results.records.merge import merge
from crossbench.results.records.reading import MAX_RECORD, unpack
from crossbench.results.records.store import Broken, Found, Store, read_file
from crossbench.results.records.validation import validate
from crossbench.results.report.report import report

Make = Callable[[Path], Any]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "cache"))


def sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(MAX_RECORD + 1)


def listening(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket has 108 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
    finally:
        os.chdir(here)


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


FILES: list[tuple[str, Make, str]] = [
    ("x", os.mkfifo, "it is a pipe, not a regular file"),
    ("x", listening, "it is a socket, not a regular file"),
    ("x", lambda path: path.symlink_to("/dev/zero"), "it is a device, not a regular file"),
    ("x", lambda path: path.symlink_to("/dev/stdin"), "it is "),
    ("x", lambda path: path.symlink_to("nowhere"), "cannot be read: .*No such file"),
    ("x", lambda path: path.symlink_to(path), "cannot be read: .*Too many levels"),
    ("x", sparse, "it is larger than 64 MiB"),
    ("x", lambda path: path.write_text(nested(900)), "nested more than 32 levels deep"),
    ("x", lambda path: path.write_text("[" * 10**6), "not readable as JSON"),
    ("x", lambda path: path.write_text('{"schema_version": ' + "9" * 400 + "}"), r"\(400 digits\)"),
    ("x", lambda path: path.write_text('{"a": ' + "9" * 5000 + "}"), r"\(5000 digits\)"),
    ("x", lambda path: path.write_text('{"a": "\\ud800"}'), "half a surrogate pair"),
    ("x", lambda path: path.write_bytes(b'{"a": "\xed\xa0\x80"}'), "not readable as JSON"),
    ("x", lambda path: path.write_bytes(b"\xef\xbb\xbf{}"), "not readable as JSON: .*BOM"),
    ("x", lambda path: path.write_text("{}"), "it has no schema_version"),
    ("\udcff", lambda path: path.write_text("{}"), "its name is no text in UTF-8; rename it"),
]


@pytest.mark.parametrize("ending", [".json", ".bench.json", ".pretrain.json"])
@pytest.mark.parametrize(("stem", "make", "match"), FILES)
def test_a_file_that_is_no_record_is_named_and_hides_none(
    tmp_path: Path,
    scored: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    stem: str,
    make: Make,
    match: str,
    ending: str,
) -> None:
    root = tmp_path / "results"
    good = Store(root).write(*scored())
    path = root / f"{stem}{ending}"
    make(path)
    named = str(path).encode("utf-8", "backslashreplace").decode()
    if ending == ".json":
        for _ in range(2):  # read, and kept
            (broken,) = read_cached([root]).broken
            assert str(broken.path) == named
            assert re.search(match, broken.reason)
        assert len(read_cached([root]).frame) == 1
        assert main(["compare", str(root), "--baseline", "crossd", "--candidate", "acs"]) == 2
        capsys.readouterr()
    titles = [table["title"] for table in json.loads(report([root], "json"))["tables"]]
    assert titles[-1] == "Files that are no valid records"
    assert Path(named).name in report([root], "csv")
    for findings in (merge([root], tmp_path / "all").broken, validate(root).findings):
        ((file, what),) = findings
        assert str(file) == named
        assert re.search(match, what)
    assert len(list(Store(tmp_path / "all").records())) == 1
    assert read_file(good) is not None


def bomb() -> bytes:
    """An archive of 2 MB that says it holds 2 GiB."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("index.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(17):
            member.write(bytes(2**26))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (os.mkfifo, "it is a pipe, not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a regular file"),
        (Path.mkdir, "it is a folder, not a regular file"),
    ],
)
@pytest.mark.parametrize("field", ["predictions", "weights", "diagnostics"])
def test_a_file_beside_a_record_is_a_regular_one(
    tmp_path: Path, scored: Callable[..., Any], field: str, make: Make, match: str
) -> None:
    path = Store(tmp_path).write(*scored(), lambda file: file.write_bytes(b"weights"))
    if field == "diagnostics":
        change_record(path, lambda m: m.update(diagnostics="x.diagnostics.npz"))
    companion(path, field).unlink(missing_ok=True)
    make(companion(path, field))
    ((_, what),) = validate(tmp_path).findings
    assert match in what


@pytest.mark.parametrize("name", ["a\0.npz", "../a.npz", "/a.npz", "..", "", "a\\b.npz"])
@pytest.mark.parametrize("field", ["predictions", "weights"])
def test_a_name_that_leads_elsewhere_is_refused(
    tmp_path: Path, scored: Callable[..., Any], field: str, name: str
) -> None:
    path = Store(tmp_path).write(*scored(), lambda file: file.write_bytes(b"weights"))
    change_record(path, lambda mapping: mapping.update({field: name}))
    item = read_file(path)
    assert isinstance(item, Broken)
    assert "must be the name of a file beside it" in item.reason


def test_an_archive_that_unpacks_to_too_much_is_refused_unread() -> None:
    content = bomb()
    assert len(content) < 2**22
    with pytest.raises(RecordError, match="it unpacks to more than 1024 MiB"):
        unpack(content)


def test_half_a_character_in_an_error_is_written_as_its_escape(
    tmp_path: Path, failure: Callable[..., Any]
) -> None:
    path = Store(tmp_path).write(failure(message="no file '\udcff.npz'"), None)
    item = read_file(path)
    assert isinstance(item, Found)
    assert item.record.error is not None
    assert item.record.error["message"] == r"no file '\udcff.npz'"
    assert r"\udcff" in report([tmp_path], "csv")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
FIELDS = ["metrics", "counts", "key", "provenance", "predictions", "error", "curve", "warnings"]


def holds_or_is_named(path: Path) -> None:
    item = read_file(path)
    assert isinstance(item, (Found, Broken))
    if isinstance(item, Found):
        to_frame([item])
    else:
        item.reason.encode()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"root": tmp_path_factory.mktemp("damaged")}


@given(field=st.sampled_from(FIELDS), value=JSON)
@settings(max_examples=150)
def test_any_value_in_any_field_is_a_record_or_a_named_file(
    whole: dict[str, Path], field: str, value: Any
) -> None:
    path = written(whole["root"])
    file = path.with_name("x.json")
    file.write_bytes(path.read_bytes())
    change_record(file, lambda mapping: mapping.update({field: value}))
    holds_or_is_named(file)


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(1, 255), cut=st.booleans())
@settings(max_examples=150)
def test_any_damage_to_any_file_is_noticed(
    whole: dict[str, Path], place: float, byte: int, cut: bool
) -> None:
    path = written(whole["root"])
    for file in (path, companion(path)):
        before = file.read_bytes()
        content = bytearray(before)
        content[int(place * len(content))] ^= byte
        file.write_bytes(content[: int(place * len(content))] if cut else content)
        try:
            holds_or_is_named(path)
        finally:
            file.write_bytes(before)


def written(root: Path) -> Path:
    """A record in a folder, made once."""
    from made_records import identified

    from crossbench.results.records.predictions import Predictions
    from crossbench.specs import RunKey, RunRecord

    known = [path for path in Store(root).files() if path.name != "x.json"]
    if known:
        return known[0]
    key = RunKey(
        preset="smoke",
        task="blood",
        method="acs",
        backbone="resnet18",
        init="random",
        protocol="weak-probe",
        seed=43,
        fold=0,
    )
    logs = np.log(np.full((12, 2), 0.5, np.float32))
    index = np.arange(12)
    predictions = Predictions(index=index, label=index % 2, log_probabilities=logs)
    record = RunRecord(
        identity="",
        key=key,
        status="ok",
        source="real",
        dimension=2,
        metric="accuracy",
        metrics={"accuracy": 0.5},
    )
    return Store(root).write(identified(record, predictions), predictions)
