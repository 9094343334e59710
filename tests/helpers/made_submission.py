"""A method of a stranger's in two files, and what its author has to submit it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from crossbench.submissions.submission import SubmitRequest

PLUGIN = '''\
"""Inflate by repetition, for trying bundles."""

import inflation


class Mine:
    name = "mine"
    dims = (3,)

    def layer_2d(self, conv):
        return conv

    def layer_3d(self, layer):
        return inflation.inflate(layer)


method = Mine()
'''
BESIDE = """\
import torch
from torch import nn


def inflate(conv):
    (side, _), bias = conv.kernel_size, conv.bias is not None
    args = conv.stride[0], conv.padding[0], conv.dilation[0], conv.groups, bias
    new = nn.Conv3d(conv.in_channels, conv.out_channels, side, *args)
    with torch.no_grad():
        new.weight.copy_(conv.weight[:, :, None].expand(-1, -1, side, -1, -1) / side)
    return new
"""
TASK = "nodule-malignancy-3d"
SETTINGS = ("input.max_samples=30", "fit.epochs=1")


class Made(NamedTuple):
    """What an author has: results and the plugin that made them."""

    results: Path
    plugin: Path

    def request(self, **changed: object) -> SubmitRequest:
        asked = {
            "folders": (self.results,),
            "method": "mine",
            "authors": ("A. Author",),
            "licence": "MIT",
            "plugins": (str(self.plugin),),
        }
        return SubmitRequest(**asked | changed)  # type: ignore[arg-type]

    def records(self, method: str = "mine") -> list[Path]:
        return sorted(self.results.rglob(f"{method}/*.json"))
