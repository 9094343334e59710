"""``crossbench data card`` as a user meets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crossbench.cli import main
from crossbench.files.hashing import hash_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def test_a_card_in_words_as_json_and_as_croissant(
    make_task: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = make_task(extra='known_issues = ["Blobs leak."]\nsamples = { file = 60 }')
    words = ["data", "card", str(card), "--data-dir", str(tmp_path)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("Blobs\n")
    assert "  - Blobs leak." in said
    assert "60 (file)" in said
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["known_issues"] == ["Blobs leak."]
    assert main([*words, "--croissant"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["rai:dataBiases"] == "Blobs leak."
    data = next(each for each in made["distribution"] if each["@id"] == "data")
    assert data["sha256"] == hash_file(tmp_path / "blobs.npz")
