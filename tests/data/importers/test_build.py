from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
import small_import
from filelock import FileLock
from msgspec import structs
from small_import import CARD, Cells, reads, run, write_cells

from crossbench.data.importers import Original
from crossbench.data.sources import find_file, open_task
from crossbench.errors import DataError, MissingDataError, RequestError
from crossbench.files.data_root import DataRoot
from crossbench.specs.origins import ManualOrigin


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_cells(tmp_path / "cells")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def visible(root: Path) -> list[str]:
    """What lies in the folder of imports and is not hidden."""
    folder = DataRoot(root).imports(CARD.name)
    return sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))


def origin(**facts: Any) -> ManualOrigin:
    return structs.replace(CARD.origins[0], **facts)


def card(**facts: Any) -> Any:
    return replace(CARD, origins=(origin(**facts),))


def test_a_distribution_becomes_the_data_file_in_use(folder: Path, root: Path) -> None:
    counts: list[tuple[int, int]] = []
    made = run(folder, root, listener=lambda *count: counts.append(count))
    assert counts == [(done, 12) for done in range(13)]
    assert visible(root) == [made.file.name, "current"]
    assert made.version == made.content[:16]
    assert made.notes == ("the classes are in the names",)
    assert made.replaced == ""
    dataset = open_task(CARD, data="real", data_dir=root, cache_dir=root / "cache")
    assert dataset.content_hash == made.content
    assert dataset.labels.tolist() == [0] * 6 + [1] * 6
    assert dataset.groups is not None
    assert len(np.unique(dataset.groups)) == 6
    names = sorted(folder.glob("*.npy"))
    np.testing.assert_array_equal(dataset.images[3, 0], np.load(names[3]) + 1)
    with np.load(made.file, allow_pickle=False) as arrays:
        assert arrays["ids"].tolist() == [name.name for name in names]
        assert set(arrays["sites"]) == {"here"}


def test_the_same_distribution_is_the_same_file_again(folder: Path, root: Path) -> None:
    first = run(folder, root)
    before = first.file.read_bytes()
    again = run(folder, root)
    assert (again.file, again.replaced) == (first.file, "")
    assert again.file.read_bytes() == before


def test_other_options_are_another_version_which_supersedes(folder: Path, root: Path) -> None:
    first = run(folder, root)
    other = run(folder, root, options={"add": 2.0})
    assert other.replaced == first.version
    assert visible(root) == sorted([first.file.name, other.file.name, "current"])
    places = {"data": "real", "data_dir": root, "cache_dir": root / "cache"}
    assert find_file(CARD, **places) == other.file


def test_an_import_that_is_gone_is_not_replaced_in_silence(folder: Path, root: Path) -> None:
    made = run(folder, root)
    np.savez(root / "cells_224.npz", images=np.zeros((4, 8, 8)), labels=[0, 1, 0, 1])
    made.file.unlink()
    places = {"data": "real", "data_dir": root, "cache_dir": root / "cache"}
    match = (
        f"the import in use, .*{made.version}.npz, is gone; import it again, or delete .*current"
    )
    with pytest.raises(MissingDataError, match=match):
        find_file(CARD, **places)
    made.file.with_name("current").unlink()
    assert find_file(CARD, **places) == root / "cells_224.npz"


def test_what_is_dropped_is_told(folder: Path, root: Path) -> None:
    made = run(folder, root, options={"drop": "a_p0_00.npy"})
    assert made.listing.dropped == (("a_p0_00.npy", "as asked for"),)


class Ragged(Cells):
    """Samples that end one column earlier from class to class, of two covariates."""

    ragged = True
    sited = True

    def original(self, card: Any, name: str) -> Original:
        made = super().original(card, name)
        known = {"age": 40.0} | ({"male": 1.0} if made.label else {})
        return replace(made, covariates=known)

    def read(self, source: Any, sample: Original) -> Any:
        return super().read(source, sample)[:, sample.label :]


def test_shorter_samples_end_in_zeros_and_covariates_may_be_unknown(
    folder: Path, root: Path
) -> None:
    made = run(folder, root, importer=Ragged())
    with np.load(made.file, allow_pickle=False) as arrays:
        assert arrays["images"].shape == (12, 8, 8)
        assert arrays["lengths"].tolist() == [8] * 6 + [7] * 6
        assert not arrays["images"][6:, :, 7].any()
        assert arrays["images"][:6, :, 7].any()
        assert set(arrays["site"]) == {"here"}
        assert "sites" not in arrays
        assert arrays["covariate_names"].tolist() == ["age", "male"]
        np.testing.assert_array_equal(arrays["covariates"][[0, 6]], [[40, np.nan], [40, 1]])
    np.save(folder / "a_p9_12.npy", np.ones((7, 8), np.uint8))
    match = r"'a_p9_12.npy' has shape \(7, 8\), .*; all samples .* one shape but for the last axis"
    with pytest.raises(DataError, match=match):
        run(folder, root, importer=Ragged())


# ------------------------------------------------------------------------- stopping


def test_a_killed_import_goes_on(folder: Path, root: Path) -> None:
    process = subprocess.Popen([sys.executable, small_import.__file__, folder, root])
    while not folder.with_suffix(".log").exists() or len(reads(folder)) < 6:
        sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert visible(root) == []
    begun = reads(folder)
    kept = {int(part.stem) for part in DataRoot(root).imports("cells").glob(".work-*/*.npy")}
    names = sorted(file.name for file in folder.glob("*.npy"))
    assert 4 <= len(kept) < 12
    made = run(folder, root)
    assert sorted(reads(folder)[len(begun) :]) == sorted(
        name for place, name in enumerate(names) if place not in kept
    )
    assert visible(root) == [made.file.name, "current"]
    assert run(folder, root).content == made.content


def test_what_was_read_is_kept_when_a_sample_fails(folder: Path, root: Path) -> None:
    damaged = sorted(folder.glob("*.npy"))[4]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:100])
    with pytest.raises(DataError, match=r"cells: sample 'a_p4_08\.npy' .*cannot be read \(.*again"):
        run(folder, root)
    assert visible(root) == []
    assert not list(root.rglob("*.npz"))
    assert len(list(root.rglob("*.npy"))) >= 4
    damaged.write_bytes(whole)
    run(folder, root)
    assert visible(root)[1] == "current"


def test_a_sample_that_a_power_cut_left_half_is_read_again(folder: Path, root: Path) -> None:
    with pytest.raises(DataError, match="class_counts"):
        run(folder, root, card=card(class_counts=(5, 7)))
    part = sorted(DataRoot(root).imports("cells").glob(".work-*/*.npy"))[2]
    part.write_bytes(part.read_bytes()[:-7])
    folder.with_suffix(".log").unlink()
    run(folder, root)
    assert reads(folder) == [sorted(file.name for file in folder.glob("*.npy"))[2]]


def test_other_files_are_read_anew(folder: Path, root: Path) -> None:
    with pytest.raises(DataError, match="class_counts"):
        run(folder, root, card=card(class_counts=(5, 7)))
    np.save(folder / "a_p0_00.npy", np.zeros((8, 8), np.uint8))
    folder.with_suffix(".log").unlink()
    run(folder, root)
    assert len(reads(folder)) == 12


def test_two_processes_do_not_import_one_task(folder: Path, root: Path) -> None:
    lock = DataRoot(root).imports("cells") / ".lock"
    lock.parent.mkdir(parents=True)
    with (
        FileLock(lock),
        pytest.raises(RequestError, match=r"task 'cells' is being imported by another process"),
    ):
        run(folder, root)
    run(folder, root)


# -------------------------------------------------------------------------- refusing


def test_another_count_is_an_error_unless_it_is_accepted(folder: Path, root: Path) -> None:
    other = card(samples=13, class_counts=(7, 6))
    message = r"12 samples, but origin 'lab' of card 'cells' says 13; .* --allow-count-mismatch"
    with pytest.raises(DataError, match=message):
        run(folder, root, card=other)
    made = run(folder, root, card=other, allow_count_mismatch=True)
    places = {"data": "real", "data_dir": root, "cache_dir": root / "cache"}
    assert open_task(other, **places).content_hash == made.content


def test_the_count_error_says_what_was_dropped(folder: Path, root: Path) -> None:
    message = r"11 samples \(1 dropped\).*\(dropped: a_p0_00\.npy: as asked for\)"
    with pytest.raises(DataError, match=message):
        run(folder, root, card=card(samples=12), options={"drop": "a_p0_00.npy"})


def test_an_empty_folder(folder: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no sample of task 'cells' is left"):
        run(tmp_path / "empty", root)


def test_an_unknown_option(folder: Path, root: Path) -> None:
    with pytest.raises(RequestError, match="unknown option of importer cells 'ad'; did you mean"):
        run(folder, root, options={"ad": 1.0})
    assert not root.exists()


@pytest.mark.parametrize(
    ("voxels", "why"),
    [
        (np.full((8, 8), np.nan), "has NaN or infinite values"),
        (np.full((8, 8), np.inf, np.float32), "has NaN or infinite values"),
        (np.full((8, 8), 1j), "is complex128, no array of real numbers"),
        (np.zeros((0, 8)), r"has shape \(0, 8\), which is empty"),
    ],
)
def test_a_sample_that_is_no_array_of_numbers(
    voxels: Any, why: str, folder: Path, root: Path
) -> None:
    np.save(folder / "a_p4_08.npy", voxels)
    with pytest.raises(DataError, match=rf"sample 'a_p4_08\.npy' \(a_p4_08\.npy\): {why}"):
        run(folder, root)


def test_samples_of_several_shapes_or_kinds(folder: Path, root: Path) -> None:
    np.save(folder / "a_p4_08.npy", np.zeros((9, 8), np.uint8))
    with pytest.raises(DataError, match=r"'a_p4_08\.npy' has shape \(9, 8\), 'a_p0_00\.npy' \(8"):
        run(folder, root)
    np.save(folder / "a_p4_08.npy", np.zeros((8, 8), np.float32))
    with pytest.raises(DataError, match=r"'a_p4_08\.npy' is float32, 'a_p0_00\.npy' uint8"):
        run(folder, root)


def test_what_contradicts_the_card_is_refused_by_the_folders_name(folder: Path, root: Path) -> None:
    with pytest.raises(DataError, match=r"cells: what was imported of it is refused: shape \(H, W"):
        run(folder, root, card=card(shape=(9, 8)))
    assert not list(root.rglob("*.npz"))


@pytest.mark.parametrize("name", ["../outside.npy", "/outside.npy"])
def test_a_file_outside_of_the_folder(
    name: str, folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Cells.original

    def astray(self: Cells, card: Any, file: str) -> Original:
        return replace(plain(self, card, file), files=(name,))

    monkeypatch.setattr(Cells, "original", astray)
    with pytest.raises(DataError, match=r"outside\.npy: leads out of the folder"):
        run(folder, root)


def test_links_and_pipes(folder: Path, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.npy"
    np.save(outside, np.zeros((8, 8), np.uint8))
    link = folder / "a_p9_99.npy"
    link.symlink_to(outside)
    with pytest.raises(DataError, match=r"a_p9_99\.npy: is a link out of the folder; copy"):
        run(folder, root)
    link.unlink()
    link.symlink_to(folder / "gone")
    with pytest.raises(DataError, match=r"a_p9_99\.npy: cannot be read \(No such file"):
        run(folder, root)
    link.unlink()
    link.symlink_to(link.name)
    with pytest.raises(DataError, match=r"a_p9_99\.npy: cannot be read \("):
        run(folder, root)
    link.unlink()
    os.mkfifo(link)
    with pytest.raises(DataError, match=r"a_p9_99\.npy: is no regular file"):
        run(folder, root)
    link.unlink()
    link.symlink_to("a_p0_00.npy")  # within the folder
    assert len(run(folder, root).listing.samples) == 13


# ------------------------------------------------------------------- numbers and facts


def test_float64_becomes_float32_where_nothing_is_lost(tmp_path: Path, root: Path) -> None:
    folder = write_cells(tmp_path / "cells", dtype=np.float64)
    made = run(folder, root)
    assert made.notes[-1] == (
        "float64 became float32, which holds every value of these samples exactly"
    )
    with np.load(made.file) as arrays:
        assert arrays["images"].dtype == np.float32
    np.save(folder / "a_p0_00.npy", np.full((8, 8), 0.1))
    made = run(folder, root)
    assert made.notes == ("the classes are in the names",)
    with np.load(made.file) as arrays:
        assert arrays["images"].dtype == np.float64
        assert arrays["images"][0, 0, 0] == 1.1


def test_a_foreign_byte_order_is_turned(tmp_path: Path, root: Path) -> None:
    folder = write_cells(tmp_path / "cells", dtype=np.dtype(">i2"))
    made = run(folder, root)
    with np.load(made.file) as arrays:
        assert arrays["images"].dtype == np.int16
        np.testing.assert_array_equal(arrays["images"][0], np.load(folder / "a_p0_00.npy") + 1)


def test_the_origins_facts_hold_under_its_own_options_alone(folder: Path, root: Path) -> None:
    facts = {"intensity": (0, 255), "class_counts": (6, 6), "shape": (8, 8)}
    run(folder, root, card=card(**facts))
    strict = card(**facts | {"intensity": (-9000, 9000)})
    with pytest.raises(DataError, match="intensity is"):
        run(folder, root, card=strict)
    run(folder, root, card=strict, options={"add": 3.0})


def test_too_little_room(folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(DataError, match=r"the import needs \S+ k?B more, and 100 B are free"):
        run(folder, root)
