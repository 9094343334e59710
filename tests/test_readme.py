"""README's own code, run as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch
from made_scans import scans_with_table
from torch import nn

import crossbench
from crossbench.cli import main
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


def kernels(method: Method | str, init: str | Path = "random") -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = crossbench.build_model(
        method, dims=3, num_classes=2, init=init, backbone="test_resnet"
    )
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


def test_middle_is_what_lifted_cross_d_becomes_in_3d(middle: Method, tmp_path: Path) -> None:
    """One filled slice each: networks that look at every slice alone."""
    plain = crossbench.build_model("conv2d", dims=2, num_classes=2, backbone="test_resnet")
    torch.save(plain.state_dict(), tmp_path / "plain.pth")
    found, wanted = (
        kernels(method, tmp_path / "plain.pth") for method in ("crossd-lifted", middle)
    )
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


# What a run of these commands takes less time with: a small network, one epoch.
_FAST = ["--backbone", "test_resnet", "--set", "fit.epochs=1", "--device", "cpu", "--folds", "0"]


def section(heading: str) -> str:
    """The text below a heading."""
    (text,) = re.findall(
        rf"^## {heading}\n(.*?)(?=^## )",
        README.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    return text


def test_the_newcomers_path_is_walked_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a folder of NIfTI files with a table to predictions for one of them."""
    pytest.importorskip("nibabel")
    scans_with_table(tmp_path / "scans")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSBENCH_DATA", str(tmp_path / "root"))
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "cache"))
    commands, said = re.findall(
        r"```(?:sh|text)\n(.*?)```", section("Data of your own"), re.DOTALL
    )[:2]
    look, make, run, predict = (
        shlex.split(line, comments=True)[1:] for line in commands.splitlines()
    )
    assert main(look) == 0
    assert capsys.readouterr().out == said.partition("\n")[2]
    assert main(make) == 0
    assert main([*run, *_FAST]) == 0
    capsys.readouterr()
    place = predict.index("--run") + 1
    (record,) = Path(predict[place]).parent.glob("*.json")
    assert main([*predict[:place], str(record), *predict[place + 1 :]]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header == "file,sample,predicted,p_benign,p_malignant"
    assert row.startswith("scans/volumes/scan00.nii.gz,0,")
