"""Checkpoint files: what goes in comes out, and damage is named."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crossbench.errors import WeightsError
from crossbench.nets.weights.checkpoint import (
    CheckpointMetadata,
    TrainingSamples,
    data_file,
    read_checkpoint,
    read_facts,
    write_checkpoint,
)

ABOUT = CheckpointMetadata(
    method="crossd",
    dims=2,
    backbone="resnet18",
    num_classes=5,
    recipe="0123abcd",
    statistics="radimagenet",
    seen=(TrainingSamples(file="nodules.npz:4711", unit="group", codes=(0, 3, 4)),),
    details={"epochs": 3, "metrics": {"accuracy": 0.5}, "settings": [1, None, "a"]},
)
TENSORS = {"conv.weight": torch.randn(2, 3, 3, 3), "bn.num_batches_tracked": torch.tensor(7)}


def assert_equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for key, tensor in wanted.items():
        assert found[key].dtype == tensor.dtype
        assert torch.equal(found[key], tensor), key


def test_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "weights.safetensors"
    write_checkpoint(file, TENSORS, ABOUT)
    assert read_facts(file).about == ABOUT
    assert_equal(read_checkpoint(file).tensors, TENSORS)
    assert list(file.parent.iterdir()) == [file]


@given(
    codes=st.lists(st.integers(0, 2**53), max_size=8).map(tuple),
    words=st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=3),
    backbone=st.text(),
)
def test_whatever_it_says_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    codes: tuple[int, ...],
    words: dict[str, object],
    backbone: str,
) -> None:
    file = tmp_path_factory.getbasetemp() / "said.safetensors"
    seen = TrainingSamples(file="a:1", unit="sample", codes=codes)
    about = replace(ABOUT, seen=(seen, seen), details=words, backbone=backbone)
    write_checkpoint(file, {"x": torch.zeros(1)}, about)
    assert read_facts(file).about == about


def test_same_content_same_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    write_checkpoint(one, TENSORS, ABOUT)
    write_checkpoint(two, dict(reversed(TENSORS.items())), ABOUT)
    assert one.read_bytes() == two.read_bytes()


def test_shared_and_strided_tensors(tmp_path: Path) -> None:
    """Tied weights and channels-last tensors are stored by value."""
    tensor = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    file = tmp_path / "weights.safetensors"
    write_checkpoint(file, {"one": tensor, "two": tensor}, ABOUT)
    assert_equal(read_checkpoint(file).tensors, {"one": tensor.detach(), "two": tensor.detach()})


def test_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    write_checkpoint(file, TENSORS, ABOUT)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_checkpoint(file, TENSORS, replace(ABOUT, details={"loss": float("nan")}))
    with pytest.raises(WeightsError, match=r"w.pth: checkpoints are written as .safetensors; name"):
        write_checkpoint(tmp_path / "w.pth", TENSORS, ABOUT)
    assert read_facts(file).about == ABOUT
    assert list(tmp_path.iterdir()) == [file]


def test_foreign_files_say_nothing(tmp_path: Path) -> None:
    safetensors.torch.save_file(TENSORS, tmp_path / "a.safetensors", {"format": "pt"})
    safetensors.torch.save_file(TENSORS, tmp_path / "b.safetensors")
    torch.save(TENSORS, tmp_path / "c.pth")
    for file in tmp_path.iterdir():
        assert read_facts(file).about is None
        assert_equal(read_checkpoint(file).tensors, TENSORS)


def test_missing_file(tmp_path: Path) -> None:
    for read in (read_checkpoint, read_facts):
        with pytest.raises(WeightsError, match=r"no checkpoint at '.*absent.safetensors'"):
            read(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"what it says of itself cannot be read \(Expecting"),
        ('{"method": "acs"}', r"required key 'dims' is missing\); make the checkpoint again"),
        ('{"method": "acs", "ages": 3}', "unknown key 'ages'"),
        (
            '{"method": "acs", "dims": 4, "backbone": "resnet18", "num_classes": 2}',
            "dims is 4, not 1 to 3",
        ),
    ],
)
def test_what_cannot_be_understood(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "odd.safetensors"
    safetensors.torch.save_file(TENSORS, file, {"crossbench": text})
    with pytest.raises(WeightsError, match=f"odd.safetensors: .*{message}"):
        read_facts(file)


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (0, "is empty; get it again"),
        (200, r"is damaged as a .safetensors file \(.*\); get it again"),
    ],
)
def test_cut_file(tmp_path: Path, length: int, message: str) -> None:
    file = tmp_path / "cut.safetensors"
    write_checkpoint(file, TENSORS, ABOUT)
    file.write_bytes(file.read_bytes()[:length])
    for read in (read_facts, read_checkpoint):
        with pytest.raises(WeightsError, match=f"cut.safetensors {message}"):
            read(file)


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    write_checkpoint(file, TENSORS, ABOUT)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_checkpoint(file, TENSORS, ABOUT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_facts(file).about == ABOUT
    assert list(tmp_path.iterdir()) == [file]


def test_name_of_a_data_file(tmp_path: Path) -> None:
    (tmp_path / "nodules.npz").write_bytes(b"12345")
    assert data_file(tmp_path / "nodules.npz") == "nodules.npz:5"
