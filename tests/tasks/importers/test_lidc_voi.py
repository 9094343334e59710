"""Cubes of CT from volumes of interest: made ones of known values, then the real table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from shared_data import shared_data

from crossbench.cli import main
from crossbench.data.importers import Distribution, find_importer
from crossbench.data.importers.build import build
from crossbench.data.importers.request import Import
from crossbench.data.sources import open_task
from crossbench.errors import DataError, RequestError
from crossbench.files.data_root import DataRoot
from crossbench.files.paths import cache_dir
from crossbench.registry.tasks import find_task
from crossbench.results.records.store import Store
from crossbench_tasks.importers.nodule_cubes import CUBE, cut_cube, patient_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossbench.specs.origins import Option

CARD = find_task("nodule-malignancy-ct-3d")
REAL = next(
    (
        found
        for parent in Path(__file__).parents
        if (found := parent / "shared/data/lidc_voi").is_dir()
    ),
    Path("absent"),
)


def write_nodule(folder: Path, name: str, *, flip: bool = False, mask: bool = True) -> None:
    """A volume whose values are 10 z + 2 y + x mm in RAS, with a mask about (0, 0, 0) mm."""
    spacing = np.array([0.5, 0.5, 2.0])
    shape = (81, 81, 21)
    x, y, z = (
        (np.arange(length) - length // 2) * step
        for length, step in zip(shape, spacing, strict=True)
    )
    values = (10 * z + 2 * y[:, None] + x[:, None, None]).astype(np.int16)
    inside = (abs(x[:, None, None]) <= 3) & (abs(y[:, None]) <= 3) & (abs(z) <= 4)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-40 * 0.5, -40 * 0.5, -10 * 2.0]
    if flip:  # as LIDC's own: L, P, S
        values, inside = values[::-1, ::-1], inside[::-1, ::-1]
        affine[:2] *= -1
    for part, array in (("image", values), ("nodule_mask", inside * mask)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        image = nibabel.Nifti1Image(np.ascontiguousarray(array).astype(np.int16), affine)
        nibabel.save(image, folder / part / f"{name}.nii.gz")


def write_table(folder: Path, rows: list[tuple[str, int, float, Any]]) -> None:
    columns = ["patient_id", "nodule_id", "diameter_mm", "Diagnosis_value"]
    folder.mkdir(exist_ok=True)
    pd.DataFrame(rows, columns=columns).to_csv(folder / "nodules.csv", index=False)


def of(folder: Path, options: Mapping[str, Option] = CUBE) -> Distribution:
    return Distribution(card=CARD, folder=folder, options=options)


def listed(folder: Path, options: Mapping[str, Option] = CUBE) -> Any:
    return find_importer("lidc-voi").list(of(folder, options))


@pytest.fixture
def voi(tmp_path: Path) -> Path:
    folder = tmp_path / "voi"
    rows: list[tuple[str, int, float, Any]] = [
        ("LIDC-IDRI-0003", 2, 21.5, 1),
        ("LIDC-IDRI-0003", 4, 8.8, 0),
        ("LIDC-IDRI-0007", 1, 5.0, 0),
    ]
    write_table(folder, [*rows, ("LIDC-IDRI-1002", 1, 5.0, 0)])
    for place, (patient, nodule, *_) in enumerate(rows):
        write_nodule(folder, f"{patient}_R_{nodule}", flip=place > 0)
    return folder


def test_a_row_is_a_nodule_and_one_without_files_is_dropped(voi: Path) -> None:
    found = listed(voi)
    assert [(each.label, each.group, each.covariate) for each in found.samples] == [
        (1, "3", 21.5),
        (0, "3", 8.8),
        (0, "7", 5.0),
    ]
    ((name, reason),) = found.dropped
    assert name == "LIDC-IDRI-1002_R_1"
    assert "has no file image/LIDC-IDRI-1002_R_1.nii.gz and no nodule_mask/" in reason


def test_cubes_are_of_1_mm_about_the_mask_in_ras_whatever_the_file_says(voi: Path) -> None:
    importer, millimetres = find_importer("lidc-voi"), np.arange(32) - 15.5
    z, y, x = np.meshgrid(millimetres, millimetres, millimetres, indexing="ij")
    for sample in listed(voi).samples:
        cube = importer.read(of(voi), sample)
        assert (cube.shape, cube.dtype) == ((32, 32, 32), np.int16)
        np.testing.assert_allclose(cube, 10 * z + 2 * y + x, atol=2.1)  # the file's were rounded


def test_edges_are_continued_and_intensities_clipped() -> None:
    voxels = np.full((4, 4, 4), 3000, np.int16)
    voxels[0] = -2000
    cube = cut_cube(voxels, (1.5, 1.5, 1.5), (1.0, 1.0, 1.0), {**CUBE, "side": 8})
    assert set(np.unique(cube[:3])) == {-1000}
    assert set(np.unique(cube[3:])) == {400}


def test_the_data_file_holds_patients_and_diameters(voi: Path, tmp_path: Path) -> None:
    card = replace(CARD, origins=(replace_samples(3),))
    asked = Import(
        card=card, origin=card.origins[0], importer=find_importer("lidc-voi"), folder=voi,
        options={},
    )  # fmt: skip
    build(asked, DataRoot(tmp_path / "data"), cache_dir=tmp_path)
    dataset = open_task(card, data="real", data_dir=tmp_path / "data", cache_dir=tmp_path)
    assert dataset.source == "real"
    assert dataset.groups is not None
    assert dataset.covariate is not None
    assert (dataset.groups.tolist(), dataset.covariate.tolist()) == ([0, 0, 1], [21.5, 8.8, 5.0])
    assert dataset.members is not None
    embedded = open_task(
        find_task("nodule-sphericity-2d"), data="real", data_dir=tmp_path, cache_dir=tmp_path
    )
    assert np.isin(dataset.members, embedded.as_stored.members).all()


def replace_samples(count: int) -> Any:
    from msgspec import structs

    return structs.replace(CARD.origins[0], samples=count, class_counts=None, intensity=(-201, 201))


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([("LIDC-IDRI-0003", 2, 21.5, 2)], r"Diagnosis_value of LIDC-IDRI-0003_R_2 is 2; it must"),
        ([("P0003", 2, 21.5, 1)], r"patient 'P0003' is not of the form LIDC-IDRI-0001"),
    ],
)
def test_a_table_of_another_kind_is_refused(
    tmp_path: Path, rows: list[tuple[str, int, float, Any]], match: str
) -> None:
    folder = tmp_path / "voi"
    write_table(folder, rows)
    write_nodule(folder, f"{rows[0][0]}_R_{rows[0][1]}")
    with pytest.raises(DataError, match=match):
        listed(folder)


def test_damaged_distributions_are_refused_by_name(voi: Path) -> None:
    importer, (first, *_) = find_importer("lidc-voi"), listed(voi).samples
    write_nodule(voi, first.id, mask=False)
    with pytest.raises(DataError, match=r"0003_R_2.nii.gz: the mask is empty; get it again"):
        importer.read(of(voi), first)
    small = nibabel.Nifti1Image(np.ones((3, 3, 3), np.int16), np.eye(4))
    nibabel.save(small, voi / first.files[1])
    with pytest.raises(DataError, match=r"the volume is \(1, 21, 81, 81\) at .*; get both again"):
        importer.read(of(voi), first)
    (voi / "nodules.csv").write_text("a,b\n1,2\n")
    with pytest.raises(
        DataError, match=r"nodules.csv: no column 'patient_id', .*; it has 'a', 'b'"
    ):
        listed(voi)
    (voi / "nodules.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"nodules.csv: cannot be read as a table .*get it again"):
        listed(voi)
    (voi / "nodules.csv").unlink()
    with pytest.raises(DataError, match=r"one table of nodules .* is needed .*; found none"):
        listed(voi)


def test_options_are_numbers_and_patients_of_one_form() -> None:
    with pytest.raises(RequestError, match="option 'side' is 'big'; it must be a number"):
        cut_cube(np.zeros((4, 4, 4)), (1, 1, 1), (1, 1, 1), {**CUBE, "side": "big"})
    assert patient_number("LIDC-IDRI-0078", where="") == "78"


def test_the_real_table_lists_what_the_card_says() -> None:
    found = listed(shared_data("lidc_voi"))
    labels = [each.label for each in found.samples]
    assert (len(labels), labels.count(0), labels.count(1)) == (994, 650, 344)
    assert len({each.group for each in found.samples}) == 551
    assert [name for name, _ in found.dropped] == ["LIDC-IDRI-1002_R_1", "LIDC-IDRI-1002_R_2"]


@pytest.mark.slow  # about a minute
def test_the_real_nodules_are_imported_verified_and_run(tmp_path: Path) -> None:
    folder, name = shared_data("lidc_voi"), CARD.name
    words = ["data", "import", name, "--from", str(folder), "--origin", "voi"]
    assert main([*words, "--data-dir", str(tmp_path)]) == 0
    dataset = open_task(CARD, data="real", data_dir=tmp_path, cache_dir=cache_dir())
    assert (len(dataset), dataset.images.shape[1:]) == (994, (1, 32, 32, 32))
    assert (int(dataset.images.min()), int(dataset.images.max())) == (-1000, 400)
    assert main(["data", "verify", name, "--data-dir", str(tmp_path)]) in (0, 1)
    out = str(tmp_path / "results")
    words = ["run", "--method", "conv3d", "--task", name, "--protocol", "linear-probe"]
    words += ["--seeds", "43", "--folds", "0", "--data-dir", str(tmp_path), "--out", out]
    assert main(words) == 0
    scores = {record.key.method: record.metrics for record in Store(Path(out)).records()}
    assert scores["covariate"]["balanced_accuracy"] == pytest.approx(0.82, abs=0.06)
    assert scores["conv3d"]["balanced_accuracy"] == pytest.approx(0.74, abs=0.08)
