from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path

import pytest
from scored_runs import MARKUP, make_run

from crossbench.cli import main
from crossbench.results.records.reproduce import left_to_add, run_command, united
from crossbench.results.records.store import Store
from crossbench.specs.requests import RunRequest

REQUEST = "run --preset smoke --task nodule-malignancy-2d --method conv2d --backbone test_resnet"


def test_the_command_finds_the_very_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real run under changed settings; told its own command, crossbench has nothing to do."""
    changed = "--set fit.epochs=1 --set input.max_samples=60 --set fit.lr=0.02"
    changed += " --statistics imagenet"
    assert main([*f"{REQUEST} {changed} --limit 1 --out".split(), str(tmp_path)]) == 0
    capsys.readouterr()
    (record,) = Store(tmp_path).records()
    command = shlex.split(run_command(record, str(tmp_path)))
    assert {"fit.epochs=1", "fit.lr=0.02", "input.max_samples=60", "imagenet"} <= set(command)
    assert main([*command[1:], "--limit", "1", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["runs"], summary["done_before"]) == (1, 1)


def test_data_that_is_not_the_presets_is_told() -> None:
    for source, told in (("phantom", True), ("real", False), ("embedded", False)):
        record, _ = make_run("acs", "blood", source=source)  # type: ignore[arg-type]
        assert ('data="phantom"' in shlex.split(run_command(record, "out"))) is told


def test_low_rank_settings_are_told() -> None:
    record, _ = make_run("acs", "blood")
    used = {"settings": {"lora": {"rank": 2, "batch_norm": "frozen"}}}
    record = dataclasses.replace(record, provenance=record.provenance | used)
    assert "--set lora.rank=2 " in run_command(record, "out")
    assert "batch_norm" not in run_command(record, "out")  # the preset's own


def test_constants_of_the_network_are_told() -> None:
    record, _ = make_run("acs", "blood")
    assert "network" not in run_command(record, "out")
    used = {"settings": {"network": {"bn_eps": 1e-3}}}
    record = dataclasses.replace(record, provenance=record.provenance | used)
    assert "--set network.bn_eps=0.001 " in run_command(record, "out")


def test_every_setting_of_the_split_is_told() -> None:
    record, _ = make_run("acs", "blood")
    split = record.provenance["split"] | {"max_labelled": 128, "validation": 0.3}
    limited = dataclasses.replace(record, provenance=record.provenance | {"split": split})
    told = run_command(limited, "out")
    for words in ("split.max_labelled=128", "split.validation=0.3", "split.folds=3"):
        assert f"--set {words} " in told
    assert "split.seeds" not in told
    assert "max_labelled" not in run_command(record, "out")


def test_a_plain_baseline_comes_with_the_runs_of_every_method() -> None:
    record, _ = make_run("majority", "blood", 44, 1)
    command = "crossbench run --task blood --preset standard --seeds 44 --folds 1"
    assert run_command(record, "out") == f"{command} --set split.folds=3 --out out"


def test_a_run_of_another_preset_has_no_overrides() -> None:
    record, _ = make_run("acs", "blood")
    record = dataclasses.replace(record, key=dataclasses.replace(record.key, preset="mine"))
    assert "--set" not in run_command(record, "results")


def test_what_a_record_does_not_say_is_guessed_and_named() -> None:
    record, _ = make_run("mine", "my-task", source="real")
    words = shlex.split(run_command(record, "out"))
    assert words[words.index("--task") + 1] == "./my-task.toml"
    assert words[words.index("--plugin") + 1] == "./mine.py"
    key = dataclasses.replace(record.key, preset="my-preset", init="my-weights")
    assert left_to_add(dataclasses.replace(record, key=key)) == [
        "No preset my-preset ships with crossbench.",
        "No card of my-task is registered here: give the path of its file.",
        "No method mine is registered here: give the path of its plugin.",
        (
            "Where the weights my-weights lie is not recorded: give the path of their file, "
            "unless crossbench weights lists the name."
        ),
        "The data is read from $CROSSBENCH_DATA: else add --data-dir.",
    ]


def test_nothing_is_left_to_add_to_what_ships() -> None:
    for method in ("acs", "majority"):
        record, _ = make_run(method, "blood")
        assert left_to_add(record) == []
        assert "--plugin" not in run_command(record, "out")


def test_names_are_quoted_for_the_shell() -> None:
    record, _ = make_run(MARKUP, "blood")
    assert MARKUP in shlex.split(run_command(record, "a folder"))
    assert run_command(record, "a folder").endswith("--out 'a folder'")


def test_requests_of_one_kind_are_united() -> None:
    one = RunRequest.of(methods="acs", tasks=["b", "a"], seeds=[1], folds=[0], plugins=["x.py"])
    other = RunRequest.of(methods="acs", tasks="c", seeds=[0, 1], init="in1k")
    assert united([one, other]) == RunRequest.of(
        methods="acs",
        tasks=["a", "b", "c"],
        seeds=[0, 1],
        folds=[0],
        plugins=["x.py"],
        init="in1k",
    )
