"""Damage files at random, and fail where one brings a traceback, a hang or silent acceptance.

    python scripts/fuzz.py --cases 20000

Valid files of each kind are made on the spot: data files, checkpoints, task cards, run records,
predictions and DICOM files. Each case damages one and reads it as crossbench does. It must be
refused by an error of crossbench's own or leave what was read as it was; only a card, a DICOM file
and the values of a checkpoint, which nothing seals, may be read as something else that is valid. A
case is the function of seed, kind and number, so that one that failed can be made again:

    python scripts/fuzz.py --kinds record --first 1234 --cases 1

Exit code: 0 if no case failed, 1 otherwise.
"""

from __future__ import annotations

import argparse
import dataclasses
import faulthandler
import hashlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.errors import CrossbenchError
from crossbench.execution import interpreter
from crossbench.files.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

HANG = 30.0  # seconds that a case may take
ROOM = 2 * 2**30  # bytes that reading may allocate beyond what the interpreter has

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

#: What is spliced into files: values that readers of JSON, TOML and zip files stumble over.
SNIPPETS = (
    b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"-1", b"0", b"null", b"true", b"[" * 900,
    b'{"a":' * 200, b"a." * 2000, b"\\ud800", b"\\u0000", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
    b'"', b"'", b"\n", b"=", b"[[", b"1979-05-27", b"0x7f", b"PK\x05\x06", b"PK\x03\x04",
)  # fmt: skip

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**400, 1e308, float("nan"), float("-inf"), 0.999, "", "x", "\ud800", "\0",
    "../../x", "/dev/zero", "a" * 10_000, [], {}, [[[[]]]], {"task": 1}, [None] * 1000,
)  # fmt: skip


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


# ------------------------------------------------------------------------------- the kinds


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
    from crossbench.nets.weights.loading import load_weights

    def read(damaged: Path) -> dict[str, Tensor]:
        network = _network()
        load_weights(network, damaged)
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
    from crossbench.data.new.tables import read_table

    file = folder / "table.csv"
    file.write_text("File;Label;Patient\n" + "".join(f"{n}.png;{n % 2};P{n}\n" for n in range(9)))
    return Kind(
        file=file, read=lambda damaged: repr(read_table(damaged).rows).encode(), within=damage
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
    "table": make_table,
    "groups": make_groups,
    "dicom": partial(make_dicom, syntax=""),
    "dicom-jpeg2000": partial(make_dicom, syntax="1.2.840.10008.1.2.4.90"),
    "dicom-rle": partial(make_dicom, syntax="1.2.840.10008.1.2.5"),
}


# ----------------------------------------------------------------------------- the damage


def damage(content: bytes, random: np.random.Generator) -> bytes:
    """A damaged copy: mostly one change, at times several, of bits, bytes, lengths or words."""
    for _ in range(int(random.geometric(0.7))):
        content = _CHANGES[int(random.integers(len(_CHANGES)))](content, random)
    return content


def in_zip(content: bytes, random: np.random.Generator) -> bytes:
    """Damage one member of a zip file, often its beginning, under a checksum that fits."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    chosen = int(random.integers(len(members)))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for place, (info, held) in enumerate(members):
            head = len(held) if random.random() < 0.5 else 128
            changed = damage(held[:head], random) + held[head:] if place == chosen else held
            archive.writestr(info.filename, changed, info.compress_type)
    return stream.getvalue()


def in_safetensors(content: bytes, random: np.random.Generator) -> bytes:
    """Damage the header of a safetensors file, whose length is stated before it, to fit."""
    length = int.from_bytes(content[:8], "little")
    header = damage(content[8 : 8 + length], random)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def in_lines(content: bytes, random: np.random.Generator) -> bytes:
    """Replace the value of one line ``key = value``, take the line out, or repeat it."""
    lines = content.splitlines(keepends=True)
    place = int(random.integers(len(lines)))
    key, equals, _ = lines[place].partition(b"= ")
    snippet = SNIPPETS[int(random.integers(len(SNIPPETS)))]
    new = (
        [key + equals + snippet + b"\n"],
        [key + equals + b'"' + snippet + b'"\n'],
        [],
        [lines[place]] * 2,
    )
    return b"".join([*lines[:place], *new[int(random.integers(4))], *lines[place + 1 :]])


def in_json(content: bytes, random: np.random.Generator) -> bytes:
    """Replace, remove or add one value of a JSON object, however deep."""
    whole = json.loads(content)
    holders = [whole]
    for each in holders:
        inner = each.values() if isinstance(each, dict) else each
        holders += [value for value in inner if isinstance(value, dict | list) and value]
    holder = holders[int(random.integers(len(holders)))]
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    key = keys[int(random.integers(len(keys)))]
    change, value = int(random.integers(4)), VALUES[int(random.integers(len(VALUES)))]
    if change == 0:
        del holder[key]
    elif change == 1 and isinstance(holder, dict):
        holder[f"{key}?"] = value
    else:
        holder[key] = value
    return json.dumps(whole).encode()


def _place(content: bytes, random: np.random.Generator) -> int:
    return int(random.integers(len(content) + 1))


def _flip(content: bytes, random: np.random.Generator) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    changed[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
    return bytes(changed)


def _overwrite(content: bytes, random: np.random.Generator) -> bytes:
    start, count = _place(content, random), int(random.integers(1, 17))
    return content[:start] + random.bytes(count) + content[start + count :]


def _truncate(content: bytes, random: np.random.Generator) -> bytes:
    return content[: _place(content, random)]


def _cut(content: bytes, random: np.random.Generator) -> bytes:
    start, count = _place(content, random), int(random.integers(1, 65))
    return content[:start] + content[start + count :]


def _repeat(content: bytes, random: np.random.Generator) -> bytes:
    start, count = _place(content, random), int(random.integers(1, 257))
    return content[: start + count] + content[start:]


def _splice(content: bytes, random: np.random.Generator) -> bytes:
    start = _place(content, random)
    return content[:start] + SNIPPETS[int(random.integers(len(SNIPPETS)))] + content[start:]


def _number(content: bytes, random: np.random.Generator) -> bytes:
    """Put a snippet in place of a digit."""
    digits = [place for place, byte in enumerate(content[:100_000]) if 48 <= byte < 58]
    if not digits:
        return content
    place = digits[int(random.integers(len(digits)))]
    snippet = SNIPPETS[int(random.integers(len(SNIPPETS)))]
    return content[:place] + snippet + content[place + 1 :]


_CHANGES = (_flip, _flip, _overwrite, _truncate, _cut, _repeat, _splice, _number)


# ----------------------------------------------------------------------------- the cases


def attempt(kind: Kind, content: bytes, original: Any, scratch: Path, *, seal: bool) -> str:
    """One case: ``refused``, ``unchanged``, ``valid``, or what is wrong, after ``FAILED``."""
    file = scratch / kind.file.name
    file.write_bytes(content)
    try:
        found = kind.read(file)
        if _equal(found, original):
            return "unchanged"
        kind.valid(found)
    except CrossbenchError as error:
        return "refused" if str(error).strip() else "FAILED an error without a message"
    except BaseException:  # noqa: BLE001  (that is what is looked for)
        return f"FAILED {traceback.format_exc()}"
    return "FAILED damage was accepted: what was read is not what was written" if seal else "valid"


def _equal(found: Any, original: Any) -> bool:
    if isinstance(original, dict):  # of tensors
        return found.keys() == original.keys() and all(
            bool((found[key] == value).all()) for key, value in original.items()
        )
    if dataclasses.is_dataclass(original) and hasattr(original, "path"):
        found, original = (dataclasses.replace(each, path=None) for each in (found, original))
    return bool(found == original)


def work(name: str, first: int, cases: int, seed: int, folder: Path) -> None:
    """Do cases of one kind, a line each on standard output; a case that hangs ends the process."""
    kind = KINDS[name](folder)
    original = kind.read(kind.file)
    content = kind.file.read_bytes()
    scratch = folder / "scratch"
    scratch.mkdir()
    _limit_memory()
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    for case in range(first, first + cases):
        faulthandler.dump_traceback_later(HANG, exit=True)
        random = np.random.default_rng([seed, place, case])
        inside = bool(random.integers(2))
        damaged = (kind.within if inside else damage)(content, random)
        seal = kind.sealed or (kind.checked and not inside)
        outcome = attempt(kind, damaged, original, scratch, seal=seal)
        print(outcome.replace("\n", "\\n"), flush=True)
    faulthandler.cancel_dump_traceback_later()


def _limit_memory() -> None:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    data = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data * 1024 + ROOM, hard))


def supervise(name: str, first: int, cases: int, seed: int, end: float) -> Iterator[str]:
    """The outcomes of cases done in a process of their own, which is replaced when it dies."""
    case, last = first, first + cases
    while case < last and time.monotonic() < end:
        begun = case
        with tempfile.TemporaryDirectory() as folder:
            words = [__file__, "--worker", folder, "--kinds", name]
            numbers = ["--first", case, "--cases", last - case, "--seed", seed]
            process = interpreter.start(*words, *map(str, numbers), stdout=subprocess.PIPE)
            for line in process.stdout or ():
                yield line.strip()
                case += 1
                if time.monotonic() > end:
                    process.kill()
            process.communicate()
        if case < last and time.monotonic() < end:
            yield f"FAILED the process hung or died ({process.returncode})"
            if case == begun:
                return  # it is the files or the machine, not the damage
            case += 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=20_000, help="over all kinds (20000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (0)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (0)")
    parser.add_argument("--seconds", type=float, default=3600, help="at most so long (3600)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="(all)")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    share = -(-options.cases // len(options.kinds))
    if options.worker:
        work(options.kinds[0], options.first, options.cases, options.seed, options.worker)
        return 0
    end = time.monotonic() + options.seconds
    failed = 0
    for name in options.kinds:
        counts: Counter[str] = Counter()
        outcomes = supervise(name, options.first, share, options.seed, end)
        for case, outcome in enumerate(outcomes, options.first):
            counts[outcome.split()[0]] += 1
            if outcome.startswith("FAILED"):
                print(f"--kinds {name} --seed {options.seed} --first {case} --cases 1:")
                print(outcome.replace("\\n", "\n"))
        failed += counts["FAILED"]
        words = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        print(f"{name}: {sum(counts.values())} cases: {words}", flush=True)
        failed += sum(counts.values()) == 0
    print(f"{failed} failures")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
