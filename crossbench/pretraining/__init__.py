"""Pretraining of a method's 2D network, on a folder of images or a 2D task (Table I)."""

from __future__ import annotations

from crossbench.pretraining.request import (
    PretrainRequest,
    checkpoint_path,
    make_settings,
    record_path,
)
from crossbench.pretraining.run import Listener, Silence, estimate_seconds, finished, pretrain

__all__ = [
    "Listener",
    "PretrainRequest",
    "Silence",
    "checkpoint_path",
    "estimate_seconds",
    "finished",
    "make_settings",
    "pretrain",
    "record_path",
]
