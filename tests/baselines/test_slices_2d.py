"""The 2D network over slices: what it computes, and that it works wherever a method does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

import crossbench
from crossbench.cli import main
from crossbench.errors import RequestError, WeightsError
from crossbench.nets.backbones import layer_form
from crossbench.nets.build import build_model, build_network
from crossbench.nets.lora import add_lora
from crossbench.nets.request import BuildRequest
from crossbench.nets.weights.catalogue import catalogued
from crossbench.nets.weights.init import lacks_weights
from crossbench.registry.entries import method_entries
from crossbench.registry.method_identity import identify
from crossbench.registry.methods import load_method
from crossbench.results.records.store import Found, Store
from crossbench.specs import RANDOM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = "test_resnet"
PROTOCOLS = ["weak-probe", "finetune", "lora", "linear-probe"]


def network(num_classes: int = 3, **options: Any) -> nn.Module:
    return build_model(
        "slices-2d", dims=3, num_classes=num_classes, backbone=SMALL, **options
    ).eval()


@pytest.fixture
def plain_weights(tmp_path: Path) -> Path:
    """2D weights of the plain backbone, of another number of classes."""
    torch.manual_seed(7)
    state = build_model("conv2d", dims=2, num_classes=5, backbone=SMALL).state_dict()
    torch.save(state, tmp_path / "plain.pth")
    return tmp_path / "plain.pth"


# ------------------------------------------------------------------------------- the network


@torch.no_grad()
def test_the_head_reads_the_mean_of_the_slices_features() -> None:
    model, volumes = network(), torch.randn(2, 3, 4, 32, 32)
    image_network = model.image_network
    features = torch.stack(
        [
            image_network.forward_head(
                image_network.forward_features(volumes[:, :, depth]), pre_logits=True
            )
            for depth in range(4)
        ]
    ).mean(dim=0)
    answers = model(volumes)
    assert answers.shape == (2, 3)
    torch.testing.assert_close(answers, model.get_classifier()(features))
    torch.testing.assert_close(answers, model(volumes.flip(2)))  # slices have no order


@torch.no_grad()
def test_without_a_head_it_returns_features() -> None:
    model = network(0)
    classifier = network(2).get_classifier()
    assert isinstance(classifier, nn.Linear)
    assert model(torch.randn(2, 3, 3, 32, 32)).shape == (2, classifier.in_features)


def test_images_have_no_slices() -> None:
    with pytest.raises(RequestError, match="evaluated on volumes only, not on images"):
        build_model("slices-2d", dims=2, num_classes=2, backbone=SMALL)


def test_it_shares_the_2d_weights_of_plain_convolutions(plain_weights: Path) -> None:
    assert layer_form(load_method("slices-2d")) == layer_form(load_method("conv2d"))
    source = torch.load(plain_weights, weights_only=True)
    found = network(init=plain_weights).image_network.state_dict()
    for key in source:
        if not key.startswith("fc."):
            assert torch.equal(found[key], source[key]), key


def test_its_own_weights_are_loaded_whole(tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = network().state_dict()
    torch.save(state, tmp_path / "own.pth")
    found = network(init=tmp_path / "own.pth").state_dict()
    same = {key for key in state if torch.equal(state[key], found[key])}
    assert state.keys() - same <= {"image_network.fc.weight", "image_network.fc.bias"}


def test_weights_that_fit_neither_network_are_refused(tmp_path: Path) -> None:
    state = build_model("crossd", dims=2, num_classes=2, backbone=SMALL).state_dict()
    torch.save(state, tmp_path / "crossd.pth")
    with pytest.raises(WeightsError, match=r"made with another method's layers.*; as 3D weights: "):
        network(init=tmp_path / "crossd.pth")


def test_low_rank_updates_adapt_every_convolution() -> None:
    model = network()
    convolutions = [name for name, each in model.named_modules() if isinstance(each, nn.Conv2d)]
    adapted = add_lora(model, rank=2, alpha=2.0)
    assert adapted == tuple(f"{name}.weight" for name in convolutions)


def test_its_identity_is_its_file_alone() -> None:
    method = load_method("slices-2d")
    assert [file.label for file in identify(method).files] == [
        "crossbench_baselines/__init__.py",
        "crossbench_baselines/slices_2d.py",
    ]
    assert identify(method).config == {"name": "slices-2d", "inputs": ["volume"]}


# ------------------------------------------------------------------------ wherever methods are


def test_a_listing_says_what_it_takes() -> None:
    assert method_entries()["slices-2d"].inputs == ("volume",)


@pytest.fixture
def run(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Any]:
    """One short run on small volumes."""
    card = str(make_task())

    def call(**options: Any) -> Any:
        frame = crossbench.run(
            "slices-2d",
            card,
            seeds=[43],
            folds=[0],
            settings=["fit.epochs=2", "compute.threads=1"],
            data_dir=tmp_path,
            backbone=SMALL,
            out=tmp_path / "out",
            device="cpu",
            **options,
        )
        (row,) = frame[frame["method"] == "slices-2d"].to_dict("records")
        return row

    return call


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_runs_under_every_protocol(
    run: Callable[..., Any], tmp_path: Path, protocol: str
) -> None:
    row = run(protocol=protocol, save_weights=True)
    assert row["status"] == "ok", row
    if protocol != "lora":  # whose BatchNorm is frozen at the statistics of no data
        assert row["balanced_accuracy"] > 0.5
    (found,) = [
        each
        for each in Store(tmp_path / "out").scan()
        if isinstance(each, Found) and each.record.key.method == "slices-2d"
    ]
    command = ["predict", "--run", str(found.path), str(tmp_path / "blobs.npz")]
    assert main([*command, "--out", str(tmp_path / "predicted.csv")]) == 0


def test_it_starts_from_what_pretrain_makes(
    run: Callable[..., Any], make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    command = ["pretrain", "--method", "slices-2d", "--data", str(make_folder())]
    settings = ["--set", "size=16", "--set", "epochs=1", "--set", "batch_size=4"]
    where = ["--backbone", SMALL, "--out", str(tmp_path / "made"), "--device", "cpu"]
    assert main([*command, *settings, *where]) == 0
    (weights,) = (tmp_path / "made").rglob("*.safetensors")
    assert weights.parent.name.startswith("plain-")
    row = run(init=str(weights), protocol="linear-probe")
    assert (row["status"], row["init"] != RANDOM) == ("ok", True)


def test_weights_inspect_says_how_a_checkpoint_serves_it(
    plain_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["weights", "inspect", str(plain_weights), "--method", "slices-2d,conv2d"]
    assert main([*command, "--backbone", SMALL]) == 0
    shown = capsys.readouterr().out
    (row,) = [line for line in shown.splitlines() if line.startswith("slices-2d")]
    assert "not applicable" in row
    assert "converted: " in row
    assert main([*command, "--backbone", SMALL, "--json"]) == 0
    own, plain = json.loads(capsys.readouterr().out)["networks"]
    assert own["counts"] == plain["counts"]
    assert (own["kind"], own["fits"]) == ("volume", True)


# --------------------------------------------------------------- other methods that build


class _Signals:
    """Builds a network of its own, from no 2D weights."""

    name = "signals"
    inputs = ("signal",)
    image_weights = False

    def build(self, request: BuildRequest) -> nn.Module:
        model = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.LazyLinear(2))
        if request.num_classes:
            model.get_classifier = lambda: model[-1]
        return model


def _request(num_classes: int = 2) -> BuildRequest:
    return BuildRequest(
        kind="signal", dims=1, shape=(9,), num_classes=num_classes, backbone="resnet18"
    )


def test_a_network_for_another_kind_of_input() -> None:
    model = build_network(_Signals(), _request())
    assert model(torch.randn(4, 3, 9)).shape == (4, 2)
    with pytest.raises(WeightsError, match="'signals' builds networks that take no 2D weights"):
        layer_form(_Signals())


def test_a_network_names_its_head() -> None:
    message = r"network of method 'signals' does not name its linear head; its get_classifier\(\)"
    with pytest.raises(crossbench.errors.ConversionError, match=message):
        build_network(_Signals(), _request(num_classes=0))


def test_a_build_that_returns_no_network() -> None:
    class Nothing(_Signals):
        def build(self, request: BuildRequest) -> Any:
            return None

    with pytest.raises(crossbench.errors.ConversionError, match="returned None, which is no mod"):
        build_network(Nothing(), _request())


@pytest.mark.parametrize(
    ("init", "reason"),
    [
        ("in1k", "no 'in1k' weights are known for the layers of method 'signals'"),
        ("made/{layers}/seed{seed}.safetensors", "'signals' builds networks that take no 2D weig"),
    ],
)
def test_a_network_without_2d_weights_has_none_of_a_name(init: str, reason: str) -> None:
    assert reason in lacks_weights(init, _Signals(), "resnet18")
    assert not lacks_weights("own.safetensors", _Signals(), "resnet18")
    assert not lacks_weights(init, load_method("slices-2d"), "resnet18")
    assert catalogued("own.safetensors", _Signals(), "resnet18", "0" * 64) is None
