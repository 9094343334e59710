"""What identities hash of a spec: the keys are literal here, so that no renaming changes them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from crossbench.files.hashing import hash_json
from crossbench.protocols import PROTOCOLS
from crossbench.registry.presets import find_preset
from crossbench.registry.tasks import find_task
from crossbench.specs import FitSettings, LoraSettings, NetworkSettings, PretrainSettings

PAPER = find_preset("paper")
STAGE = {"optimiser": "adamw", "start": 0.0, "scheduled": True}

HASHED: dict[str, tuple[Any, dict[str, Any]]] = {
    "card": (
        find_task("nodule-sphericity-2d"),
        {
            "name": "nodule-sphericity-2d",
            "version": 1,
            "kind": "image",
            "dimension": 2,
            "classes": 2,
            "input_size": 32,
        },
    ),
    "split": (
        PAPER.split,
        {"scheme": "paper", "folds": 5, "validation": 0.2, "max_labelled": None},
    ),
    "input": (
        PAPER.input,
        {
            "scaling": "global",
            "max_size": None,
            "crop_scale": [0.08, 1.0],
            "augment": True,
            "jitter_order": "sample",
            "forked_workers": 6,
        },
    ),
    "fit": (
        PAPER.fit,
        {
            "epochs": 15,
            "batch_size": 8,
            "lr": 0.001,
            "weight_decay": 0.01,
            "milestone": 0.5,
            "gamma": 0.1,
        },
    ),
    "network": (PAPER.network, {}),
    "lora": (PAPER.lora, {"rank": 4, "alpha": 4.0, "target": "all", "batch_norm": "frozen"}),
    "compute": (PAPER.compute, {"precision": "float32", "tf32": False}),
    "weak-probe": (
        PROTOCOLS["weak-probe"],
        {
            "name": "weak-probe",
            "stages": [
                STAGE | {"name": "head", "trains": ["head"]},
                STAGE
                | {
                    "name": "head+norm",
                    "trains": ["head", "norm"],
                    "optimiser": "adam",
                    "start": 2 / 3,
                    "scheduled": False,
                },
            ],
        },
    ),
    "linear-probe": (
        PROTOCOLS["linear-probe"],
        {"name": "linear-probe", "inverse_penalties": [1e-05, 0.0001, 0.001, 0.01, 0.1, 1.0]},
    ),
    "pretrain": (
        PretrainSettings(),
        {
            "epochs": 90,
            "batch_size": 256,
            "lr": 0.001,
            "weight_decay": 0.01,
            "step": 30,
            "gamma": 0.1,
            "size": None,
            "crop_scale": [0.08, 1.0],
            "statistics": None,
            "select": "last",
            "precision": "float32",
            "tf32": False,
            "channels_last": False,
            "compile": False,
        },
    ),
}

#: Settings that choose or speed up runs and change no number of theirs.
LEFT_OUT = {
    "split": {"seeds", "run_folds"},
    "input": {"max_samples", "radimagenet_3d", "min_size"},  # the last one where it is not set
    "compute": {"threads", "workers"},
    "weak-probe": {"title"},
    "linear-probe": {"title"},
    "fit": {"train_from"},  # hashed where it is set, as the next
    "network": {"bn_eps", "padding"},
    "lora": {"affine"},
    "pretrain": {"threads", "workers", "max_unreadable"},
}


@pytest.mark.parametrize("name", HASHED)
def test_the_hashed_mapping_is_literally_this(name: str) -> None:
    spec, mapping = HASHED[name]
    assert hash_json(spec.fingerprint()) == hash_json(mapping)


@pytest.mark.parametrize("name", sorted(set(HASHED) - {"card"}))
def test_a_setting_is_hashed_or_listed_as_left_out(name: str) -> None:
    spec, mapping = HASHED[name]
    names = {field.name for field in fields(spec)}
    assert names - set(mapping) == LEFT_OUT.get(name, set())


def test_a_least_size_is_hashed_where_it_is_set() -> None:
    inputs = replace(PAPER.input, min_size=64)
    assert inputs.fingerprint() == PAPER.input.fingerprint() | {"min_size": 64}
    assert inputs.fed() == {"scaling": "global", "max_size": None, "min_size": 64}


def test_what_is_hashed_where_it_is_set() -> None:
    affine = LoraSettings(affine=True).fingerprint()
    assert affine == LoraSettings().fingerprint() | {"affine": True}
    last = FitSettings(epochs=1, train_from="layer4").fingerprint()
    assert last == FitSettings(epochs=1).fingerprint() | {"train_from": "layer4"}
    assert NetworkSettings(bn_eps=1e-3).fingerprint() == {"network": {"bn_eps": 1e-3}}
    assert NetworkSettings(padding="same").fingerprint() == {"network": {"padding": "same"}}
