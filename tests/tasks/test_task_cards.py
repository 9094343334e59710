"""Every card is checked for itself, the paper's against its tables and MedMNIST's against INFO."""

from __future__ import annotations

import hashlib
import importlib.util
import runpy
from pathlib import Path
from typing import Any

import pytest

from crossbench.evaluation.metrics import METRICS
from crossbench.registry.tasks import load_tasks, task_faults
from crossbench.specs import TaskCard

CARDS = load_tasks()

# The boards of Table II, in its order.
BOARDS = {
    "radiology-2d": ["organc", "organs", "brain-tumor", "brain", "breast", "breast-cancer"],
    "volumetric": ["mosmed", "lung-adenocarcinoma", "fracture", "brats21", "ixi", "busv"],
    "other-2d": ["blood", "pneumonia", "derma"],
    "other-3d": ["vessel", "synapse"],
}
PAPER = [name for board in BOARDS.values() for name in board]
MEDMNIST = {
    "blood": "bloodmnist_224",
    "breast": "breastmnist_224",
    "derma": "dermamnist_224",
    "fracture": "fracturemnist3d_64",
    "organc": "organcmnist_224",
    "organs": "organsmnist_224",
    "pneumonia": "pneumoniamnist_224",
    "synapse": "synapsemnist3d_64",
    "vessel": "vesselmnist3d_64",
}

# Where our cards depart from medmnist.INFO: names too long or ambiguous for a table, and the
# paper's count of OrganC, which is one short of what MedMNIST distributes.
RENAMED = {
    "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)": "immature granulocytes",
    "normal, benign": "normal or benign",
}
PAPER_MINUS_PUBLISHER = {"organc": -1}

UNPUBLISHED_RANGES = {"brain-tumor", "busv"}
LICENCES_WITHOUT_SPDX = {
    "brain": "unknown",
    "brats21": "Kaggle competition rules",
    "busv": "non-commercial research and education only",
}


def _texts(card: TaskCard) -> list[str]:
    optional = [card.restrictions, card.homepage, card.group, card.official_split]
    required = [card.title, card.modality, card.licence, card.citation]
    return [*required, *card.classes, *card.known_issues, *(text for text in optional if text)]


def test_every_registered_card_loads() -> None:
    assert task_faults() == ()
    assert set(PAPER) <= set(CARDS)


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_a_card(card: TaskCard) -> None:
    assert card.path is not None
    assert card.path.name == f"{card.name}.toml"
    assert card.metric in METRICS
    assert card.samples
    assert (card.input_size is not None) == (card.dimension == 2)
    for text in _texts(card):
        assert text
        assert text == " ".join(text.split())
    for algorithm, digest in card.checksum.items():
        assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size
    if any(word in card.licence for word in ("NC", "ND", "SA", "non-commercial", "rules")):
        assert card.restrictions


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_a_card_says_where_its_data_is(card: TaskCard) -> None:
    if card.embedded:
        assert card.path is not None
        assert (card.path.parent / card.source.file).is_file()
        return
    assert card.source.remedy.endswith("(--data-dir DIR).")
    assert card.source.file in card.source.remedy
    place = card.source.remedy if card.source.url is None else card.source.url
    assert "https://" in place


def test_the_paper_has_nine_2d_and_eight_3d_tasks() -> None:
    dimensions = [CARDS[name].dimension for name in PAPER]
    assert (dimensions.count(2), dimensions.count(3)) == (9, 8)


@pytest.mark.parametrize("board", BOARDS)
def test_the_boards_are_those_of_table_2(board: str) -> None:
    found = [card.name for card in CARDS.values() if card.group_by == board]
    assert sorted(found) == sorted(BOARDS[board])
    assert len({CARDS[name].dimension for name in found}) == 1


@pytest.mark.parametrize("name", PAPER)
def test_a_paper_card(name: str) -> None:
    card = CARDS[name]
    assert "paper" in card.samples
    assert card.metric == "balanced_accuracy"
    assert card.shape is not None
    assert card.channels is not None
    assert (card.intensity is None) == (name in UNPUBLISHED_RANGES)
    assert card.input_size == (224 if card.dimension == 2 else None)
    assert card.source.kind == ("medmnist" if name in MEDMNIST else "npz")
    assert LICENCES_WITHOUT_SPDX.get(name, "CC-BY-") in card.licence
    if card.class_counts is not None:
        assert sum(card.class_counts) in card.samples.values()


def test_unpublished_class_names_are_numbered() -> None:
    assert CARDS["brain"].classes == tuple(f"class_{index:02}" for index in range(23))


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """``medmnist.INFO``, read without importing torch or making a folder in the user's home."""
    spec = importlib.util.find_spec("medmnist")
    assert spec is not None
    assert spec.origin is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        found: dict[str, dict[str, Any]] = runpy.run_path(
            str(Path(spec.origin).with_name("info.py"))
        )["INFO"]
    return found


@pytest.mark.parametrize(("name", "stem"), MEDMNIST.items())
def test_a_card_agrees_with_medmnist(name: str, stem: str, info: dict[str, Any]) -> None:
    card = CARDS[name]
    flag, _, size = stem.rpartition("_")
    published = info[flag]
    labels = [published["label"][str(index)] for index in range(len(published["label"]))]
    counts = [published["n_samples"][part] for part in ("train", "val", "test")]

    assert card.classes == tuple(RENAMED.get(label, label) for label in labels)
    assert card.samples["publisher"] == sum(counts)
    assert card.samples["paper"] - sum(counts) == PAPER_MINUS_PUBLISHER.get(name, 0)
    assert card.official_split is not None
    assert "/".join(f"{count:,}" for count in counts) in card.official_split
    assert card.licence == published["license"].replace("CC BY", "CC-BY").replace(" ", "-")
    assert card.checksum == {"md5": published[f"MD5_{size}"]}
    assert card.source.url == published[f"url_{size}"]
    assert card.source.file == f"{stem}.npz"
    assert card.channels == published["n_channels"]
    assert card.shape == (int(size),) * card.dimension


def test_every_renaming_is_needed(info: dict[str, Any]) -> None:
    flags = [stem.rpartition("_")[0] for stem in MEDMNIST.values()]
    labels = {label for flag in flags for label in info[flag]["label"].values()}
    assert set(RENAMED) <= labels
