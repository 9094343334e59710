"""The candidates' cards are good cards; measuring them takes longer than a test may."""

from __future__ import annotations

from pathlib import Path

import choose_attribute as script
import numpy as np
import pytest

from crossbench.data.embedded import read_embedded
from crossbench.registry.tasks import load_card, load_tasks


@pytest.mark.parametrize("dimension", [2, 3])
def test_every_candidate_is_a_task_of_its_own(dimension: int, tmp_path: Path) -> None:
    titles = script.write_cards(tmp_path, dimension)
    cards = [load_card(file) for file in sorted(tmp_path.glob("*.toml"))]
    assert [card.title for card in cards] == list(titles.values())
    assert [card.name for card in cards] == list(titles)
    assert len(set(titles.values())) == len(script.CANDIDATES)
    assert titles["candidate-3"] == "sphericity > 4.0 readers ≥ 3"
    assert not set(titles) & set(load_tasks())
    assert {card.dimension for card in cards} == {dimension}


def test_the_chosen_candidate_is_the_shipped_task(tmp_path: Path) -> None:
    script.write_cards(tmp_path, 2)
    candidate, shipped = load_card(tmp_path / "3.toml"), load_tasks()["nodule-sphericity-2d"]
    assert read_embedded(candidate).content_hash == read_embedded(shipped).content_hash


def test_both_classes_of_every_candidate_are_well_filled(tmp_path: Path) -> None:
    script.write_cards(tmp_path, 2)
    for file in tmp_path.glob("*.toml"):
        counts = np.bincount(read_embedded(load_card(file)).labels)
        assert counts.min() > 200
