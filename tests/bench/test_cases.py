"""Sets of layers, sizes of inputs, and what is wrong with those that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from crossbench.bench.cases import Layer, find_layers, parse_input
from crossbench.bench.models import find_networks
from crossbench.errors import CardError, RequestError
from crossbench.nets.backbones import create_backbone
from crossbench.registry.tasks import load_tasks
from crossbench.results.boards.published import table3

if TYPE_CHECKING:
    from pathlib import Path


def test_the_papers_layers_are_those_of_its_table() -> None:
    layers = find_layers("paper")
    assert {layer.shape for layer in layers} == set(table3()["shape"])
    assert {(layer.outputs, layer.kernel, layer.padding) for layer in layers} == {(512, 3, 1)}


def test_the_layers_of_resnet18_are_those_of_the_network() -> None:
    found = set()

    def note(conv: nn.Module, inputs: tuple[torch.Tensor, ...], _: torch.Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        shape = tuple(inputs[0].shape[1:])
        found.add((shape, conv.out_channels, conv.kernel_size[0], conv.stride[0], conv.padding[0]))

    network = create_backbone("resnet18", 2).to("meta")
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    network(torch.empty(1, 3, 224, 224, device="meta"))
    layers = find_layers("resnet18")
    assert {
        (layer.shape[1:], layer.outputs, layer.kernel, layer.stride, layer.padding)
        for layer in layers
    } == found
    assert {layer.shape[0] for layer in layers} == {8}


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[layer]]\nname = "a"\nshape = [1, 2, 3, 4]\noutputs = 6\ngroups = 2\n')
    assert find_layers(str(file)) == (Layer(name="a", shape=(1, 2, 3, 4), outputs=6, groups=2),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer = 3", "key 'layer' is 3; it must be an array"),
        ("layer = []", r"it must hold \[\[layer\]\] tables"),
        (
            '[[layer]]\nname = "a"\nshape = [1, 2, 3]\noutputs = 1',
            r"\[1, 2, 3\]; it must be an array of 4",
        ),
        ('[[layer]]\nname = "a"\nshape = [1, 2, 3, 4]\noutput = 1', "did you mean outputs"),
        ('[[layer]]\nname = "a"\nshape = [0, 2, 3, 4]\noutputs = 1', "sizes must be at least 1"),
        (
            '[[layer]]\nname = "a"\nshape = [1, 2, 3, 4]\noutputs = 3\ngroups = 2',
            r"groups \(=2\) must divide the 2 input and 3 output channels",
        ),
        (
            2 * '[[layer]]\nname = "a"\nshape = [1, 2, 3, 4]\noutputs = 1\n',
            "each with a name of its own",
        ),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(CardError, match=message) as error:
        find_layers(str(file))
    assert str(file) in str(error.value)


def test_an_unknown_set_names_the_nearest() -> None:
    with pytest.raises(RequestError, match="unknown set of shapes 'papr'; did you mean paper"):
        find_layers("papr")
    with pytest.raises(CardError, match="does not exist"):
        find_layers("none.toml")


@pytest.mark.parametrize(
    ("text", "size"), [("224", (224, 224)), ("9x8", (9, 8)), ("4x5x6", (4, 5, 6))]
)
def test_sizes(text: str, size: tuple[int, ...]) -> None:
    assert parse_input(text) == size


@pytest.mark.parametrize("text", ["", "0", "-3", "2x", "1x2x3x4", "large"])
def test_what_is_no_size_says_so(text: str) -> None:
    with pytest.raises(RequestError, match="is not a size such as 224, 224x224 or 64x64x64"):
        parse_input(text)


def test_networks_have_the_sizes_of_the_tasks_once_each() -> None:
    networks = find_networks(["224", "tasks"], batch=4, backbone="resnet18")
    assert networks[0].shape == (4, 3, 224, 224)
    assert len({network.shape for network in networks}) == len(networks)
    sizes = {network.shape[2:] for network in networks}
    for card in load_tasks().values():
        assert card.shape is None or card.dimension == 2 or card.shape in sizes
    assert {(network.kind, network.dimension) for network in networks} == {
        ("image", 2),
        ("volume", 3),
    }


def test_a_batch_is_positive() -> None:
    with pytest.raises(RequestError, match=r"batch \(=0\) must be at least 1"):
        find_networks(["224"], batch=0, backbone="resnet18")
