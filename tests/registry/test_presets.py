"""Presets by name, what packages add to them, and overrides."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest

from crossbench.errors import CardError, RequestError
from crossbench.registry import presets
from crossbench.registry.presets import choose_preset, find_preset, load_presets, override
from crossbench.specs import FitSettings, SplitSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize("name", ["adhd-lora", "adhd-lora-tuned", "paper", "smoke", "standard"])
def test_presets_load(name: str) -> None:
    assert load_presets()[name] is find_preset(name)
    assert find_preset(name).name == name


def test_presets_are_in_the_order_of_their_names() -> None:
    assert list(load_presets()) == sorted(load_presets())


def test_an_unknown_preset() -> None:
    with pytest.raises(RequestError, match=r"^unknown preset 'standart'; did you mean standard"):
        find_preset("standart")


def test_the_paper_preset_holds_the_papers_settings() -> None:
    paper = find_preset("paper")
    assert paper.split == SplitSettings(scheme="paper", folds=5, seeds=(43, 44, 45))
    assert paper.fit == FitSettings(
        epochs=15, batch_size=8, lr=1e-3, weight_decay=0.01, milestone=0.5, gamma=0.1
    )
    assert (paper.input.scaling, paper.metric) == ("global", "accuracy")
    assert paper.drop_keys == dict.fromkeys(("crossd", "crossd-aligned", "crossd-fixed"), ("bn",))


def test_the_tuned_preset_is_that_of_the_paper_but_for_what_was_measured() -> None:
    paper = find_preset("adhd-lora")
    assert find_preset("adhd-lora-tuned") == dataclasses.replace(
        paper,
        name="adhd-lora-tuned",
        title=find_preset("adhd-lora-tuned").title,
        input=dataclasses.replace(paper.input, scaling="train"),
        lora=dataclasses.replace(paper.lora, affine=True),
    )


@pytest.mark.parametrize(
    ("setting", "section", "key", "value"),
    [
        ("fit.epochs=5", "fit", "epochs", 5),
        ("fit.lr = 1", "fit", "lr", 1.0),
        ("split.seeds=[1, 2]", "split", "seeds", (1, 2)),
        ("split.run_folds=[0, 4]", "split", "run_folds", (0, 4)),
        ("input.max_samples=100", "input", "max_samples", 100),
        ("input.augment=false", "input", "augment", False),
        ("input.scaling=train", "input", "scaling", "train"),
        ("network.bn_eps=1e-3", "network", "bn_eps", 1e-3),
        ("network.padding=symmetric", "network", "padding", "symmetric"),
        ("network.bn_eps=none", "network", "bn_eps", None),
        ("lora.rank=8", "lora", "rank", 8),
        ("lora.batch_norm=train", "lora", "batch_norm", "train"),
        ("compute.precision='bfloat16'", "compute", "precision", "bfloat16"),
    ],
)
def test_an_override_changes_one_setting(setting: str, section: str, key: str, value: Any) -> None:
    before = find_preset("standard")
    part = dataclasses.replace(getattr(before, section), **{key: value})
    assert override(before, [setting]) == dataclasses.replace(before, **{section: part})


def test_overrides_of_the_preset_itself() -> None:
    changed = override(find_preset("standard"), ["fit.lr=1", 'drop_keys={crossd=["bn"]}'])
    assert (changed.fit.lr, changed.drop_keys) == (1.0, {"crossd": ("bn",)})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("fit.epochs", "--set 'fit.epochs' is not of the form KEY=VALUE, such as fit.epochs=5"),
        ("fit.epoch=5", "unknown setting 'fit.epoch'; did you mean fit.epochs"),
        ("fitt.epochs=5", "unknown setting 'fitt.epochs'; did you mean fit.epochs"),
        ("fit.epochs.late=5", "unknown setting 'fit.epochs.late'; did you mean fit.epochs"),
        ("name=mine", "--set name: a preset's name cannot be overridden"),
        ("fit.epochs=many", "--set: key 'fit.epochs' is 'many'; it must be a whole number"),
        ("fit=3", "--set: key 'fit' is 3; it must be a table"),
        ("input.augment=no", "--set: key 'input.augment' is 'no'; it must be true or false"),
        ("input.scaling=all", "--set: key 'input.scaling' is 'all'; it must be one of 'global'"),
        ("fit.epochs=0", "--set: key 'fit.epochs' is 0; it must be from 1 to 100000"),
        ("fit.epochs=100001", "--set: key 'fit.epochs' is 100001; it must be from 1 to 100000"),
        ("split.folds=1001", "--set: key 'split.folds' is 1001; it must be from 1 to 1000"),
        ("split.seeds=[4294967296]", "--set: key 'split.seeds[0]' is 4294967296; it must be fr"),
        ("compute.threads=1025", "--set: key 'compute.threads' is 1025; it must be from 0 to 1024"),
        ("fit.batch_size=0", "--set: key 'fit.batch_size' is 0; it must be at least 1"),
        ("fit.lr=nan", "--set: key 'fit.lr' is nan; it must be a positive number"),
        ("fit.weight_decay=-1", "--set: key 'fit.weight_decay' is -1; it must be a number of at"),
        ("fit.milestone=2", "--set: key 'fit.milestone' is 2; it must be a share"),
        ("fit.gamma=0", "--set: key 'fit.gamma' is 0; it must be a positive number"),
        ("split.folds=1", "--set: key 'split.folds' is 1; scheme 'standard' has two or more"),
        ("split.scheme=official", "--set: key 'split.folds' is 5; scheme 'official' has one"),
        ("split.seeds=[]", "--set: key 'split.seeds' is []; it must be an array of 1 to 1000"),
        ("split.seeds=[1, 1]", "--set: key 'split.seeds' is (1, 1); it must hold each once"),
        ("split.seeds=[-1]", "--set: key 'split.seeds[0]' is -1; it must be from 0, below"),
        ("split.run_folds=[5]", "--set: key 'split.run_folds' is (5,); folds count from 0 to 4"),
        ("split.validation=1", "--set: key 'split.validation' is 1; it must be a share"),
        ("input.max_size=0", "--set: key 'input.max_size' is 0; it must be at least 1"),
        ("input.min_size=0", "--set: key 'input.min_size' is 0; it must be at least 1"),
        ("input.max_samples=0", "--set: key 'input.max_samples' is 0; it must be at least 1"),
        ("input.crop_scale=[1, 0.5]", "--set: key 'input.crop_scale' is (1.0, 0.5); it must be"),
        ("network.bn_eps=0", "--set: key 'network.bn_eps' is 0; it must be a positive number"),
        ("network.padding=valid", "--set: key 'network.padding' is 'valid'; it must be one of"),
        ("lora.rank=0", "--set: key 'lora.rank' is 0; it must be at least 1"),
        ("lora.alpha=0", "--set: key 'lora.alpha' is 0; it must be a positive number"),
        ("lora.target=k>1", "--set: key 'lora.target' is 'k>1'; it must be one of 'all', 'sp"),
        ("compute.threads=-1", "--set: key 'compute.threads' is -1; it must be from 0 to 1024"),
        ("compute.workers=-1", "--set: key 'compute.workers' is -1; it must be from 0 to 1024"),
        ("metric=f1", "--set: metric (='f1') is no setting of a run: every metric is in every"),
    ],
)
def test_a_bad_override(setting: str, message: str) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message)}"):
        override(find_preset("standard"), [setting])


@pytest.mark.parametrize(
    ("settings", "flags", "message"),
    [
        ([], {"seeds": [1, 1]}, "--seeds: key 'split.seeds' is (1, 1); it must hold each once"),
        ([], {"seeds": [-1]}, "--seeds: key 'split.seeds[0]' is -1; it must be from 0, below"),
        ([], {"folds": [5]}, "--folds: key 'split.run_folds' is (5,); folds count from 0 to 4"),
        (["split.folds=2"], {"folds": [2]}, "--folds: key 'split.run_folds' is (2,); folds count"),
        (["split.run_folds=[9]"], {"seeds": [1]}, "--set: key 'split.run_folds' is (9,); folds"),
        (["fit.epochs=0"], {"seeds": [1]}, "--set: key 'fit.epochs' is 0; it must be from 1"),
        (["split=3"], {"seeds": [1]}, "--set: key 'split' is 3; it must be a table"),
    ],
)
def test_an_error_names_the_flag(
    settings: list[str], flags: dict[str, list[int]], message: str
) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message)}"):
        choose_preset("standard", settings, **flags)


def test_flags_outweigh_settings() -> None:
    settings = ["split.folds=7", "split.seeds=[1, 1]", "split.run_folds=[9]"]
    split = choose_preset("standard", settings, seeds=[5], folds=[6]).split
    assert (split.folds, split.seeds, split.run_folds) == (7, (5,), (6,))


def test_a_bound_is_lifted_and_nothing_else_is() -> None:
    limited = override(find_preset("transfer"), ["split.max_labelled=none"])
    assert limited.split.max_labelled is None
    with pytest.raises(RequestError, match=r"key 'fit\.epochs' is None"):
        override(find_preset("transfer"), ["fit.epochs=none"])


def test_a_least_size_is_no_more_than_the_greatest() -> None:
    message = "key 'input.min_size' is 65; max_size is 64, so at most that"
    with pytest.raises(RequestError, match=message):
        override(find_preset("smoke"), ["input.min_size=65"])


# ------------------------------------------------------------------- what packages add


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package's part of preset ``paper``; the package registers methods mine and yours."""
    folders = {"pack": (tmp_path, frozenset({"mine", "yours"}))}
    monkeypatch.setattr(presets, "preset_folders", lambda: folders)
    load_presets.cache_clear()
    yield tmp_path / "paper.toml"
    load_presets.cache_clear()


def test_a_package_adds_to_a_preset_for_its_own_methods(part: Path) -> None:
    before = presets._load_preset(presets._PRESET_FOLDER / "paper.toml")
    part.write_text("[methods.mine]\ndrop_keys = ['bn']\n[methods.yours]\nradimagenet_3d = true")
    after = find_preset("paper")
    assert after.drop_keys == before.drop_keys | {"mine": ("bn",)}
    assert after.input.radimagenet_3d == (*before.input.radimagenet_3d, "yours")
    assert dataclasses.replace(after, drop_keys=before.drop_keys, input=before.input) == before
    assert "mine" not in find_preset("standard").drop_keys


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[methods.crossd]", "table 'methods.crossd' is of no method that pack registers; remove"),
        ("[fit]\nlr = 1.0", "unknown key 'fit'; known: methods"),
        ("[methods.mine]\nlr = 1.0", "[methods.mine]: unknown key 'lr'; known: drop_keys, radim"),
        ("[methods.mine]\ndrop_keys = 'bn'", "key 'methods.mine.drop_keys' is 'bn'; it must be an"),
    ],
)
def test_a_part_that_sets_anything_else_is_refused(part: Path, text: str, message: str) -> None:
    part.write_text(text)
    with pytest.raises(CardError, match=f"^{re.escape(f'{part}: {message}')}"):
        find_preset("paper")


def test_seeds_are_known_before_a_scheme_that_allows_one() -> None:
    leaving = ["split.scheme=leave-site-out", "split.folds=2"]
    assert choose_preset("standard", leaving, seeds=[43]).split.seeds == (43,)
    with pytest.raises(RequestError, match="leaving sites out repeats nothing"):
        choose_preset("standard", leaving)
