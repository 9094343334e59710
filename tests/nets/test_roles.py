"""What parameters are, as methods declare it and as their shapes say it."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from crossbench.errors import ConversionError
from crossbench.nets.build import build_model
from crossbench.nets.lora import add_lora, lora_parameters
from crossbench.nets.roles import assign_roles, roles_of
from crossbench.protocols import PROTOCOLS
from crossbench.specs import LoraSettings
from crossbench.training.fit import count_learning, prepare

SMALL = "test_resnet"


class Views(nn.Module):
    """A 3D layer of a third party: kernels laid out the other way round, a mixture of views."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.stride, self.padding = conv.stride[0], conv.padding[0]
        kernel = conv.weight.detach()[:, :, None].repeat(1, 1, conv.kernel_size[0], 1, 1)
        self.kernel = nn.Parameter(kernel.permute(2, 3, 4, 1, 0).contiguous())
        self.mixing = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.kernel * self.mixing.softmax(0).sum()
        return nn.functional.conv3d(
            x, mixed.permute(4, 3, 0, 1, 2), stride=self.stride, padding=self.padding
        )


class Mixed:
    """Declares nothing of it."""

    name, dims = "mixed", (3,)

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        return conv

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        assert isinstance(layer, nn.Conv2d)
        return Views(layer)


class Said(Mixed):
    """Declares all of it."""

    learns = ("mixing",)
    kernels: ClassVar = {"kernel": -1}


def network(method: Mixed) -> nn.Module:
    torch.manual_seed(0)
    return build_model(method, dims=3, num_classes=2, backbone=SMALL)


def layers(model: nn.Module) -> list[Views]:
    return [module for module in model.modules() if isinstance(module, Views)]


def test_kernels_of_unknown_layout_are_not_adapted() -> None:
    """Read as (K, ...), their updates would have had twice the kernels' numbers at rank 4."""
    model = network(Mixed())
    size = sum(layer.kernel.numel() for layer in layers(model))
    roles = roles_of(model)
    assert roles.kernels == ()
    assert roles.unread == {"kernel": size}
    assert roles.silent == {"mixing": 3 * len(layers(model))}
    message = (
        rf"ResNet has no kernel to adapt \(target 'all'\): kernel \({size:,} parameters\) are not "
        r"laid out as \(C_out, C_in / groups, \.\.\.\); a method declares the axis"
    )
    with pytest.raises(ConversionError, match=message):
        add_lora(model, rank=4, alpha=4.0)


def test_declared_kernels_are_read_as_declared() -> None:
    """An update of rank r costs r (C_out + C_in K^3), and its own axes are turned back."""
    model = network(Said()).eval()
    x = torch.randn(1, 3, 32, 32, 32)
    base = model(x)
    kernels = [layer.kernel for layer in layers(model)]
    names = add_lora(model, rank=2, alpha=2.0)
    assert len(names) == len(kernels)
    assert torch.equal(model(x), base)
    factors = sum(factor.numel() for factor in lora_parameters(model).values())
    assert factors == sum(2 * (k.shape[-1] + k[..., 0].numel()) for k in kernels)

    layer, kernel = layers(model)[1], kernels[1]
    a, b = lora_parameters(layer).values()
    nn.init.normal_(b)
    expected = kernel + (b @ a).view(-1, *kernel.shape[:-1]).movedim(0, -1)
    torch.testing.assert_close(layer.kernel, expected)


def test_output_channels_may_be_divided_between_axes() -> None:
    class Grouped(nn.Module):
        def __init__(self, conv: nn.Conv2d) -> None:
            super().__init__()
            self.kernel = nn.Parameter(torch.randn(3, 2, 3, 4, 3, 3))  # 8 rows: axes 1 and 3

    class Method(Mixed):
        kernels: ClassVar = {"kernel": (1, 3)}

        def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
            return Grouped(conv)

    model = nn.Sequential(Grouped(nn.Conv2d(3, 8, 3)))
    assign_roles(model, Method(), {"0": (8, 3)})
    add_lora(model, rank=1, alpha=1.0)
    a, b = lora_parameters(model).values()
    assert (a.shape, b.shape) == ((1, 81), (8, 1))
    assert model[0].kernel.shape == (3, 2, 3, 4, 3, 3)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"kernels": {"kernel": 0}}, r"declares axes \(0,\) to be its 16 output channels, which"),
        ({"kernels": {"kernel": 9}}, r"declares axes \(9,\) to be its 16 output channels, which"),
        ({"kernels": {"weight": 0}}, "method 'mixed' declares kernels 'weight', which no layer"),
        ({"kernels": "kernel"}, r"kernels \(='kernel'\) must map the names of kernels in its"),
        ({"kernels": {"kernel": "0"}}, r"kernels \(=\{'kernel': '0'\}\) must map the names"),
        ({"learns": "mixing"}, r"learns \(='mixing'\) must be a sequence of names in its layers"),
        ({"learns": ("mix",)}, "method 'mixed' declares learns 'mix', which no layer of its"),
        (
            {"learns": ("kernel",), "kernels": {"kernel": 4}},
            r"conv1\.0\.kernel of method 'mixed' is a kernel and is declared to learn with",
        ),
    ],
)
def test_declarations_that_the_layers_contradict(declared: dict[str, Any], message: str) -> None:
    method = type("Method", (Mixed,), declared)()
    with pytest.raises(ConversionError, match=message):
        network(method)


@pytest.mark.parametrize(
    ("protocol", "others"), [("weak-probe", {"norm"}), ("lora", {"adapters"}), ("finetune", None)]
)
def test_what_a_method_declares_learns_with_the_head(
    protocol: str, others: set[str] | None
) -> None:
    model = network(Said())
    mixing = 3 * len(layers(model))
    played = prepare(model, PROTOCOLS[protocol], LoraSettings())  # type: ignore[arg-type]
    counts = count_learning(model, played)
    if others is None:
        assert counts == {"all": sum(each.numel() for each in model.parameters())}
    else:
        assert counts.keys() == {"head", "mixing"} | others
        assert counts["mixing"] == mixing
        assert counts["head"] == sum(each.numel() for each in model.get_classifier().parameters())


def test_rotation_networks_are_no_omission() -> None:
    """Cross-D says that nothing of its layers learns with the head."""
    model = build_model("crossd", dims=2, num_classes=2, backbone=SMALL)
    assert roles_of(model).silent == roles_of(model).unread == {}


def test_an_update_is_never_larger_than_its_kernel() -> None:
    thin, tiny = nn.Conv2d(96, 4, 1), nn.Conv2d(4, 1, 1)
    model = nn.Sequential(thin, tiny)
    assert add_lora(model, rank=64, alpha=1.0) == ("0.weight",)
    assert sum(f.numel() for f in lora_parameters(model).values()) == 3 * (4 + 96) <= 4 * 96
