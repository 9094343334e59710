"""The rotation network without its maps, against the network as it is called."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from crossbench_baselines import crossd_rotation
from crossbench_baselines.crossd_rotation import mean_maps, rotation_network


def called(network: nn.Sequential, x: Tensor) -> Tensor:
    """The same from the maps themselves."""
    maps = network(x).flatten(2)
    return (maps.softmax(-1) * maps).sum(-1)


def network(channels: int, **settings: object) -> nn.Sequential:
    """One with statistics and an affine map that are not those of a fresh BatchNorm."""
    torch.manual_seed(0)
    made = rotation_network(channels)
    made[1] = nn.BatchNorm2d(16, **settings)  # type: ignore[arg-type]
    for tensor in (*made[1].parameters(), *made[1].buffers()):
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 1.5)
    return made.double()


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("channels", [3, 20])
@pytest.mark.parametrize(
    "settings", [{}, {"momentum": None}, {"track_running_stats": False}], ids=str
)
def test_equals_the_network_called(
    settings: dict[str, object], channels: int, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossd_rotation, "_CHUNK", 16 * 30 * 2)  # two samples of five
    made = network(channels, **settings).train(mode == "train")
    twin = copy.deepcopy(made)
    x = torch.randn(5, channels, 6, 5, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(5, 4, dtype=torch.float64)
    for _ in range(2):  # the statistics move twice
        found, wanted = mean_maps(made, x), called(twin, x)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(dict(made.named_buffers()), dict(twin.named_buffers()))
    gradients = torch.autograd.grad(found, (x, *made.parameters()), upstream)
    others = torch.autograd.grad(wanted, (x, *twin.parameters()), upstream)
    torch.testing.assert_close(gradients, others)


def test_parts_that_are_watched_are_called() -> None:
    made = network(3).eval()
    seen: list[Tensor] = []
    made[2].register_forward_hook(lambda *given: seen.append(given[2]))
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(mean_maps(made, x), called(made, x))
    assert len(seen) == 2


def test_one_value_a_channel_is_refused_in_training() -> None:
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        mean_maps(network(3), torch.randn(1, 3, 1, 1, dtype=torch.float64))


def test_training_at_the_stem_keeps_no_hidden_map() -> None:
    sizes: list[int] = []
    made, x = network(3), torch.randn(2, 3, 16, 16, dtype=torch.float64)

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        mean_maps(made, x)
    assert max(sizes) <= x.numel()
