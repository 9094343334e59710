"""Checkpoints in the formats that are met, and what does not fit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from crossbench.errors import WeightsError
from crossbench.nets import build_model
from crossbench.nets.weights import init_hash, init_name

SMALL = "test_resnet"


def build(method: str = "conv2d", init: str | Path = "random", num_classes: int = 2) -> nn.Module:
    return build_model(method, dims=2, num_classes=num_classes, init=init, backbone=SMALL)


@pytest.fixture
def state() -> dict[str, Tensor]:
    """The weights of a network for 165 classes."""
    network = build(num_classes=165)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.copy_(torch.rand_like(tensor.float()) + 0.5)
    return network.state_dict()


def assert_loaded(network: nn.Module, state: dict[str, Tensor]) -> None:
    for key, tensor in network.state_dict().items():
        if not key.startswith("fc."):
            assert torch.equal(tensor, state[key]), key


# ------------------------------------------------------------------------------- what fits


def test_authors_format(tmp_path: Path, state: dict[str, Tensor]) -> None:
    file = tmp_path / "R18_RIN.pth"
    torch.save({"model": {f"_orig_mod.{k}": v for k, v in state.items()}, "epoch": 89}, file)
    assert_loaded(build(init=file), state)
    assert_loaded(build(init=str(file), num_classes=0), state)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module.", "module._orig_mod."])
def test_plain_state_dict_with_wrappers(
    tmp_path: Path, state: dict[str, Tensor], prefix: str
) -> None:
    torch.save({f"{prefix}{k}": v for k, v in state.items()}, tmp_path / "plain.pt")
    assert_loaded(build(init=tmp_path / "plain.pt"), state)


def test_safetensors(tmp_path: Path, state: dict[str, Tensor]) -> None:
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    assert_loaded(build(init=tmp_path / "model.safetensors"), state)


def test_checkpoint_without_classifier_and_without_counters(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    old = {k: v for k, v in state.items() if not k.startswith("fc.") and not k.endswith("_tracked")}
    torch.save(old, tmp_path / "old.pth")
    network = build(init=tmp_path / "old.pth")
    assert_loaded(network, state | {k: torch.tensor(0) for k in state if k.endswith("_tracked")})


def test_cross_d_checkpoint_serves_2d_and_3d(tmp_path: Path) -> None:
    trained = build("crossd")
    file = tmp_path / "CDConvR18_RIN.pth"
    torch.save({"model": {f"_orig_mod.{k}": v for k, v in trained.state_dict().items()}}, file)
    assert_loaded(build("crossd", init=file), trained.state_dict())
    volumetric = build_model("crossd", dims=3, num_classes=2, init=file, backbone=SMALL)
    kernel = trained.layer2[0].conv1.weights_3d
    assert torch.equal(volumetric.layer2[0].conv1.weight, kernel)


def test_torchvision_resnet18_computes_the_same(tmp_path: Path) -> None:
    theirs = torchvision.models.resnet18()
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    theirs.fc = nn.Identity()
    ours = build_model("conv2d", dims=2, num_classes=0, init=tmp_path / "resnet18.pth")
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


# ------------------------------------------------------------------------- what does not fit


def refuse(file: Path, content: object, message: str, method: str = "conv2d") -> None:
    torch.save(content, file)
    with pytest.raises(WeightsError, match=message):
        build(method, init=file)


def test_missing_file(tmp_path: Path) -> None:
    message = r"no checkpoint at '.*absent.pth'; weights are 'random', a name that 'crossbench we"
    with pytest.raises(WeightsError, match=message):
        build(init=tmp_path / "absent.pth")
    with pytest.raises(WeightsError, match="no checkpoint at 'imagenet'"):
        build(init="imagenet")


def test_missing_and_unexpected_keys(tmp_path: Path, state: dict[str, Tensor]) -> None:
    file = tmp_path / "odd.pth"
    del state["bn1.running_mean"]
    message = r"odd.pth: does not fit the 2D network key by key: 1 missing \(bn1.running_mean\);"
    refuse(file, state, message)
    state |= {f"extra.{i}": torch.ones(1) for i in range(9)}
    refuse(
        file,
        state,
        r"1 missing \(bn1.running_mean\), 9 unexpected "
        r"\(extra.0, extra.1, extra.2, extra.3, ...\); choose the backbone and the method",
    )


def test_wrong_shape(tmp_path: Path, state: dict[str, Tensor]) -> None:
    state["bn1.bias"] = torch.ones(7)
    message = r"bn1.bias has shape \(7,\), the 2D network's has \(32,\); choose the backbone"
    refuse(tmp_path / "odd.pth", state, message)


def test_not_finite(tmp_path: Path, state: dict[str, Tensor]) -> None:
    state["bn1.bias"][3] = torch.nan
    refuse(tmp_path / "odd.pth", state, "bn1.bias holds NaN or infinite values")


def test_checkpoint_of_another_method(tmp_path: Path, state: dict[str, Tensor]) -> None:
    file = tmp_path / "other.pth"
    message = (
        r"made with another method's layers: it has conv1.0.weight where this 2D network has "
        r"conv1.0.weights_3d; pass a checkpoint that was trained with this method"
    )
    refuse(file, state, message, method="crossd")
    message = r"it has conv1.0.weights_3d where this 2D network has conv1.0.weight;"
    refuse(file, build("crossd").state_dict(), message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {}, "epoch": 3}, "no state dict.*but has the keys state_dict, epoch"),
        ({}, "holds no state dict, at its top level or under 'model'"),
        (torch.ones(3), "holds no state dict, at its top level or under 'model', at all"),
    ],
)
def test_file_without_a_state_dict(tmp_path: Path, content: object, message: str) -> None:
    refuse(tmp_path / "odd.pth", content, message)


class Payload:
    """What must not be unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("this code must not run",))


def test_no_code_of_a_checkpoint_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(tmp_path / "bad.pth", {"model": Payload()}, r"cannot be read as weights alone \(no code")
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
@pytest.mark.parametrize("length", [0, 1000])
def test_truncated_file(tmp_path: Path, state: dict[str, Tensor], name: str, length: int) -> None:
    file = tmp_path / name
    if file.suffix == ".pth":
        torch.save(state, file)
    else:
        safetensors.torch.save_file(state, file)
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(WeightsError, match=f"{name} cannot be read as weights alone"):
        build(init=file)


# ------------------------------------------------------------------------------ for the record


def test_names_and_hashes(tmp_path: Path) -> None:
    file = tmp_path / "R18_RIN.pth"
    file.write_bytes(b"weights")
    assert init_name("random") == init_hash("random") == "random"
    assert init_name(file) == init_name(str(file)) == "R18_RIN"
    assert init_hash(file) == hashlib.sha256(b"weights").hexdigest()
    file.write_bytes(b"other weights")
    assert init_hash(file) == hashlib.sha256(b"other weights").hexdigest()
    with pytest.raises(WeightsError, match="no checkpoint at"):
        init_hash(tmp_path / "absent.pth")
