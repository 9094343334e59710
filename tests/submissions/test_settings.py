"""Settings of records, as overrides of their presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from made_submission import SETTINGS

from crossbench.registry.presets import choose_preset
from crossbench.results.records.files import read_record
from crossbench.results.records.overrides import overrides_of
from crossbench.submissions.settings import preset_of

if TYPE_CHECKING:
    from made_submission import Made


def test_what_was_asked_for_is_told(made: Made) -> None:
    record = read_record(made.records()[0])
    assert set(overrides_of(record)) == set(SETTINGS)
    asked = choose_preset("smoke", SETTINGS, seeds=(43,), folds=(0,))
    assert preset_of(record) == asked
    assert preset_of(record, every_fold=True).split.run_folds == ()


def test_a_plain_baseline_tells_its_split_alone(made: Made) -> None:
    record = read_record(made.records("majority")[0])
    assert overrides_of(record) == ("input.max_samples=30",)
