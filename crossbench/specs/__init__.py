"""Task cards, settings and records: frozen descriptions, to TOML or JSON and back.

Nothing here imports torch or numpy.
"""

from crossbench.specs.cards import DataSource, TaskCard
from crossbench.specs.records import SCHEMA_VERSION, RunKey, RunRecord, Status
from crossbench.specs.settings import (
    RANDOM,
    ComputeSettings,
    FitSettings,
    FusionSettings,
    InputSettings,
    LoraSettings,
    NetworkSettings,
    Preset,
    PretrainSettings,
    SplitSettings,
    Statistics,
)
from crossbench.specs.sources import EmbeddedSource, MedmnistSource, NpzSource

__all__ = [
    "RANDOM",
    "SCHEMA_VERSION",
    "ComputeSettings",
    "DataSource",
    "EmbeddedSource",
    "FitSettings",
    "FusionSettings",
    "InputSettings",
    "LoraSettings",
    "MedmnistSource",
    "NetworkSettings",
    "NpzSource",
    "Preset",
    "PretrainSettings",
    "RunKey",
    "RunRecord",
    "SplitSettings",
    "Statistics",
    "Status",
    "TaskCard",
]
