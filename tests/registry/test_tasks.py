"""Task cards from files and from the registry: every error names the file and the key."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest

from crossbench.errors import CardError, RequestError
from crossbench.registry.tasks import find_task, load_card, load_tasks
from crossbench.specs import EmbeddedSource, MedmnistSource, NpzSource, TaskCard
from crossbench.specs.reader import to_mapping

SOURCE = {"kind": "npz", "file": "stripes.npz"}
EMBEDDED = {"kind": "embedded", "file": "a.npz", "images": "x", "label": "y", "threshold": 3}
CORE = {
    "name": "stripes",
    "title": "Stripes",
    "dimension": 3,
    "modality": "Drawing",
    "classes": ["across", "along"],
    "licence": "CC0-1.0",
    "citation": "Drawn for the tests",
    "metric": "accuracy",
    "version": 1,
    "source": SOURCE,
}


def write_card(folder: Path, *, without: str = "", **keys: Any) -> Path:
    """A card file with the required core, changed as told."""
    file = folder / "card.toml"
    lines = [f"{key} = {_toml(value)}" for key, value in (CORE | keys).items() if key != without]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return value.isoformat() if isinstance(value, dt.date) else json.dumps(value)


def _without(table: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != key}


def complaint(file: Path, message: str) -> str:
    """The pattern of an error that names the file and then says ``message``."""
    return f"^{re.escape(f'{file}: {message}')}"


def test_the_required_core_is_enough(tmp_path: Path) -> None:
    file = write_card(tmp_path)
    card = load_card(file)
    assert card.classes == ("across", "along")
    assert card.source == NpzSource(file="stripes.npz")
    assert card.path == file
    assert (card.samples, card.known_issues, card.shape) == ({}, (), None)


def test_whole_numbers_stand_for_floats(tmp_path: Path) -> None:
    card = load_card(write_card(tmp_path, intensity=[0, 255]))
    assert card.intensity is not None
    assert [type(bound) for bound in card.intensity] == [float, float]


@pytest.mark.parametrize("key", [key for key in CORE if key != "dimension"])
def test_a_missing_core_key(tmp_path: Path, key: str) -> None:
    file = write_card(tmp_path, without=key)
    with pytest.raises(CardError, match=complaint(file, f"required key '{key}' is missing")):
        load_card(file)


@pytest.mark.parametrize(
    ("keys", "kind", "dimension"),
    [
        ({}, "volume", 3),
        ({"dimension": 2}, "image", 2),
        ({"kind": "volume"}, "volume", 3),
        ({"dimension": 2, "kind": "image"}, "image", 2),
    ],
)
def test_a_card_gives_its_kind_or_its_dimension(
    tmp_path: Path, keys: dict[str, Any], kind: str, dimension: int
) -> None:
    without = "" if "dimension" in keys or not keys else "dimension"
    card = load_card(write_card(tmp_path, without=without, **keys))
    assert (card.kind, card.dimension) == (kind, dimension)


def test_a_card_without_a_kind_names_the_kinds(tmp_path: Path) -> None:
    file = write_card(tmp_path, without="dimension")
    message = (
        "required key 'kind' is missing; give kind, one of the input kinds image, recording, volume"
    )
    with pytest.raises(CardError, match=complaint(file, message)):
        load_card(file)


@pytest.mark.parametrize("key", SOURCE)
def test_a_missing_source_key(tmp_path: Path, key: str) -> None:
    file = write_card(tmp_path, source=_without(SOURCE, key))
    message = f"required key 'source.{key}' is missing"
    with pytest.raises(CardError, match=complaint(file, message)):
        load_card(file)


def test_an_unknown_key_with_the_nearest(tmp_path: Path) -> None:
    file = write_card(tmp_path, license="MIT")
    message = "unknown key 'license'; did you mean licence"
    with pytest.raises(CardError, match=complaint(file, message)):
        load_card(file)


def test_an_unknown_source_key(tmp_path: Path) -> None:
    file = write_card(tmp_path, source=SOURCE | {"fille": "x"})
    message = "[source]: unknown key 'fille'; did you mean file?"
    with pytest.raises(CardError, match=complaint(file, message)):
        load_card(file)


def test_a_card_cannot_set_its_path(tmp_path: Path) -> None:
    file = write_card(tmp_path, path="elsewhere")
    with pytest.raises(CardError, match=complaint(file, "unknown key 'path'")):
        load_card(file)


def _fields(spec: type) -> list[str]:
    return [field.name for field in dataclasses.fields(spec) if field.name != "path"]


@pytest.mark.parametrize("key", _fields(TaskCard))
def test_a_value_of_the_wrong_type(tmp_path: Path, key: str) -> None:
    file = write_card(tmp_path, **{key: dt.date(2026, 1, 1)})  # fits no key
    with pytest.raises(CardError, match=complaint(file, f"key '{key}' is datetime.date(")):
        load_card(file)


@pytest.mark.parametrize("key", ["kind", *EmbeddedSource.__struct_fields__])
def test_a_source_value_of_the_wrong_type(tmp_path: Path, key: str) -> None:
    file = write_card(tmp_path, source=EMBEDDED | {key: dt.date(2026, 1, 1)})
    message = f"key 'source.{key}' is datetime.date("
    with pytest.raises(CardError, match=complaint(file, message)):
        load_card(file)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"dimension": 3.0}, "key 'dimension' is 3.0; it must be a whole number"),
        ({"dimension": True}, "key 'dimension' is True; it must be a whole number"),
        ({"kind": 3}, "key 'kind' is 3; it must be a string"),
        ({"version": True}, "key 'version' is True; it must be a whole number"),
        ({"version": 1.0}, "key 'version' is 1.0; it must be a whole number"),
        ({"title": 3}, "key 'title' is 3; it must be a string"),
        ({"classes": "two"}, "key 'classes' is 'two'; it must be an array"),
        ({"classes": ["one", 2]}, "key 'classes[1]' is 2; it must be a string"),
        ({"samples": 3}, "key 'samples' is 3; it must be a table"),
        ({"samples": {"paper": "3"}}, "key 'samples.paper' is '3'; it must be a whole number"),
        ({"intensity": [0]}, "key 'intensity' is [0]; it must be an array of 2"),
        ({"intensity": [False, 1]}, "key 'intensity[0]' is False; it must be a number"),
        ({"intensity": [0, "1"]}, "key 'intensity[1]' is '1'; it must be a number"),
        ({"shape": [8, 8, 8.0]}, "key 'shape[2]' is 8.0; it must be a whole number"),
    ],
)
def test_nothing_is_coerced(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    file = write_card(tmp_path, **keys)
    with pytest.raises(CardError, match=complaint(file, message)):
        load_card(file)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"name": "../stripes"}, "name"),
        ({"name": "My Stripes"}, "name"),
        ({"version": 0}, "version"),
        ({"classes": ["one"]}, "classes"),
        ({"classes": ["same", "same"]}, "classes"),
        ({"samples": {"paper": 0}}, "samples.paper"),
        ({"class_counts": [3]}, "class_counts"),
        ({"class_counts": [3, 0]}, "class_counts[1]"),
        ({"shape": [8, 8]}, "shape"),
        ({"shape": [8, 8, 0]}, "shape[2]"),
        ({"channels": 4}, "channels"),
        ({"dimension": 2, "channels": 2}, "channels"),
        ({"dimension": 4}, "dimension"),
        ({"kind": "volumes"}, "kind"),
        ({"kind": "image"}, "dimension"),
        ({"intensity": [1, 1]}, "intensity"),
        ({"input_size": 32}, "input_size"),
        ({"dimension": 2, "input_size": 0}, "input_size"),
        ({"source": SOURCE | {"axes": "WHDC"}}, "source.axes"),
        ({"source": SOURCE | {"axes": "WH"}}, "source.axes"),
        ({"dimension": 2, "source": SOURCE | {"axes": "WHD"}}, "source.axes"),
        ({"classes": ["a", "b", "c"], "source": EMBEDDED}, "classes"),
        ({"source": EMBEDDED | {"permute": -1}}, "source.permute"),
        ({"checksum": {"crc": "00"}}, "checksum"),
        ({"checksum": {"md5": "not hexadecimal"}}, "checksum"),
    ],
)
def test_a_contradiction(tmp_path: Path, keys: dict[str, Any], key: str) -> None:
    file = write_card(tmp_path, **keys)
    with pytest.raises(CardError, match=complaint(file, f"key '{key}' is ") + ".+; .+"):
        load_card(file)


@pytest.mark.parametrize("key", ["images", "label", "threshold"])
def test_an_embedded_source_lacks_a_key(tmp_path: Path, key: str) -> None:
    load_card(write_card(tmp_path, source=EMBEDDED))
    file = write_card(tmp_path, source=_without(EMBEDDED, key))
    message = f"required key 'source.{key}' is missing"
    with pytest.raises(CardError, match=complaint(file, message)):
        load_card(file)


@pytest.mark.parametrize("key", ["images", "label", "threshold", "minimum", "covariate"])
@pytest.mark.parametrize("kind", ["npz", "medmnist"])
def test_only_an_embedded_source_takes_a_key(tmp_path: Path, kind: str, key: str) -> None:
    file = write_card(tmp_path, source=SOURCE | {"kind": kind, key: 0})
    with pytest.raises(CardError, match=complaint(file, f"[source]: unknown key '{key}'; ")):
        load_card(file)


def test_an_embedded_file_is_not_fetched(tmp_path: Path) -> None:
    file = write_card(tmp_path, source=EMBEDDED | {"url": "https://example.org"})
    with pytest.raises(CardError, match=complaint(file, "[source]: unknown key 'url'; ")):
        load_card(file)


def test_an_unknown_kind_of_source(tmp_path: Path) -> None:
    file = write_card(tmp_path, source=SOURCE | {"kind": "dicom"})
    message = "key 'source.kind' is 'dicom'; it must be one of 'npz', 'medmnist', 'embedded'"
    with pytest.raises(CardError, match=complaint(file, message)):
        load_card(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    with pytest.raises(CardError, match=f"^{re.escape(str(file))} does not exist$"):
        load_card(file)


@pytest.mark.parametrize("content", [b"name = ", b"name = '\xff'", b"\x00"])
def test_a_file_that_is_no_toml(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(CardError, match=complaint(file, "not readable as TOML: ")):
        load_card(file)


def test_a_folder_is_no_card(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=complaint(tmp_path, "not readable as TOML: ")):
        load_card(tmp_path)


def test_a_task_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert find_task("vessel") == load_tasks()["vessel"]
    assert find_task(str(write_card(tmp_path))).name == "stripes"


def test_an_unknown_task() -> None:
    with pytest.raises(RequestError, match=r"^unknown task 'vesel'; did you mean vessel"):
        find_task("vesel")


def test_the_registry_cannot_be_changed_by_a_reader() -> None:
    load_tasks().clear()
    assert "vessel" in load_tasks()


def test_where_a_card_lies_is_no_part_of_it(tmp_path: Path) -> None:
    card = load_card(write_card(tmp_path))
    moved = dataclasses.replace(card, path=Path("elsewhere.toml"))
    assert to_mapping(card) == to_mapping(moved)
    assert card == moved


def test_the_documents_name_every_key() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cards.md").read_text(encoding="utf-8")
    sources = (NpzSource, MedmnistSource, EmbeddedSource)
    keys = {*_fields(TaskCard), *(key for each in sources for key in each.__struct_fields__)}
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []
