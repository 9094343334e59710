"""Checkpoints in the formats that are met, and what does not fit."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from crossbench.errors import WeightsError
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import read_checkpoint, read_facts

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
    message = r"bn1.bias has shape \(7,\), the 2D network's has \(32,\); choose the backbone and"
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
        (
            torch.ones(3),
            "or under 'model', 'module', 'state_dict', 'trunk_state_dict', at all",
        ),
    ],
)
def test_file_without_a_state_dict(tmp_path: Path, content: object, message: str) -> None:
    refuse(tmp_path / "odd.pth", content, message)


class Payload:
    """What must not be unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("this code must not run",))


def test_no_code_of_a_checkpoint_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(
        tmp_path / "bad.pth",
        {"model": Payload()},
        r"bad.pth holds more than tensors: print, which is code and is not run; ask its",
    )
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "length", "message"),
    [
        ("cut.pth", 0, "cut.pth is empty; get it again"),
        ("cut.safetensors", 0, "cut.safetensors is empty; get it again"),
        ("cut.pth", 1000, "cut.pth is damaged, or a zip archive of something else; get it again"),
        ("cut.safetensors", 5, "cut.safetensors is no file of tensors alone, neither"),
        ("cut.safetensors", 1000, "cut.safetensors is damaged as a .safetensors file "),
        ("cut.safetensors", 20000, r"damaged as a .safetensors file \(.*\); get it again"),
    ],
)
def test_truncated_file(
    tmp_path: Path, state: dict[str, Tensor], name: str, length: int, message: str
) -> None:
    file = tmp_path / name
    if file.suffix == ".pth":
        torch.save(state, file)
    else:
        safetensors.torch.save_file(state, file)
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(WeightsError, match=message):
        build(init=file)


def zipped() -> bytes:
    """A zip archive of something else."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("readme.txt", "no tensors")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; get it again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 46830571\n",
            "is no checkpoint but a Git LFS pointer, which stands for the file; run git lfs pull",
        ),
        (
            b"\n<!DOCTYPE html><html><title>Log in</title></html>",
            "is no checkpoint but a web page, such as one that asks for a login; download the file",
        ),
        (
            "Gewichte für ResNet-18: später".encode(),
            r"is no checkpoint but text \('Gewichte für ResNet-18:' ...\); pass a file of tensors",
        ),
        (b"\x1f\x8b\x08\x00\x00", "is no checkpoint but packed by gzip; unpack it"),
        (b"\x89HDF\r\n\x1a\n", "is no checkpoint but an HDF5 file; convert it to .safetensors"),
        (b"\x93NUMPY\x01\x00v\x00", "is no checkpoint but a NumPy array; save a state dict as"),
        (pickle.dumps({"a": 1}), "is no file of tensors alone.* or is damaged .no code in it is"),
        (zipped(), "is damaged, or a zip archive of something else; get it again"),
        (bytes(range(128, 256)), "is no file of tensors alone, neither .safetensors nor of torch"),
        (b"\xff\xff\x00\x00\x00\x00\x00\x00{", "is damaged as a .safetensors file"),
    ],
)
def test_what_is_no_checkpoint_is_called_what_it_is(
    tmp_path: Path, content: bytes, message: str
) -> None:
    for name in ("file.pth", "file.safetensors"):  # an ending says nothing
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=f"{name} {message}") as caught:
            build(init=tmp_path / name)
        assert not re.search(r"weights_only|likely succeed|\x1b|pickle", str(caught.value))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_program_is_no_checkpoint(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "program.pt")
    message = r"program.pt is a program \(TorchScript\), not weights alone; ask its maker for its"
    with pytest.raises(WeightsError, match=message):
        build(init=tmp_path / "program.pt")


def test_a_module_is_no_checkpoint(tmp_path: Path) -> None:
    message = r"holds more than tensors: torch.nn.modules.linear.Linear, which is code and is not"
    refuse(tmp_path / "whole.pth", nn.Linear(2, 2), message)


def test_an_ending_says_nothing(tmp_path: Path, state: dict[str, Tensor]) -> None:
    safetensors.torch.save_file(state, tmp_path / "model.bin")
    torch.save(state, tmp_path / "model.safetensors")
    for name in ("model.bin", "model.safetensors"):
        assert_loaded(build(init=tmp_path / name), state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Tensor.to_sparse, "bn1.bias is sparse; save it .to_dense()"),
        (lambda each: each.to("meta"), r"bn1.bias has a shape and no values \(meta device\)"),
        (
            lambda each: torch.quantize_per_tensor(each, 0.1, 0, torch.qint8),
            r"bn1.bias is quantised \(torch.qint8\); save it dequantised",
        ),
        (Tensor.char, "bn1.bias holds int8 numbers, which are no weights, and 1 of "),
        (Tensor.bool, "bn1.bias holds bool numbers"),
        (lambda each: each.to(torch.complex64), "bn1.bias holds complex64 numbers"),
        (lambda each: each.to(torch.float8_e4m3fn), "bn1.bias holds float8_e4m3fn numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_tensors_that_are_no_weights(
    tmp_path: Path, state: dict[str, Tensor], change: Callable[[Tensor], Tensor], message: str
) -> None:
    refuse(tmp_path / "odd.pth", state | {"bn1.bias": change(state["bn1.bias"])}, message)


def test_half_precision_and_counters_are_weights(tmp_path: Path, state: dict[str, Tensor]) -> None:
    stored = {
        key: tensor.half() if tensor.is_floating_point() else tensor.int()
        for key, tensor in state.items()
    }
    torch.save(stored, tmp_path / "half.pth")
    exact = {key: stored[key].to(tensor.dtype) for key, tensor in state.items()}
    assert_loaded(build(init=tmp_path / "half.pth"), exact)


@pytest.mark.parametrize("prefixes", [("", "module."), ("_orig_mod.", "module._orig_mod.")])
def test_keys_that_become_one_are_refused(
    tmp_path: Path, state: dict[str, Tensor], prefixes: tuple[str, str]
) -> None:
    one, other = (f"{prefix}bn1.bias" for prefix in prefixes)
    message = rf"odd.pth has both '{one}' and '{other}', which are one key without the prefixes"
    twice = {one: state.pop("bn1.bias"), other: torch.zeros(32)}
    refuse(tmp_path / "odd.pth", state | twice, message)


# ------------------------------------------------------------------------------ for the record


def test_the_digest_is_of_the_bytes_that_were_loaded(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    file = tmp_path / "weights.pth"
    torch.save(state, file)
    planned = read_facts(file).sha256
    assert planned == hashlib.sha256(file.read_bytes()).hexdigest()
    assert read_checkpoint(file, sha256=planned).sha256 == planned
    changed, time = state | {"bn1.bias": torch.ones(32)}, file.stat().st_mtime_ns
    torch.save(changed, file)
    os.utime(file, ns=(time, time))  # as after `rsync -t`
    assert read_facts(file).sha256 != planned
    message = r"weights.pth was replaced: it has SHA-256 .*, and .* was there when it was looked at"
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(file, sha256=planned)
