"""Parcellated recordings with a table of participants: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_fmri
import numpy as np
import pytest
from made_fmri import CARD, OPTIONS

from crossbench.data.importers import Distribution, find_importer
from crossbench.data.importers.build import Imported, build
from crossbench.data.importers.request import Import
from crossbench.data.sources import open_task
from crossbench.errors import CrossbenchError, DataError
from crossbench.files.data_root import DataRoot
from crossbench.registry.tasks import find_task
from crossbench.specs.origins import ManualOrigin
from crossbench_tasks.importers._series import read_series


def run(folder: Path, root: Path, card: Any = CARD, **options: Any) -> Imported:
    asked = Import(
        card=card,
        origin=ManualOrigin(name="made", importer="recordings"),
        importer=find_importer("recordings"),
        folder=folder,
        options=OPTIONS | options,
    )
    return build(asked, DataRoot(root), cache_dir=root / "cache")


def test_derivatives_become_recordings(tmp_path: Path) -> None:
    labels = ["n/a", 1, 0, 1, 0, 1, 0, 1]
    folder = made_fmri.bids(tmp_path / "from", Response=labels)
    (folder / "sub-08" / "func" / "sub-08_task-rest_atlas-four_timeseries.tsv").unlink()
    made_fmri.write_series(folder / "sub-99_atlas-four_timeseries.tsv", made_fmri.series(99))
    made = run(folder, tmp_path / "data", exclude=("sub-02",))
    assert dict(made.listing.dropped) == {
        "sub-01": "no value in column 'Response'",
        "sub-02": "excluded as asked for",
        "sub-08": "no file of this participant",
        "sub-99_atlas-four_timeseries.tsv": "file of no row of the table",
    }
    dataset = open_task(CARD, data="real", data_dir=tmp_path / "data", cache_dir=tmp_path)
    assert dataset.images.shape == (5, 1, 4, 26)
    assert dataset.labels.tolist() == [0, 1, 0, 1, 0]
    for place, number in enumerate(range(2, 7)):
        expected = made_fmri.series(number, 24 + number % 3).T.astype(np.float32)
        np.testing.assert_array_equal(dataset.images[place, 0, :, : expected.shape[1]], expected)
        assert not dataset.images[place, 0, :, expected.shape[1] :].any()
    with np.load(made.file, allow_pickle=False) as arrays:
        assert arrays["lengths"].tolist() == [26, 24, 25, 26, 24]
        assert arrays["groups"].tolist() == [f"sub-{number:02}" for number in range(3, 8)]
        assert arrays["site"].tolist()[:3] == ["placebo male", "placebo male", "duloxetine female"]
        assert arrays["covariate_names"].tolist() == ["age", "male", "Drug", "mean_fd"]
        np.testing.assert_allclose(arrays["covariates"][[0, 2]], [[42.5, 1, 0, 0.2],
                                                                  [44.5, 0, 1, 0.2]])  # fmt: skip


@pytest.mark.parametrize(
    ("text", "drop", "rows"),
    [
        ("A\tG\tB\n1\t9\t2\n3\t9\t4\n5\t9\t6\n", ("G",), "volumes"),
        (",A,B\n0,1,2\n1,3,4\n2,5,6\n", (), "volumes"),  # as pandas writes it
        ("#2001\t#2002\n1\t2\n3\t4\n5\t6\n", (), "volumes"),  # as ABIDE has it
        ("# a note\n 1.0  2.0\n 3.0  4.0\n 5.0  6.0\n", (), "volumes"),
        ("1,3,5\n2,4,6\n", (), "regions"),
        ("0\t1\n1\t2\n3\t4\n5\t6\n", (), "volumes"),  # columns that are counted
    ],
)
def test_a_file_is_read_in_any_of_its_forms(
    text: str, drop: tuple[str, ...], rows: str, tmp_path: Path
) -> None:
    file = tmp_path / "recording.txt"
    file.write_text(text)
    found = read_series(file, drop=drop, rows=rows)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[1, 3, 5], [2, 4, 6]])


def edited(folder: Path, number: int, values: np.ndarray, names: Any = made_fmri.REGIONS) -> None:
    file = folder / f"sub-{number:02}/func/sub-{number:02}_task-rest_atlas-four_timeseries.tsv"
    made_fmri.write_series(file, values, names)


HOLED = made_fmri.series(1)
HOLED[3, 2] = np.nan


@pytest.mark.parametrize(
    ("values", "names", "match"),
    [
        (
            made_fmri.series(1)[:, :3],
            "ABC",
            r"sub-02_.*\.tsv: has 3 regions, .*sub-01_.*\.tsv 4; parc",
        ),
        (
            made_fmri.series(1),
            "ABBC",
            r"sub-02_.*: region 3 is 'B', in .*sub-01_.* 'C'; parcellate",
        ),
        (made_fmri.series(1)[:, :3], "", r"sub-02_.*: has 3 regions"),
        (
            HOLED,
            made_fmri.REGIONS,
            r"sub-02_.*: region 'C' has 1 values that are no numbers; leave",
        ),
        (
            made_fmri.series(1, 15),
            made_fmri.REGIONS,
            r"sub-02_.*: recording 0 has 15 volumes, fewer",
        ),
        (
            np.zeros((24, 4)),
            made_fmri.REGIONS,
            r"sub-02_.*: recording 0 has 0 volumes, fewer than 20",
        ),
    ],
)
def test_recordings_that_cannot_be_are_refused_by_file(
    values: np.ndarray, names: str, match: str, tmp_path: Path
) -> None:
    folder = made_fmri.bids(tmp_path / "from", 4)
    edited(folder, 2, values, names)
    with pytest.raises(DataError, match=match):
        run(folder, tmp_path / "data")


def test_a_region_that_never_varies_is_told(tmp_path: Path) -> None:
    folder = made_fmri.bids(tmp_path / "from", 4)
    flat = made_fmri.series(1)
    flat[:, 1] = 7
    edited(folder, 2, flat)
    (warning,) = run(folder, tmp_path / "data").warnings
    assert warning.startswith("1 recordings have a region that never varies: 1;")


@pytest.mark.parametrize(
    ("columns", "options", "match"),
    [
        (
            {"Response": [""] * 4},
            {},
            "'Response' is empty in each row; labels are missing: complete",
        ),
        ({"Response": [0, 1, 2, 1]}, {}, "'Response' of 'sub-03' is '2'; it must be one of 0, 1"),
        ({"Age": [1, 2, "old", 4]}, {}, "'Age' of 'sub-03' is 'old', no number; age=Age:old would"),
        ({}, {"label": ""}, "option label is empty; name the table's column"),
        ({}, {"label": "Answer"}, r"no column 'Answer' \(option label\); it has 'participant_id'"),
        (
            {},
            {"classes": ("0",)},
            r"option classes is \('0',\); the card has 2 classes \(no, yes\)",
        ),
        ({}, {"id": "gender"}, r"the table names female, female.*the files are sub-01_.*of others"),
        ({}, {"files": "{id}_*.nii"}, r"no file '\*_\*\.nii' in it or below; correct option files"),
        ({}, {"files": "rest.tsv"}, r"option files is 'rest.tsv'; it must have \{id\}"),
        ({}, {"files": "{id}*"}, r"option files, now '\{id\}\*', to one of each"),
        ({}, {"rows": "time"}, "option rows is 'time'; it must be volumes or regions"),
        ({}, {"drop": ("GlobSig",)}, r"no column 'GlobSig' to be left out; it has 'A', 'B', 'C'"),
        (
            {},
            {"motion": "{id}_*atlas-four*"},
            "no column 'framewise_displacement'; correct option m",
        ),
        ({}, {"table": "people.csv"}, r"no file 'people.csv' in it or below"),
    ],
)
def test_tables_and_options_that_do_not_fit_are_refused(
    columns: dict[str, Any], options: dict[str, Any], match: str, tmp_path: Path
) -> None:
    folder = made_fmri.bids(tmp_path / "from", 4, **columns)
    if options.get("files") == "{id}*":
        made_fmri.write_series(folder / "sub-02_again.tsv", made_fmri.series(0))
    source = Distribution(
        card=CARD,
        folder=folder,
        options={**find_importer("recordings").defaults, **OPTIONS, **options},
    )
    with pytest.raises(CrossbenchError, match=match):
        find_importer("recordings").list(source)


def test_a_participant_has_one_row(tmp_path: Path) -> None:
    names = ["sub-01", "sub-02", "sub-02", "sub-03"]
    folder = made_fmri.bids(tmp_path / "from", 4, participant_id=names)
    with pytest.raises(DataError, match="participant 'sub-02' has 2 rows; keep one of them"):
        run(folder, tmp_path / "data")


def test_the_registered_tasks_read_their_tables(tmp_path: Path) -> None:
    """The columns of ds000208's and ABIDE's tables, by the options of the cards."""
    folder = made_fmri.bids(
        tmp_path / "ds000208", study=["n/a", *[1] * 3, *[2] * 4], Response=["n/a", *"0101010"]
    )
    first = listed("ds000208-response", folder)
    assert [sample.label for sample in first.samples] == [0, 1, 0, 1, 0, 1, 0]
    assert first.samples[-1].site == "2 duloxetine"
    assert first.samples[-1].covariates == {
        "age": 47.5, "male": 1, "duloxetine": 1, "second_study": 1,
    }  # fmt: skip
    assert first.dropped == (("sub-01", "no value in column 'Response'"),)
    folder = tmp_path / "ABIDE_pcp"
    folder.mkdir()
    (folder / "Phenotypic_V1_0b_preprocessed1.csv").write_text(
        ",SUB_ID,SITE_ID,FILE_ID,DX_GROUP,AGE_AT_SCAN,SEX,func_mean_fd,NOTE\n"
        '0,50002,PITT,no_filename,1,16.77,1,0.1,"a, b"\n'
        "1,50003,PITT,Pitt_0050003,1,24.45,1,0.3,\n"
        "2,50004,NYU,no_filename,1,19.09,2,,\n"
        "3,50005,NYU,NYU_0050005,2,13.73,2,,\n"
    )
    for name in ("Pitt_0050003", "NYU_0050005"):
        file = folder / "cpac" / "filt_noglobal" / f"{name}_rois_cc200.1D"
        made_fmri.write_series(file, made_fmri.series(0, 30), ["#1", "#2", "#3", "#4"])
    found = listed("abide-diagnosis", folder)
    assert [(each.id, each.label, each.site, each.group) for each in found.samples] == [
        ("Pitt_0050003", 1, "PITT", "50003"),
        ("NYU_0050005", 0, "NYU", "50005"),
    ]
    assert found.samples[0].covariates == {"age": 24.45, "male": 1, "mean_fd": 0.3}
    assert found.samples[1].covariates == {"age": 13.73, "male": 0}


def listed(task: str, folder: Path) -> Any:
    card = find_task(task)
    importer = find_importer("recordings")
    options = {**importer.defaults, **card.origins[0].options}
    return importer.list(Distribution(card=card, folder=folder, options=options))
