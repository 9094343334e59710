from __future__ import annotations

from pathlib import Path

import pytest

from crossbench.files.sizes import amount, no_room


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (39_140_000, "39.1 MB"),
        (240_800_000, "241 MB"),
    ],
)
def test_an_amount_in_words(size: int | None, words: str) -> None:
    assert amount(size) == words


def test_a_rough_amount_is_marked() -> None:
    assert amount(1_540_000_000, exact=False) == "~1.5 GB"


def test_a_full_disk_in_words() -> None:
    said = no_room(Path("data"), "b.npz", 2_000_000, 1000)
    assert said == (
        "data: b.npz needs 2.0 MB more, and 1.0 kB are free; make room, or name another folder by"
    )
