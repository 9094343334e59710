"""Tasks of DICOM exports: series as samples, patients as groups, nothing that names anybody."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import made_dicom as made
import numpy as np
import pytest
from new_task import FAST, Called, call_new, predicted, work_in

from crossbench.cli import main
from crossbench.registry.tasks import load_card

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom import Dataset

SIDE = 32


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return work_in(tmp_path, monkeypatch)


@pytest.fixture
def new(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Call ``crossbench data new``; returns exit code, stdout in one line, stderr."""

    def call(folder: Path, *arguments: str) -> Called:
        code, out, err = call_new(capsys, folder, *arguments)
        return code, " ".join(out.split()), err

    return call


def study(patient: int, *, count: int = SIDE, series: int = 0, **changed: object) -> list[Dataset]:
    """An MR volume of a patient, brighter where the number of the patient is odd."""
    uid = 100 * (patient + 1) + series
    base = 2000 if patient % 2 else 100
    slices = made.mr(count, uid=uid, Rows=SIDE, Columns=SIDE, **person(patient) | changed)
    for number, each in enumerate(slices):
        noise = np.random.default_rng(1000 * uid + number).integers(base, base + 900, (SIDE, SIDE))
        each.PixelData = noise.astype("<u2").tobytes()
    return slices


def person(patient: int) -> dict[str, object]:
    """What identifies a patient."""
    return {
        "PatientID": f"PLANTED-{patient:04}",
        "PatientName": f"Zwiebelfisch{patient:04}^Xaver",
        "StudyInstanceUID": f"{made.ROOT}77.{patient}",
    }


def hospital(folder: Path, patients: int = 12) -> Path:
    """Volumes of patients in shuffled files without endings, with what a scanner sends along."""
    mixed = [each for patient in range(patients) for each in study(patient)]
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    mixed += study(0, count=3, series=1, **scout)
    mixed += study(1, count=1, series=2, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    made.write(folder / "PLANTED-FOLDER", mixed)
    return folder


def table(file: Path, rows: list[dict[str, str]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def written(folder: Path) -> dict[str, bytes]:
    """Every byte below a folder, members of archives unpacked too."""
    found = {}
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        found[str(file.relative_to(folder))] = content = file.read_bytes()
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                found |= {f"{file.name}:{name}": archive.read(name) for name in archive.namelist()}
    return found


def test_an_export_becomes_a_task_that_predicts_its_own_series(
    new: Callable[..., Called], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = hospital(place / "own")
    rows = [
        {"PatientID": f"PLANTED-{patient:04}", "diagnosis": ("benign", "malignant")[patient % 2]}
        for patient in range(12)
    ]
    table(place / "labels.csv", rows)
    code, out, err = new(export, "--csv", "labels.csv")
    assert code == 0, err
    for said in (
        "12 volumes of 2 classes",
        "benign 6, malignant 6",
        "12 groups (patient)",
        f"Read by dcm2niix {version('dcm2niix')}",
        "Volumes are brought to RAS (12 DICOM)",
        "3 files left out: scout or localizer",
        "1 file left out: screen capture",
    ):
        assert said in out, said
    card = load_card(place / "mine.toml")
    assert (card.modality, card.group, card.shape) == ("MR", "patient", (SIDE,) * 3)
    grid = ["--task", "./mine.toml", "--method", "conv3d", "--seeds", "43", "--folds", "0"]
    assert main(["run", *grid, "--preset", "smoke", "--save-weights", "--out", "out", *FAST]) == 0
    capsys.readouterr()
    (record,) = (place / "out").glob("*/mine/conv3d/*.json")
    (stored,) = (place / "root" / "imported" / "mine").glob("*.npz")
    theirs = predicted(record, stored, capsys=capsys)
    assert len(set(theirs[:, 0])) == 12
    alone = place / "alone"  # a folder of one series, and any file of a series among others
    first = made.write(alone, study(3))[0]
    ours = predicted(record, alone, first, _file_of(export, 5), capsys=capsys)
    for row in ours:
        assert np.abs(theirs - row).max(axis=1).min() < 1e-6
    np.testing.assert_allclose(ours[0], ours[1])
    _assert_nothing_is_told(place)


def _file_of(export: Path, patient: int) -> Path:
    import pydicom

    files = sorted(file for file in export.rglob("I*"))
    wanted = f"PLANTED-{patient:04}"
    kept = [file for file in files if pydicom.dcmread(file).PatientID == wanted]
    return kept[7]


def _assert_nothing_is_told(place: Path) -> None:
    """Nothing that was planted is in what was written: data file, card, records, weights."""
    planted = [*made.PLANTED.values(), "PLANTED-", "Zwiebelfisch", made.ROOT, "I0000", "own/"]
    kept = {
        name: content
        for folder in ("root", "out", "cache")
        for name, content in written(place / folder).items()
    }
    kept["card"] = (place / "mine.toml").read_bytes()
    assert len(kept) > 5
    for name, content in kept.items():
        for value in planted:
            for form in (value.encode(), value.encode("utf-16-le"), value.encode("utf-32-le")):
                assert form not in content, (name, value)


def test_class_folders_of_pictures(new: Callable[..., Called], place: Path) -> None:
    for patient in range(6):
        for side in range(2):
            data = made.radiograph(
                SOPInstanceUID=f"{made.ROOT}3.{patient}.{side}",
                PhotometricInterpretation=f"MONOCHROME{side + 1}",
                **person(patient),
            )
            made.save(place / "own" / ("normal", "ill")[patient % 2] / f"P{patient}-{side}", data)
    code, out, err = new(place / "own", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["classes"] == {"ill": 6, "normal": 6}
    assert (report["kind"], report["group"], report["groups"]) == ("image", "patient", 6)
    assert report["dtype"] == "uint16"
    said = {each["text"] for each in report["remarks"]}
    assert "6 pictures: inverted (MONOCHROME1)" in said
    (stored,) = (place / "root" / "imported" / "mine").glob("*.npz")
    images = np.load(stored)["images"]
    plain = np.rint(made.pixels(0) / 4095 * 65535)
    assert {int(np.abs(each - plain).max()) < 1 for each in images} == {True, False}


def test_a_table_of_folders_and_files(new: Callable[..., Called], place: Path) -> None:
    rows = []
    for patient in range(4):
        made.write(place / "own" / f"case{patient}" / "ST1", study(patient, count=4))
        called = f"case{patient}" if patient < 3 else f"case{patient}/ST1/I00002"
        rows.append({"file": called, "label": str(patient % 2)})
    table(place / "own" / "labels.csv", rows)
    code, out, err = new(place / "own", "--dry-run", "--crop", "32")
    assert code == 0, err
    assert "4 volumes of 2 classes" in out
    assert "Groups are the patients that the headers name" in out


def test_a_patient_of_two_series_is_not_guessed(new: Callable[..., Called], place: Path) -> None:
    for patient in range(4):
        made.write(place / "own" / f"{patient}", study(patient, count=4))
    made.write(place / "own" / "again", study(0, count=4, series=3))
    rows = [{"patient": f"PLANTED-{each:04}", "label": str(each % 2)} for each in range(4)]
    table(place / "own" / "labels.csv", rows)
    code, _, err = new(place / "own", "--dry-run")
    assert code == 2
    assert "patient 'PLANTED-0000' has 2 series; name their folders or files in a column" in err


def test_what_is_no_plain_volume_is_refused_unless_chosen(
    new: Callable[..., Called], place: Path
) -> None:
    for patient in range(4):
        slices = study(patient, count=6)
        if patient == 2:
            del slices[3]
        made.write(place / "own" / "ab"[patient % 2] / f"{patient}", slices)
    code, _, err = new(place / "own", "--dry-run", "--shape", "32")
    assert code == 2
    told = r"1 file cannot be read: .*/a/2/I\d+: missing slices: .*; --dicom-missing accepts it"
    assert re.search(told, err)
    code, out, err = new(place / "own", "--dry-run", "--shape", "32", "--dicom-missing")
    assert code == 0, err
    assert "1 volume: missing slices: usually 2 mm apart, up to 4 mm in 1 of 4 distances" in out
    assert "1 volume: unequal slice distances made equal by dcm2niix" in out
    code, out, err = new(place / "own", "--shape", "32", "--dicom-missing", "--overwrite")
    assert load_card(place / "mine.toml").preparation.dicom_missing


def test_single_slices_become_pictures(new: Callable[..., Called], place: Path) -> None:
    for patient in range(4):
        made.write(place / "own" / "ab"[patient % 2], study(patient, count=1), seed=patient)
        file = place / "own" / "ab"[patient % 2] / "I00000"
        file.rename(file.with_name(f"s{patient}"))
    code, _, err = new(place / "own", "--dry-run")
    assert code == 2
    assert "4 series of one slice each, which are no volumes; --dicom-slices takes" in err
    code, out, err = new(place / "own", "--dicom-slices")
    assert code == 0, err
    assert "4 pictures of 2 classes" in out
    assert load_card(place / "mine.toml").preparation.dicom_slices


def test_a_series_in_two_classes_is_refused(new: Callable[..., Called], place: Path) -> None:
    for patient in range(4):
        made.write(place / "own" / "ab"[patient % 2] / f"{patient}", study(patient, count=4))
    shutil.copytree(place / "own" / "a" / "0", place / "own" / "b" / "again")
    code, _, err = new(place / "own", "--dry-run", "--shape", "32")
    assert code == 2
    assert re.search(r"its series also lies in another class or part \(b/again/I0000\d\)", err)


def test_damaged_files_are_refused_unless_left_out(new: Callable[..., Called], place: Path) -> None:
    for patient in range(4):
        made.write(place / "own" / "ab"[patient % 2] / f"{patient}", study(patient, count=5))
    damaged = place / "own" / "a" / "0" / "I00009"
    made.save(damaged, study(0, count=1, series=7)[0])
    damaged.write_bytes(damaged.read_bytes()[:-9])
    code, _, err = new(place / "own", "--dry-run", "--shape", "32")
    assert code == 2
    assert "1 file cannot be read: " in err
    assert "I00009: truncated: 2,039 of 2,048 bytes of pixels are there" in err
    code, out, err = new(place / "own", "--dry-run", "--shape", "32", "--skip-damaged")
    assert code == 0, err
    assert "1 file left out: truncated: 2,039 of 2,048 bytes of pixels" in out


def test_burnt_in_text_is_told(new: Callable[..., Called], place: Path) -> None:
    for patient in range(4):
        data = made.radiograph(
            SOPInstanceUID=f"{made.ROOT}3.{patient}", BurnedInAnnotation="YES", **person(patient)
        )
        made.save(place / "own" / "ab"[patient % 2] / f"{patient}", data)
    code, out, err = new(place / "own", "--dry-run")
    assert code == 0, err
    assert "4 pictures: the header says that text is burnt into the pixels" in out


def test_pictures_and_volumes_in_one_folder(new: Callable[..., Called], place: Path) -> None:
    made.write(place / "own" / "a", study(0, count=4))
    made.save(place / "own" / "b" / "x", made.radiograph())
    code, _, err = new(place / "own", "--dry-run")
    assert code == 2
    told = "pictures and volumes of DICOM (1 pictures of CR, 1 volumes of MR); choose by --modality"
    assert told in err


def test_series_are_chosen_by_modality_and_description(
    new: Callable[..., Called], place: Path
) -> None:
    for patient in range(4):
        folder = place / "own" / "ab"[patient % 2] / f"{patient}"
        for number, name in enumerate(("T1 post", "T2")):
            slices = study(patient, count=4, series=number, SeriesDescription=name)
            made.write(folder / f"{number}", slices)
        made.save(folder / "x", made.radiograph(SOPInstanceUID=f"{made.ROOT}3.{patient}"))
    asked = ("--dry-run", "--shape", "32", "--modality", "MR")
    code, out, err = new(place / "own", *asked)
    assert code == 0, err
    assert "8 volumes of 2 classes" in out
    assert "4 files left out: of another modality than --modality says" in out
    assert "4 patients of 4 with several series, each a sample; --dicom-series chooses" in out
    assert "T1 post (4), T2 (4)" in out
    code, out, err = new(place / "own", *asked, "--dicom-series", "t1")
    assert code == 0, err
    assert "4 volumes of 2 classes" in out
    assert "16 files left out: of a series whose description --dicom-series is not found" in out
    code, _, err = new(place / "own", *asked, "--dicom-series", "flair")
    assert code == 2
    assert "no series of DICOM pictures or volumes; left out: of another modality" in err


def test_nothing_but_scouts(new: Callable[..., Called], place: Path) -> None:
    made.write(place / "own" / "a", study(0, count=2, ImageType=["ORIGINAL", "P", "LOCALIZER"]))
    code, _, err = new(place / "own", "--dry-run")
    assert code == 2
    assert "no series of DICOM pictures or volumes; left out: scout or localizer" in err
