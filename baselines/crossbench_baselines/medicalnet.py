"""MedicalNet: 3D residual networks that were trained to segment 23 sets of CT and MRI.

The encoder alone, with dilated last stages; each volume is scaled to mean 0 and variance 1 within
the network. `--backbone resnet18 --init medicalnet` (also `resnet34` and `resnet50`, with weights
from a file).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from crossbench.errors import ConversionError
from crossbench_baselines._volumetric_resnet import Design, VolumetricResNet

if TYPE_CHECKING:
    from torch import nn

    from crossbench.methods import NetworkRequest

_BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}


class MedicalNet:
    """Builds the encoder of a depth that a ResNet of timm names, and a head."""

    name = "medicalnet"
    inputs = ("volume",)
    image_weights = False
    metadata: ClassVar = {
        "authors": ["Sihong Chen", "Kai Ma", "Yefeng Zheng"],
        "paper": "Med3D: Transfer Learning for 3D Medical Image Analysis, arXiv 1904.00625",
        "url": "https://github.com/Tencent/MedicalNet",
    }

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network for volumes.

        Raises:
            ConversionError: If the backbone is none of the depths above.
        """
        if request.backbone not in _BLOCKS:
            msg = f"backbone {request.backbone!r} is no depth of MedicalNet's; choose --backbone"
            raise ConversionError(f"{msg} {', '.join(_BLOCKS)}")
        bottleneck = request.backbone == "resnet50"
        design = Design(
            blocks=_BLOCKS[request.backbone],
            bottleneck=bottleneck,
            stem_stride=2,
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            projects=bottleneck,  # the deeper of these has shortcuts of type B, the others of A
            standardises=True,
        )
        return VolumetricResNet(design, request.num_classes)
