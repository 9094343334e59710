"""Whole networks: what comes out of a request, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from crossbench.errors import ConversionError, RequestError
from crossbench.nets import build_model
from crossbench.nets.backbones import replace_convolutions
from crossbench.nets.weights import start_afresh
from crossbench.plugins import load_method

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
    message = f"method '{method}' is evaluated on {5 - dims}D tasks only; dims={dims} was asked"
    with pytest.raises(RequestError, match=message):
        build_model(method, dims=dims, num_classes=2, backbone=SMALL)


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
        ("conv2d", "tf_efficientnet_b0", r"conv_stem \(Conv2dSame\): it computes more than"),
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


# ----------------------------------------------------------------------------- random weights


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


# --------------------------------------------------------------------------------- drop_keys


def test_drop_keys_start_afresh_in_3d(tmp_path: Path) -> None:
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

    start_afresh(network, ["bn1.weight"])
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
        start_afresh(nn.Sequential(Gain()), ["gain"])
