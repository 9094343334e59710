"""An input kind of a third party: 1D signals, from files to reports."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from third_party import PACKAGE, python

from crossbench.data.inputs import InputKind
from crossbench.data.transforms import RandomSource
from crossbench.errors import DataError
from crossbench.specs import InputSettings
from crossbench_leaderboard.montage import montage

RUN_SIGNALS = """
import sys
from crossbench.cli import main
for protocol in ("linear-probe", "weak-probe", "finetune"):
    asked = ["--task", "waves", "--method", "signal-encoder", "--protocol", protocol]
    main(["run", *asked, "--preset", "smoke", "--out", {out!r}, "--data-dir", {out!r}])
sys.exit(main(["report", {out!r}]))
"""


@pytest.mark.slow
def test_an_input_kind_runs_under_every_protocol_and_is_reported(
    installed: Path, tmp_path: Path
) -> None:
    done = python(RUN_SIGNALS.format(out=str(tmp_path)), path=installed)
    assert done.returncode == 0, done.stderr
    for protocol in ("linear-probe", "weak-probe", "finetune"):
        assert f"1D tasks · phantom data · preset smoke · {protocol}" in done.stdout
    runs = [json.loads(file.read_text()) for file in tmp_path.rglob("*.json")]
    assert {run["status"] for run in runs} == {"ok"}
    assert sorted(run["key"]["method"] for run in runs) == [
        "logistic", "majority", *["signal-encoder"] * 3,
    ]  # fmt: skip
    assert {run["dimension"] for run in runs} == {1}
    assert all(len(run["provenance"]["hashes"]["kind"]) == 64 for run in runs)
    probed = next(run for run in runs if run["key"]["protocol"] == "linear-probe")
    assert probed["metrics"]["accuracy"] > 0.9


def test_a_listing_knows_a_kind_and_its_tasks_without_importing_them(installed: Path) -> None:
    code = "import os, sys; os.environ['COLUMNS'] = '200'; from crossbench.cli import main; "
    code += "main(['list', {!r}]); assert {!r} not in sys.modules"
    tasks = python(code.format("tasks", "example_operator"), path=installed)
    assert re.search(r"^waves +1D ", tasks.stdout, flags=re.MULTILINE), tasks.stderr
    methods = python(code.format("methods", "torch"), path=installed)
    assert re.search(r"^signal-encoder +signal ", methods.stdout, flags=re.MULTILINE), (
        methods.stderr
    )


@pytest.fixture
def signal(monkeypatch: pytest.MonkeyPatch) -> Iterator[InputKind]:
    """The third party's input kind."""
    monkeypatch.syspath_prepend(PACKAGE)
    yield importlib.import_module("example_operator.signal").Signal()
    for name in [name for name in sys.modules if name.startswith("example_operator")]:
        del sys.modules[name]


def padded(*signals: list[float]) -> dict[str, np.ndarray]:
    lengths = np.array([len(signal) for signal in signals])
    images = np.full((len(signals), lengths.max()), np.nan)
    for row, signal in zip(images, signals, strict=True):
        row[: len(signal)] = signal
    return {"images": images, "lengths": lengths}


def test_signals_of_unequal_length_are_cropped_or_padded_about_their_centre(
    signal: InputKind,
) -> None:
    stored = signal.canonical(padded([0.0, 2.0], [1.0, 5.0, 1.0, 5.0, 1.0, 5.0]), where="here")
    settings = InputSettings(scaling="sample")
    train, evaluate = signal.transforms(
        (4,), value_range=None, statistics="imagenet", settings=settings
    )
    fed = evaluate(torch.from_numpy(stored))
    assert fed.tolist() == [[[0, -1, 1, 0]], [[1, -1, 1, -1]]]
    drawn = {tuple(train(torch.from_numpy(stored), RandomSource(seed, "cpu"))[0, 0].tolist())
             for seed in range(20)}  # fmt: skip
    assert drawn >= {(-1, 1, 0, 0), (0, -1, 1, 0)}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"images": np.zeros((3, 4, 2))},
            r"here: signals have shape \(3, 4, 2\); they need \(N, T",
        ),
        ({"images": np.zeros((3, 4)), "lengths": np.array([1, 2, 9])}, "one from 1 to 4 a signal"),
    ],
)
def test_stored_signals_of_another_form_are_refused(
    signal: InputKind, arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        signal.canonical(arrays, where="here")


def test_a_kind_brings_features_and_pictures(signal: InputKind) -> None:
    waves = [np.sin(np.arange(length) / 2).tolist() for length in (30, 50)]
    stored = signal.canonical(padded(*waves), where="here")
    features = signal.features(stored, np.arange(2))
    assert features.shape == (2, 32)
    assert features.argmax(axis=1).tolist() == [5, 5]
    picture = montage(signal, stored, np.arange(2))
    assert picture.shape == (100, 200, 3)
    assert picture.max() == 255
