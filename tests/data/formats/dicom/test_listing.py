"""Folders as hospitals export them: what is a series, what is left out, what is refused."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from pathlib import Path

import made_dicom as made
import pydicom
import pytest
from pydicom.uid import UID

from crossbench.data.formats.dicom import Choice, SeriesListing, list_series, one_series, series_of
from crossbench.errors import DataError

EXPORT = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"


def reasons(listing: SeriesListing) -> dict[str, int]:
    return {each.reason: len(each.files) for each in listing.left_out}


def hospital(folder: Path, *, seed: int = 0) -> Path:
    """Two patients, three studies, scouts, captures, reports and reformats in one folder."""
    other = {"PatientID": "PLANTED-0815", "StudyInstanceUID": made.ROOT + "7"}
    series = [
        *made.axial(20, uid=2),
        *made.axial(12, uid=3, StudyInstanceUID=made.ROOT + "6"),
        *made.mr(8, uid=4, **other),
        *made.axial(1, uid=5, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        *made.mr(3, uid=6, SeriesDescription="3-plane localizer", **other),
        *made.axial(4, uid=7, ImageType=["DERIVED", "SECONDARY", "MPR"]),
        *made.axial(1, uid=8, SOPClassUID="1.2.840.10008.5.1.4.1.1.7"),
        *made.axial(1, uid=9, SeriesDescription="Dose Report"),
        report("1.2.840.10008.5.1.4.1.1.88.67"),
        report("1.2.840.10008.5.1.4.1.1.104.1"),
        report("1.2.840.10008.5.1.4.1.1.11.1"),
        report("1.2.840.10008.5.1.4.1.1.88.59"),
        made.radiograph(SOPInstanceUID=made.ROOT + "5.1", SeriesInstanceUID=made.ROOT + "55"),
    ]
    made.write(folder, series, seed=seed)
    return folder


def report(sop_class: str) -> pydicom.Dataset:
    uid = f"{made.ROOT}8.{sop_class.rpartition('.')[2]}"
    pixels = dict.fromkeys(("Rows", "Columns", "PixelData", "BitsAllocated"))
    return made.dataset(SOPClassUID=sop_class, Modality="SR", SOPInstanceUID=uid, **pixels)


def test_a_hospital_s_folder(tmp_path: Path) -> None:
    listing = list_series(hospital(tmp_path))
    found = {(each.kind, each.modality, each.slices, each.patient) for each in listing.series}
    assert found == {
        ("volume", "CT", 20, "PLANTED-4711"),
        ("volume", "CT", 12, "PLANTED-4711"),
        ("volume", "MR", 8, "PLANTED-0815"),
        ("picture", "CR", 1, "PLANTED-4711"),
    }
    assert not any(each.refused for each in listing.series)
    assert reasons(listing) == {
        "scout or localizer": 4,
        "derived reformat (MPR, MIP or another)": 4,
        "screen capture": 1,
        "dose report": 2,
        "encapsulated document": 1,
        "presentation state": 1,
        "key object selection": 1,
    }


def test_names_and_folders_do_not_matter(tmp_path: Path) -> None:
    hospital(tmp_path / "a", seed=0)
    hospital(tmp_path / "b", seed=7)
    for number, file in enumerate(sorted((tmp_path / "b").iterdir())):
        place = tmp_path / "b" / f"PA{number % 3}" / f"ST{number % 5}" / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(place)
    one, two = (list_series(tmp_path / name) for name in "ab")
    assert reasons(one) == reasons(two)
    described = [
        {
            tuple(pydicom.dcmread(file).SOPInstanceUID for file in each.files)
            for each in listing.series
        }
        for listing in (one, two)
    ]
    assert described[0] == described[1]


def test_a_dicomdir_is_not_needed_and_tells_what_is_missing(tmp_path: Path) -> None:
    files = made.write(tmp_path / "given", made.axial(5))
    made.write_media(tmp_path / "media", files)
    with_it = list_series(tmp_path / "media")
    assert reasons(with_it) == {"DICOMDIR, which is not needed": 1}
    assert list_series(tmp_path / "media" / "DICOMDIR") == with_it
    lost = with_it.series[0].files[4]
    lost.unlink()
    listing = list_series(tmp_path / "media")
    assert reasons(listing)["named by DICOMDIR, but not there"] == 1
    assert [each.slices for each in listing.series] == [4]


def test_a_dicomdir_that_leads_out_of_its_folder_is_not_followed(tmp_path: Path) -> None:
    outside = made.write(tmp_path / "outside", made.axial(1))[0]
    made.write_media(tmp_path / "media", [outside])
    data = pydicom.dcmread(tmp_path / "media" / "DICOMDIR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for record in data.DirectoryRecordSequence:
            if "ReferencedFileID" in record:
                record.ReferencedFileID = ["..", "outside", outside.name]
    made.save(tmp_path / "media" / "DICOMDIR", data)
    shutil.rmtree(next(each for each in (tmp_path / "media").iterdir() if each.is_dir()))
    listing = list_series(tmp_path / "media")
    assert listing.series == ()
    assert "names a file outside of its folder, which is not followed" in str(reasons(listing))


def test_what_pydicom_ships() -> None:
    listing = list_series(EXPORT)
    kinds = [(each.kind, each.modality, each.slices) for each in listing.series]
    assert kinds == [("picture", "CR", 1)] * 3 + [("volume", "CT", 4), ("volume", "CT", 5)]
    assert [bool(each.refused) for each in listing.series] == [False, False, False, True, False]
    assert reasons(listing) == {
        "no DICOM file": 3,
        "DICOMDIR, which is not needed": 7,
        "scout or localizer": 12,
        "derived reformat (MPR, MIP or another)": 7,
        "no pixels": 50,
    }


# --------------------------------------------------------------------- several volumes


@pytest.mark.parametrize(
    ("tag", "values", "words"),
    [
        ("EchoTime", (10, 20), "2 echo times"),
        (
            "ImageType",
            (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]),
            "2 image types",
        ),
        ("TemporalPositionIdentifier", (1, 2, 3), "3 time points"),
        ("NominalPercentageOfCardiacPhase", (0, 50), "2 cardiac phases"),
        ("DiffusionBValue", (0, 1000), "2 b-values"),
        ("ConvolutionKernel", ("B30f", "B70f"), "2 kernels"),
        ("AcquisitionNumber", (1, 2), "2 acquisitions"),
        (None, (1, 2), "in the order of their numbers"),
    ],
)
def test_several_volumes_are_refused_unless_one_is_chosen(
    tag: str | None, values: tuple, words: str, tmp_path: Path
) -> None:
    parts = []
    for turn, value in enumerate(values):
        part = made.mr(6, uid=2, **({tag: value} if tag else {}))
        for number, each in enumerate(part):
            each.SOPInstanceUID = f"{made.ROOT}4.{turn}.{number + 1}"
            each.InstanceNumber = 6 * turn + number + 1
        parts.append(part)
    made.write(tmp_path, [each for part in parts for each in part])
    (series,) = list_series(tmp_path).series
    assert series.refused == f"holds {len(values)} volumes ({words}); --dicom-volume N chooses one"
    for turn, part in enumerate(parts, 1):
        (chosen,) = list_series(tmp_path, Choice(volume=turn)).series
        assert not chosen.refused
        assert chosen.notes == (f"volume {turn} of {len(values)} ({words})",)
        read = [pydicom.dcmread(file).SOPInstanceUID for file in chosen.files]
        assert read == [each.SOPInstanceUID for each in part]
    (beyond,) = list_series(tmp_path, Choice(volume=9)).series
    assert beyond.refused == f"holds {len(values)} volumes ({words}), not 9; choose another"


def test_directions_in_one_series_are_several_volumes(tmp_path: Path) -> None:
    turned = made.sagittal(5)
    for number, each in enumerate(turned):
        each.SOPInstanceUID = f"{made.ROOT}4.{number}"
    made.write(tmp_path, [*made.mr(6, uid=2), *turned])
    (series,) = list_series(tmp_path).series
    assert "holds 2 volumes (of different orientation, matrix or pixel spacing)" in series.refused


# ------------------------------------------------------------- missing and doubled slices


def test_a_missing_slice_is_refused_unless_accepted(tmp_path: Path) -> None:
    made.write(tmp_path, [each for each in made.axial() if each.InstanceNumber not in (5, 11)])
    why = "missing slices: usually 2 mm apart, up to 4 mm in 2 of 17 distances"
    with pytest.raises(
        DataError, match=re.escape(f"{tmp_path}: {why}; --dicom-missing accepts it")
    ):
        one_series(tmp_path)
    assert one_series(tmp_path, Choice(missing=True)).notes == (why,)


def test_a_missing_slice_without_instance_numbers(tmp_path: Path) -> None:
    slices = [each for each in made.axial() if each.InstanceNumber != 5]
    for each in slices:
        each.InstanceNumber = None
    made.write(tmp_path, slices)
    (series,) = list_series(tmp_path).series
    assert series.refused.startswith("missing slices: usually 2 mm apart, up to 4 mm in 1 of 18")


def test_a_missing_slice_of_interleaved_numbers(tmp_path: Path) -> None:
    slices = made.axial(20)
    for place, each in enumerate(slices):
        each.InstanceNumber = place // 2 + 1 + 10 * (place % 2)
    made.write(tmp_path / "whole", slices)
    assert one_series(tmp_path / "whole").notes == ()
    made.write(tmp_path / "lacking", [*slices[:7], *slices[8:]])
    (series,) = list_series(tmp_path / "lacking").series
    assert series.refused.startswith("missing slices: usually 2 mm apart, up to 4 mm in 1 of 18")


def test_a_missing_frame(tmp_path: Path) -> None:
    data = made.enhanced(8)
    del data.PerFrameFunctionalGroupsSequence[3]
    data.NumberOfFrames, data.PixelData = 7, data.PixelData[: 7 * 240]
    (series,) = list_series(made.save(tmp_path / "x", data)).series
    assert series.refused.startswith("missing slices: usually 2 mm apart, up to 4 mm in 1 of 6")


def test_directions_that_differ_by_rounding_are_one(tmp_path: Path) -> None:
    slices = made.axial(6)
    for place, each in enumerate(slices):
        each.ImageOrientationPatient = [1, 0.005 + 1e-7 * (-1) ** place, 0, -0.005, 1, 0]
    made.write(tmp_path, slices)
    assert one_series(tmp_path).slices == 6


def test_a_slice_of_one_of_two_echoes_is_missing(tmp_path: Path) -> None:
    parts = [made.mr(8, EchoTime=time) for time in (10, 20)]
    for turn, part in enumerate(parts):
        for number, each in enumerate(part):
            each.SOPInstanceUID = f"{made.ROOT}4.{turn}.{number}"
            each.InstanceNumber = 2 * number + turn + 1
    del parts[1][4]
    made.write(tmp_path, [each for part in parts for each in part])
    (series,) = list_series(tmp_path).series
    assert series.refused.startswith("holds 2 volumes (2 echo times)")
    first, second = (list_series(tmp_path, Choice(volume=number)).series[0] for number in (1, 2))
    assert not first.refused
    assert second.refused.startswith("missing slices: usually 2 mm apart, up to 4 mm in 1 of 6")


def test_distances_that_differ_by_design_are_none(tmp_path: Path) -> None:
    made.write(tmp_path, made.axial(heights=[0, 2, 4, 6, 10, 14, 18]))
    series = one_series(tmp_path)
    assert (series.refused, series.notes) == ("", ("slices lie 2 to 4 mm apart",))


def test_a_doubled_slice_is_refused_unless_accepted(tmp_path: Path) -> None:
    again = made.axial(20)[7]
    again.SOPInstanceUID, again.InstanceNumber = made.ROOT + "4.1", 21
    made.write(tmp_path, [*made.axial(20), again])
    (series,) = list_series(tmp_path).series
    what = "1 of 20 positions have two or more slices"
    assert series.refused == f"doubled slices: {what}; --dicom-doubled takes the first of each"
    (series,) = list_series(tmp_path, Choice(doubled=True)).series
    assert (series.slices, series.notes) == (20, (f"{what}, the first of each was taken",))


def test_copies_of_a_file_count_once(tmp_path: Path) -> None:
    files = made.write(tmp_path, made.axial(5))
    (tmp_path / "again").mkdir()
    for file in files[:2]:
        shutil.copy(file, tmp_path / "again")
    series = one_series(tmp_path)
    assert (series.slices, series.notes) == (5, ("2 copies of files left out",))


def test_a_cine_loop_is_refused_unless_a_frame_is_chosen(tmp_path: Path) -> None:
    file = made.save(tmp_path / "loop", made.cine(5))
    with pytest.raises(
        DataError, match=r"loop: cine loop or .* of 5 frames; --dicom-frame chooses one"
    ):
        one_series(file)
    assert one_series(file, Choice(frame="middle")).slices == 5


def test_reformats_are_series_where_that_is_chosen(tmp_path: Path) -> None:
    made.write(tmp_path, made.mr(4, ImageType=["DERIVED", "SECONDARY", "MPR"]))
    with pytest.raises(DataError, match=r"no series of DICOM images \(derived reformat"):
        one_series(tmp_path)
    assert one_series(tmp_path, Choice(reformats=True)).slices == 4


def test_one_series_refuses_several(tmp_path: Path) -> None:
    hospital(tmp_path)
    with pytest.raises(DataError, match=r"4 samples of DICOM \(CR pictures, CT volumes, MR vol"):
        one_series(tmp_path)
    with pytest.raises(DataError, match="nothing: no such file or folder"):
        list_series(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no series of DICOM images \(no files\)"):
        one_series(tmp_path / "empty")


def test_series_without_uid_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name in "ab":
        made.write(tmp_path / name, made.axial(4, SeriesInstanceUID=None, StudyInstanceUID=None))
    listing = list_series(tmp_path)
    assert [each.slices for each in listing.series] == [4, 4]


def test_patients_with_one_series_uid_are_two_series(tmp_path: Path) -> None:
    made.write(tmp_path / "a", made.axial(4))
    made.write(tmp_path / "b", made.axial(4, PatientID="other"))
    assert sorted(each.patient for each in list_series(tmp_path).series) == [
        "PLANTED-4711",
        "other",
    ]


# ------------------------------------------------------------------------- what is no file


def test_links_pipes_and_hidden_files(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    made.write(folder / "in", made.axial(4))
    made.save(tmp_path / "secret", made.dataset(SOPInstanceUID=UID(made.ROOT + "3")))
    (folder / "loop").symlink_to(folder)
    (folder / "round").symlink_to("round")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "away").symlink_to(tmp_path)
    (folder / "gone").symlink_to(folder / "nowhere")
    (folder / ".DS_Store").write_bytes(b"litter")
    (folder / "__notes.txt").write_text("no DICOM")
    os.mkfifo(folder / "pipe")
    listing = list_series(folder)
    assert [each.slices for each in listing.series] == [4]
    assert reasons(listing) == {
        "link that leads out of the folder": 2,
        "link to a folder, which is read in its own place": 1,
        "broken link": 2,
        "no regular file": 1,
        "no DICOM file": 1,
    }


def test_what_identifies_people_is_not_in_what_is_printed(tmp_path: Path) -> None:
    listing = list_series(hospital(tmp_path))
    shown = repr([(each.kind, each.modality, each.notes, each.refused) for each in listing.series])
    for each in listing.series:
        text = repr(each).replace(str(tmp_path), "")
        assert not [value for value in made.PLANTED.values() if value in text + shown]
        assert made.ROOT not in text


def test_a_file_stands_for_its_series(tmp_path: Path) -> None:
    hospital(tmp_path)
    for series in list_series(tmp_path).series:
        for file in series.files[:2]:
            assert series_of(file) == series
    made.write(tmp_path / "alone", made.axial(3))
    assert series_of(tmp_path / "alone").slices == 3
    (tmp_path / "text").write_text("no DICOM")
    with pytest.raises(DataError, match=r"text: no series of DICOM images \(no DICOM file\)"):
        series_of(tmp_path / "text")
