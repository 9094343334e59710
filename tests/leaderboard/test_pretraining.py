"""The view of what pretraining was worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_records import identified
from streamlit.testing.v1 import AppTest

from crossbench.results.records.pretrainings import PretrainRecord, write_pretraining
from crossbench.results.records.store import Store

OpenView = Callable[..., AppTest]
Words = Callable[[AppTest], str]


@pytest.fixture
def transferred(tmp_path: Path, run_of: Callable[..., Any]) -> Path:
    """Two methods under two protocols from random weights, and better from pretrained ones."""
    store = Store(tmp_path / "results")
    for protocol in ("finetune", "lora"):
        for method in ("acs", "crossd"):
            for init, skill in (("random", 0.2), ("nodules", 1.5)):
                for fold in range(3):
                    run, predictions = run_of(method, "vessel", 43, fold, skill=skill, dimension=3)
                    key = dataclasses.replace(run.key, protocol=protocol, init=init)
                    run = identified(dataclasses.replace(run, key=key), predictions)
                    store.write(run, predictions)
    return store.root


def test_the_gains_are_shown_with_their_tests(
    open_view: OpenView, words: Words, transferred: Path
) -> None:
    page = open_view("pretraining", transferred)
    gains, contrasts = (frame.value for frame in page.dataframe)
    assert gains["protocol, method"].tolist() == [
        "finetune acs",
        "finetune crossd",
        "lora acs",
        "lora crossd",
    ]
    assert all(text.startswith("+0.") for text in gains["gain"])
    assert contrasts["protocol, methods"].tolist() == [
        "finetune crossd – acs",
        "lora crossd – acs",
    ]
    assert "What pretraining on nodules is worth on vessel" in words(page)
    assert "crossbench transfer" in page.code[0].value


def test_without_pretrained_weights_it_says_how_to_get_them(
    open_view: OpenView, words: Words
) -> None:
    page = open_view("pretraining")
    assert "No runs here from random and from pretrained weights alike" in words(page)
    assert not page.dataframe


def test_a_folder_without_a_run_says_how_to_get_one(
    open_view: OpenView, words: Words, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    page = open_view("pretraining", tmp_path / "empty")
    assert "No runs here from random and from pretrained weights alike" in words(page)


def test_pretrained_networks_stand_beside_the_papers(
    open_view: OpenView, words: Words, transferred: Path
) -> None:
    record = PretrainRecord(
        identity="ab" * 32,
        recipe="cd" * 32,
        data="images",
        source="folder",
        layers="crossd",
        backbone="resnet18",
        seed=43,
        fold=0,
        num_classes=2,
        counts={"train": 12, "val": 4},
        settings={"epochs": 90},
        world_size=1,
        selected_epoch=90,
        curve=(),
        throughput=1200.0,
        metrics={"accuracy": 0.25},
        undefined={},
        parameters=1000,
        checkpoint="seed43-fold0.safetensors",
        checkpoint_sha256="ef" * 32,
    )
    assert "Pretrained networks" not in words(open_view("pretraining", transferred))
    write_pretraining(transferred / "seed43-fold0.pretrain.json", record)
    (transferred / "half.pretrain.json").write_text('{"half": ')
    page = open_view("pretraining", transferred)
    assert "half.pretrain.json: not readable as JSON" in words(page)
    table = page.dataframe[-1].value
    assert table["Accuracy"].tolist()[:2] == ["0.2500", "0.6693"]
    assert "reported" in table["network"][1]


def test_a_learning_curve_is_drawn_where_numbers_of_labelled_samples_differ(
    open_view: OpenView, tmp_path: Path, run_of: Callable[..., Any]
) -> None:
    store = Store(tmp_path / "results")
    for limit in (16, None):
        for fold in range(3):
            run, predictions = run_of("acs", "vessel", 43, fold, dimension=3)
            split = run.provenance["split"] | {"max_labelled": limit}
            provenance = run.provenance | {"split": split}
            run = dataclasses.replace(run, provenance=provenance)
            store.write(identified(run, predictions), predictions)
    page = open_view("pretraining", store.root)
    (table,) = (frame.value for frame in page.dataframe)
    assert table["method, from"].tolist() == ["acs from random"]
    assert "16" in table.columns
