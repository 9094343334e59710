"""Original distributions in miniature: the real names and layouts, few and small samples."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
from made_dicom import COLUMNS, ROOT, ROWS, mr
from PIL import Image

SEXES = "SEX_ID (1=m, 2=f)"


def noise(seed: int, *shape: int, high: int = 256) -> np.ndarray:
    """Whole numbers that differ from seed to seed."""
    return np.random.default_rng(seed).integers(0, high, shape)


def write_png(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(file)


def write_nifti(file: Path, voxels: np.ndarray, affine: Any = None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    affine = np.eye(4) if affine is None else affine
    nibabel.save(nibabel.Nifti1Image(voxels.astype(np.int16), affine), file)


def cheng(folder: Path, slices: int = 24) -> Path:
    """Two slices a patient; each class in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, slices + 1):
        home = folder / ("brainTumorDataPublic_1766" if number <= slices // 2 else "more")
        home.mkdir(exist_ok=True)
        side = 12 if number == 3 else 20  # the real ones have two sizes, too
        patient = (number - 1) // 2
        write_mat(
            home / f"{number}.mat",
            label=np.array([[float(patient % 3 + 1)]]),
            PID=np.array([[ord(sign)] for sign in f"MR{patient:04}"], np.uint16),
            image=noise(number, side, side + 2, high=3000).astype(np.int16),
            tumorBorder=np.zeros((1, 8)),
            tumorMask=np.zeros((side, side + 2), np.uint8),
        )
    folds = np.array([[float((number // 2) % 5 + 1)] for number in range(slices)])
    with h5py.File(folder / "cvind.mat", "w") as opened:
        opened["cvind"] = folds
    return folder


def write_mat(file: Path, **arrays: np.ndarray) -> None:
    with h5py.File(file, "w", userblock_size=512) as opened:
        for name, array in arrays.items():
            opened[f"cjdata/{name}"] = array
    with file.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")


def bus_bra(folder: Path, cases: int = 12) -> Path:
    """Two views a case, as the publisher's own tables have them."""
    rows = ["ID,Case,Histology,Pathology,BIRADS,Device,Width,Height,Side,BBOX"]
    folds = ["ID,Pathology,kFold,valid_1,valid_2"]
    for case in range(1, cases + 1):
        pathology = ("benign", "malignant")[case % 2]
        for side in "lr":
            name, height = f"bus_{case:04}-{side}", 20 + case
            box = '"[1,2,3,4]"'
            rows.append(f"{name},{case},cyst,{pathology},4,GE,{30},{height},left,{box}")
            folds.append(f"{name},{pathology},{case % 2 + 1},{('NaN', '1')[case % 2]},0")
            write_png(folder / "BUSBRA" / "Images" / f"{name}.png", noise(case, height, 30))
            write_png(folder / "BUSBRA" / "Masks" / f"mask{name[3:]}.png", noise(0, height, 30))
    (folder / "BUSBRA" / "bus_data.csv").write_text("\n".join(rows), "utf-8-sig")
    (folder / "BUSBRA" / "5-fold-cv.csv").write_text("\n".join(folds))
    return folder


BUSV_COPIES = ("benign/x66ef02e7f1b9a0ef", "malignant/x3b88488853e8b7d1")
BUSV_PATIENT = (
    "benign/63c9ba1377f35bf6",
    "benign/x5a1c46ec6377e946",
    "malignant/2390fbea047347b",
    "malignant/7a39ab5d4970bf89",
)


def busv(folder: Path, videos: int = 10) -> Path:
    """Videos of a few frames, with the known copies, and two that share a frame."""
    plain = [f"{name}/{index:016x}" for name in ("benign", "malignant") for index in range(videos)]
    for place, name in enumerate([*plain, *BUSV_COPIES, *BUSV_PATIENT]):
        seed = 900 if name in BUSV_COPIES else place
        for frame in range(3 + place % 4):
            file = folder / "miccai_buv" / "rawframes" / name / f"{frame:06}.png"
            shared = name in (plain[0], plain[videos]) and frame == 1
            write_png(file, noise(7 if shared else 1000 * seed + frame, 14, 16))
    return folder


def mosmed(folder: Path, studies: int = 10, *, whole: bool = False) -> Path:
    """The tutorial's two folders, or the publisher's five with masks."""
    homes = ["CT-0", *(["CT-1", "CT-2"] if whole else ["CT-23"])]
    place = folder / "studies" if whole else folder
    for number in range(len(homes) * studies):
        home = homes[number % len(homes)]
        voxels = noise(number, 12, 12, 5, high=2000) - 1200
        write_nifti(place / home / f"study_{number + 1:04}.nii.gz", voxels)
    if whole:
        write_nifti(folder / "masks" / "study_0001_mask.nii.gz", np.zeros((12, 12, 5)))
    return folder


def lung_adenocarcinoma(folder: Path, each: int = 8) -> Path:
    """Arrays in folders by class."""
    for label, name in enumerate(("AAH", "AIS", "MIA")):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            voxels = noise(100 * label + number, 20, 20, 20, high=5000) - 1400
            np.save(folder / "data" / name / f"{number:03}.npy", voxels.astype(np.int16))
    return folder


def _labels(folder: Path, subjects: int) -> None:
    rows = [f"{number:05},{number % 2}" for number in range(subjects)]
    (folder / "train_labels.csv").write_text("\n".join(["BraTS21ID,MGMT_value", *rows]))


def brats21_nifti(folder: Path, subjects: int = 12) -> Path:
    """Synapse's folders, one of them without a label."""
    for number in range(subjects + 1):
        name = f"BraTS2021_{number:05}"
        for place, sequence in enumerate(("flair", "t1", "t1ce", "t2", "seg")):
            voxels = noise(10 * number + place, 12, 11, 10, high=900)
            affine = np.diag([-1.0, -1.0, 1.0, 1.0])
            write_nifti(folder / name / f"{name}_{sequence}.nii.gz", voxels, affine)
    _labels(folder, subjects)
    return folder


def brats21_kaggle(folder: Path, subjects: int = 10) -> Path:
    """Kaggle's folders of DICOM series."""
    for number in range(subjects):
        for place, sequence in enumerate(("FLAIR", "T1w", "T1wCE", "T2w")):
            home = folder / "train" / f"{number:05}" / sequence
            home.mkdir(parents=True)
            series = mr(
                5,
                uid=100 + 10 * number + place,
                StudyInstanceUID=f"{ROOT}{number + 1}",
                ImageType=["DERIVED", "SECONDARY", "MPR"],
            )
            for each in series:
                stored = noise(number * 50 + place, ROWS, COLUMNS, high=900) + each.InstanceNumber
                each.PixelData = stored.astype("<u2").tobytes()
                each.save_as(home / f"Image-{each.InstanceNumber}.dcm", enforce_file_format=True)
    _labels(folder, subjects)
    return folder


def ixi(folder: Path, subjects: int = 16, side: int = 14) -> Path:
    """Subjects of three sites, with the table's duplicates, conflicts and gaps."""
    rows: list[list[Any]] = [["IXI_ID", SEXES, "HEIGHT", "AGE"]]
    for number in [*range(2, 2 + subjects), 219, 328, 400, 401, 402]:
        site = ("Guys", "HH", "IOP")[number % 3]
        for contrast in ("T1", "T2"):
            if (number, contrast) == (402, "T2"):
                continue
            affine = np.diag([-1.2, 1.0, 1.0, 1.0])
            name = f"IXI{number:03}-{site}-{1000 + number}-{contrast}.nii.gz"
            voxels = noise(2 * number + (contrast == "T2"), side, side + 2, side - 1, high=800)
            write_nifti(folder / f"IXI-{contrast}" / name, voxels, affine)
        if number == 400:
            continue  # imaged, without a row
        rows.append([number, number // 2 % 2 + 1, 170, None if number == 401 else 40.5])
    rows += [[5, 1, 0, None], [328, 1, 170, 30.0], [999, 1, 170, 30.0]]
    rows[4:4] = [[5, 5 // 2 % 2 + 1, 0, None]]
    rows = [row for row in rows if row != [5, 1, 0, None]]
    write_xls(folder / "IXI.xls", rows)
    return folder


def write_xls(file: Path, rows: list[list[Any]]) -> None:
    """A worksheet of BIFF2, the oldest form that Excel wrote."""
    records = [struct.pack("<HHHH", 0x0009, 4, 2, 0x0010)]
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            place = struct.pack("<HH3x", row, column)
            if isinstance(cell, str):
                text = cell.encode("cp1252")
                body, kind = place + bytes([len(text)]) + text, 0x0004
            elif cell is not None:
                body, kind = place + struct.pack("<d", cell), 0x0003
            else:
                continue
            records.append(struct.pack("<HH", kind, len(body)) + body)
    file.write_bytes(b"".join([*records, struct.pack("<HH", 0x000A, 0)]))


def authors_npz(file: Path, classes: int, *shape: int, each: int = 4, dtype: Any = None) -> Path:
    """A file of the authors' form, labels (N, 1), classes in turn."""
    count = classes * each
    images = noise(1, count, *shape).astype(dtype or np.uint8)
    images.reshape(-1)[[0, -1]] = 0, 255
    np.savez(file, images=images, labels=(np.arange(count) % classes)[:, None])
    return file


def medmnist(file: Path, classes: int, *shape: int, each: int = 6) -> Path:
    """A file of MedMNIST's form: six parts of ten train, two each of the others."""
    count = classes * each
    images, labels = noise(2, count, *shape).astype(np.uint8), np.arange(count) % classes
    images.reshape(-1)[[0, -1]] = 0, 255
    cuts = np.split(np.arange(count), [count * 6 // 10, count * 8 // 10])
    arrays = {}
    for part, cut in zip(("train", "val", "test"), cuts, strict=True):
        arrays |= {f"{part}_images": images[cut], f"{part}_labels": labels[cut, None]}
    np.savez(file, **arrays)
    return file
