"""Which weights a run starts from, and what they may have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from crossbench import nets
from crossbench.api import prepare
from crossbench.cards import load_card
from crossbench.data.sources import open_task
from crossbench.errors import RequestError, WeightsError
from crossbench.inits import find_init, seen_in
from crossbench.nets.checkpoint import About, Seen, write_checkpoint
from crossbench.plugins import load_method
from crossbench.results.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossbench.plan import Plan

METHOD = load_method("conv3d")


def save(file: Path, *, seen: tuple[Seen, ...] = (), recipe: str = "a recipe") -> Path:
    """A checkpoint of a small plain 2D network."""
    network = nets.build_model("conv2d", dims=2, num_classes=2, backbone="test_resnet")
    about = About(
        method="conv2d",
        dims=2,
        backbone="test_resnet",
        num_classes=2,
        recipe=recipe,
        statistics="imagenet",
        seen=seen,
    )
    write_checkpoint(file, network.state_dict(), about)
    return file


@pytest.fixture
def plan(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Plan]:
    def call(init: str, *, card: Path | None = None, folds: tuple[int, ...] = (0,)) -> Plan:
        return prepare(
            "conv3d",
            str(card or make_task()),
            store=Store(tmp_path / "out"),
            data_dir=tmp_path,
            init=init,
            backbone="test_resnet",
            seeds=[43],
            folds=folds,
        )

    return call


def test_random_weights_are_no_file() -> None:
    init = find_init("random", METHOD, seed=43, fold=0)
    assert (init.name, init.source, dict(init.hashes)) == ("random", "random", {"init": "random"})


def test_a_file_serves_every_fold(tmp_path: Path) -> None:
    file = save(tmp_path / "one.safetensors")
    first, second = (find_init(str(file), METHOD, seed=43, fold=fold) for fold in (0, 1))
    assert first == second
    assert first.name == "one"
    assert first.about is not None
    assert first.about.statistics == "imagenet"


def test_each_fold_has_its_own_file_and_one_recipe(tmp_path: Path) -> None:
    for fold in (0, 1):
        save(tmp_path / f"nodules/conv2d-x{fold}/seed43-fold{fold}.safetensors")
    init = str(tmp_path / "nodules/{layers}-*/seed{seed}-fold{fold}.safetensors")
    first, second = (find_init(init, METHOD, seed=43, fold=fold) for fold in (0, 1))
    assert (first.name, second.name) == ("nodules", "nodules")
    assert first.source != second.source
    assert first.hashes["init"] == second.hashes["init"] == "a recipe"
    assert first.hashes["weights"] != second.hashes["weights"]


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("{fold}-{epoch}.pth", r"'\{fold\}-\{epoch\}.pth' has \{epoch\}; it may have \{method\}, "),
        ("{fold.pth", r"a brace too many or too few"),
    ],
)
def test_refuses_a_path_it_cannot_fill(init: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        find_init(init, METHOD, seed=43, fold=0)


def test_refuses_no_file_and_several(tmp_path: Path) -> None:
    init = str(tmp_path / "{method}-*.safetensors")
    with pytest.raises(WeightsError, match=r"to name one checkpoint, and names 0$"):
        find_init(init, METHOD, seed=43, fold=0)
    for name in "ab":
        save(tmp_path / f"conv3d-{name}.safetensors")
    with pytest.raises(WeightsError, match=r"names 2: .*conv3d-a.safetensors, .*conv3d-b"):
        find_init(init, METHOD, seed=43, fold=0)
    with pytest.raises(WeightsError, match=r"no checkpoint at '.*7.safetensors'"):
        find_init(str(tmp_path / "{fold}.safetensors"), METHOD, seed=43, fold=7)


def test_the_identity_follows_the_weights_of_the_fold(
    plan: Callable[..., Plan], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    save(tmp_path / "0.safetensors")
    init = str(tmp_path / "{fold}.safetensors")
    before = plan(init).runs[0]
    save(tmp_path / "0.safetensors")  # drawn anew
    after = plan(init).runs[0]
    assert before.identity != after.identity
    assert before.hashes["init"] == after.hashes["init"]
    assert before.key == after.key
    assert before.key.init == tmp_path.name


def test_refuses_weights_that_saw_a_test_group(
    make_task: Callable[..., Path], plan: Callable[..., Plan], tmp_path: Path
) -> None:
    card = make_task()
    dataset = open_task(load_card(card), data="real", data_dir=tmp_path, cache_dir=tmp_path)
    split = plan("random", card=card).runs[0].split
    clean = save(tmp_path / "clean.safetensors", seen=seen_in(dataset, split))
    run = plan(str(clean), card=card).runs[0]
    (seen,) = seen_in(dataset, split)
    assert not set(dataset.groups[run.split.test]) & set(seen.codes)
    assert seen_in(dataset, split, run.init) == (seen, seen)  # what it starts from counts as well
    with pytest.raises(RequestError, match=r"has seen \d+ of the \d+ groups that blobs tests on"):
        plan(str(clean), card=card, folds=(1,))


def test_other_data_shares_no_codes(
    make_task: Callable[..., Path], plan: Callable[..., Plan], tmp_path: Path
) -> None:
    card = make_task()
    codes = tuple(range(1000))
    elsewhere = (Seen(file="elsewhere.npz:1", unit="group", codes=codes),)
    assert plan(str(save(tmp_path / "x.safetensors", seen=elsewhere)), card=card).runs
