"""The kinds of files that ``fuzz.py`` damages, each made on the spot."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fuzz_damage import damage, in_json, in_lines, in_safetensors, in_zip

from crossbench.files.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

CARD = """\
name = "fuzzed"
title = "Fuzzed"
dimension = 3
modality = "CT"
classes = ["a", "b"]
licence = "CC0-1.0"
citation = "Made on the spot"
metric = "balanced_accuracy"
version = 1
group = "patient"
class_counts = [12, 12]

[source]
kind = "npz"
file = "{file}"
remedy = "Make it again."
"""

DICOM: dict[str, Any] = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "Modality": "CT",
    "PatientID": "fuzzed",
    "InstanceNumber": 1,
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "ImagePositionPatient": [0, 0, 0],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [1, 1],
    "SliceThickness": 1,
    "RescaleSlope": 1,
    "RescaleIntercept": -1024,
    "WindowCenter": 1000,
    "WindowWidth": 2000,
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": 64,
    "Columns": 64,
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file, and how crossbench reads it.

    Attributes:
        file: A valid one.
        read: Reads a file as crossbench does; returns what is compared, or raises.
        within: Damages what a file holds and keeps its form, checksums of the form included.
        valid: Raises if what was read is not valid. Where a file has no seal, damage within may
            be read as something else that is.
        sealed: Whether any damage at all must be noticed.
        checked: Whether damage to its bytes must be noticed, if not damage within.
    """

    file: Path
    read: Callable[[Path], Any]
    within: Callable[[bytes, np.random.Generator], bytes]
    valid: Callable[[Any], None] = lambda _: None
    sealed: bool = False
    checked: bool = False


def _arrays() -> dict[str, Any]:
    images = np.random.default_rng(0).integers(0, 255, (24, 8, 8, 8)).astype(np.uint8)
    return {"images": images, "labels": np.arange(24) // 2 % 2, "groups": np.arange(24) // 2}


def _parts(arrays: dict[str, Any]) -> dict[str, Any]:
    """As MedMNIST's files have them."""
    parts = {"train": slice(0, 12), "val": slice(12, 18), "test": slice(18, 24)}
    names = product(parts, ("images", "labels"))
    return {f"{part}_{name}": arrays[name][parts[part]] for part, name in names}


def make_npz(folder: Path, form: str) -> Kind:
    """A data file: compressed, stored (which is mapped into memory), or MedMNIST's."""
    from crossbench.data.sources import open_task
    from crossbench.registry.tasks import load_card

    file = folder / "data.npz"
    save = np.savez_compressed if form == "compressed" else np.savez
    save(file, **_parts(_arrays()) if form == "medmnist" else _arrays())

    def read(damaged: Path) -> str:
        card = damaged.with_name("fuzzed.toml")
        card.write_text(CARD.format(file=damaged.name), encoding="utf-8")
        with tempfile.TemporaryDirectory(dir=damaged.parent) as cache:
            opened = open_task(
                load_card(card), data="real", data_dir=damaged.parent, cache_dir=Path(cache)
            )
            groups = np.empty(0) if opened.groups is None else opened.groups
            arrays = map(np.ascontiguousarray, (opened.images, opened.labels, groups))
            return hash_json([(a.shape, str(a.dtype), a.tobytes().hex()) for a in arrays])

    return Kind(file=file, read=read, within=in_zip, checked=True)


def make_safetensors(folder: Path) -> Kind:
    """A checkpoint of our own."""
    from crossbench.nets.weights.checkpoint import CheckpointMetadata, write_checkpoint

    file = folder / "ours.safetensors"
    about = CheckpointMetadata(method="conv2d", dims=2, backbone="resnet18", num_classes=2)
    write_checkpoint(file, _network().state_dict(), about)
    return _checkpoint(file, within=in_safetensors)


def make_pth(folder: Path) -> Kind:
    """A checkpoint from elsewhere."""
    import torch

    file = folder / "theirs.pth"
    torch.save({"model": _network().state_dict()}, file)
    return _checkpoint(file, within=in_zip)


def _network() -> nn.Module:
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))


def _checkpoint(file: Path, within: Callable[[bytes, np.random.Generator], bytes]) -> Kind:
    from crossbench.errors import WeightsError
    from crossbench.nets.weights.checkpoint import read_checkpoint

    def read(damaged: Path) -> dict[str, Tensor]:
        network, checkpoint = _network(), read_checkpoint(damaged)
        if reason := checkpoint.misfit(network, 2):
            raise WeightsError(reason)
        checkpoint.load(network)
        return network.state_dict()

    def valid(loaded: dict[str, Tensor]) -> None:
        bad = [key for key, tensor in loaded.items() if not tensor.isfinite().all()]
        if bad:
            raise AssertionError(f"loaded values that are not finite: {bad}")

    return Kind(file=file, read=read, within=within, valid=valid)


def make_card(folder: Path) -> Kind:
    """A task card."""
    from crossbench.registry.tasks import load_card
    from crossbench.specs import TaskCard
    from crossbench.specs.reader import from_mapping, to_mapping

    file = folder / "card.toml"
    file.write_text(CARD.format(file="data.npz"), encoding="utf-8")

    def valid(card: TaskCard) -> None:
        again = from_mapping(TaskCard, to_mapping(card), where="again")
        if again != card:  # the path of a card does not count
            raise AssertionError(f"a card that is not itself when read again: {card}")

    return Kind(file=file, read=load_card, within=in_lines, valid=valid)


def make_record(folder: Path) -> Kind:
    """The record of a run."""
    from crossbench.results.records.files import read_record

    return Kind(file=_run(folder), read=read_record, within=in_json, sealed=True)


def make_predictions(folder: Path) -> Kind:
    """The predictions beside a record."""
    from crossbench.results.records.files import read_predictions, read_record

    record = _run(folder)
    predictions = record.with_name(str(read_record(record).predictions))

    def read(damaged: Path) -> list[bytes]:
        beside = damaged.parent / "beside"
        beside.mkdir(exist_ok=True)
        path = beside / record.name
        path.write_bytes(record.read_bytes())
        (beside / predictions.name).write_bytes(damaged.read_bytes())
        found = read_predictions(path)
        return [getattr(found, each.name).tobytes() for each in dataclasses.fields(found)]

    return Kind(file=predictions, read=read, within=in_zip, sealed=True)


def _run(folder: Path) -> Path:
    """A finished run; returns its record's file."""
    from crossbench import run

    np.savez(folder / "data.npz", **_arrays() | {"images": np.zeros((24, 32, 32, 32), np.uint8)})
    card = folder / "fuzzed.toml"
    card.write_text(CARD.format(file="data.npz"), encoding="utf-8")
    run(
        "conv3d",
        str(card),
        preset="smoke",
        protocol="linear-probe",
        backbone="test_resnet",
        data_dir=folder,
        out=folder / "results",
        device="cpu",
    )
    (record,) = (folder / "results").glob("smoke/fuzzed/conv3d/*.json")
    return record


def make_dicom(folder: Path, syntax: str) -> Kind:
    """A DICOM file: a slice of a volume, or a compressed picture that goes to its decoder."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import generate_uid

    from crossbench.data.formats import dicom

    data, uid = Dataset(), generate_uid(entropy_srcs=["fuzz"])
    for name, value in DICOM.items():
        setattr(data, name, value)
    data.SOPInstanceUID = data.StudyInstanceUID = data.SeriesInstanceUID = uid
    data.PixelData = np.random.default_rng(0).integers(0, 4000, (64, 64)).astype("<u2").tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = uid
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    if syntax:
        data.compress(syntax, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    file = folder / "slice.dcm"
    data.save_as(file, enforce_file_format=True)

    def read(damaged: Path) -> bytes:
        if syntax:
            return dicom.read_dicom_picture(damaged).pixels.tobytes()
        return dicom.read_volume(dicom.one_series(damaged)).voxels.tobytes()

    return Kind(file=file, read=read, within=damage)


def make_prepared(folder: Path, ending: str) -> Kind:
    """A picture or a NIfTI volume that is brought to the form of a task's samples."""
    import nibabel
    from PIL import Image

    from crossbench.data.formats.prepared import read_prepared
    from crossbench.specs.preparation import Preparation

    file, picture = folder / f"a{ending}", ending == ".png"
    pixels = np.random.default_rng(0).integers(0, 255, (12, 11, 10)).astype(np.uint8)
    if picture:
        Image.fromarray(pixels[..., 0]).save(file)
    else:
        affine = np.diag([-1.0, -1.0, 2.0, 1.0])
        nibabel.Nifti1Image(pixels.astype(np.int16), affine).to_filename(file)
    spacing = None if picture else (1.0, 1.0, 1.0)
    size = (8, 8) if picture else (8, 8, 8)
    given = Preparation(spacing=spacing, resampled=not picture, size=size, fit="pad")
    return Kind(
        file=file, read=lambda damaged: read_prepared(damaged, given).tobytes(), within=damage
    )


def make_table(folder: Path) -> Kind:
    """A table of files and labels."""
    from crossbench.data.formats.tables import read_table

    file = folder / "table.csv"
    file.write_text("File;Label;Patient\n" + "".join(f"{n}.png;{n % 2};P{n}\n" for n in range(9)))
    return Kind(
        file=file, read=lambda damaged: repr(read_table(damaged).columns).encode(), within=damage
    )


def make_groups(folder: Path) -> Kind:
    """Groups that were joined to a data file."""
    from crossbench.data.imported import JoinedGroups, read_groups, write_groups

    file = folder / "groups.npz"
    names = np.array([f"p{place // 2}" for place in range(20)])
    write_groups(file, JoinedGroups(groups=names, content="0" * 64, source="made on the spot"))

    def read(damaged: Path) -> str:
        joined = read_groups(damaged)
        return "" if joined is None else f"{joined.digest} {joined.content} {joined.source}"

    return Kind(file=file, read=read, within=in_zip, checked=True)


def make_bundle(folder: Path) -> Kind:
    """A bundle, every file of which its manifest names."""
    from crossbench.results.bundles.bundle import open_bundle, write_bundle
    from crossbench.results.bundles.manifest import BundledMethod, Manifest

    file, method = folder / "bundle.zip", {"<plugin>": "plugin/mine.py"}
    described = BundledMethod(
        name="mine", sha256="0" * 64, sources=method, plugin="plugin/mine.py:method"
    )
    manifest = Manifest(
        method=described, authors=("Fuzz",), licence="MIT", crossbench="0", preset="smoke"
    )
    contents = {"LICENSE": b"", "environment.json": b"{}", "records/a/b.json": b"{}" * 99}
    write_bundle(file, manifest, contents | {"source/plugin/mine.py": b"method = None\n"})

    def read(damaged: Path) -> dict[str, bytes]:
        with open_bundle(damaged) as bundle:
            places = bundle.manifest.paths
            return {place: (bundle.folder / place).read_bytes() for place in places}

    return Kind(file=file, read=read, within=in_zip, sealed=True)


KINDS: dict[str, Callable[[Path], Kind]] = {
    "npz": partial(make_npz, form="compressed"),
    "npz-stored": partial(make_npz, form="stored"),
    "npz-medmnist": partial(make_npz, form="medmnist"),
    "safetensors": make_safetensors,
    "pth": make_pth,
    "card": make_card,
    "record": make_record,
    "predictions": make_predictions,
    "picture": partial(make_prepared, ending=".png"),
    "nifti": partial(make_prepared, ending=".nii"),
    "nifti-gz": partial(make_prepared, ending=".nii.gz"),
    "bundle": make_bundle,
    "table": make_table,
    "groups": make_groups,
    "dicom": partial(make_dicom, syntax=""),
    "dicom-jpeg2000": partial(make_dicom, syntax="1.2.840.10008.1.2.4.90"),
    "dicom-rle": partial(make_dicom, syntax="1.2.840.10008.1.2.5"),
}
