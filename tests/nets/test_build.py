"""Whole networks: what comes out of a request, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from crossbench.errors import ConversionError, RequestError, WeightsError
from crossbench.methods import Convolution, NetworkRequest
from crossbench.nets.backbones import create_backbone, layer_form, replace_convolutions
from crossbench.nets.build import build_model
from crossbench.nets.reinit import reinitialise
from crossbench.nets.weights.checkpoint import CheckpointMetadata, write_checkpoint
from crossbench.registry.methods import load_method

SMALL = "test_resnet"


@pytest.mark.parametrize(
    ("method", "dims"), [("conv2d", 2), ("crossd", 2), ("conv3d", 3), ("acs", 3), ("crossd", 3)]
)
def test_every_method_gives_logits_or_features(method: str, dims: int) -> None:
    x = torch.randn(2, 3, *[32] * dims)
    classifier = build_model(method, dims=dims, num_classes=5, backbone=SMALL)
    features = build_model(method, dims=dims, num_classes=0, backbone=SMALL)
    assert classifier(x).shape == (2, 5)
    assert features(x).shape == (2, classifier.get_classifier().in_features)
    assert classifier.training


def test_default_is_an_untrained_resnet18() -> None:
    network = build_model("conv2d", dims=2, num_classes=0)
    keys = timm.create_model("resnet18", num_classes=0).state_dict().keys()
    assert network.state_dict().keys() == keys


@pytest.mark.parametrize(("method", "dims"), [("conv2d", 3), ("acs", 2), ("conv3d", 2)])
def test_dimension_that_the_method_lacks(method: str, dims: int) -> None:
    message = (
        "evaluated on images only, not on volumes" if dims == 3 else "volumes only, not on images"
    )
    with pytest.raises(RequestError, match=message):
        build_model(method, dims=dims, num_classes=2, backbone=SMALL)


@pytest.mark.parametrize(("method", "dims"), [("conv2d", 2), ("acs", 3), ("crossd", 3)])
def test_bn_eps_is_that_of_every_norm(method: str, dims: int) -> None:
    network = build_model(method, dims=dims, num_classes=2, backbone="resnet10t", bn_eps=0.125)
    eps = [module.eps for module in network.modules() if isinstance(module, _BatchNorm)]
    assert len(eps) > 10
    assert set(eps) == {0.125}


def test_bn_eps_computes_what_timms_option_does() -> None:
    name, x = "tf_efficientnet_lite0", torch.randn(2, 3, 48, 40)
    for eps in (1e-5, 0.1):
        network = build_model("conv2d", dims=2, num_classes=5, backbone=name, bn_eps=eps).eval()
        timms = timm.create_model(name, num_classes=5, bn_eps=eps).eval()
        timms.load_state_dict(network.state_dict())
        torch.testing.assert_close(network(x), timms(x))


@pytest.mark.parametrize(("padding", "theirs"), [("same", "same"), ("symmetric", "")])
@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "efficientnet_lite0"])
def test_padding_is_timms_option(name: str, padding: Any, theirs: str) -> None:
    network = build_model("conv2d", dims=2, num_classes=5, backbone=name, padding=padding).eval()
    timms = timm.create_model(name, num_classes=5, pad_type=theirs).eval()
    timms.load_state_dict(network.state_dict())
    x = torch.randn(2, 3, 47, 40)
    torch.testing.assert_close(network(x), timms(x))


@pytest.mark.parametrize("method", ["acs", "conv3d"])
def test_padding_is_carried_to_3d(method: str) -> None:
    """A network without padding of its own is TensorFlow's where it is asked to be."""
    torch.manual_seed(0)
    x = torch.randn(1, 3, 33, 34, 35)
    tf, plain = "tf_efficientnet_lite0", "efficientnet_lite0"
    wanted = build_model(method, dims=3, num_classes=2, backbone=tf).eval()
    for padding, same in (("same", True), ("symmetric", False)):
        network = build_model(
            method, dims=3, num_classes=2, backbone=plain, padding=padding, bn_eps=1e-3
        ).eval()
        network.load_state_dict(wanted.state_dict())
        assert torch.equal(network(x), wanted(x)) == same


def test_padding_that_a_network_has_not() -> None:
    with pytest.raises(RequestError, match=r"'resnet18' has one padding only; leave padding \(='s"):
        build_model("conv2d", dims=2, num_classes=2, padding="same")
    message = r"method 'medicalnet' makes its network of no backbone; leave padding \(='same'\) out"
    with pytest.raises(RequestError, match=message):
        build_model("medicalnet", dims=3, num_classes=2, padding="same")


def test_bn_eps_of_a_network_without_batch_norm() -> None:
    class Plain:
        name, inputs = "plain-head", ("image",)

        def build(self, request: NetworkRequest) -> nn.Module:
            network = nn.Sequential(nn.Flatten(), nn.Linear(12, request.num_classes))
            network.get_classifier = lambda: network[1]  # type: ignore[assignment]
            return network

    message = r"network of method 'plain-head' has no BatchNorm; leave bn_eps \(=0.001\) out"
    with pytest.raises(RequestError, match=message):
        build_model(Plain(), dims=2, num_classes=2, bn_eps=1e-3)


def test_unknown_method_and_backbone() -> None:
    with pytest.raises(RequestError, match="unknown method 'crosd'; did you mean crossd"):
        build_model("crosd", dims=2, num_classes=2)
    with pytest.raises(RequestError, match=r"unknown backbone 'resnet_18'.*did you mean resnet18"):
        build_model("conv2d", dims=2, num_classes=2, backbone="resnet_18")
    with pytest.raises(RequestError, match=r"chosen by init, not by a tag.*did you mean resnet18"):
        build_model("conv2d", dims=2, num_classes=2, backbone="resnet18.tv_in1k")
    with pytest.raises(RequestError, match=r"unknown backbone '\?'.*timm.list_models\(\) lists"):
        build_model("conv2d", dims=2, num_classes=2, backbone="?")


@pytest.mark.parametrize(
    ("method", "backbone", "complaint"),
    [
        ("conv2d", "test_nfnet", r"\(ScaledStdConv2d\): it computes more than a plain Conv2d"),
    ],
)
def test_convolution_that_cannot_be_replaced_is_named(
    method: str, backbone: str, complaint: str
) -> None:
    with pytest.raises(ConversionError, match=complaint):
        build_model(method, dims=2, num_classes=2, backbone=backbone)


def test_convolution_that_the_method_refuses_is_named() -> None:
    network = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Conv2d(3, 3, (1, 7))))
    message = r"1.0 \(Conv2d\): kernel_size \(1, 7\) differs between the axes"
    with pytest.raises(ConversionError, match=message):
        replace_convolutions(network, load_method("crossd"))


def test_network_without_convolutions() -> None:
    with pytest.raises(ConversionError, match="Linear has no convolution for method 'crossd'"):
        replace_convolutions(nn.Linear(3, 3), load_method("crossd"))


def test_convolutions_of_another_padding_share_no_weights_with_plain_ones() -> None:
    class Round:
        name, dims = "round", (3,)
        layer_3d = load_method("conv3d").layer_3d

        def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
            conv.padding_mode = "circular"
            return conv

    assert layer_form(load_method("acs")) == layer_form(load_method("conv3d")) == "plain"
    assert layer_form(Round()) == "round"


# ----------------------------------------------------------------------------- random weights


@pytest.mark.parametrize(("backbone", "same"), [("test_efficientnet", False), ("resnet10t", True)])
def test_a_head_is_as_wide_as_torch_draws_one(backbone: str, same: bool) -> None:
    """timm draws an EfficientNet's far wider for few classes; others are left as they are."""
    heads = []
    for make in (timm.create_model, create_backbone):
        torch.manual_seed(0)
        heads.append(make(backbone, num_classes=2).get_classifier().weight.detach())
    theirs, ours = heads
    bound = ours.shape[1] ** -0.5
    assert torch.equal(theirs, ours) == same
    assert 0.9 * bound < ours.abs().max() <= bound
    assert (theirs.abs().max() > 4 * bound) != same
    assert torch.allclose(ours / ours.abs().max(), theirs / theirs.abs().max())


def test_no_layer_of_an_untrained_network_is_hidden_by_a_zero_gain() -> None:
    assert not timm.create_model(SMALL).layer1[0].bn2.weight.any()
    network = build_model("conv2d", dims=2, num_classes=2, backbone=SMALL)
    gains = [m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(gains) > 4
    assert all(gain.eq(1).all() for gain in gains)


def test_untrained_inflation_is_3d_from_scratch() -> None:
    network = build_model("conv3d", dims=3, num_classes=2)
    conv = network.layer2[1].conv1
    assert isinstance(conv, nn.Conv3d)
    assert not torch.allclose(conv.weight[:, :, 0], conv.weight[:, :, 1])
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (128 * 27)), rel=0.01)


def test_untrained_depthwise_layers_count_one_group() -> None:
    network = build_model("conv3d", dims=3, num_classes=2, backbone="mobilenetv2_100")
    conv = network.blocks[5][0].conv_dw
    assert conv.groups == conv.out_channels == 576
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / 27), rel=0.05)


def test_untrained_layers_are_carried_unless_the_method_draws_them() -> None:
    """From the seed on, only a method that says so has other 3D layers than it made itself."""
    plain = load_method("conv3d")

    class Inflated:
        name, dims = "inflated", (3,)
        layer_2d, layer_3d = plain.layer_2d, plain.layer_3d

    class Halved(Inflated):
        def draw_3d(self, layer: nn.Module) -> None:
            nn.init.constant_(layer.get_parameter("weight"), 0.5)

    def kernel(method: Convolution) -> Tensor:
        network = build_model(method, dims=3, num_classes=2, backbone=SMALL)
        weight: Tensor = network.layer1[0].conv1.weight
        return weight

    carried = kernel(Inflated())
    assert torch.equal(carried[:, :, 0], carried[:, :, 1])
    assert kernel(Halved()).eq(0.5).all()


def test_pretrained_inflation_carries_the_weights(tmp_path: Path) -> None:
    flat = build_model("conv2d", dims=2, num_classes=2, backbone=SMALL)
    torch.save(flat.state_dict(), tmp_path / "flat.pth")
    init = tmp_path / "flat.pth"
    network = build_model("conv3d", dims=3, num_classes=2, init=init, backbone=SMALL)
    wanted = flat.layer1[0].conv1.weight / 3
    for depth in range(3):
        torch.testing.assert_close(network.layer1[0].conv1.weight[:, :, depth], wanted)


def test_same_seed_same_network() -> None:
    def weights() -> list[torch.Tensor]:
        torch.manual_seed(3)
        network = build_model("crossd", dims=3, num_classes=2, backbone=SMALL)
        return list(network.state_dict().values())

    assert all(torch.equal(one, two) for one, two in zip(weights(), weights(), strict=True))


# ----------------------------------------------------------------------- weights of a 3D network


def trained(method: str, file: Path, *, dims: int = 3, about: bool = True) -> dict[str, Tensor]:
    """Save a network whose every tensor has been changed, as our own checkpoint or a foreign."""
    network = build_model(method, dims=dims, num_classes=5, backbone=SMALL)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.copy_(torch.rand_like(tensor.float()) * 9 + 0.5)
    said = CheckpointMetadata(method=method, dims=dims, backbone=SMALL, num_classes=5)
    if about:
        write_checkpoint(file, network.state_dict(), said)
    else:
        torch.save({"model": network.state_dict()}, file)
    return network.state_dict()


@pytest.mark.parametrize("method", ["conv3d", "acs", "crossd"])
@pytest.mark.parametrize("about", [True, False])
def test_weights_of_a_3d_network_are_loaded_whole(tmp_path: Path, method: str, about: bool) -> None:
    """And nothing is dropped, for nothing is carried from 2D."""
    file = tmp_path / ("w.safetensors" if about else "w.pth")
    state = trained(method, file, about=about)
    torch.manual_seed(1)
    network = build_model(
        method, dims=3, num_classes=2, init=file, backbone=SMALL, drop_keys=["bn1"]
    )
    changed = {key for key, t in network.state_dict().items() if not torch.equal(t, state[key])}
    kept_2d_shapes = method == "acs" and not about  # of which no file says that they are 3D
    dropped = {key for key in state if "bn1" in key} if kept_2d_shapes else set()
    assert {key for key in changed if not key.startswith("fc.")} == dropped
    assert network.fc.weight.shape[0] == 2


def test_3d_weights_do_not_go_into_a_2d_network(tmp_path: Path) -> None:
    """Not even where every shape would fit, as those of ACS do."""
    trained("acs", tmp_path / "acs.safetensors")
    message = "acs.safetensors: it holds a 3D network, which a 2D one does not take"
    with pytest.raises(WeightsError, match=message):
        build_model(
            "conv2d", dims=2, num_classes=2, init=tmp_path / "acs.safetensors", backbone=SMALL
        )


def test_3d_weights_of_another_method_name_both_attempts(tmp_path: Path) -> None:
    init = tmp_path / "acs.safetensors"
    trained("acs", init)
    message = (
        r"it holds a 3D network, which a 2D one does not take; as 3D weights: 75 of 90 tensors "
        r"fit; conv1.0.weight has shape \(16, 3, 3, 3\), the 3D network's has \(16, 3, 3, 3, 3\); "
        r"choose the backbone"
    )
    with pytest.raises(WeightsError, match=message):
        build_model("conv3d", dims=3, num_classes=2, init=init, backbone=SMALL)


def test_2d_weights_of_another_method_name_both_attempts(tmp_path: Path) -> None:
    init = tmp_path / "crossd.safetensors"
    trained("crossd", init, dims=2)
    message = (
        "made with another method's layers: it has conv1.0.weights_3d where this 2D network .*; as "
        "3D weights: it holds a 2D network, which a 3D one does not take"
    )
    with pytest.raises(WeightsError, match=message):
        build_model("conv3d", dims=3, num_classes=2, init=init, backbone=SMALL)


def test_weights_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = trained("conv2d", tmp_path / "mine.safetensors", dims=2)
    own = 'weights = [{name = "mine", file = "mine.safetensors", layers = ["plain"]}]'
    (tmp_path / "weights.toml").write_text(own)
    monkeypatch.setenv("CROSSBENCH_WEIGHTS", str(tmp_path / "weights.toml"))
    network = build_model("acs", dims=3, num_classes=2, init="mine", backbone=SMALL)
    assert torch.equal(network.layer1[0].conv1.weight, state["layer1.0.conv1.weight"])


# --------------------------------------------------------------------------------- drop_keys


def test_drop_keys_reinitialise_in_3d(tmp_path: Path) -> None:
    """The paper's transfer: ``bn1`` and ``bn2`` start fresh while ``downsample.1`` is carried."""
    flat = build_model("crossd", dims=2, num_classes=0)
    for module in flat.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                assert tensor is not None
                nn.init.uniform_(tensor, 2, 3)
    init = tmp_path / "crossd.pth"
    torch.save(flat.state_dict(), init)
    network = build_model("crossd", dims=3, num_classes=0, init=init, drop_keys=["bn"])
    source = flat.state_dict()
    fresh = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}
    for key, tensor in network.state_dict().items():
        kind = key.rpartition(".")[2]
        if "bn" in key:
            assert tensor.eq(fresh.get(kind, 0)).all(), key
        elif "downsample.1" in key:
            assert torch.equal(tensor, source[key]), key
        else:
            kernel = source[f"{key.removesuffix('.weight')}.weights_3d"]
            assert torch.equal(tensor, kernel), key


def test_drop_keys_reset_some_tensors_of_a_module() -> None:
    network = build_model("acs", dims=3, num_classes=2, backbone=SMALL)
    before = network.bn1.running_mean.clone()
    with torch.no_grad():
        network.bn1.running_mean += 1
        network.bn1.weight += 1

    reinitialise(network, ["bn1.weight"])
    assert network.bn1.weight.eq(1).all()
    assert network.bn1.running_mean.eq(before + 1).all()


def test_drop_keys_that_name_nothing() -> None:
    with pytest.raises(RequestError, match=r"drop_keys has 'batch_norm', which is in no tensor's"):
        build_model("acs", dims=3, num_classes=2, backbone=SMALL, drop_keys=["batch_norm"])


def test_drop_keys_of_a_module_without_a_rule() -> None:
    class Gain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(1))

    with pytest.raises(ConversionError, match=r"0 \(Gain\) has no reset_parameters"):
        reinitialise(nn.Sequential(Gain()), ["gain"])
