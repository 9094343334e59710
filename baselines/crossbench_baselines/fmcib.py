"""FMCIB: the foundation model of lesions on CT, a 3D ResNet-50 of twice the width.

Intensities are those of CT from -1024 to 2048 HU as 0 to 1, in cubes of 50 mm around a lesion.
`--backbone resnet50 --init fmcib`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from crossbench.errors import ConversionError
from crossbench_baselines._volumetric_resnet import Design, VolumetricResNet

if TYPE_CHECKING:
    from torch import nn

    from crossbench.methods import NetworkRequest

_DESIGN = Design(
    blocks=(3, 4, 6, 3), bottleneck=True, width=128, stem_stride=2, projection_bias=True
)


class FMCIB:
    """Builds the network, whose 4096 features a head reads."""

    name = "fmcib"
    inputs = ("volume",)
    image_weights = False
    metadata: ClassVar = {
        "authors": ["Suraj Pai", "Hugo Aerts and others"],
        "paper": "Foundation model for cancer imaging biomarkers, 10.1038/s42256-024-00807-9",
        "url": "https://github.com/AIM-Harvard/foundation-cancer-image-biomarker",
    }

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network for volumes.

        Raises:
            ConversionError: If the backbone is another than ``resnet50``.
        """
        if request.backbone != "resnet50":
            msg = f"backbone {request.backbone!r} is not FMCIB's; choose --backbone resnet50"
            raise ConversionError(msg)
        return VolumetricResNet(_DESIGN, request.num_classes)
