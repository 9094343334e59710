"""Pretraining of a method's 2D network, on a folder of images or a 2D task (Table I)."""

from __future__ import annotations

from crossbench.pretraining.request import (
    Pretraining,
    PretrainRequest,
    checkpoint_path,
    prepare,
    record_path,
)
from crossbench.pretraining.run import Listener, Silence, estimate_seconds, finished, pretrain

__all__ = [
    "Listener",
    "PretrainRequest",
    "Pretraining",
    "Silence",
    "checkpoint_path",
    "estimate_seconds",
    "finished",
    "prepare",
    "pretrain",
    "record_path",
]
