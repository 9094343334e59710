"""From a request to planned runs, on small data; nothing is trained here."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crossbench.api import prepare
from crossbench.errors import DataError, MissingDataError, RequestError
from crossbench.files.hashing import hash_json
from crossbench.protocols.interface import Passes
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossbench.runs.plan import Plan


@pytest.fixture
def plan(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Plan]:
    """``prepare`` on a task of blobs, one seed and fold."""

    def call(method: str = "conv3d", task: str | None = None, **options: Any) -> Plan:
        return prepare(
            method,
            task or str(make_task()),
            store=Store(tmp_path / "out"),
            data_dir=tmp_path,
            **({"backbone": "test_resnet", "seeds": [43], "folds": [0]} | options),
        )

    return call


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({"settings": ["compute.threads=2"]}, True),
        ({"settings": ["compute.workers=1"]}, True),
        ({"settings": ["lora.rank=9"]}, True),
        ({"settings": ["fit.epochs=3"]}, False),
        ({"settings": ['input.scaling="train"']}, False),
        ({"settings": ["split.validation=0.3"]}, False),
        ({"protocol": "finetune"}, False),
        ({"backbone": "resnet10t"}, False),
        ({"seeds": [44]}, False),
        ({"folds": [1]}, False),
    ],
)
def test_identity_changes_with_what_changes_the_number_alone(
    plan: Callable[..., Plan], options: dict[str, Any], same: bool
) -> None:
    assert (plan().runs[0].identity == plan(**options).runs[0].identity) is same


def test_identity_follows_the_data(
    plan: Callable[..., Plan], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    before = plan().runs[0].identity
    with np.load(tmp_path / "blobs.npz") as archive:
        images = archive["images"].copy()
    images[0, 0, 0, 0] += 1
    card = make_task(images=images)
    assert plan(task=str(card)).runs[0].identity != before


def test_the_grid_holds_methods_then_plain_baselines_of_each_fold(
    plan: Callable[..., Plan],
) -> None:
    keys = [run.key for run in plan("acs,conv3d", folds=[0, 1]).runs]
    assert [(key.method, key.fold) for key in keys] == [
        (method, fold) for fold in (0, 1) for method in ("acs", "conv3d", "majority", "logistic")
    ]
    assert {key.init for key in keys if key.plain} == {"none"}


def test_methods_share_their_splits(plan: Callable[..., Plan]) -> None:
    hashes = {run.split.content_hash for run in plan("acs,conv3d").runs}
    assert len(hashes) == 1


def test_a_linear_probe_has_no_settings_of_descent_or_augmentation(
    plan: Callable[..., Plan],
) -> None:
    before = plan(protocol="linear-probe").runs[0].identity
    for setting in ("fit.epochs=3", "fit.lr=1", "input.augment=false", "fit.batch_size=2"):
        assert plan(protocol="linear-probe", settings=[setting]).runs[0].identity == before
    for setting in ('input.scaling="train"', 'compute.precision="bfloat16"'):
        assert plan(protocol="linear-probe", settings=[setting]).runs[0].identity != before


def test_low_rank_settings_count_under_lora_alone(plan: Callable[..., Plan]) -> None:
    settings = ("lora.rank=9", "lora.alpha=9", "lora.target=spatial", "lora.batch_norm=train")
    before = plan(protocol="lora").runs[0].identity
    for setting in settings:
        assert plan(protocol="lora", settings=[setting]).runs[0].identity != before
    for other in ("finetune", "linear-probe"):
        with_them, without = plan(protocol=other, settings=settings), plan(protocol=other)
        assert with_them.runs[0].identity == without.runs[0].identity


def test_folds_share_the_features_of_a_linear_probe(plan: Callable[..., Plan]) -> None:
    options: dict[str, Any] = {"seeds": [43, 44], "folds": [0, 1], "protocol": "linear-probe"}
    shared = plan("acs,conv3d", **options)
    passes = {run.identity: run.passes for run in shared.runs}
    assert sorted(each.total for each in passes.values()) == [0] * 12 + [60] * 4
    assert all(each.train == 0 for each in passes.values())
    first = {run.key.method: passes[run.identity].total for run in shared.runs[:2]}
    assert first == {"acs": 60, "conv3d": 60}
    apart = plan("acs,conv3d", settings=['input.scaling="train"'], **options)
    totals = [each.total for each in [run.passes for run in apart.runs]]
    assert sorted(totals) == [0] * 8 + [60] * 8  # plain baselines have no network


def test_passes_of_a_fit_are_counted_by_epoch(plan: Callable[..., Plan]) -> None:
    planned = plan(settings=["fit.epochs=4"])
    for run in planned.runs:
        split = run.split
        wanted = Passes(train=4 * len(split.train), evaluate=4 * len(split.val) + len(split.test))
        assert run.passes == (Passes() if run.key.plain else wanted)


def test_all_methods_have_the_ablations_of_crossd_among_them(
    plan: Callable[..., Plan], make_task: Callable[..., Path]
) -> None:
    volumes = plan("all")
    planned = {run.key.method for run in volumes.runs}
    assert {"acs", "conv3d", "crossd", "crossd-aligned", "crossd-fixed"} <= planned
    images = plan("all", task=str(make_task("images", 2, extra="input_size = 18")))
    refused = {str(each) for each in images.not_applicable}
    assert "crossd-aligned on images: it has no 2D form" in refused  # it would be crossd
    assert {"conv2d", "crossd", "crossd-fixed"} <= {run.key.method for run in images.runs}


def test_a_limit_takes_the_first_runs(plan: Callable[..., Plan]) -> None:
    assert [run.key.method for run in plan("acs,conv3d", limit=1).runs] == ["acs"]


def test_what_does_not_apply_is_said(plan: Callable[..., Plan]) -> None:
    planned = plan("conv2d,conv3d")
    assert [str(each) for each in planned.not_applicable] == ["conv2d on blobs: it has no 3D form"]
    message = r"can do any requested task .*:\nnot applicable: conv2d on blobs: it has no 3D form"
    with pytest.raises(RequestError, match=message):
        plan("conv2d")


def test_missing_data_of_a_named_task_is_an_error_with_the_remedy(
    plan: Callable[..., Plan], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    card = make_task()
    (tmp_path / "blobs.npz").unlink()
    with pytest.raises(MissingDataError, match=r"blobs\.npz.*Make it with the test fixture"):
        plan(task=str(card))


def test_a_private_card_reads_its_own_data_where_others_get_phantoms(
    plan: Callable[..., Plan],
) -> None:
    (private,) = plan(preset="smoke").tasks
    assert private.sample_shape == (1, 18, 18, 18)
    (public,) = plan(task="vessel", preset="smoke").tasks
    assert public.sample_shape != private.sample_shape


def test_a_subset_is_drawn_in_whole_groups(plan: Callable[..., Plan]) -> None:
    (run,) = plan(settings=["input.max_samples=30"], limit=1).runs
    parts = [run.split.train, run.split.val, run.split.test]
    assert sum(map(len, parts)) <= 30
    groups = [set(part // 2) for part in parts]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]


def test_smoke_keeps_patients_enough_for_its_folds(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    """Whole patients of 60 samples would leave four of eight, and too few for three folds."""
    groups = np.arange(480) // 60
    task = make_task(
        images=np.random.default_rng(0).integers(0, 256, (480, 8, 8, 8), np.uint8),
        labels=groups % 2,
        groups=groups,
    )
    plan = prepare(
        "conv3d", str(task), store=Store(tmp_path / "out"), preset="smoke", data_dir=tmp_path
    )
    assert plan.broken == {}
    split = plan.runs[0].split
    chosen = np.concatenate([split.train, split.val, split.test])
    assert len(chosen) == 240
    assert sorted(np.unique(groups[chosen])) == list(range(8))


def test_warnings_are_said_once_with_the_number_of_splits(plan: Callable[..., Plan]) -> None:
    (task,) = plan(folds=[0, 1]).tasks
    runs = [
        replace(run, split=replace(run.split, warnings=("all", "one")[: 2 - run.key.fold]))
        for run in task.runs
    ]
    assert replace(task, runs=tuple(runs)).warnings == ("all", "one (1 of 2 splits)")


def test_a_split_that_cannot_be_drawn_names_the_file(
    plan: Callable[..., Plan], make_task: Callable[..., Path]
) -> None:
    card = make_task(groups=np.zeros(60, int))
    with pytest.raises(DataError, match=r"blobs: blobs\.npz: .*groups"):
        plan(task=str(card))


def test_a_cards_name_may_not_be_taken(
    plan: Callable[..., Plan], make_task: Callable[..., Path]
) -> None:
    card = make_task(name="vessel")
    with pytest.raises(RequestError, match="'vessel' is taken by a registered task; rename it"):
        plan(task=str(card))


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"unknown option 'set'; did you mean .*settings"):
        prepare("acs", "all", store=Store(tmp_path), set=["fit.epochs=1"])  # type: ignore[call-arg]


def test_a_card_with_an_unknown_metric_is_refused(
    tmp_path: Path, make_task: Callable[..., Path]
) -> None:
    card = make_task(dimension=2)
    card.write_text(re.sub(r'metric = "\w+"', 'metric = "acc"', card.read_text()))
    with pytest.raises(RequestError, match=r"unknown metric 'acc'; did you mean .*accuracy"):
        prepare("conv2d", str(card), store=Store(tmp_path), data_dir=card.parent)


def test_a_task_with_permuted_labels_has_the_folds_of_its_original(tmp_path: Path) -> None:
    splits = [
        [
            run.split.content_hash
            for run in prepare("conv3d", task, store=Store(tmp_path), preset="adhd-lora").runs
        ]
        for task in ("nodule-malignancy-inverted-3d", "nodule-permuted-inverted-3d")
    ]
    assert splits[0] == splits[1]


def knob(folder: Path, place: int = 1, width: int = 1) -> str:
    """A plugin file built with ``place``, whose layer comes from a file beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "layers.py").write_text(f"WIDTH = {width}\n")
    (folder / "method.py").write_text(
        "from crossbench_baselines.conv3d import Conv3d\n"
        "from layers import WIDTH\n"
        "class Knob(Conv3d):\n"
        f"    name = 'knob-{folder.name}'\n"
        "    def __init__(self, place):\n"
        "        self.place = place\n"
        f"method = Knob(place={place})\n"
    )
    return str(folder / "method.py")


def test_a_plugin_whose_helper_or_values_change_is_planned_again(
    plan: Callable[..., Plan], tmp_path: Path
) -> None:
    def identities(**made: int) -> dict[str, str]:
        planned = plan("acs,knob-a", plugins=[knob(tmp_path / "a", **made)])
        return {run.key.method: run.identity for run in planned.runs}

    before = identities()
    assert identities() == before
    for made in ({"place": 2}, {"width": 2}):
        after = identities(**made)
        assert {name for name in before if before[name] != after[name]} == {"knob-a"}


def test_two_plugin_files_of_one_name_have_hashes_of_their_own(
    plan: Callable[..., Plan], tmp_path: Path
) -> None:
    files = [knob(tmp_path / "a"), knob(tmp_path / "b", width=2)]
    together = plan("knob-a,knob-b", plugins=files)
    hashes = {run.key.method: run.hashes["method"] for run in together.runs}
    assert hashes["knob-a"] != hashes["knob-b"]
    for name, file in zip("ab", files, strict=True):
        (alone, *_) = plan(f"knob-{name}", plugins=[file]).runs
        assert alone.hashes["method"] == hashes[f"knob-{name}"]


def test_a_run_says_what_its_method_is_made_of(plan: Callable[..., Plan], tmp_path: Path) -> None:
    (run, *_) = plan("knob-a", plugins=[knob(tmp_path / "a", place=2)]).runs
    made_of = run.facts["method"]
    assert run.hashes["method"] == hash_json(made_of)
    assert made_of["config"] == {"name": "knob-a", "dims": [3], "place": 2}
    assert [label for label, _ in made_of["files"]] == [
        "<plugin>",
        "crossbench_baselines/__init__.py",
        "crossbench_baselines/_volumetric.py",
        "crossbench_baselines/conv3d.py",
        "layers.py",
    ]
