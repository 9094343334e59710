"""Which weights a run starts from, and what they may have seen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import safetensors.torch
import torch

from crossbench.api import prepare
from crossbench.cli.views import statistics_view, warnings_view
from crossbench.data.sources import open_task
from crossbench.errors import RequestError, WeightsError
from crossbench.files.hashing import hash_file
from crossbench.nets.build import build_model
from crossbench.nets.weights.catalogue import catalogued, known_weights
from crossbench.nets.weights.checkpoint import (
    CheckpointMetadata,
    TrainingSamples,
    read_checkpoint,
    write_checkpoint,
)
from crossbench.nets.weights.init import find_init, init_name
from crossbench.registry.methods import load_method
from crossbench.registry.tasks import load_card
from crossbench.results.records.store import Store
from crossbench.runs.exposure import seen_in
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossbench.runs.plan import Plan

METHOD = load_method("conv3d")
RUN = {"backbone": "test_resnet", "seed": 43, "fold": 0}


def save(
    file: Path,
    *,
    seen: tuple[TrainingSamples, ...] = (),
    recipe: str = "a recipe",
    details: dict[str, Any] | None = None,
) -> Path:
    """A checkpoint of a small plain 2D network."""
    network = build_model("conv2d", dims=2, num_classes=2, backbone="test_resnet")
    about = CheckpointMetadata(
        method="conv2d",
        dims=2,
        backbone="test_resnet",
        num_classes=2,
        recipe=recipe,
        statistics="imagenet",
        seen=seen,
        details=details or {},
    )
    write_checkpoint(file, network.state_dict(), about)
    return file


@pytest.fixture
def plan(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Plan]:
    def call(
        init: str,
        *,
        card: Path | None = None,
        folds: tuple[int, ...] = (0,),
        method: str = "conv3d",
        **options: Any,
    ) -> Plan:
        return prepare(
            method,
            str(card or make_task()),
            store=Store(tmp_path / "out"),
            data_dir=tmp_path,
            init=init,
            backbone="test_resnet",
            seeds=[43],
            folds=folds,
            **options,
        )

    return call


def test_random_weights_are_no_file() -> None:
    init = find_init("random", METHOD, **RUN)
    assert (init.name, init.source) == ("random", "random")
    assert init.hashes == {"init": "random", "statistics": "radimagenet"}


def test_a_file_serves_every_fold(tmp_path: Path) -> None:
    file = save(tmp_path / "one.safetensors")
    first, second = (find_init(str(file), METHOD, **RUN | {"fold": fold}) for fold in (0, 1))
    assert first == second
    assert first.name == "one"
    assert first.about is not None
    assert first.about.statistics == "imagenet"


def test_each_fold_has_its_own_file_and_one_recipe(tmp_path: Path) -> None:
    for fold in (0, 1):
        save(tmp_path / f"nodules/plain-x{fold}/seed43-fold{fold}.safetensors")
    init = str(tmp_path / "nodules/{layers}-*/seed{seed}-fold{fold}.safetensors")
    first, second = (find_init(init, METHOD, **RUN | {"fold": fold}) for fold in (0, 1))
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
        find_init(init, METHOD, **RUN)


def test_refuses_no_file_and_several(tmp_path: Path) -> None:
    init = str(tmp_path / "{method}-*.safetensors")
    with pytest.raises(WeightsError, match=r"to name one checkpoint, and names 0$"):
        find_init(init, METHOD, **RUN)
    for name in "ab":
        save(tmp_path / f"conv3d-{name}.safetensors")
    with pytest.raises(WeightsError, match=r"names 2: .*conv3d-a.safetensors, .*conv3d-b"):
        find_init(init, METHOD, **RUN)
    with pytest.raises(WeightsError, match=r"no checkpoint at '.*7.safetensors'"):
        find_init(str(tmp_path / "{fold}.safetensors"), METHOD, **RUN | {"fold": 7})


# ---------------------------------------------------------------------- channel statistics


def foreign(file: Path) -> Path:
    """The same weights in a file that says nothing of itself."""
    torch.manual_seed(0)
    network = build_model("conv2d", dims=2, num_classes=2, backbone="test_resnet")
    torch.save(network.state_dict(), file)
    return file


def test_no_file_name_decides_by_what_inputs_are_normalised(
    plan: Callable[..., Plan], tmp_path: Path, make_task: Callable[..., Path]
) -> None:
    card, file = make_task(), foreign(tmp_path / "a-in1k.pth")
    copy = tmp_path / "rin.pth"
    copy.write_bytes(file.read_bytes())
    for each in (file, copy):
        with pytest.raises(
            RequestError,
            match=rf"{each}: nothing says by whose channel statistics the inputs of these weights "
            r"were normalised; declare it by run --statistics NAME \(imagenet, radimagenet, "
            r"inception, unit\), or for all commands by crossbench weights convert FILE --to NAME",
        ):
            plan(str(each), card=card)
    runs = [plan(str(each), card=card, statistics="imagenet").runs[0] for each in (file, copy)]
    assert runs[0].identity == runs[1].identity  # one file, whatever it is called


def test_what_normalises_the_inputs_is_said_and_part_of_the_identity(
    plan: Callable[..., Plan], tmp_path: Path, make_task: Callable[..., Path]
) -> None:
    card, file = make_task(), str(foreign(tmp_path / "a.pth"))
    plans = {
        name: plan(file, card=card, statistics=name, preset="standard")
        for name in ("imagenet", "radimagenet")
    }
    for name, each in plans.items():
        assert statistics_view(each) == [f"inputs normalised by {name} statistics (as set): conv3d"]
        assert warnings_view(each) == []
        assert each.runs[0].hashes["statistics"] == name
    assert len({each.runs[0].identity for each in plans.values()}) == 2
    own = plan(str(save(tmp_path / "own.safetensors")), card=card)
    assert statistics_view(own) == [
        "inputs normalised by imagenet statistics (as the weights say): conv3d"
    ]
    drawn = plan("random", card=card)
    assert statistics_view(drawn) == [
        "inputs normalised by radimagenet statistics (the default of random weights): conv3d"
    ]


def test_the_paper_fixes_the_statistics_of_cross_d_in_3d(
    plan: Callable[..., Plan], tmp_path: Path, make_task: Callable[..., Path]
) -> None:
    file, card = str(save(tmp_path / "own.safetensors")), make_task()
    options = {"card": card, "preset": "paper", "method": "conv3d,crossd-fixed"}
    settings = ['input.radimagenet_3d=["conv3d"]']
    assert {
        run.key.method: run.init.statistics
        for run in plan(file, method="conv3d", settings=settings, card=card, preset="paper").runs
        if run.init is not None
    } == {"conv3d": "radimagenet"}
    drawn = plan("random", statistics="imagenet", **options)
    assert {run.init.statistics for run in drawn.runs if run.init is not None} == {"imagenet"}


def test_the_catalogue_knows_weights_by_name_place_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = foreign(tmp_path / "mine.pth")
    digest = hash_file(file)
    entry = (
        f'[[weights]]\nname = "mine"\nlayers = ["plain"]\nfile = "mine.pth"\n'
        f'statistics = "radimagenet"\nsha256 = "{digest}"\n'
    )
    (tmp_path / "known.toml").write_text(entry)
    monkeypatch.setenv("CROSSBENCH_WEIGHTS", str(tmp_path / "known.toml"))
    for init in ("mine", str(file)):
        found = find_init(init, METHOD, **RUN)
        assert (found.statistics, found.basis) == ("radimagenet", "as the catalogue says")
    wanted = {"in1k": {"imagenet", "inception"}, "rin": {"radimagenet"}}
    wanted |= {key: {"unit"} for key in ("astra", "brainlm", "fmcib", "medicalnet", "merlin")}
    for known in known_weights()[1:]:
        assert known.statistics in wanted[known.name]
        method = load_method({"plain": "acs"}.get(known.layers[0], known.layers[0]))
        for init in (known.name, known.source) if known.repo else (known.name,):
            assert catalogued(init, method, known.backbone, "") == known


def test_what_weights_may_have_seen_is_said_in_the_plan(
    plan: Callable[..., Plan],
    make_task: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = make_task()
    card.write_text('cohort = "bern"\n' + card.read_text())
    foreign(tmp_path / "mine.pth")
    entry = '[[weights]]\nname = "mine"\nlayers = ["plain"]\nfile = "mine.pth"\n'
    (tmp_path / "known.toml").write_text(entry + 'statistics = "unit"\nmay_have_seen = ["bern"]\n')
    monkeypatch.setenv("CROSSBENCH_WEIGHTS", str(tmp_path / "known.toml"))
    (run,) = [run for run in plan("mine", card=card).runs if run.init is not None]
    assert run.warnings[-1].startswith("the weights 'mine' may have seen some of the ")
    assert run.init is not None
    assert run.init.statistics == "unit"
    assert plan("random", card=card).runs[0].warnings == ()


def test_unknown_statistics_are_refused(plan: Callable[..., Plan], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"unknown statistics 'imagnet'; did you mean imagenet"):
        plan("random", statistics="imagnet")
    file = save(tmp_path / "odd.safetensors")
    tensors, about = read_checkpoint(file).tensors, read_checkpoint(file).about
    text = json.dumps(to_mapping(about) | {"statistics": "kinetics"})
    safetensors.torch.save_file(tensors, file, {"crossbench": text})
    with pytest.raises(
        WeightsError, match=r"'statistics' is 'kinetics'; it must be one of 'imagen"
    ):
        find_init(str(file), METHOD, **RUN)


# ----------------------------------------------------------------------------------- names


def test_no_file_is_called_what_random_and_known_weights_are(
    plan: Callable[..., Plan], tmp_path: Path, make_task: Callable[..., Path]
) -> None:
    card = make_task()
    for name in ("random", "none", "in1k"):
        file = str(foreign(tmp_path / f"{name}.pth"))
        run = plan(file, card=card, statistics="imagenet").runs[0]
        assert run.key.init == f"{name} (file)"
    called = save(tmp_path / "x.safetensors", details={"data": "random"})
    assert find_init(str(called), METHOD, **RUN).name == "random (file)"
    called.parent.joinpath("random").mkdir()
    save(tmp_path / "random" / "0.safetensors")
    init = str(tmp_path / "random" / "{fold}.safetensors")
    assert find_init(init, METHOD, **RUN).name == "random (file)"


def test_an_init_is_called_by_its_name_or_file(tmp_path: Path) -> None:
    file = tmp_path / "R18_RIN.pth"
    assert init_name("random") == "random"
    assert init_name(file) == init_name(str(file)) == "R18_RIN"


# --------------------------------------------------------------------------------- per fold


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
    assert seen_in(dataset, split, run.init) == (seen, seen)  # what it starts from counts as well
    with pytest.raises(RequestError, match=r"has seen \d+ of the \d+ groups that blobs tests on"):
        plan(str(clean), card=card, folds=(1,))
