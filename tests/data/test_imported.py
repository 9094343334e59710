"""What records say of an imported file: enough to find it, and nothing of a person."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from small_import import CARD, run, write_cells

from crossbench.data.imported import ImportFacts, JoinedGroups, origin_facts
from crossbench.data.sources import open_task
from crossbench.errors import DataError

VERSION = "0123456789abcdef"


def facts_of(**changes: Any) -> dict[str, Any]:
    made = {"importer": "cells", "origin": "lab", "options": {"drop": ""}, "samples": 3}
    return origin_facts(Path(f"/home/doe/{VERSION}.npz"), ImportFacts(**made | changes), None)


def test_the_file_is_known_by_its_name_alone() -> None:
    dropped = (("Doe^John", "no label"), ("Roe", "twice"))
    facts = facts_of(dropped=dropped, notes=("patient Doe is left out",))
    assert (facts["version"], facts["dropped"]) == (VERSION, 2)
    assert "doe" not in str(facts).lower()


def test_text_that_a_user_set_is_told_apart_and_not_told() -> None:
    options = {"drop": "Doe, John", "size": 96, "names": ("Doe", 3.0), "view": "axial", "none": ""}
    changed = ("drop", "names", "none", "size")
    one, two = (facts_of(options=options | {"drop": d}, changed=changed) for d in ("Doe", "Roe"))
    assert one["options"]["drop"] != two["options"]["drop"]
    assert (one["options"]["size"], one["options"]["view"], one["options"]["none"]) == (
        96,
        "axial",
        "",
    )
    assert one["options"]["names"][1] == 3.0
    assert "Doe" not in str(one)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("lesions of HAM10000 and published duplicates", None),
        ("clusters of near copies (perceptual hashes)", None),
        ("organcmnist.csv, MedMNIST's index", "a table, MedMNIST's index"),
        ("John Doe 1957.CSV by id", "a table by id"),
        ("a.b of John Doe.tsv by index, with clusters", "a table by index, with clusters"),
        ("/home/doe/my table", "a table"),
        (r"C:\Doe\x.xlsx by id", "a table by id"),
    ],
)
def test_names_of_tables_are_left_out(source: str, said: str | None) -> None:
    joined = JoinedGroups(groups=np.arange(3), content="", source=source)
    facts = origin_facts(Path("vessel.npz"), None, joined)
    assert facts == {"groups": {"from": said or source, "sha256": joined.digest}}


def test_a_published_file_has_none() -> None:
    assert origin_facts(Path("vessel.npz"), None, None) == {}


def test_an_imported_file_has_no_axes_of_its_own(tmp_path: Path) -> None:
    """What the card says of the published file would turn it once more in ``predict``."""
    card = replace(CARD, source=structs.replace(CARD.source, axes="WH"))
    root = tmp_path / "data"
    run(write_cells(tmp_path / "cells"), root, card=card)
    places = {"data": "real", "data_dir": root, "cache_dir": root / "cache"}
    dataset = open_task(card, **places)
    assert dataset.axes is None
    assert dataset.origin["importer"] == "cells"
    published = {"images": dataset.images[:, 0], "labels": dataset.labels}
    other = tmp_path / "published"
    other.mkdir()
    np.savez(other / "cells_224.npz", **published)
    again = open_task(card, **places | {"data_dir": other})
    assert (again.axes, again.origin) == ("WH", {})


def test_numbers_are_such_that_a_record_can_hold_them() -> None:
    facts = facts_of(options={"add": float("nan"), "window": (float("-inf"), 400.0)})
    assert facts["options"] == {"add": "nan", "window": ["-inf", 400.0]}
    json.dumps(facts, allow_nan=False)


@pytest.mark.parametrize("about", ["{", "[" * 100_000])
def test_a_damaged_account_of_an_import_is_refused(tmp_path: Path, about: str) -> None:
    root = tmp_path / "data"
    made = run(write_cells(tmp_path / "cells"), root)
    with np.load(made.file) as archive:
        arrays = dict(archive)
    np.savez(made.file, **(arrays | {"about": np.array(about)}))
    with pytest.raises(DataError, match=r"array 'about' is no JSON \(.*\); import the task again"):
        open_task(CARD, data="real", data_dir=root, cache_dir=root / "cache")
