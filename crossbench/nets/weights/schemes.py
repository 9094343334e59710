"""Key schemes: published names of tensors, translated to timm's.

A scheme is recognised by keys and shapes alone. Renaming changes no tensor and loses none: what a
scheme does not know keeps its key, and is told of when the checkpoint is matched to a network. Of a
model with several parts the image encoder is taken, and its scheme's name says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

#: Luke Melas-Kyriazi's EfficientNet-PyTorch, and the ports that keep its names.
EFFICIENTNET_PYTORCH = "EfficientNet-PyTorch"

#: Merlin, whose image encoder stands beside a text encoder and has two heads.
MERLIN = "Merlin's image encoder"

_ENCODER = "encode_image.i3_resnet."
_HEADS = ("classifier.", "contrastive_head.")

_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_SEPARABLE = _SQUEEZE | {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_INVERTED = _SQUEEZE | {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def timm_keys(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Tensors by timm's keys, and the name of the scheme that theirs were of.

    Args:
        tensors: A state dict.

    Returns:
        The tensors in their order, under their own keys where no scheme is recognised; its
        name is then empty.
    """
    encoder = _merlin_encoder(tensors)
    if encoder:
        return encoder, MERLIN
    if not {"_conv_stem.weight", "_blocks.0._depthwise_conv.weight"} <= tensors.keys():
        return dict(tensors), ""
    blocks = _efficientnet_blocks(tensors)
    renamed = {_efficientnet_key(key, blocks): tensor for key, tensor in tensors.items()}
    if len(renamed) < len(tensors):  # it holds some tensor under both names
        return dict(tensors), ""
    return renamed, EFFICIENTNET_PYTORCH


def _merlin_encoder(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The image encoder of Merlin's without its heads, by torchvision's keys; empty for others."""
    inside = {
        key.removeprefix(_ENCODER): tensor
        for key, tensor in tensors.items()
        if key.startswith(_ENCODER)
    }
    return {key: tensor for key, tensor in inside.items() if not key.startswith(_HEADS)}


class _Block(NamedTuple):
    """A block's name in timm, and the names of its layers by those they have here."""

    name: str
    layers: Mapping[str, str]


def _efficientnet_blocks(tensors: Mapping[str, Tensor]) -> dict[str, _Block]:
    """Timm's blocks by the numbers they have here; a stage begins where the width changes."""
    blocks: dict[str, _Block] = {}
    stage, block, before = -1, 0, 0
    while (project := tensors.get(f"_blocks.{len(blocks)}._project_conv.weight")) is not None:
        stage, block = (stage, block + 1) if len(project) == before else (stage + 1, 0)
        before, number = len(project), str(len(blocks))
        expands = f"_blocks.{number}._expand_conv.weight" in tensors
        layers = _INVERTED if expands else _SEPARABLE
        blocks[number] = _Block(f"blocks.{stage}.{block}", layers)
    return blocks


def _efficientnet_key(key: str, blocks: Mapping[str, _Block]) -> str:
    head, _, rest = key.partition(".")
    if head in _OUTSIDE:
        return f"{_OUTSIDE[head]}.{rest}"
    number, _, inside = rest.partition(".")
    layer, _, tensor = inside.partition(".")
    if head != "_blocks" or number not in blocks or layer not in blocks[number].layers:
        return key
    return f"{blocks[number].name}.{blocks[number].layers[layer]}.{tensor}"
