"""RPN-signature's clone in miniature, and its two open sites where they are at hand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import made_fmri
import numpy as np
import pytest

from crossbench.cli import main
from crossbench.data.importers import Distribution, find_importer
from crossbench.data.sources import find_file, open_task
from crossbench.errors import DataError, RequestError
from crossbench.registry.tasks import find_task

CARD = find_task("rpn-sex")


def listed(folder: Path, **options: Any) -> Any:
    importer = find_importer("rpn-signature")
    chosen = {**importer.defaults, **options}
    return importer.list(Distribution(card=CARD, folder=folder, options=chosen))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_fmri.rpn_signature(tmp_path_factory.mktemp("clone"))


def test_a_clone_becomes_recordings_with_sites_and_covariates(clone: Path, tmp_path: Path) -> None:
    words = ["data", "import", "rpn-sex", "--from", str(clone), "--data-dir", str(tmp_path)]
    assert main([*words, "--allow-count-mismatch"]) == 0
    places: Any = {"data": "real", "data_dir": tmp_path, "cache_dir": tmp_path / "cache"}
    dataset = open_task(CARD, **places)
    assert dataset.images.shape == (11, 1, 122, 205)
    assert dataset.labels.tolist() == [1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0]
    expected = made_fmri.series(1, 205, 122).T.astype(np.float32)
    np.testing.assert_array_equal(dataset.images[0, 0], expected)
    with np.load(find_file(CARD, **places), allow_pickle=False) as arrays:
        assert arrays["ids"].tolist()[:3] == ["bochum-001", "bochum-002", "bochum-004"]
        assert arrays["site"].tolist() == ["bochum"] * 5 + ["essen"] * 6
        assert arrays["covariate_names"].tolist() == ["age", "mean_fd"]  # sex is the label
        np.testing.assert_allclose(arrays["covariates"][:2], [[21, 0.2], [22, 0.2]])
        assert "lengths" not in arrays


def test_pain_is_above_the_median_of_the_site(clone: Path) -> None:
    found = listed(clone, label="pain")
    assert [each.label for each in found.samples] == [0, 0, 0, 1, 1, 1] * 2
    assert set(found.samples[0].covariates) == {"age", "male", "mean_fd"}
    assert np.isnan(found.samples[2].covariates["male"])


@pytest.mark.parametrize("label", ["sex", "pain"])
def test_a_copy_of_anothers_recording_is_left_out(tmp_path: Path, label: str) -> None:
    home = made_fmri.rpn_signature(tmp_path) / "data" / "essen-sample" / "regional_timeseries"
    for subject, other in (("002", "001"), ("005", "004")):
        (file,) = home.glob(f"essen-{subject}_pumi-?.tsv")
        (copied,) = home.glob(f"essen-{other}_pumi-?.tsv")
        shutil.copyfile(copied, file)
    shutil.copyfile(copied, next(home.glob("essen-004_pumi-?-scrubbed.tsv")))  # never read
    found = listed(tmp_path, label=label)
    assert [reason for reason in found.dropped if "copy" in reason[1]] == [
        ("essen-002", "its recording is a copy of essen-001's"),
        ("essen-005", "its recording is a copy of essen-004's"),
    ]
    kept = [each.id for each in found.samples if each.site == "essen"]
    assert kept == [f"essen-{number:03}" for number in (1, 3, 4, 6)]


def test_what_is_no_clone_is_refused(clone: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder data/bochum-sample; clone github.com/spisakt"):
        listed(tmp_path)
    with pytest.raises(RequestError, match="option label is 'age'; it must be sex or pain"):
        listed(clone, label="age")
    with pytest.raises(RequestError, match=r"option sites is \('rome',\); it must be some of boch"):
        listed(clone, sites=("rome",))
    with pytest.raises(DataError, match=r"no folder data/szeged-sample"):
        listed(clone, sites=("bochum", "szeged"))
