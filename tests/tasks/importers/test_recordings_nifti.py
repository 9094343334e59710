"""NIfTI volumes over time and an atlas: means over regions by nilearn, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_fmri
import nibabel
import numpy as np
import pytest
from made_fmri import CARD, OPTIONS

from crossbench.data.importers import Distribution, find_importer
from crossbench.errors import CrossbenchError

pytest.importorskip("nilearn", reason="crossbench[fmri]")

SHAPE, VOLUMES = (6, 6, 6), 60
NAME = "sub-01_space-MNI_desc-preproc_bold.nii.gz"


def write_nifti(file: Path, voxels: np.ndarray, tr: float = 0.0) -> None:
    image = nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.0, 1.0]))
    if tr:
        image.header.set_zooms((2.0, 2.0, 2.0, tr))
        image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four participants of one random recording, an atlas of three regions, confounds."""
    made_fmri.bids(tmp_path, 4)
    labels = np.zeros(SHAPE, np.int16)
    labels[:2], labels[2:4], labels[4:] = 1, 7, 9
    write_nifti(tmp_path / "atlas.nii.gz", labels)
    voxels = 100 + np.random.default_rng(0).standard_normal((*SHAPE, VOLUMES)).astype(np.float32)
    voxels += (np.arange(VOLUMES) % 5).astype(np.float32)
    for number in range(1, 5):
        write_nifti(tmp_path / NAME.replace("01", f"{number:02}"), voxels, tr=2.0)
    rows = [f"{each % 5}\t0.2" for each in range(1, VOLUMES)]
    drift = "\n".join(["trans_x\tframewise_displacement", "n/a\tn/a", *rows])
    for number in range(1, 5):
        (tmp_path / f"sub-{number:02}/func/sub-{number:02}_task-rest_desc-confounds_timeseries.tsv"
         ).write_text(drift)  # fmt: skip
    return tmp_path


def read(folder: Path, card: Any = CARD, **options: Any) -> Any:
    importer = find_importer("recordings-nifti")
    chosen = {**importer.defaults, **OPTIONS, "atlas": "atlas.nii.gz", **options}
    source = Distribution(card=card, folder=folder, options=chosen)
    listing = importer.list(source)
    return listing, importer.read(source, listing.samples[0])


def test_regions_are_means_and_confounds_are_regressed_out(folder: Path) -> None:
    listing, found = read(folder)
    voxels = nibabel.load(folder / NAME).get_fdata()
    means = np.stack([voxels[start : start + 2].mean(axis=(0, 1, 2)) for start in (0, 2, 4)])
    np.testing.assert_allclose(found, means, rtol=1e-6)
    assert found.dtype == np.float32
    assert listing.samples[0].files == (NAME, "atlas.nii.gz")
    assert listing.samples[0].covariates["mean_fd"] == pytest.approx(0.2)
    assert listing.notes == ("means over regions of atlas.nii.gz; nothing regressed out",)

    listing, cleaned = read(folder, confounds=("trans_x",), band=(0.01, 0.2))
    assert listing.notes[0].endswith("; trans_x regressed out, and 0.01 to 0.2 Hz kept")
    drift = np.arange(VOLUMES) % 5
    raw = [abs(np.corrcoef(region, drift)[0, 1]) for region in found]
    after = [abs(np.corrcoef(region, drift)[0, 1]) for region in cleaned]
    assert min(raw) > 0.9
    assert max(after) < 0.3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"atlas": "no.nii"}, r"no file 'no\.nii' \(option atlas\) in it; copy the atlas"),
        ({"confounds": ("csf",)}, r"no column 'csf' \(option confounds\); correct the option"),
        ({"confounds": ("csf",), "motion": ""}, "has no table of confounds; correct option motion"),
        ({"band": (0.1,)}, r"option band is \(0\.1,\); it must be two frequencies in Hz"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: dict[str, Any], match: str, folder: Path
) -> None:
    with pytest.raises(CrossbenchError, match=match):
        read(folder, **options)


def test_volumes_that_do_not_fit_are_refused(folder: Path) -> None:
    voxels = np.ones((*SHAPE, VOLUMES), np.float32)
    write_nifti(folder / NAME, voxels, tr=3.0)
    with pytest.raises(
        CrossbenchError, match=r"sub-01_.*says 3 s between volumes, the card 2; cor"
    ):
        read(folder)
    write_nifti(folder / NAME, voxels[:4], tr=2.0)
    with pytest.raises(
        CrossbenchError, match=r"sub-01_.*: 2 of the 3 regions of atlas.nii.gz have"
    ):
        read(folder)
    write_nifti(folder / NAME, voxels[..., 0])
    with pytest.raises(CrossbenchError, match=r"sub-01_.*has shape \(6, 6, 6\), no volumes over"):
        read(folder)
    write_nifti(folder / "atlas.nii.gz", np.full(SHAPE, 0.5, np.float32))
    write_nifti(folder / NAME, voxels, tr=2.0)
    with pytest.raises(CrossbenchError, match="no whole numbers; it is no atlas of labels"):
        read(folder)
