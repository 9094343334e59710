from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given
from record_files import change_record, companion

from crossbench.errors import RecordError, RequestError
from crossbench.files.hashing import hash_file
from crossbench.results.records.folders import run_states
from crossbench.results.records.loading import load_results
from crossbench.results.records.store import Store, read_folders, read_predictions
from crossbench.specs import RunKey

Scored = Callable[..., Any]

# --------------------------------------------------------------------------- paths


def key_named(text: str, **names: str) -> RunKey:
    fields = dict.fromkeys(("preset", "task", "method", "backbone", "init", "protocol"), text)
    return RunKey(**fields | names, seed=43, fold=0)  # type: ignore[arg-type]


def test_a_path_says_what_the_run_is(tmp_path: Path, record: Any) -> None:
    path = Store(tmp_path).path_of(record().key, "0123456789abcdef")
    expected = "standard/blood/crossd/random-weak-probe-seed43-fold0-01234567.json"
    assert path == tmp_path / expected


@given(text=st.text())
@example("../../etc/passwd")
@example("..")
@example(".")
@example("")
@example("/etc/passwd")
@example("C:\\Windows")
@example("a\0b")
@example(".hidden")
@example("x" * 500)
@example("checkpoints/rin.pth")
def test_no_name_leads_out_of_the_root(text: str) -> None:
    root = Path("/somewhere/results")
    path = Store(root).path_of(key_named(text), text)
    parts = path.relative_to(root).parts
    assert len(parts) == 4
    assert all(part not in {"", ".", ".."} and not part.startswith(".") for part in parts)
    assert all(len(part) < 200 and part.isascii() and part.isprintable() for part in parts)
    assert not set('/\\:*?"<>| \0') & set("".join(parts))


def test_names_that_look_alike_on_disk_are_told_apart(tmp_path: Path, scored: Scored) -> None:
    store = Store(tmp_path)
    runs = [scored("my/op", score=0.1), scored("my-op", score=0.2)]
    paths = {store.write(*run) for run in runs}
    assert len(paths) == 2
    assert [store.find(run.key, run.identity).key.method for run, _ in runs] == ["my/op", "my-op"]


# ------------------------------------------------------------------- write and find


def test_nothing_is_found_where_nothing_was_written(tmp_path: Path, record: Any) -> None:
    store = Store(tmp_path / "none")
    assert store.find(record().key, record().identity) is None
    assert list(store.records()) == []
    assert store.broken() == []


def test_settings_that_differ_stand_side_by_side(tmp_path: Path, scored: Scored) -> None:
    store = Store(tmp_path)
    short, _ = run = scored(settings={"fit": {"epochs": 3}})
    store.write(*run)
    long, _ = run = scored(settings={"fit": {"epochs": 15}}, seed=1)
    store.write(*run)
    assert short.key == long.key
    assert len(list(store.records())) == 2
    for record in (short, long):
        found = store.find(record.key, record.identity)
        assert found is not None
        assert found.provenance["settings"] == record.provenance["settings"]


def test_a_record_is_found_by_its_own_identity_only(tmp_path: Path, scored: Scored) -> None:
    store = Store(tmp_path)
    record, predictions = scored()
    store.write(record, predictions)
    same_eight = record.identity[:8] + "0" * 56
    assert store.path_of(record.key, same_eight).exists()
    assert store.find(record.key, same_eight) is None
    assert store.find(dataclasses.replace(record.key, backbone="vgg11"), record.identity) is None


def test_a_failed_run_is_replaced_when_it_succeeds(
    tmp_path: Path, scored: Scored, failure: Any
) -> None:
    store = Store(tmp_path)
    record, predictions = scored()
    store.write(failure(), None)
    assert store.find(record.key, record.identity).status == "failed"
    path = store.write(record, predictions)
    assert store.find(record.key, record.identity).status == "ok"
    assert sorted(path.parent.iterdir()) == sorted([path, companion(path)])
    store.write(failure(), None)
    assert sorted(path.parent.iterdir()) == [path]


def test_damage_to_one_record_hides_no_other(tmp_path: Path, scored: Scored) -> None:
    store = Store(tmp_path)
    paths = [store.write(*scored(fold=fold)) for fold in range(3)]
    paths[1].write_text("{")
    assert [record.key.fold for record in store.records()] == [0, 2]
    (broken,) = store.broken()
    assert broken.path == paths[1]
    assert broken.reason.startswith("not readable as JSON")


def test_hidden_files_are_passed_over(tmp_path: Path, scored: Scored) -> None:
    Store(tmp_path).write(*scored())
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "a.json").write_text("{")
    (tmp_path / ".b.json").write_text("{")
    assert Store(tmp_path).broken() == []


def test_reading_goes_on_while_records_come_and_go(tmp_path: Path, scored: Scored) -> None:
    store = Store(tmp_path)
    paths = [store.write(*scored(fold=fold)) for fold in range(3)]
    items = store.scan()
    next(items)
    paths[1].unlink()
    assert [item.path for item in items] == [paths[2]]


# -------------------------------------------------------------------------- folders


def test_any_part_of_a_results_folder_can_be_read(tmp_path: Path, scored: Scored) -> None:
    Store(tmp_path).write(*scored(task="blood"))
    Store(tmp_path).write(*scored(task="derma"))
    assert len(load_results(tmp_path)) == 2
    assert list(load_results(tmp_path / "standard" / "derma")["task"]) == ["derma"]


def test_a_folder_without_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"results folder '.*nowhere' does not exist"):
        load_results(tmp_path / "nowhere")
    with pytest.raises(RequestError, match="holds no records; `crossbench run` writes them"):
        load_results(tmp_path)
    with pytest.raises(RequestError, match="no results folder given"):
        load_results()


def test_a_folder_with_nothing_valid_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(RecordError, match=r"none of 1 files is a valid record; .*a\.json: no run"):
        load_results(tmp_path)


def test_two_folders_are_read_together(tmp_path: Path, scored: Scored) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    Store(one).write(*scored(fold=0))
    for fold in range(2):
        Store(other).write(*scored(fold=fold))
    frame = load_results(one, str(other), one)
    assert sorted(frame["fold"]) == [0, 1]
    assert frame.loc[frame["fold"] == 0, "path"].item().startswith(str(one))


def test_what_failed_in_one_folder_gives_way_to_what_ran_in_another(
    tmp_path: Path, scored: Scored, failure: Any
) -> None:
    Store(tmp_path / "one").write(failure(), None)
    Store(tmp_path / "other").write(*scored())
    for folders in (["one", "other"], ["other", "one"]):
        frame = load_results(*(tmp_path / folder for folder in folders))
        assert list(frame["status"]) == ["ok"]


def test_the_first_of_two_failures_stands(tmp_path: Path, failure: Any) -> None:
    Store(tmp_path / "one").write(failure(message="first"), None)
    Store(tmp_path / "other").write(failure(message="second"), None)
    frame = load_results(tmp_path / "one", tmp_path / "other")
    assert list(frame["error_message"]) == ["first"]


def other_results(scored: Scored, kind: str) -> Any:
    """The same run once more, with different metrics or different predictions."""
    record, predictions = scored()
    if kind == "metrics":
        return dataclasses.replace(record, metrics={"accuracy": 0.125}), predictions
    return record, scored(seed=1)[1]


@pytest.mark.parametrize("kind", ["metrics", "predictions"])
def test_different_results_of_one_run_are_a_conflict(
    tmp_path: Path, scored: Scored, kind: str
) -> None:
    one = Store(tmp_path / "one").write(*scored())
    other = Store(tmp_path / "other").write(*other_results(scored, kind))
    with pytest.raises(RecordError, match="same run, different results; remove one") as caught:
        read_folders([tmp_path / "one", tmp_path / "other"])
    assert f"{one} and {other}" in str(caught.value)


def test_a_run_that_two_presets_agree_on_is_a_run_of_both(tmp_path: Path, scored: Scored) -> None:
    record, predictions = scored()
    other = dataclasses.replace(record, key=dataclasses.replace(record.key, preset="smoke"))
    store = Store(tmp_path)
    for each in (record, other):
        store.write(each, predictions)
    frame = load_results(tmp_path)
    assert sorted(frame["preset"]) == sorted([record.key.preset, "smoke"])
    assert frame["identity"].nunique() == 1
    store.write(dataclasses.replace(other, metrics={"accuracy": 0.125}), predictions)
    with pytest.raises(RecordError, match="same run, different results; remove one"):
        read_folders([tmp_path])


def test_equal_results_in_other_bytes_are_no_conflict(tmp_path: Path, scored: Scored) -> None:
    """As from a machine whose zlib packs otherwise, and which was slower."""
    Store(tmp_path / "one").write(*scored())
    record, predictions = scored(timings={"total": 9.0})
    path = Store(tmp_path / "other").write(record, predictions)
    old = companion(path).read_bytes()
    repack(path)
    assert companion(path).read_bytes() != old
    found, _ = read_folders([tmp_path / "one", tmp_path / "other"])
    assert [each.record.timings for each in found] == [{}]


def repack(path: Path) -> None:
    predictions = read_predictions(path)
    arrays = companion(path)
    np.savez(arrays, **dataclasses.asdict(predictions))
    digest = hash_file(arrays)
    change_record(path, lambda mapping: mapping.update(predictions_sha256=digest))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_folder_that_is_a_link_is_written_and_found_alike(
    tmp_path: Path, scored: Scored, level: int
) -> None:
    """Of a preset, a task or a method, as on another disk."""
    store = Store(tmp_path / "results")
    record, predictions = scored()
    path = store.path_of(record.key, record.identity)
    link = path.parents[3 - level]
    (tmp_path / "elsewhere").mkdir()
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    store.write(record, predictions)
    assert store.find(record.key, record.identity) is not None
    assert store.files() == [path]
    assert list(run_states(store.root)) == [str(path)]
    assert len(read_folders([store.root])[0]) == 1


def test_links_count_nothing_twice_and_lead_in_no_circle(tmp_path: Path, scored: Scored) -> None:
    store = Store(tmp_path / "results")
    path = store.write(*scored())
    links = {"again": "standard", "up": "..", "here": ".", "none": "gone"}
    for name, target in links.items():
        (store.root / name).symlink_to(target)
    (path.parent / "round").symlink_to(store.root, target_is_directory=True)
    assert store.files() == [path]


def test_a_link_is_followed_no_deeper_than_a_method(tmp_path: Path) -> None:
    inner = tmp_path / "elsewhere" / "task" / "method" / "deeper"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "x.json").write_text("{}")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "standard").symlink_to(tmp_path / "elsewhere")
    found = [str(path.relative_to(tmp_path)) for path in Store(tmp_path / "results").files()]
    assert found == ["results/standard/task/method/x.json"]
