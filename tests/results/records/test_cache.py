from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyarrow import parquet
from record_files import change_record, companion

from crossbench.files.hashing import hash_json
from crossbench.files.paths import cache_dir
from crossbench.results.records import cache
from crossbench.results.records.cache import read_cached
from crossbench.results.records.frame import to_frame
from crossbench.results.records.loading import load_results
from crossbench.results.records.store import Store, read_file, read_folders

Scored = Callable[..., Any]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read, as they are read."""
    names: list[str] = []

    def read(path: Path) -> Any:
        names.append(path.name)
        return read_file(path)

    monkeypatch.setattr(cache, "read_file", read)
    return names


def write(root: Path, scored: Scored, folds: int = 3) -> list[Path]:
    store = Store(root)
    paths = [store.write(*scored(fold=fold, score=0.5 + fold / 10)) for fold in range(folds)]
    return [*paths, store.write(*scored("majority"))]


def uncached(*folders: Path) -> pd.DataFrame:
    return to_frame(read_folders(folders)[0])


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Equal but for the order of columns, and of rows."""
    assert set(one) == set(other)
    one, other = (each.sort_values("path", ignore_index=True) for each in (one, other))
    pd.testing.assert_frame_equal(one[list(other)], other)


@pytest.mark.parametrize("time", ["first", "second"])
def test_the_table_is_that_of_the_records(tmp_path: Path, scored: Scored, time: str) -> None:
    root = tmp_path / "results"
    write(root, scored)
    if time == "second":
        read_cached([root])
    records = read_cached([root])
    same(records.frame, uncached(root))
    assert records.broken == ()


def test_failures_and_unknown_grouping_survive(
    tmp_path: Path, scored: Scored, failure: Any
) -> None:
    root = tmp_path / "results"
    Store(root).write(failure("acs", grouped=None), None)
    Store(root).write(*scored(parameters={"total": 5}))
    for _ in range(2):
        same(read_cached([root]).frame, uncached(root))


def test_only_what_changed_is_read_again(tmp_path: Path, scored: Scored, reads: list[str]) -> None:
    root = tmp_path / "results"
    paths = write(root, scored)
    read_cached([root])
    assert sorted(reads) == sorted(path.name for path in paths)
    reads.clear()
    assert len(read_cached([root]).frame) == 4
    assert reads == []
    paths[0].unlink()
    os.utime(paths[1], ns=(1, 1))
    new = Store(root).write(*scored(fold=4))
    records = read_cached([root])
    assert sorted(reads) == sorted([paths[1].name, new.name])
    same(records.frame, uncached(root))


@pytest.mark.parametrize("root", [".", "results", "results/"])
def test_a_folder_may_be_named_from_here(
    tmp_path: Path, scored: Scored, reads: list[str], monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(root), scored)
    for _ in range(2):
        same(read_cached([Path(root)]).frame, uncached(root))
    assert len(reads) == 4


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".0123456789abcdef.npz"])
def test_a_change_beside_a_record_has_it_read_again(
    tmp_path: Path, scored: Scored, reads: list[str], ending: str
) -> None:
    paths = write(tmp_path / "results", scored)
    read_cached([tmp_path / "results"])
    reads.clear()
    paths[0].with_suffix(ending).write_bytes(b"other")
    read_cached([tmp_path / "results"])
    assert reads == [paths[0].name]


def test_a_change_of_the_predictions_is_noticed(tmp_path: Path, scored: Scored) -> None:
    root = tmp_path / "results"
    paths = write(root, scored)
    read_cached([root])
    companion(paths[0]).write_bytes(b"other")
    records = read_cached([root])
    assert len(records.frame) == 3
    ((path, reason),) = records.broken
    assert path == paths[0]
    assert "are not the ones it was written with" in reason


def test_broken_files_are_named_each_time_and_read_once(
    tmp_path: Path, scored: Scored, reads: list[str]
) -> None:
    root = tmp_path / "results"
    write(root, scored)
    (root / "half.json").write_text("{")
    first, second = read_cached([root]), read_cached([root])
    assert first.broken == second.broken
    assert [path for path, _ in first.broken] == [root / "half.json"]
    assert reads.count("half.json") == 1
    assert len(first.frame) == len(second.frame) == 4


def test_only_broken_files_make_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text("{")
    records = read_cached([tmp_path])
    assert records.frame.empty
    assert len(records.broken) == 1


@pytest.mark.parametrize("folders", [[], ["nowhere"], ["empty"]])
def test_no_records_are_no_error(tmp_path: Path, folders: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    records = read_cached([tmp_path / folder for folder in folders])
    assert records.frame.empty
    assert records.broken == ()


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "other code"])
def test_a_damaged_cache_is_made_again(
    tmp_path: Path, scored: Scored, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "results"
    write(root, scored)
    read_cached([root])
    (file,) = cache_dir().rglob("*.parquet")
    content = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 8] ^= 0xFF
        file.write_bytes(content)
    elif damage == "foreign":
        pd.DataFrame({"path": [str(root / "x.json")]}).to_parquet(file)
    else:
        monkeypatch.setattr(cache, "VERSION", 0)
    same(read_cached([root]).frame, uncached(root))


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, scored: Scored, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "file"))
    root = tmp_path / "results"
    write(root, scored)
    assert len(read_cached([root]).frame) == 4


def test_progress_counts_the_new_records_of_each_folder(tmp_path: Path, scored: Scored) -> None:
    root = tmp_path / "results"
    write(root, scored, folds=2)
    steps: list[Any] = []
    read_cached([root], progress=lambda *step: steps.append(step))
    assert steps == [(root, 0, 3), (root, 1, 3), (root, 2, 3)]
    read_cached([root], progress=lambda *step: steps.append(step))
    assert len(steps) == 3


def test_columns_change_with_the_version_alone(tmp_path: Path, scored: Scored) -> None:
    """If this fails, raise the version and pin the columns of the new one."""
    Store(tmp_path).write(*scored(timings={"test": 1.0}, counts={"test": 12}))
    read_cached([tmp_path])
    (file,) = cache_dir().rglob("*.parquet")
    columns = sorted(parquet.read_schema(file).names)
    assert (cache.VERSION, hash_json(columns)[:16]) == (7, "a428832fe903b3ac")


def test_results_are_loaded_from_the_kept_table(
    tmp_path: Path, scored: Scored, reads: list[str]
) -> None:
    root = tmp_path / "results"
    write(root, scored)
    same(load_results(root), uncached(root))
    reads.clear()
    same(load_results(str(root)), uncached(root))
    assert reads == []


# ---------------------------------------------------------------------- several folders


def test_two_folders_are_read_together(tmp_path: Path, scored: Scored) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write(one, scored, folds=2)
    write(other, scored, folds=3)
    same(read_cached([one, other, one]).frame, uncached(one, other))


def test_a_finished_run_stands_over_a_failed_one(
    tmp_path: Path, scored: Scored, failure: Any
) -> None:
    Store(tmp_path / "one").write(failure(), None)
    Store(tmp_path / "other").write(*scored())
    for folders in (["one", "other"], ["other", "one"]):
        records = read_cached([tmp_path / folder for folder in folders])
        assert list(records.frame["status"]) == ["ok"]
        assert records.broken == ()


def test_a_run_that_two_presets_agree_on_is_a_run_of_both(
    tmp_path: Path, scored: Scored, reads: list[str]
) -> None:
    record, predictions = scored()
    other = dataclasses.replace(record, key=dataclasses.replace(record.key, preset="smoke"))
    for each in (record, other):
        Store(tmp_path).write(each, predictions)
    records = read_cached([tmp_path])
    assert sorted(records.frame["preset"]) == sorted([record.key.preset, "smoke"])
    assert records.broken == ()
    same(records.frame, uncached(tmp_path))
    reads.clear()
    same(read_cached([tmp_path]).frame, records.frame)
    assert reads == []


@pytest.mark.parametrize("kind", ["metrics", "predictions"])
def test_records_that_contradict_each_other_are_broken_both(
    tmp_path: Path, scored: Scored, kind: str
) -> None:
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    record, predictions = scored()
    paths = [one.write(record, predictions)]
    if kind == "metrics":
        record = dataclasses.replace(record, metrics={"accuracy": 0.125})
    else:
        predictions = scored(seed=1)[1]
    paths.append(other.write(record, predictions))
    bystander = other.write(*scored("acs"))
    records = read_cached([one.root, other.root])
    assert list(records.frame["path"]) == [str(bystander)]
    assert dict(records.broken) == {
        paths[0]: f"same run as {paths[1]}, different results; remove one of the two",
        paths[1]: f"same run as {paths[0]}, different results; remove one of the two",
    }


def test_a_number_that_no_table_holds_breaks_its_record_alone(
    tmp_path: Path, scored: Scored
) -> None:
    root = tmp_path / "results"
    paths = write(root, scored)
    change_record(paths[1], lambda mapping: mapping["counts"].update(test=10**30))
    records = read_cached([root])
    assert len(records.frame) == 3
    ((path, reason),) = records.broken
    assert path == paths[1]
    assert reason.endswith("(31 digits) is a whole number of more than 64 bits")
