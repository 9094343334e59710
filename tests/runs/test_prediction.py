"""Fitted networks that are kept, and what they say of new samples."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from record_files import change_record, companion

import crossbench
from crossbench.api import prepare
from crossbench.cli import main
from crossbench.data.content import sample_hashes
from crossbench.errors import CrossbenchError, RecordError, RequestError, WeightsError
from crossbench.files.hashing import hash_file
from crossbench.nets.weights.checkpoint import (
    read_checkpoint,
    read_facts,
    unpack_hashes,
    write_checkpoint,
)
from crossbench.results.records.merge import merge
from crossbench.results.records.store import Found, Store, read_predictions
from crossbench.runs.prediction import Predicted, load_predictor, to_csv

CPU = torch.device("cpu")


@pytest.fixture
def run(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Found]:
    """Run one method on one fold of blobs, keep its weights, and return what it left."""

    def call(method: str, dimension: int, *, out: str = "out", **options: Any) -> Found:
        defaults: dict[str, Any] = {
            "seeds": [43],
            "folds": [0],
            "settings": ["fit.epochs=1", "compute.threads=1"],
            "data_dir": tmp_path,
            "backbone": "test_resnet",
            "save_weights": True,
        }
        card = make_task(dimension=dimension, extra="input_size = 32" if dimension == 2 else "")
        crossbench.run(method, str(card), out=tmp_path / out, device="cpu", **defaults | options)
        (found,) = (
            each
            for each in Store(tmp_path / out).scan()
            if isinstance(each, Found) and each.record.key.method == method
        )
        return found

    return call


def assert_as_stored(text: str, path: Path) -> None:
    """The rows of all samples say of the tested ones what the run in ``path`` said."""
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["sample"]) for row in rows] == list(range(60))
    stored = read_predictions(path)
    tested = [rows[index] for index in stored.index]
    shares = np.array([[float(row["p_dark"]), float(row["p_bright"])] for row in tested])
    np.testing.assert_allclose(shares, stored.probabilities, atol=2e-5)
    said = [("dark", "bright")[index] for index in stored.probabilities.argmax(axis=1)]
    assert [row["predicted"] for row in tested] == said


@pytest.mark.parametrize(
    ("method", "dimension", "protocol"),
    [
        ("crossd", 2, "weak-probe"),
        ("crossd", 3, "weak-probe"),
        ("acs", 3, "lora"),
        ("crossd", 2, "linear-probe"),
        ("conv3d", 3, "linear-probe"),
    ],
)
def test_the_test_part_is_predicted_as_by_the_run(
    run: Callable[..., Found],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    method: str,
    dimension: int,
    protocol: str,
) -> None:
    path, _ = run(method, dimension, protocol=protocol)
    assert main(["predict", "--run", str(path), str(tmp_path / "blobs.npz")]) == 0
    assert_as_stored(capsys.readouterr().out, path)


@pytest.mark.parametrize(
    ("dimension", "protocol"), [(3, "linear-probe"), (3, "weak-probe"), (2, "weak-probe")]
)
def test_inputs_of_a_least_size_are_predicted_as_by_the_run(
    run: Callable[..., Found],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    dimension: int,
    protocol: str,
) -> None:
    method, settings = {2: "conv2d", 3: "conv3d"}[dimension], ["fit.epochs=1"]
    path, record = run(
        method, dimension, protocol=protocol, settings=[*settings, "input.min_size=40"]
    )
    assert main(["predict", "--run", str(path), str(tmp_path / "blobs.npz")]) == 0
    assert_as_stored(capsys.readouterr().out, path)
    assert record.provenance["settings"]["input"]["min_size"] == 40
    about = read_facts(path.with_name(record.weights)).about
    assert about is not None
    assert about.details["fed_shape"] == [40] * dimension
    _, small = run(method, dimension, protocol=protocol, settings=settings, out="small")
    assert small.identity != record.identity
    assert "min_size" not in small.provenance["settings"]["input"]
    assert record.cost["gmacs"] > small.cost["gmacs"]


@pytest.mark.parametrize("protocol", ["linear-probe", "weak-probe"])
def test_a_network_of_another_bn_eps_is_predicted_as_by_the_run(
    run: Callable[..., Found], tmp_path: Path, capsys: pytest.CaptureFixture[str], protocol: str
) -> None:
    """Features of the usual network lie in the cache, and are not taken."""
    settings = ["fit.epochs=1", "compute.threads=1"]
    path, usual = run("acs", 3, protocol=protocol, settings=settings, out="usual")
    before = read_predictions(path).probabilities
    path, record = run("acs", 3, protocol=protocol, settings=[*settings, "network.bn_eps=0.5"])
    assert main(["predict", "--run", str(path), str(tmp_path / "blobs.npz")]) == 0
    assert_as_stored(capsys.readouterr().out, path)
    assert record.identity != usual.identity
    assert record.provenance["settings"]["network"] == {"bn_eps": 0.5}
    assert "network" not in usual.provenance["settings"]
    assert abs(read_predictions(path).probabilities - before).max() > 1e-3


@pytest.mark.parametrize(("method", "dimension"), [("conv2d", 2), ("acs", 3)])
def test_a_fresh_process_predicts_as_the_run(
    run: Callable[..., Found], tmp_path: Path, method: str, dimension: int
) -> None:
    path, _ = run(method, dimension)
    command = [sys.executable, "-m", "crossbench", "predict", "--run", str(path)]
    done = subprocess.run([*command, str(tmp_path / "blobs.npz")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_as_stored(done.stdout, path)


def test_a_checkpoint_says_what_it_was_made_of(run: Callable[..., Found], tmp_path: Path) -> None:
    path, record = run("conv2d", 2)
    digest = record.weights_sha256[:16]
    assert record.weights == f"{path.stem}.{digest}.safetensors"
    about = read_facts(path.with_name(record.weights)).about
    assert about is not None
    assert (about.method, about.dims, about.backbone) == ("conv2d", 2, "test_resnet")
    assert (about.num_classes, about.statistics) == (2, "radimagenet")
    assert about.details["identity"] == record.identity
    assert about.details["classes"] == ["dark", "bright"]
    assert about.details["sample_shape"] == [1, 18, 18]
    assert about.details["fed_shape"] == [32, 32]
    assert about.details["settings"] == record.provenance["settings"]
    with np.load(tmp_path / "blobs.npz") as data:
        groups, hashes = data["groups"], sample_hashes(data["images"])
        limits = [float(data["images"].min()), float(data["images"].max())]
    if about.details["settings"]["input"]["scaling"] == "global":
        assert about.details["value_range"] == limits
    (seen,) = about.seen
    assert seen.unit == "group"
    assert seen.file == "blobs.npz"
    tested = np.isin(groups, groups[read_predictions(path).index])
    assert set(unpack_hashes(seen.samples)) == set(hashes[~tested])


def test_a_recipe_is_the_same_for_every_fold_and_no_other_recipe(
    run: Callable[..., Found],
) -> None:
    def recipe(out: str, **options: Any) -> str:
        path, _ = run("acs", 3, out=out, **options)
        about = read_facts(companion(path, "weights")).about
        assert about is not None
        assert about.method == "acs"
        return about.recipe

    one = recipe("one")
    assert recipe("other", seeds=[44], folds=[1]) == one
    assert recipe("longer", settings=["fit.epochs=2", "compute.threads=1"]) != one


def test_keeping_weights_changes_no_number(run: Callable[..., Found], tmp_path: Path) -> None:
    path, kept = run("acs", 3)
    without, plain = run("acs", 3, out="without", save_weights=False)
    assert plain.weights is None
    assert list((tmp_path / "without").rglob("*.safetensors")) == []
    assert plain.identity == kept.identity
    one, other = read_predictions(path), read_predictions(without)
    assert np.array_equal(one.probabilities, other.probabilities)


def test_a_run_without_its_weights_is_run_again_only_if_they_are_asked_for(
    run: Callable[..., Found], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    def todo(*, save_weights: bool) -> list[str]:
        plan = prepare(
            "acs",
            str(make_task()),
            store=Store(tmp_path / "out"),
            seeds=[43],
            folds=[0],
            settings=["fit.epochs=1", "compute.threads=1"],
            data_dir=tmp_path,
            backbone="test_resnet",
            save_weights=save_weights,
        )
        return [each.key.method for each in plan.todo]

    path, _ = run("acs", 3, save_weights=False)
    assert todo(save_weights=False) == []
    assert todo(save_weights=True) == ["acs"]  # plain baselines have no weights
    run("acs", 3)
    assert todo(save_weights=True) == todo(save_weights=False) == []
    companion(path, "weights").unlink()
    assert todo(save_weights=False) == ["acs"]


def test_merging_takes_weights_along(run: Callable[..., Found], tmp_path: Path) -> None:
    path, record = run("acs", 3)
    assert merge([tmp_path / "out"], tmp_path / "both").copied == 3
    copy = tmp_path / "both" / path.relative_to(tmp_path / "out")
    assert load_predictor(copy, device=CPU).details.identity == record.identity
    assert merge([tmp_path / "out"], tmp_path / "both").copied == 0


# ------------------------------------------------------------------------------ refusals


def test_what_cannot_be_predicted_with_is_named(run: Callable[..., Found], tmp_path: Path) -> None:
    def refused(path: Path, kind: type[CrossbenchError], message: str) -> None:
        with pytest.raises(kind, match=message):
            load_predictor(path, device=CPU)

    path, _ = run("acs", 3, save_weights=False)
    refused(path, RequestError, r"its weights were not kept; run it again with --save-weights")
    (majority,) = (tmp_path / "out").rglob("majority/*.json")
    refused(majority, RequestError, "'majority' is a plain baseline, which has no network")
    refused(tmp_path / "none.json", RecordError, r"none\.json: cannot be read")

    path, _ = run("acs", 3)
    weights = companion(path, "weights")
    checkpoint, whole = read_checkpoint(weights), weights.read_bytes()
    about, tensors = checkpoint.about, checkpoint.tensors
    assert about is not None
    weights.write_bytes(whole[:-4] + b"\0\0\0\1")
    refused(path, RecordError, r"are not the ones it was written with; run it again with --save")
    weights.unlink()
    refused(path, RecordError, r"its weights cannot be read.*; run it again with --save-weights")

    def replace(change: dict[str, Any], **tensors: torch.Tensor) -> None:
        details = about.details | change
        mapping = about.__dict__ | {"details": details}
        write_checkpoint(weights, tensors, type(about)(**mapping))
        digest = hash_file(weights)
        change_record(path, lambda mapping: mapping.update(weights_sha256=digest))

    replace({"identity": "f" * 64}, **tensors)
    refused(path, RecordError, r"safetensors: the weights of another run")
    replace({"classes": 3}, **tensors)
    refused(path, WeightsError, r"safetensors: key 'classes' is 3")
    replace({"classes": ["dark"]}, **tensors)
    refused(path, WeightsError, r"safetensors names 1 classes for 2 outputs; run it again with")
    replace({"classes": ["bright", "dark"]}, **tensors)
    refused(path, WeightsError, r"names the classes \['bright', 'dark'\], the record \['dark', 'br")
    replace({"sample_shape": [1, 18, 18]}, **tensors)
    refused(path, WeightsError, r"has a sample shape \(1, 18, 18\) that is not 3D")
    replace({"settings": {"tf32": False}}, **tensors)
    refused(path, WeightsError, r"lacks the settings precision")
    tensors.pop("fc.bias")
    replace({}, **tensors)
    refused(path, WeightsError, r"does not fit the network that 'acs' now makes of test_resnet")


def test_an_answer_that_is_no_number_is_no_class(
    run: Callable[..., Found], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = run("conv3d", 3)
    samples = np.zeros((3, 18, 18, 18))
    samples[1, :2] = [[[-1.7e308]], [[1.7e308]]]  # finite, and further apart than float64 tells
    np.save(tmp_path / "new.npy", samples)
    assert main(["predict", "--run", str(path), str(tmp_path / "new.npy")]) == 2
    captured = capsys.readouterr()
    assert "new.npy: the network answers NaN or infinity for sample 1" in captured.err
    assert captured.out == ""


def test_a_method_that_has_changed_is_told_of(
    run: Callable[..., Found], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from crossbench_baselines.conv3d import Conv3d\n"
        "class Mine(Conv3d):\n"
        "    name = 'mine'\n"
        "method = Mine()\n"
    )
    path, _ = run("mine", 3, plugins=[str(plugin)])
    arguments = ["predict", "--run", str(path), str(tmp_path / "blobs.npz"), "--device", "cpu"]
    assert main(arguments) == 2
    message = "is of method 'mine', which a plugin defined; pass --plugin mine.py"
    assert message in capsys.readouterr().err
    assert main([*arguments, "--plugin", str(plugin)]) == 0
    assert capsys.readouterr().err == ""
    with plugin.open("a") as source:
        source.write("# changed\n")
    assert main([*arguments, "--plugin", str(plugin)]) == 0
    assert "the source of method 'mine' has changed since the run" in capsys.readouterr().err


def test_several_files_become_one_table(
    run: Callable[..., Found], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = run("acs", 3)
    volumes = np.load(tmp_path / "blobs.npz")["images"]
    one, stack, table = tmp_path / "one.npy", tmp_path / "stack.npy", tmp_path / "a" / "t.csv"
    np.save(one, volumes[7])
    np.save(stack, volumes[:3])
    files = [str(one), str(stack)]
    arguments = ["predict", "--run", str(path), "--device", "cpu", "--out", str(table), *files]
    assert main(arguments) == 0
    assert f"4 samples of 2 files in {table}" in capsys.readouterr().err
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [(row["file"], row["sample"]) for row in rows] == [
        (files[0], "0"), (files[1], "0"), (files[1], "1"), (files[1], "2"),
    ]  # fmt: skip
    whole = load_predictor(path, device=CPU).predict(tmp_path / "blobs.npz").probabilities
    assert float(rows[0]["p_dark"]) == pytest.approx(whole[7, 0], abs=1e-5)

    np.save(one, volumes[7][:-1])
    assert main(arguments) == 2
    assert "volumes are 17x18x18, the network was fitted to 18x18x18" in capsys.readouterr().err


def test_rows_name_file_sample_and_class() -> None:
    text = to_csv(["a, b", "c"], [Predicted(Path("x.npy"), np.array([[0.25, 0.75], [1.0, 0.0]]))])
    assert text == ('file,sample,predicted,"p_a, b",p_c\nx.npy,0,c,0.25,0.75\nx.npy,1,"a, b",1,0\n')
