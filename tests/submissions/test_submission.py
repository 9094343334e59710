"""Submissions: what goes into a bundle, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from record_files import change_record, companion

from crossbench.cli import main
from crossbench.errors import BundleError, RequestError
from crossbench.results.bundles.bundle import open_bundle, read_manifest
from crossbench.results.bundles.conformance import bundled_report
from crossbench.results.records.files import read_record
from crossbench.results.records.store import Store
from crossbench.specs.conformance import Check, ConformanceReport
from crossbench.submissions.submission import submit

if TYPE_CHECKING:
    from made_submission import Made


def fail(path: Path, **error: str) -> None:
    """Make a record one of a run that failed."""
    companion(path).unlink()

    def change(mapping: dict[str, Any]) -> None:
        mapping |= {"status": "failed", "metrics": {}, "per_class": {}}
        mapping |= {"predictions": None, "predictions_sha256": None, "selected_epoch": None}
        mapping["error"] = {"class": "ValueError", "message": "it broke", **error}

    change_record(path, change)


def test_a_bundle_holds_runs_baselines_source_licence_and_versions(
    made: Made, bundle: Path
) -> None:
    manifest = read_manifest(bundle)
    assert manifest.method.name == "mine"
    assert manifest.method.plugin == "plugin/mine.py:method"
    assert manifest.method.sources == {
        "<plugin>": "plugin/mine.py",
        "inflation.py": "plugin/inflation.py",
    }
    assert (manifest.preset, manifest.partial, manifest.licence) == ("smoke", False, "MIT")
    with open_bundle(bundle) as opened:
        assert (opened.source / "plugin/mine.py").read_bytes() == made.plugin.read_bytes()
        assert opened.licence.startswith("MIT License\n\nCopyright (c) A. Author\n")
        assert [each["runs"] for each in opened.environment["runs"]] == [8]
        records = list(Store(opened.records).records())
        assert not Store(opened.records).broken()
    names = sorted({record.key.method for record in records})
    assert names == ["covariate", "logistic", "majority", "mine"]
    assert {record.identity for record in records} == {
        record.identity for record in Store(made.results).records()
    }
    assert manifest.method.sha256 in {each.provenance["hashes"]["method"] for each in records}


def test_the_same_runs_give_the_same_bundle(made: Made, bundle: Path, tmp_path: Path) -> None:
    submit(made.request(), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_failures_go_along(author: Made, tmp_path: Path) -> None:
    fail(author.records()[0])
    done = submit(author.request(), tmp_path / "b.zip")
    assert done.failed == 1
    with open_bundle(tmp_path / "b.zip") as opened:
        statuses = [each.status for each in Store(opened.records).records()]
    assert sorted(statuses) == ["failed", *["ok"] * 7]


def test_machine_and_user_are_taken_out_of_records(author: Made, tmp_path: Path) -> None:
    trace = 'File "/home/lovelace/secret project/mine.py", line 3'
    fail(author.records()[0], message="no /scratch/lovelace/w.pth", traceback=trace)
    submit(author.request(), tmp_path / "b.zip")
    with open_bundle(tmp_path / "b.zip") as opened:
        (failed,) = [each for each in Store(opened.records).records() if each.status == "failed"]
        texts = [path.read_bytes() for path in opened.folder.rglob("*") if path.is_file()]
    assert failed.error == {
        "class": "ValueError",
        "message": "no .../w.pth",
        "traceback": 'File ".../mine.py", line 3',
    }
    assert failed.sealed
    assert not any(b"lovelace" in text or b"secret" in text for text in texts)
    assert not any(str(tmp_path).encode() in text for text in texts)


def test_a_hidden_failure_is_a_hole(author: Made, tmp_path: Path) -> None:
    companion(author.records()[0]).unlink()
    author.records()[0].unlink()
    expected = r"1 runs of the grid are missing: mine on .*, seed 43, fold 0 \(weak-probe, random\)"
    with pytest.raises(BundleError, match=expected + r"; run them, or say --partial"):
        submit(author.request(), tmp_path / "b.zip")
    done = submit(author.request(partial=True), tmp_path / "b.zip")
    assert [key.seed for key in done.missing] == [43]
    assert done.manifest.partial


def test_a_missing_baseline_is_a_hole(author: Made, tmp_path: Path) -> None:
    for path in author.records("logistic"):
        companion(path).unlink()
        path.unlink()
    with pytest.raises(BundleError, match=r"2 runs of the grid are missing: logistic on"):
        submit(author.request(), tmp_path / "b.zip")


def test_other_code_than_was_run_is_refused(author: Made, tmp_path: Path) -> None:
    beside = author.plugin.with_name("inflation.py")
    beside.write_text(beside.read_text() + "# changed\n")
    expected = r"2 of 2 records are of another state of its code than would be bundled \(inflation"
    with pytest.raises(BundleError, match=expected):
        submit(author.request(), tmp_path / "b.zip")


def test_a_broken_record_is_refused(author: Made, tmp_path: Path) -> None:
    author.records()[0].write_text("{}")
    expected = r"1 files are no valid records, such as .*: it has no schema_version; (run|re)"
    with pytest.raises(BundleError, match=expected):
        submit(author.request(), tmp_path / "b.zip")


def test_a_record_that_contradicts_its_predictions_is_refused(author: Made, tmp_path: Path) -> None:
    change_record(author.records()[0], lambda mapping: mapping["metrics"].update(accuracy=0.99))
    with pytest.raises(BundleError, match=r"its accuracy is 0.99, and .* by its predictions; run"):
        submit(author.request(), tmp_path / "b.zip")


def test_presets_are_not_mixed(author: Made, tmp_path: Path) -> None:
    change_record(author.records()[0], lambda mapping: mapping["key"].update(preset="paper"))
    with pytest.raises(BundleError, match=r"there are records of the presets paper, smoke; a bund"):
        submit(author.request(), tmp_path / "b.zip")
    with pytest.raises(RequestError, match=r"unknown preset 'standard'; known: paper, smoke"):
        submit(author.request(preset="standard"), tmp_path / "b.zip")
    with pytest.raises(BundleError, match=r"1 runs of the grid are missing"):
        submit(author.request(preset="smoke"), tmp_path / "b.zip")


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"authors": ()}, r"a bundle has authors: name them by --authors"),
        ({"authors": ("a\nb",)}, r"--authors: key 'authors' is \('a\\nb',\); it must be up to"),
        ({"licence": ""}, r"a bundle has a licence: name one by --licence MIT"),
        ({"licence": "my own!"}, r"--licence: key 'licence' is 'my own!'; it must be an SPDX"),
        ({"licence": "EUPL-1.2"}, r"the text of licence 'EUPL-1.2' does not ship \(those of Apac"),
        ({"licence_file": Path("none")}, r"licence file 'none' cannot be read as text"),
        ({"plugins": ()}, r"unknown method 'mine'"),
        ({"method": "conv3d", "plugins": ()}, r"unknown method 'conv3d'; did you mean|known: mine"),
    ],
)
def test_what_is_lacking_is_named(
    made: Made, tmp_path: Path, changed: dict[str, Any], fault: str
) -> None:
    with pytest.raises((BundleError, RequestError), match=fault):
        submit(made.request(**changed), tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_a_bundle_is_a_zip_file(made: Made, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"bundle '.*b.tar' must end in .zip"):
        submit(made.request(), tmp_path / "b.tar")


def test_a_licence_of_ones_own(made: Made, tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_text("For research.")
    request = made.request(licence="", licence_file=tmp_path / "terms.txt")
    assert submit(request, tmp_path / "b.zip").manifest.licence == "see LICENSE"
    with open_bundle(tmp_path / "b.zip") as opened:
        assert opened.licence == "For research."
    (tmp_path / "terms.txt").write_text(" ")
    with pytest.raises(BundleError, match=r"licence file '.*terms.txt' is empty"):
        submit(request, tmp_path / "b.zip")


def test_source_that_names_a_home_folder_is_refused(author: Made, tmp_path: Path) -> None:
    author.plugin.write_text(author.plugin.read_text() + 'W = "/home/ada/w.pth"\n')
    with pytest.raises(BundleError, match=r"records are of another state"):
        submit(author.request(), tmp_path / "b.zip")
    sha256 = read_manifest_of(author)
    for path in author.records():
        change_method(path, sha256)
    with pytest.raises(BundleError, match=r"plugin/mine.py names this machine \('/home/ada'\)"):
        submit(author.request(), tmp_path / "b.zip")


def read_manifest_of(author: Made) -> dict[str, Any]:
    """The facts of the plugin as it is now."""
    from crossbench.registry.method_identity import identify
    from crossbench.registry.methods import load_plugin

    return identify(load_plugin(str(author.plugin))).facts


def change_method(path: Path, facts: dict[str, Any]) -> None:
    """Make a record one of another state of the code."""
    from crossbench.files.hashing import hash_json
    from crossbench.results.records.identity import identity_of

    def change(mapping: dict[str, Any]) -> None:
        provenance = mapping["provenance"]
        provenance["facts"]["method"] = facts
        provenance["hashes"]["method"] = hash_json(facts)
        mapping["identity"] = identity_of(provenance["hashes"])

    change_record(path, change)


def test_older_code_stays_out_where_its_runs_were_made_again(author: Made, tmp_path: Path) -> None:
    old = author.records()[0].with_name("old.json")
    content = json.loads(author.records()[0].read_text())
    old.write_text(json.dumps(content))
    change_method(old, {"files": [["<plugin>", "0" * 64]], "config": {}})
    done = submit(author.request(), tmp_path / "b.zip")
    assert len(done.selected.own) == 2
    assert done.selected.notes == [
        "1 records of other code are left out: their runs were made again"
    ]


def test_a_conformance_report_goes_along(made: Made, bundle: Path, tmp_path: Path) -> None:
    sha256 = read_manifest(bundle).method.sha256
    checks = (Check(name="shapes", status="fail", detail="in /home/ada/x/mine.py"),)
    report = ConformanceReport(method="mine", sha256=sha256, checks=checks)
    submit(made.request(), tmp_path / "b.zip", lambda: report)
    with open_bundle(tmp_path / "b.zip") as opened:
        found = bundled_report(opened)
    assert found is not None
    assert [check.detail for check in found.checks] == ["in .../mine.py"]
    other = dataclasses.replace(report, sha256="0" * 64)
    with pytest.raises(BundleError, match=r"the conformance report is of another state of method"):
        submit(made.request(), tmp_path / "b.zip", lambda: other)


def test_weights_stay_at_home(author: Made, tmp_path: Path) -> None:
    path = author.records()[0]
    path.with_name("w.safetensors").write_bytes(b"weights")
    change_record(
        path,
        lambda mapping: mapping.update(
            weights="w.safetensors",
            weights_sha256="9fd8e80c02f53d85d9d7b9d20d6b3cb1e50ee97b8bfe2ae3fa40d7a4bba0dfa3",
        ),
    )
    import hashlib

    digest = hashlib.sha256(b"weights").hexdigest()
    change_record(path, lambda mapping: mapping.update(weights_sha256=digest))
    assert read_record(path).weights == "w.safetensors"
    submit(author.request(), tmp_path / "b.zip")
    with open_bundle(tmp_path / "b.zip") as opened:
        assert not list(opened.folder.rglob("*.safetensors"))
        assert all(each.weights is None for each in Store(opened.records).records())


def test_the_command_says_what_it_bundled(
    author: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    companion(author.records()[0]).unlink()
    author.records()[0].unlink()
    words = ["submit", str(author.results), "--plugin", str(author.plugin), "--method", "mine"]
    words += ["--authors", "A. Author", "B. Author", "--licence", "MIT"]
    out = ["--out", str(tmp_path / "b.zip")]
    out += ["--no-check"]
    assert main([*words, *out]) == 2
    assert "1 runs of the grid are missing" in capsys.readouterr().err
    assert main([*words, "--partial", "--note", "First try.", *out]) == 0
    told = capsys.readouterr().out
    assert "b.zip: 1 runs of mine (0 failed), 6 of plain baselines, 1 runs of the grid" in told
    manifest = read_manifest(tmp_path / "b.zip")
    assert (manifest.note, manifest.partial) == ("First try.", True)
    assert manifest.authors == ("A. Author", "B. Author")
    assert f"licence MIT, digest {manifest.digest[:16]}" in told


def test_a_conformance_report_is_read_from_a_file(
    made: Made, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["submit", str(made.results), "--plugin", str(made.plugin), "--method", "mine"]
    words += ["--authors", "A", "--licence", "MIT", "--out", str(tmp_path / "b.zip")]
    file = tmp_path / "report.json"
    sha256 = read_manifest(bundle).method.sha256
    file.write_text(json.dumps(ConformanceReport(method="mine", sha256=sha256).to_mapping()))
    assert main([*words, "--conformance", str(file)]) == 0
    assert "conformance.json" in read_manifest(tmp_path / "b.zip").paths
    for content, fault in (("[]", "holds list, not an object"), ("{}", "key 'schema' is None")):
        file.write_text(content)
        assert main([*words, "--conformance", str(file)]) == 2
        assert fault in capsys.readouterr().err
