"""README's own code, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import crossbench
from crossbench.methods import Method
from crossbench.registry.methods import load_plugin

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture
def middle(tmp_path: Path) -> Method:
    """The plugin of "A method of your own"."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (plugin,) = [block for block in blocks if block.startswith("# mine.py\n")]
    (tmp_path / "mine.py").write_text(plugin, encoding="utf-8")
    return load_plugin(str(tmp_path / "mine.py"))


def kernels(method: Method | str) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = crossbench.build_model(method, dims=3, num_classes=2, backbone="test_resnet")
    return {
        name: module.weight.detach()
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv3d)
    }


def test_middle_is_what_it_says_under_random_weights_too(middle: Method) -> None:
    """All of a kernel lies in its middle slice, which is not so of ``conv3d``."""
    found, inflated = kernels(middle), kernels("conv3d")
    assert found.keys() == inflated.keys()
    assert len(found) > 10
    for name, kernel in found.items():
        centre = kernel.shape[2] // 2
        outside = [each for each in range(kernel.shape[2]) if each != centre]
        assert kernel[:, :, centre].any(), name
        assert not kernel[:, :, outside].any(), name
        assert outside == [] or inflated[name][:, :, outside].all(), name
