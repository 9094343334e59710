"""Tampering with bundles: by hand, which hashes show, and by one who makes the hashes anew."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from record_files import change_record, companion

from crossbench.evaluation.metrics import evaluate_log
from crossbench.files.hashing import hash_array, hash_file, hash_json
from crossbench.results.bundles.bundle import read_manifest, write_bundle
from crossbench.results.records.identity import identity_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Opened:
    """A bundle's files in a folder, to be changed."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(bundle)
        with zipfile.ZipFile(bundle) as archive:
            archive.extractall(folder)

    def records(self, method: str = "mine") -> list[Path]:
        return sorted(self.folder.rglob(f"{method}/*.json"))

    @property
    def record(self) -> Path:
        return self.records()[0]

    def zipped(self, path: Path) -> Path:
        """The files as they are, with the manifest that was there."""
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(each for each in self.folder.rglob("*") if each.is_file()):
                archive.write(file, file.relative_to(self.folder).as_posix())
        return path

    def forged(self, path: Path, **manifest: Any) -> Path:
        """The files as they are, with a manifest made anew."""
        import dataclasses

        files = (each for each in self.folder.rglob("*") if each.is_file())
        contents = {each.relative_to(self.folder).as_posix(): each.read_bytes() for each in files}
        del contents["manifest.json"]
        write_bundle(path, dataclasses.replace(self.manifest, **manifest), contents)
        return path


def arrays_of(record: Path) -> dict[str, Any]:
    with np.load(companion(record)) as stored:
        return dict(stored)


def forge(record: Path, change: Callable[[dict[str, Any]], object], **arrays: Any) -> Path:
    """Change a record and its predictions; make every digest, identity and file name anew."""
    if arrays:
        predictions = companion(record)
        np.savez_compressed(predictions, **arrays_of(record) | arrays)
        digest = hash_file(predictions)
        name = f"{record.stem}.{digest[:16]}.npz"
        predictions.rename(record.with_name(name))
        change_record(record, lambda m: m.update(predictions=name, predictions_sha256=digest))
    change_record(record, lambda mapping: (change(mapping), identify(mapping)))
    return renamed(record)


def identify(mapping: dict[str, Any]) -> None:
    """Make an identity anew, from facts that may have been changed."""
    provenance = mapping["provenance"]
    for name, fact in provenance["facts"].items():
        provenance["hashes"][name] = hash_json(fact)
    key = mapping["key"]
    provenance["hashes"]["seed"] = f"{key['seed']}/{key['fold']}"
    mapping["identity"] = identity_of(provenance["hashes"])


def renamed(record: Path) -> Path:
    """The record and its predictions under the names that a run gives them."""
    mapping = json.loads(record.read_text())
    key = mapping["key"]
    place = f"seed{key['seed']}-fold{key['fold']}-{mapping['identity'][:8]}"
    stem = f"{key['init']}-{key['protocol']}-{place}"
    if stem == record.stem:
        return record
    if mapping["predictions"] is not None:
        name = f"{stem}.{mapping['predictions_sha256'][:16]}.npz"
        companion(record).rename(record.with_name(name))
        change_record(record, lambda m: m.update(predictions=name))
    return record.rename(record.with_name(f"{stem}.json"))


def rescored(mapping: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Make metrics and facts those of other predictions."""
    scores = evaluate_log(arrays["label"], arrays["log_probabilities"])
    mapping["metrics"], mapping["per_class"] = scores.metrics, scores.per_class
    mapping["undefined"], mapping["partial"] = scores.undefined, scores.partial
    test = mapping["provenance"]["facts"]["split"]["test"]
    test["sha256"], test["labels"] = hash_array(arrays["index"]), hash_array(arrays["label"])
