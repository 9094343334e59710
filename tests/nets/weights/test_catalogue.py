"""Weights by name: which entry serves whom, and what an entry must say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from known_weights import SERVED, own_weights

from crossbench.errors import CardError, RequestError, WeightsError
from crossbench.nets.weights.catalogue import (
    catalogued,
    find_known,
    hub_file,
    known_weights,
    named_weights,
)
from crossbench.nets.weights.init import init_name, resolve_init
from crossbench.nets.weights.retrieval import fetch, present
from crossbench.registry.methods import load_method

BACKBONE = "resnet18"
PACKED = [{"package": "net-weights==0.1.0", "file": "net_weights/part.bin"}]


@pytest.mark.parametrize(
    ("name", "method", "file"),
    [
        ("in1k", "conv2d", "model.safetensors"),
        ("in1k", "acs", "model.safetensors"),
        ("in1k", "conv3d", "model.safetensors"),
        ("in1k", "crossd", "CDConvR18_IN1K.pth"),
        ("in1k", "crossd-aligned", "CDConvR18_IN1K.pth"),
        ("in1k", "crossd-lifted", "model.safetensors"),
        ("rin", "acs", "R18_RIN.pth"),
        ("rin", "crossd-fixed", "CDConvR18_RIN.pth"),
    ],
)
def test_file_that_serves_a_method(name: str, method: str, file: str) -> None:
    assert find_known(name, load_method(method), BACKBONE).file == file


def test_what_ships_is_pinned_where_it_can_be() -> None:
    plain = find_known("in1k", load_method("conv2d"), BACKBONE)
    assert plain.source == (
        "hf:timm/resnet18.tv_in1k/model.safetensors@bbd144b3e5565108aad885f145491d11bc6ce807"
    )
    assert plain.sha256.startswith("694f673df6520a31")
    assert all(each.revision or each.packages or each.url for each in known_weights())
    pinned = {each.name: (each.revision, each.sha256[:8]) for each in known_weights()}
    assert pinned["merlin"] == ("main", "e274ec09")
    assert pinned["medicalnet"] == ("758fe285bc8ab565eb4f9f965810f1d1a3f79491", "61224f93")
    assert pinned["fmcib"] == ("", "8cc92ec4")


def test_layers_without_weights() -> None:
    class Mine(type(load_method("crossd"))):  # type: ignore[misc]
        name = "mine"

    message = r"no 'rin' weights are known for the layers of method 'mine' \(there are some for pla"
    with pytest.raises(WeightsError, match=message):
        find_known("rin", Mine(), BACKBONE)


def test_own_weights_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_weights(monkeypatch, tmp_path, repo="", revision="", file="mine.safetensors")
    weights = find_known("in1k", load_method("acs"), BACKBONE)
    assert weights.source == weights.file == str(tmp_path / "mine.safetensors")
    assert find_known("in1k", load_method("crossd"), BACKBONE).file == "CDConvR18_IN1K.pth"
    assert present(weights) == ()
    with pytest.raises(WeightsError, match=r"no weights 'in1k' at '.*mine.safetensors'; correct"):
        fetch(weights)
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    assert resolve_init("in1k", load_method("acs"), BACKBONE) == tmp_path / "mine.safetensors"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": ""}, "weights 'in1k': 'revision' is ''; a repo needs one"),
        ({"sha256": "ab12"}, "weights 'in1k': 'sha256' is 'ab12'; it must be 64 hex digits"),
        ({"name": ""}, r"required key 'weights\[0\]\.name' is missing"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"repo": "", "file": ""}, "'file' is ''; give it, or packages instead"),
        ({"packages": PACKED}, "'file' is 'deep/model.safetensors'; give it, or packages"),
        ({"file": "", "packages": PACKED}, "'repo' is 'lab/net'; give it, or packages instead"),
        ({"url": "https://x.org/w"}, "'url' is 'https://x.org/w'; give it, or these"),
        ({"url": "https://x.org/w", "repo": ""}, "model.safetensors'; a name, beside url"),
        (SERVED | {"packages": PACKED}, "'sha256' is ''; packages need one, of the whole"),
        (SERVED | {"packages": [PACKED[0] | {"package": "net"}]}, "must be NAME==VERSION"),
        *(
            (SERVED | {"packages": [PACKED[0] | {"file": file}]}, "a path within the packages")
            for file in ("/etc/passwd", "net/../../secret", "net\\secret", "")
        ),
    ],
)
def test_malformed_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    own_weights(monkeypatch, tmp_path, **changes)
    with pytest.raises(CardError, match=f"weights.toml: .*{message}"):
        known_weights()


def test_files_of_the_hub() -> None:
    weights = hub_file("hf:convergedmachine/Cross-D-Conv/R18_RIN.pth@refs/pr/1")
    assert weights.repo == "convergedmachine/Cross-D-Conv"
    assert (weights.file, weights.revision) == ("R18_RIN.pth", "refs/pr/1")
    assert named_weights(weights.source) == (weights,)
    assert [each.file for each in named_weights("rin")] == ["R18_RIN.pth", "CDConvR18_RIN.pth"]
    with pytest.raises(RequestError, match="unknown weights 'in2k'; did you mean in1k"):
        named_weights("in2k")


@pytest.mark.parametrize(
    "text", ["hf:net/file@main", "hf:lab/net/file", "hf:lab/net/../../file@main", "hf:a b/c/d@main"]
)
def test_what_is_no_file_of_the_hub(text: str) -> None:
    with pytest.raises(RequestError, match="is not of the form hf:OWNER/NAME/FILE@REVISION, such"):
        hub_file(text)


def test_names_of_inits() -> None:
    assert init_name("in1k") == "in1k"
    assert init_name("hf:timm/resnet18.a1_in1k/model.safetensors@main") == "resnet18.a1_in1k"
    assert init_name("hf:convergedmachine/Cross-D-Conv/R18_RIN.pth@main") == "R18_RIN"


# ---------------------------------------------------------------------- backbones and methods


def test_the_backbone_chooses_among_weights_of_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_weights(monkeypatch, tmp_path, name="in1k", backbone="test_resnet")
    acs = load_method("acs")
    assert find_known("in1k", acs, "test_resnet").repo == "lab/net"
    assert find_known("in1k", acs, BACKBONE).repo == "timm/resnet18.tv_in1k"
    message = (
        r"no 'in1k' weights are known for backbone 'resnet50' \(there are some for test_resnet, "
        r"resnet18.*\); choose --backbone, or pass the path"
    )
    with pytest.raises(WeightsError, match=message):
        find_known("in1k", acs, "resnet50")


class Volumetric:
    """A network of its own that takes no 2D weights."""

    name, inputs, image_weights = "volumetric", ("volume",), False

    def build(self, request: Any) -> Any:
        raise NotImplementedError


def test_a_network_of_its_own_has_weights_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_weights(monkeypatch, tmp_path, name="ct", layers=["volumetric"])
    weights = find_known("ct", Volumetric(), BACKBONE)
    assert weights.repo == "lab/net"
    assert catalogued("ct", Volumetric(), BACKBONE, "") == weights
    message = r"no 'in1k' weights are known for the layers of method 'volumetric' \(there are some"
    with pytest.raises(WeightsError, match=message):
        find_known("in1k", Volumetric(), BACKBONE)
