"""The nouns of the suite: immutable descriptions, with no behaviour beyond naming themselves.

Everything here is plain data that survives a round trip through TOML or JSON. Nothing
here imports torch, so cards, records and tables can be read at once anywhere.
"""

from crossbench.specs.cards import DataSource, Dimension, SourceSpec, TaskCard
from crossbench.specs.records import SCHEMA_VERSION, RunKey, RunRecord, Status
from crossbench.specs.settings import (
    RANDOM,
    ComputeSettings,
    FitSettings,
    InputSettings,
    LoraSettings,
    Preset,
    PretrainSettings,
    SplitSettings,
    Statistics,
)

__all__ = [
    "RANDOM",
    "SCHEMA_VERSION",
    "ComputeSettings",
    "DataSource",
    "Dimension",
    "FitSettings",
    "InputSettings",
    "LoraSettings",
    "Preset",
    "PretrainSettings",
    "RunKey",
    "RunRecord",
    "SourceSpec",
    "SplitSettings",
    "Statistics",
    "Status",
    "TaskCard",
]
