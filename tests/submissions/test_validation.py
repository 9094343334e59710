"""What validation tells of a bundle that was tampered with, and what it cannot tell."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from record_files import change_record, companion
from tampering import Opened, arrays_of, forge, rescored

from crossbench.cli import main
from crossbench.errors import BundleError, RequestError
from crossbench.files.hashing import hash_json
from crossbench.results.bundles.bundle import open_bundle
from crossbench.runs.samples import open_samples
from crossbench.submissions import recomputation
from crossbench.submissions.validation import validate_bundle

if TYPE_CHECKING:
    from collections.abc import Callable


_samples: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def _data_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share the samples, whose reading takes half a second, between the tests."""

    def read(card: Any, *where: Any) -> Any:
        if card.name not in _samples:
            _samples[card.name] = open_samples(card, *where)
        return _samples[card.name]

    monkeypatch.setattr(recomputation, "open_samples", read)


@pytest.fixture
def opened(bundle: Path, tmp_path: Path) -> Opened:
    return Opened(bundle, tmp_path / "opened")


def found(path: Path) -> str:
    """Every finding on a bundle, in one text; empty for none."""
    return "\n".join(map(str, validate_bundle(path).findings))


def test_a_sound_bundle_holds(bundle: Path) -> None:
    verdict = validate_bundle(bundle)
    assert verdict.ok, verdict.findings
    assert str(verdict) == "all holds: 8 records, 8 of them held against their task's data"
    assert verdict.notes == ("conformance: there is no report",)


def test_an_unpacked_bundle_holds(opened: Opened) -> None:
    assert found(opened.folder) == ""


def test_what_is_no_bundle_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"no zip")
    assert found(tmp_path / "b.zip").startswith("b.zip: is damaged (File is not a zip file)")
    with pytest.raises(RequestError, match=r"bundle '.*none.zip' does not exist"):
        validate_bundle(tmp_path / "none.zip")


# ------------------------------------------------------------------- careless tampering


def probability(bundle: Opened) -> None:
    arrays = arrays_of(bundle.record)
    arrays["log_probabilities"][0] = arrays["log_probabilities"][0, ::-1]
    np.savez_compressed(companion(bundle.record), **arrays)


def label(bundle: Opened) -> None:
    arrays = arrays_of(bundle.record)
    arrays["label"][0] ^= 1
    np.savez_compressed(companion(bundle.record), **arrays)


def index(bundle: Opened) -> None:
    arrays = arrays_of(bundle.record)
    arrays["index"][0] += 1
    np.savez_compressed(companion(bundle.record), **arrays)


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Opened], None]:
    return lambda bundle: change_record(bundle.record, change)


def name(bundle: Opened) -> None:
    bundle.record.rename(bundle.record.with_name("other.json"))


TAMPERED = {
    "probability": probability,
    "label": label,
    "index": index,
    "metric": changed(lambda m: m["metrics"].update(accuracy=1.0)),
    "seed": changed(lambda m: m["key"].update(seed=7)),
    "hash": changed(lambda m: m["provenance"]["hashes"].update(method="0" * 64)),
    "status": changed(lambda m: m.update(status="skipped")),
    "name": name,
    "source": lambda bundle: (bundle.folder / "source/plugin/mine.py").write_text("method = 1"),
    "missing": lambda bundle: bundle.record.unlink(),
    "added": lambda bundle: (bundle.folder / "records/more.json").write_text("{}"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_is_changed_by_hand_is_named(opened: Opened, tmp_path: Path, what: str) -> None:
    TAMPERED[what](opened)
    assert "manifest" in found(opened.zipped(tmp_path / "b.zip")) or what == "missing"
    assert not validate_bundle(tmp_path / "b.zip").ok


# ------------------------------------------------- by one who seals record and manifest anew


def forged_probability(bundle: Opened) -> None:
    changed = arrays_of(bundle.record)["log_probabilities"]
    changed[0] = changed[0, ::-1]
    forge(bundle.record, lambda _: None, log_probabilities=changed)


def forged_label(bundle: Opened) -> None:
    arrays = arrays_of(bundle.record)
    arrays["label"] = arrays["log_probabilities"].argmax(axis=1)
    arrays["label"][:2] = [0, 1]
    forge(bundle.record, lambda m: rescored(m, arrays), **arrays)


def forged_index(bundle: Opened) -> None:
    arrays = arrays_of(bundle.record)
    arrays["index"] = arrays["index"] + 1
    forge(bundle.record, lambda m: rescored(m, arrays), **arrays)


def forged_seed(bundle: Opened) -> None:
    def change(mapping: dict[str, Any]) -> None:
        mapping["key"]["seed"] = 45
        mapping["provenance"]["split"]["seeds"] = [44, 45]

    forge(bundle.record, change)


def forged_source(bundle: Opened) -> None:
    (bundle.folder / "source/plugin/inflation.py").write_text("# other\n")


def copied_seed(bundle: Opened) -> None:
    """Give one seed's run the predictions of the other's, on its own samples."""
    one, other = bundle.records()
    arrays = arrays_of(one) | {"log_probabilities": arrays_of(other)["log_probabilities"]}
    forge(one, lambda m: rescored(m, arrays), **arrays)


def copied_baseline(bundle: Opened) -> None:
    seed43 = next(path for path in bundle.records("logistic") if "seed43" in path.name)
    arrays = arrays_of(seed43)
    forge(bundle.record, lambda m: rescored(m, arrays), **arrays)


def another_method(bundle: Opened) -> None:
    for path in bundle.records():
        forge(path, lambda m: (m["key"].update(method="other"), hashes(m).update(name="other")))


def hashes(mapping: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = mapping["provenance"]["hashes"]
    return found


def other_code(bundle: Opened) -> None:
    files = [["<plugin>", "0" * 64]]
    forge(bundle.record, lambda m: m["provenance"]["facts"]["method"].update(files=files))


def other_version(bundle: Opened) -> None:
    forge(bundle.record, lambda m: m["provenance"]["facts"]["task"].update(version=2))


def other_settings(bundle: Opened) -> None:
    def change(mapping: dict[str, Any]) -> None:
        settings = mapping["provenance"]["settings"]
        settings["fit"]["lr"] = 0.5
        hashes(mapping)["config"] = hash_json(settings)

    forge(bundle.record, change)


def twice(bundle: Opened) -> None:
    shutil.copy(bundle.record, bundle.record.with_name("again.json"))


def deleted(bundle: Opened) -> None:
    companion(bundle.record).unlink()
    bundle.record.unlink()


def orphan(bundle: Opened) -> None:
    bundle.record.with_name("more.npz").write_bytes(b"")


def emptied(bundle: Opened) -> None:
    (bundle.folder / "LICENSE").write_text(" \n")


def reported(bundle: Opened) -> None:
    report = {"method": "mine", "sha256": "0" * 64, "schema": 1}
    (bundle.folder / "conformance.json").write_text(json.dumps(report))


def misreported(bundle: Opened) -> None:
    (bundle.folder / "conformance.json").write_text("{}")


def timed(**seconds: float) -> Callable[[Opened], None]:
    return lambda bundle: change_record(bundle.record, lambda m: m["timings"].update(seconds))


def keyed(change: Callable[[dict[str, Any]], object]) -> Callable[[Opened], object]:
    return lambda bundle: forge(bundle.record, change)


def weak(name: str) -> Callable[[Opened], None]:
    """Make a plain baseline look weaker than it is."""

    def tamper(bundle: Opened) -> None:
        (record, _) = bundle.records(name)
        arrays = arrays_of(record)
        arrays["log_probabilities"] = arrays["log_probabilities"][:, ::-1].copy()
        forge(record, lambda m: rescored(m, arrays), **arrays)

    return tamper


FORGED: dict[str, tuple[Callable[[Opened], object], str]] = {
    "metric": (
        keyed(lambda m: m["metrics"].update(accuracy=1.0)),
        "its accuracy is 1.0, and ",
    ),
    "probability": (forged_probability, " by its predictions"),
    "label": (forged_label, "its samples or labels are not those that its seed and fold give"),
    "index": (forged_index, "its samples or labels are not those that its seed and fold give"),
    "seed": (forged_seed, "its samples or labels are not those that its seed and fold give"),
    "data": (
        keyed(lambda m: hashes(m).update(data="0" * 64)),
        "its data is not that of task 'nodule-malignancy-3d'",
    ),
    "source of data": (
        keyed(lambda m: (m.update(source="real"), hashes(m).update(source="real"))),
        "its data is 'real', and 'embedded' here",
    ),
    "classes": (
        keyed(lambda m: m["provenance"].update(classes=["a", "b"])),
        "its classes are not those of",
    ),
    "hash": (
        lambda bundle: change_record(bundle.record, lambda m: hashes(m).update(task="0" * 64)),
        "its identity is not the hash of its parts",
    ),
    "status": (
        lambda bundle: change_record(bundle.record, lambda m: m.update(status="failed")),
        "its status is 'failed' with",
    ),
    "name": (name, "it is not called as a record of its run is"),
    "code": (other_code, "it is of another state of the method's code than its manifest"),
    "source": (forged_source, "the files of its method are not those that are bundled"),
    "method": (another_method, "its method is 'other', not 'mine'"),
    "majority": (weak("majority"), "not those of the plain baseline 'majority'"),
    "covariate": (weak("covariate"), "not those of the plain baseline 'covariate'"),
    "unknown preset": (
        lambda bundle: [
            forge(path, lambda m: m["key"].update(preset="mine"))
            for name in ("mine", "majority", "logistic", "covariate")
            for path in bundle.records(name)
        ],
        "no run has its settings: unknown preset 'mine'",
    ),
    "copied seed": (copied_seed, "its predictions are, bit for bit, those of records/"),
    "copied baseline": (copied_baseline, "its predictions are, bit for bit, those of records/"),
    "task version": (other_version, "versions of the task are mixed: 2 different ones of nodule-"),
    "settings": (other_settings, "settings are mixed: 2 different ones of mine by weak-probe"),
    "preset": (
        keyed(lambda m: m["key"].update(preset="standard")),
        "presets are mixed: smoke, standard",
    ),
    "twice": (twice, "a duplicate: "),
    "deleted": (deleted, "1 runs are missing and it does not say so, such as mine on nodule"),
    "orphan": (orphan, "more.npz: no record names it"),
    "licence": (emptied, "LICENSE: it is empty"),
    "conformance": (reported, "conformance.json: it is of another method, or another state"),
    "no conformance": (misreported, "key 'schema' is None"),
    "no time": (timed(train=0.0), "its phase 'train' took 0 s"),
    "no total": (timed(total=0.0), "its run took 0 s in total"),
    "too long": (timed(train=1e6), "its phases took 1e+06 s, more than the "),
    "too fast": (
        keyed(lambda m: m["cost"].update(gmacs=1e12)),
        "multiply-adds a second on cpu; no such device does 1e+14",
    ),
    "future": (
        keyed(lambda m: m["provenance"].update(started="2999-01-01T00:00:00+00:00")),
        "it started at 2999-01-01T00:00:00+00:00, which is in the future",
    ),
    "no start": (
        keyed(lambda m: m["provenance"].update(started="once")),
        "it started at 'once', which is no time",
    ),
    "no times": (keyed(lambda m: m.update(timings={})), "it tells no times"),
    "weights": (
        lambda bundle: (
            bundle.record.with_name("w.safetensors").write_bytes(b""),
            change_record(
                bundle.record,
                lambda m: m.update(
                    weights="w.safetensors",
                    weights_sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                ),
            ),
        ),
        "it names weights or diagnostics",
    ),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_a_forger_cannot_make_fit_is_found(opened: Opened, tmp_path: Path, what: str) -> None:
    tamper, fault = FORGED[what]
    tamper(opened)
    path = opened.forged(tmp_path / "b.zip")
    with open_bundle(path):  # every hash holds
        pass
    assert fault in found(path)


def test_manifests_are_held_against_records(opened: Opened, tmp_path: Path) -> None:
    path = opened.forged(tmp_path / "b.zip", preset="standard")
    assert "its records are not of the preset 'standard' that it names" in found(path)
    other = dataclasses.replace(opened.manifest.method, sha256="1" * 64)
    path = opened.forged(tmp_path / "b.zip", method=other)
    assert "it is of another state of the method's code than its manifest" in found(path)
    shutil.rmtree(opened.folder / "records" / "smoke" / "nodule-malignancy-3d" / "mine")
    assert "there is no run of its method" in found(opened.forged(tmp_path / "b.zip"))
    shutil.rmtree(opened.folder / "records")
    assert "records: there is no record" in found(opened.forged(tmp_path / "b.zip"))


def test_a_bundle_may_say_that_runs_are_missing(opened: Opened, tmp_path: Path) -> None:
    deleted(opened)
    verdict = validate_bundle(opened.forged(tmp_path / "b.zip", partial=True))
    assert verdict.ok
    assert "partial: 1 runs of the grid are missing" in verdict.notes


def test_predictions_that_were_made_up_with_all_that_follows_pass(
    opened: Opened, tmp_path: Path
) -> None:
    """What validation cannot tell, as docs/submit.md says; ``verify`` can."""
    arrays = arrays_of(opened.record)
    better = np.where(np.eye(2)[arrays["label"]] > 0, np.log(0.9), np.log(0.1))
    better += np.random.default_rng(0).normal(scale=1e-3, size=(len(better), 1)) * [0, 1]
    rows = better - np.log(np.exp(better).sum(axis=1, keepdims=True))
    arrays["log_probabilities"] = rows.astype(np.float32)
    forge(opened.record, lambda m: rescored(m, arrays), **arrays)
    assert found(opened.forged(tmp_path / "b.zip")) == ""


def test_records_of_elsewhere_are_told_not_to_be_held_against_data(
    opened: Opened, tmp_path: Path
) -> None:
    for path in sorted(opened.folder.rglob("*.json")):
        if path.parent.name in ("mine", "logistic", "majority", "covariate"):
            forge(path, lambda m: hashes(m).update(harness="9.9"))
    verdict = validate_bundle(opened.forged(tmp_path / "b.zip"))
    assert (verdict.records, verdict.held) == (8, 0)
    assert any(
        note.startswith("runs of crossbench 9.9 are not held against data by crossbench")
        for note in verdict.notes
    )


# --------------------------------------------------------------------------- random damage


def flipped(bundle: Path, path: Path, count: int, seed: int) -> None:
    """Flip bytes of a bundle: each flip is found, or leaves every file as it was."""
    content, random = bundle.read_bytes(), np.random.default_rng(seed)
    with open_bundle(bundle) as it:
        whole = contents(it.folder)
    for place in random.integers(0, len(content), count):
        damaged = bytearray(content)
        damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        try:
            with open_bundle(path) as it:
                assert contents(it.folder) == whole, place
        except BundleError:
            continue


def contents(folder: Path) -> dict[str, bytes]:
    files = (each for each in folder.rglob("*") if each.is_file())
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in files}


def test_flipped_bytes_are_found_or_harmless(bundle: Path, tmp_path: Path) -> None:
    flipped(bundle, tmp_path / "b.zip", 40, seed=0)


@pytest.mark.slow
def test_a_thousand_flipped_bytes_are_found_or_harmless(bundle: Path, tmp_path: Path) -> None:
    flipped(bundle, tmp_path / "b.zip", 1000, seed=1)


# ------------------------------------------------------------------------------ the command


def test_the_command_gives_one_verdict_and_a_list(
    bundle: Path, opened: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(bundle)]) == 0
    told = capsys.readouterr()
    assert told.out == "all holds: 8 records, 8 of them held against their task's data\n"
    assert told.err == "note: conformance: there is no report\n"
    emptied(opened)
    assert main(["validate", str(opened.forged(tmp_path / "b.zip")), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is False
    assert told["findings"] == [{"file": "LICENSE", "what": "it is empty"}]
    assert told["notes"] == ["conformance: there is no report"]
    assert main(["validate", str(tmp_path / "none.zip")]) == 2


def test_a_results_folder_is_held_against_data_too(
    opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    records = opened.folder / "records"
    assert main(["validate", str(records)]) == 0
    forged_index(opened)
    assert main(["validate", str(records), "--json"]) == 1
    told = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert (told["records"], told["held"]) == (8, 8)
    assert "its samples or labels are not those" in told["findings"][0]["what"]
