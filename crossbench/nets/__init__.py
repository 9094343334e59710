"""Networks: timm backbones, their 3D forms, and the weights they start from."""

from __future__ import annotations

from crossbench.nets.build import build_model

__all__ = ["build_model"]
