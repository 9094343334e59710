"""Files of distributions that are damaged, or made to harm: an error that names them, or values."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import h5py
import miniatures
import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossbench.data.importers import Distribution, find_importer
from crossbench.data.importers.build import build
from crossbench.data.importers.request import Import
from crossbench.errors import CrossbenchError, DataError, RequestError
from crossbench.files.data_root import DataRoot
from crossbench.registry.tasks import load_tasks
from crossbench.specs.origins import ManualOrigin
from crossbench_tasks.importers._files import find, read_csv, read_xls

CARDS = load_tasks()
WRITERS = {
    "cheng": ("brain-tumor", miniatures.cheng, {"size": 20}),
    "bus-bra": ("breast-cancer", miniatures.bus_bra, {"size": 20}),
    "busv": ("busv", miniatures.busv, {"size": 20, "frames": 20}),
    "mosmed": ("mosmed", miniatures.mosmed, {"shape": (20, 21, 22)}),
    "lung-adenocarcinoma": ("lung-adenocarcinoma", miniatures.lung_adenocarcinoma, {}),
    "brats21-nifti": ("brats21", miniatures.brats21_nifti, {"size": 20}),
    "ixi": ("ixi", miniatures.ixi, {"shape": (20, 21, 22)}),
}


def run(name: str, folder: Path, root: Path, **options: Any) -> Any:
    card = CARDS[WRITERS[name][0]]
    asked = Import(
        card=card,
        origin=ManualOrigin(name="made"),
        importer=find_importer(name),
        folder=folder,
        options=WRITERS[name][2] | options,
        allow_count_mismatch=True,
    )
    return build(asked, DataRoot(root), cache_dir=root / "cache")


def put(folder: Path, pattern: str, content: bytes) -> Path:
    """Replace the first file of a pattern."""
    file = min(folder.rglob(pattern))
    file.write_bytes(content)
    return file


# ------------------------------------------------------------------------------ any damage

FILES = {
    "cheng": ["*.mat"],
    "bus-bra": ["bus_data.csv", "*.png"],
    "mosmed": ["*.nii.gz"],
    "lung-adenocarcinoma": ["*.npy"],
    "ixi": ["IXI.xls"],
}
PAIRS = [(name, pattern) for name, patterns in FILES.items() for pattern in patterns]


@pytest.mark.parametrize(("name", "pattern"), PAIRS)
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_is_an_error_of_our_own_or_read(
    name: str, pattern: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, write, options = WRITERS[name]
    folder = write(tmp_path_factory.mktemp("from"))
    file = min(folder.rglob(pattern))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    file.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    card, importer = CARDS[WRITERS[name][0]], find_importer(name)
    chosen = {**importer.defaults, **options}
    error = None
    try:
        source = Distribution(card=card, folder=folder, options=chosen)
        listing = importer.list(source)
        mine = [each for each in listing.samples if file.name in each.files[0]]
        for sample in mine[:1]:
            assert importer.read(source, sample).size
    except CrossbenchError as raised:
        error = str(raised)
    assert error is None or str(folder) in error


@pytest.mark.parametrize("name", WRITERS)
def test_a_truncated_file_leaves_nothing_half_written(name: str, tmp_path: Path) -> None:
    folder = WRITERS[name][1](tmp_path / "from")
    pattern = {"cheng": "*.mat", "bus-bra": "bus_*.png", "busv": "*.png", "ixi": "*T1.nii.gz"}
    file = min(folder.rglob(pattern.get(name, "*.n[ip]*")))
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(DataError, match=rf"{file.name}.*(get it again|save it)"):
        run(name, folder, tmp_path / "data")
    assert not list((tmp_path / "data").rglob("*.npz"))


# --------------------------------------------------------------------------------- by format


def test_a_matlab_file_that_leads_out_of_itself(tmp_path: Path) -> None:
    folder = miniatures.cheng(tmp_path / "from")
    other = tmp_path / "secret.h5"
    with h5py.File(other, "w") as opened:
        opened["image"] = np.ones((4, 4), np.int16)
    file = folder / "more" / "20.mat"
    with h5py.File(file, "r+") as opened:
        del opened["cjdata/image"]
        opened["cjdata/image"] = h5py.ExternalLink(other, "image")
    with pytest.raises(DataError, match=r"20\.mat: cjdata/image is no array of numbers that lies"):
        run("cheng", folder, tmp_path / "data")
    with h5py.File(file, "r+") as opened:
        del opened["cjdata/image"]
        opened["cjdata"].create_dataset("image", (4, 4), np.int16, external=[(str(other), 0, 32)])
    with pytest.raises(DataError, match=r"20\.mat: cjdata/image is no array of numbers that lies"):
        run("cheng", folder, tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "array", "why"),
    [
        (
            "label",
            np.array([[4.0]]),
            r"cjdata/label is \[4\.0\]; it must be one number from 1 to 3",
        ),
        ("label", np.array([[np.nan]]), r"cjdata/label is .*nan"),
        ("PID", np.zeros((3, 1), np.uint16), r"cjdata/PID is .*, no identifier"),
        ("image", np.zeros((4, 4)), "cjdata/image is float64 of shape"),
        ("image", np.zeros((4, 4, 2), np.int16), "cjdata/image is int16 of shape"),
    ],
)
def test_a_matlab_file_of_other_content(
    name: str, array: np.ndarray, why: str, tmp_path: Path
) -> None:
    folder = miniatures.cheng(tmp_path / "from")
    with h5py.File(folder / "more" / "20.mat", "r+") as opened:
        del opened[f"cjdata/{name}"]
        opened[f"cjdata/{name}"] = array
    with pytest.raises(DataError, match=rf"20\.mat: {why}"):
        run("cheng", folder, tmp_path / "data")


def test_a_matlab_file_of_a_huge_array(tmp_path: Path) -> None:
    folder = miniatures.cheng(tmp_path / "from")
    with h5py.File(folder / "more" / "20.mat", "r+") as opened:
        del opened["cjdata/image"]
        opened["cjdata"].create_dataset("image", (1 << 20, 1 << 20), np.int16, chunks=(64, 64))
    with pytest.raises(DataError, match=r"20\.mat: cjdata/image is no array of numbers"):
        run("cheng", folder, tmp_path / "data")


def test_a_nifti_header_that_claims_more_than_the_file_holds(tmp_path: Path) -> None:
    folder = miniatures.mosmed(tmp_path / "from")
    file = folder / "CT-0" / "study_0001.nii.gz"
    header = bytearray(gzip.decompress(file.read_bytes()))
    header[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    file.write_bytes(gzip.compress(bytes(header)))
    with pytest.raises(DataError, match=r"study_0001\.nii\.gz: its header claims \d+ bytes"):
        run("mosmed", folder, tmp_path / "data")


def test_a_nifti_file_of_nan(tmp_path: Path) -> None:
    folder = miniatures.mosmed(tmp_path / "from")
    file = folder / "CT-0" / "study_0001.nii.gz"
    voxels = np.full((12, 12, 5), np.nan, np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), file)
    with pytest.raises(DataError, match=r"study_0001\.nii\.gz.*has NaN or infinite values"):
        run("mosmed", folder, tmp_path / "data")


def test_arrays_of_objects_and_of_another_byte_order(tmp_path: Path) -> None:
    folder = miniatures.lung_adenocarcinoma(tmp_path / "from")
    file = folder / "data" / "AIS" / "003.npy"
    whole = np.load(file)
    np.save(file, np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"003\.npy: .*Python objects"):
        run("lung-adenocarcinoma", folder, tmp_path / "data")
    np.save(file, whole.astype(">i2"))
    importer = find_importer("lung-adenocarcinoma")
    card = CARDS["lung-adenocarcinoma"]
    source = Distribution(card=card, folder=folder, options=importer.defaults)
    listing = importer.list(source)
    (sample,) = (each for each in listing.samples if each.id.endswith("AIS/003"))
    voxels = importer.read(source, sample)
    np.testing.assert_array_equal(voxels, whole)


# ---------------------------------------------------------------------------------- by table


def test_tables(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("ID,Case\n1,2\n")
    with pytest.raises(DataError, match=r"a\.csv: no column 'Pathology'; it has 'ID', 'Case'"):
        read_csv(file, ("ID", "Pathology"))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"a\.csv: cannot be read as a table"):
        read_csv(file, ("ID",))
    with pytest.raises(DataError, match=r"a\.csv: cannot be read as a table"):
        read_xls(file, ("ID",))
    with file.open("wb") as stream:
        stream.truncate((1 << 26) + 1)
    with pytest.raises(DataError, match=r"a\.csv: is no table of at most"):
        read_csv(file, ("ID",))


def test_finding_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file 'IXI\.xls' in it or below, which IXI comes with"):
        find(tmp_path, "IXI.xls", of="IXI")
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "IXI.xls").touch()
    with pytest.raises(DataError, match=r"'IXI\.xls' is there 2 times \(a/IXI\.xls and b/IXI"):
        find(tmp_path, "IXI.xls", of="IXI")


def test_a_table_that_names_files_elsewhere(tmp_path: Path) -> None:
    folder = miniatures.bus_bra(tmp_path / "from")
    (tmp_path / "x.png").write_bytes((folder / "BUSBRA/Images/bus_0001-l.png").read_bytes())
    table = folder / "BUSBRA" / "bus_data.csv"
    table.write_text(table.read_text("utf-8-sig").replace("bus_0001-l", "../../../x"))
    with pytest.raises(DataError, match=r"x\.png: leads out of the folder; correct the table"):
        run("bus-bra", folder, tmp_path / "data")


def test_rows_and_files_that_do_not_meet(tmp_path: Path) -> None:
    folder = miniatures.bus_bra(tmp_path / "from")
    table = folder / "BUSBRA" / "bus_data.csv"
    (folder / "BUSBRA" / "Images" / "bus_0001-l.png").unlink()
    rows = table.read_text("utf-8-sig").splitlines()
    table.write_text("\n".join([*rows[:-1], rows[3]]))
    made = run("bus-bra", folder, tmp_path / "data")
    assert dict(made.listing.dropped) == {
        "bus_0012-r": "image file without a row",
        "bus_0001-l": "row without its image file",
        rows[3].split(",")[0]: "second row of the same image",
    }
    table.write_text("\n".join([*rows, rows[3].replace("benign", "malignant")]))
    with pytest.raises(DataError, match=r"rows of 'bus_0002-l' contradict each other"):
        run("bus-bra", folder, tmp_path / "data")


# ------------------------------------------------------------------------- what is asked for


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("cheng", {"size": 0}, "option 'size' is 0; it must be a whole number from 1"),
        ("cheng", {"size": "big"}, "option 'size' of importer 'cheng' is 'big'; .*default, 224"),
        ("cheng", {"resample": "magic"}, "option resample is 'magic'; it must be one of nearest"),
        ("brats21-nifti", {"modalities": ("X",)}, r"option modalities is \('X',\); it must be one"),
        ("ixi", {"orientation": "XYZ"}, "option orientation is 'XYZ'; it must be one such as RAS"),
        ("ixi", {"dtype": "object"}, "option dtype is 'object'; it must be uint8 or float32"),
        ("ixi", {"shape": (1, 2)}, r"option 'shape' is \(1, 2\); it must be 3 lengths in voxels"),
        ("lung-adenocarcinoma", {"axes": "XY"}, "option axes is 'XY'; order the letters of 'DHW'"),
    ],
)
def test_options_that_mean_nothing(
    name: str, options: dict[str, Any], why: str, tmp_path: Path
) -> None:
    folder = WRITERS[name][1](tmp_path / "from")
    with pytest.raises(RequestError, match=why):
        run(name, folder, tmp_path / "data", **options)
