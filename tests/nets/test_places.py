"""Where a layer stands: what methods that ask are told, wherever layers are made."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from crossbench.methods import LayerPlace
from crossbench.nets.backbones import create_backbone, create_image_network, layer_form
from crossbench.nets.build import build_model
from crossbench.nets.places import places_of
from crossbench.nets.weights.inspection import find_origins
from crossbench.registry.methods import load_method

SMALL = "test_resnet"


class Asking:
    """Keeps the inflated convolution, and notes every place that it is told."""

    name, dims = "asking", (3,)

    def __init__(self) -> None:
        self.flat: list[LayerPlace] = []
        self.deep: list[LayerPlace] = []

    def layer_2d(self, conv: nn.Conv2d, place: LayerPlace) -> nn.Module:
        self.flat.append(place)
        return conv

    def layer_3d(self, layer: nn.Module, *, place: LayerPlace) -> nn.Module:
        self.deep.append(place)
        return load_method("conv3d").layer_3d(layer)


def seen(network: nn.Module, kind: type[nn.Module], *shape: int) -> dict[str, tuple[int, ...]]:
    """What really reaches the convolutions of a network."""
    found: dict[str, tuple[int, ...]] = {}
    for name, module in network.named_modules():
        if isinstance(module, kind):
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: found.update({name: tuple(inputs[0].shape[2:])})
            )
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, *shape))
    return found


@pytest.mark.parametrize("backbone", [SMALL, "resnet50", "densenet121", "mobilenetv2_100"])
def test_a_layer_of_a_network_for_volumes_knows_its_name_its_number_and_its_input(
    backbone: str,
) -> None:
    method, shape = Asking(), (33, 40, 64)
    network = build_model(method, dims=3, num_classes=2, backbone=backbone, shape=shape)
    assert method.flat == method.deep
    assert [place.index for place in method.deep] == list(range(len(method.deep)))
    assert {place.total for place in method.deep} == {len(method.deep)}
    assert {place.name: place.shape for place in method.deep} == seen(network, nn.Conv3d, *shape)


def test_a_layer_of_a_network_for_images_sees_a_plane() -> None:
    method = Asking()
    network = create_image_network(method, SMALL, 2, (40, 64))
    assert {place.name: place.shape for place in method.flat} == seen(network, nn.Conv2d, 40, 64)


@pytest.mark.parametrize("shape", [(), (0, 32, 32)])
def test_an_input_that_is_not_known_or_cannot_be_fed_leaves_the_shape_open(
    shape: tuple[int, ...],
) -> None:
    places = places_of(create_backbone(SMALL, 2), shape)
    assert {place.shape for place in places.values()} == {()}


def test_a_convolution_that_sees_two_sizes_has_none_and_one_with_two_names_one_number() -> None:
    conv = nn.Conv2d(3, 3, 3, stride=2)
    places = places_of(nn.Sequential(conv, nn.Sequential(conv), nn.Conv2d(3, 3, 1)), (32, 32))
    assert places == {
        "0": LayerPlace("0", 0, 2),
        "1.0": LayerPlace("1.0", 0, 2),
        "2": LayerPlace("2", 1, 2, (7, 7)),
    }


def test_looking_leaves_the_backbone_as_it_was() -> None:
    network = create_backbone(SMALL, 2)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    places_of(network, (32, 32))
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    assert network.training
    assert not network.conv1[0]._forward_pre_hooks


def test_2d_layers_that_may_depend_on_their_place_share_no_weights_by_name() -> None:
    class Late(Asking):
        layer_2d = load_method("conv3d").layer_2d

    assert layer_form(Asking()) == "asking"
    assert layer_form(Late()) == "plain"


def test_layers_at_two_places_are_inspected_apart() -> None:
    """They look alike, and are made of different tensors of the 2D network."""

    class Halves(Asking):
        def layer_3d(self, layer: nn.Module, *, place: LayerPlace) -> nn.Module:
            assert isinstance(layer, nn.Conv2d)
            if place.index:
                nn.init.zeros_(layer.weight)
            return super().layer_3d(layer, place=place)

    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3))
    origins = find_origins(network, Halves(), places_of(network))
    assert origins["0.weight"] == ("0.weight",)
    assert origins["1.weight"] == ()
