"""The conversion of timm networks to 3D, and what it refuses."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from crossbench.errors import ConversionError
from crossbench.methods import LayerPlace
from crossbench.nets.backbones import create_backbone, replace_convolutions
from crossbench.nets.convert import make_3d
from crossbench.registry.methods import load_method
from crossbench_baselines.acs import ACSConv3d


def flat_network(backbone: str, method: str) -> tuple[nn.Module, dict[str, LayerPlace]]:
    """A 2D network with BatchNorm statistics of its own, and its layers."""
    torch.manual_seed(0)
    network = create_backbone(backbone, num_classes=3)
    layers = replace_convolutions(network, load_method(method))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network, layers


@pytest.mark.parametrize(
    ("backbone", "depth"),
    [("resnet18", 8), ("resnet50", 8), ("densenet121", 32), ("mobilenetv2_100", 8)],
)
def test_inflated_network_answers_a_volume_without_depth_as_its_slice(
    backbone: str, depth: int
) -> None:
    """With circular padding such a volume stays without depth, so every module is tested."""
    flat, layers = flat_network(backbone, "conv3d")
    for module in flat.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "circular"
    network = copy.deepcopy(flat)
    make_3d(network, load_method("conv3d"), layers)
    x = torch.randn(1, 3, 32, 32)
    volume = x[:, :, None].expand(-1, -1, depth, -1, -1)
    with torch.no_grad():
        wanted = flat.eval()(x)
        y = network.eval()(volume)
    assert wanted.abs().max() > 0.01
    torch.testing.assert_close(y, wanted, rtol=1e-3, atol=1e-4 * wanted.abs().max().item())


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50", "densenet121"])
def test_acs_takes_the_place_of_every_convolution(backbone: str) -> None:
    network, layers = flat_network(backbone, "acs")
    before = network.state_dict()
    make_3d(network, load_method("acs"), layers)
    assert all(isinstance(network.get_submodule(layer), ACSConv3d) for layer in layers)
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize("method", ["conv3d", "acs", "crossd"])
def test_every_parameter_of_a_3d_network_learns(method: str) -> None:
    network, layers = flat_network("test_resnet", method)
    make_3d(network, load_method(method), layers)
    network(torch.randn(2, 3, 33, 32, 31)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_every_tensor_is_carried_and_every_flag_kept() -> None:
    network, layers = flat_network("test_resnet", "crossd")
    network.double().train()
    network.bn1.eval()
    network.bn1.weight.requires_grad_(False)
    before = network.state_dict()
    make_3d(network, load_method("crossd"), layers)
    after = network.state_dict()

    assert isinstance(network.bn1, nn.BatchNorm3d)
    assert not network.bn1.training
    assert not network.bn1.weight.requires_grad
    assert network.layer1.training
    assert all(tensor.dtype in {torch.float64, torch.int64} for tensor in after.values())
    inside = tuple(f"{layer}." for layer in layers)
    outside = {name for name in before if not name.startswith(inside)}
    assert after.keys() == outside | {f"{layer}.weight" for layer in layers}
    assert all(torch.equal(after[name], before[name]) for name in outside)
    for layer in layers:
        assert torch.equal(after[f"{layer}.weight"], before[f"{layer}.weights_3d"])


def test_a_module_used_twice_stays_one_module() -> None:
    network, layers = flat_network("test_resnet", "conv3d")
    network.layer1[0].bn2 = network.layer1[0].bn1
    make_3d(network, load_method("conv3d"), layers)
    assert network.layer1[0].bn2 is network.layer1[0].bn1
    assert isinstance(network.layer1[0].bn1, nn.BatchNorm3d)


def test_conversion_leaves_no_hooks_and_no_statistics_behind() -> None:
    network, layers = flat_network("test_resnet", "conv3d")
    make_3d(network, load_method("conv3d"), layers)
    for module in network.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        if isinstance(module, nn.BatchNorm3d):
            assert module.num_batches_tracked == 0
    assert network.training


# ------------------------------------------------------------------------- modules by module


class Body(nn.Module):
    """A network of one convolution and one further module, pooled to a row."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.module = module
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.module(self.conv(x))).flatten(1)


def convert(network: nn.Module) -> nn.Module:
    make_3d(network, load_method("conv3d"), {"conv": LayerPlace("conv")})
    return network


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.MaxPool3d(3, 2, 1, ceil_mode=True)),
        (nn.MaxPool2d([3, 3], (2, 2)), nn.MaxPool3d(3, 2)),
        (nn.AvgPool2d(3, 2, 1, True, False), nn.AvgPool3d(3, 2, 1, True, False)),
        (nn.AdaptiveMaxPool2d((4, 4)), nn.AdaptiveMaxPool3d(4)),
        (nn.AdaptiveAvgPool2d(3), nn.AdaptiveAvgPool3d(3)),
        (nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=2)),
        (
            nn.Upsample((40, 40), mode="bilinear", align_corners=True),
            nn.Upsample(40, mode="trilinear", align_corners=True),
        ),
        (nn.InstanceNorm2d(4), nn.InstanceNorm3d(4)),
        (nn.GroupNorm(2, 4), nn.GroupNorm(2, 4)),
        (timm.layers.DropPath(0.5), nn.Identity()),
        (nn.Hardswish(), nn.Hardswish()),
        (timm.layers.Swish(), nn.SiLU()),
    ],
    ids=repr,
)
def test_module_computes_as_its_3d_form(module: nn.Module, wanted: nn.Module) -> None:
    network = convert(Body(module)).eval()
    x = torch.randn(2, 4, 9, 8, 10)
    torch.testing.assert_close(network.module(x), wanted.eval()(x))


def test_dropout_drops_whole_channels_of_volumes() -> None:
    network = convert(Body(nn.Dropout2d(0.5))).train()
    kept = network.module(torch.ones(8, 4, 5, 5, 5)).flatten(2)
    assert torch.equal(kept.amin(-1), kept.amax(-1))
    assert set(kept.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        (nn.MaxPool2d((3, 2)), r"module \(MaxPool2d\): kernel_size \(3, 2\) differs between"),
        (nn.AdaptiveAvgPool2d((1, 2)), r"module \(AdaptiveAvgPool2d\): output_size \(1, 2\)"),
        (nn.AvgPool2d(2, divisor_override=4), "divisor_override=4 is meant for an area"),
        (nn.Upsample(scale_factor=2, mode="bicubic"), "mode 'bicubic' has no 3D form"),
        (nn.PixelShuffle(2), r"module \(PixelShuffle\) calls pixel_shuffle on a feature map"),
        (nn.ZeroPad2d(1), r"module \(ZeroPad2d\) calls pad on a feature map"),
        (nn.LPPool2d(2, 2), r"module \(LPPool2d\) calls lp_pool2d on a feature map"),
        (timm.layers.SEModule(4, rd_channels=4), r"module \(SEModule\) calls mean on a feature"),
        (timm.layers.BlurPool2d(4), r"module \(BlurPool2d\) calls pad on a feature map"),
        (timm.layers.LayerNorm2d(4), r"module \(LayerNorm2d\) calls permute on a feature map"),
        (nn.Linear(32, 4), r"module \(Linear\) calls linear on a feature map"),
        (nn.Flatten(2), r"module \(Flatten\) calls flatten on a feature map"),
    ],
    ids=repr,
)
def test_module_without_a_3d_form_is_named(module: nn.Module, complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint):
        convert(Body(module))


class Inline(nn.Module):
    """A module that is nothing but one function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + x * 2 - x / 3,
        lambda x: torch.cat(x.chunk(2, 1)[::-1], dim=1),
        lambda x: torch.cat(torch.split(x, [1, 3], dim=1), 1),
        lambda x: x[:, :2, :, :] if x.shape[0] else x,
        lambda x: functional.dropout(functional.silu(x), 0.1, training=False),
    ],
)
def test_functions_that_leave_the_axes_alone_pass(function: Callable[[Tensor], Tensor]) -> None:
    convert(Body(Inline(function)))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: x.mean((2, 3), keepdim=True), "mean"),
        (lambda x: torch.cat([x, x], 2), "cat"),
        (lambda x: torch.cat([x, x]), "cat"),
        (lambda x: torch.split(x, 16, dim=-1)[0], "split"),
        (lambda x: x[:, :, ::2, ::2], "__getitem__"),
        (lambda x: x[..., 0], "__getitem__"),
        (lambda x: x[:, 0], "__getitem__"),
        (lambda x: x.transpose(2, 3), "transpose"),
        (lambda x: functional.pad(x, (1, 1, 1, 1)), "pad"),
        (lambda x: functional.interpolate(x, scale_factor=2), "interpolate"),
    ],
)
def test_functions_that_reach_for_the_axes_are_refused(
    function: Callable[[Tensor], Tensor], name: str
) -> None:
    with pytest.raises(ConversionError, match=rf"module \(Inline\) calls {name} on a feature map"):
        convert(Body(Inline(function)))


def test_module_that_fails_is_named() -> None:
    def fail(x: Tensor) -> Tensor:
        _, _, _height, _width = x.shape
        return x

    message = (
        r"module \(Inline\) fails on a volume of 64 voxels a side: ValueError: too many values"
    )
    with pytest.raises(ConversionError, match=message):
        convert(Body(Inline(fail)))


def test_network_that_does_not_pool() -> None:
    network = Body(nn.Identity())
    network.forward = lambda x: network.module(network.conv(x))  # type: ignore[method-assign]
    with pytest.raises(ConversionError, match=r"returns \(1, 4, 32, 32, 32\) for one volume"):
        convert(network)


def test_networks_that_vanish_on_small_volumes_are_tried_on_larger_ones() -> None:
    convert(Body(nn.MaxPool2d(40)))


@pytest.mark.parametrize(
    ("backbone", "method", "complaint"),
    [
        (
            "regnetx_002",
            "acs",
            r"conv2.conv \(Conv2d\): acs has no form for the groups=7, which a view",
        ),
        ("regnety_002", "conv3d", r"s1.b1.se \(SEModule\) calls mean on a feature map"),
        ("resnetblur18", "conv3d", r"maxpool.1 \(BlurPool2d\) calls pad on a feature map"),
        ("convnext_atto", "conv3d", r"stem.1 \(LayerNorm2d\) calls permute on a feature map"),
    ],
)
def test_backbone_that_cannot_be_converted(backbone: str, method: str, complaint: str) -> None:
    network, layers = flat_network(backbone, method)
    with pytest.raises(ConversionError, match=complaint):
        make_3d(network, load_method(method), layers)


def test_a_lost_tensor_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from crossbench.nets import convert as module

    class Forgetful(nn.BatchNorm3d):
        def __setattr__(self, name: str, value: object) -> None:
            if name != "running_mean":
                super().__setattr__(name, value)

    monkeypatch.setitem(module._TWINS, nn.BatchNorm2d, lambda norm: Forgetful(norm.num_features))
    with pytest.raises(ConversionError, match=r"did not carry module.running_mean \(1 tensors\)"):
        convert(Body(nn.BatchNorm2d(4)))


# ------------------------------------------------------------------ a third party's method


class Bottle:
    """Layers made of several modules, as a third party might write them."""

    name = "bottle"
    dims = (2, 3)

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        class Slices(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.flat = layer

            def forward(self, x: Tensor) -> Tensor:
                y = self.flat(x.transpose(1, 2).flatten(0, 1))
                return y.unflatten(0, (len(x), -1)).transpose(1, 2)

        return Slices()


def test_layers_of_a_method_may_do_as_they_like() -> None:
    network = Body(nn.ReLU())
    layers = replace_convolutions(network, Bottle())
    assert list(layers) == ["conv"]
    make_3d(network, Bottle(), layers)
    assert network(torch.randn(2, 3, 4, 5, 6)).shape == (2, 4)
    assert isinstance(network.conv.flat[1], nn.BatchNorm2d)
