from __future__ import annotations

from dataclasses import replace
from typing import Any

import mlcroissant as mlc
import pytest
from msgspec import structs

from crossbench.data.croissant import UNPUBLISHED, croissant
from crossbench.registry.tasks import extra_tasks, find_task, load_tasks

#: One card of each form in every run; the others, which differ in size alone, in slow ones.
FORMS = {"nodule-malignancy-ct-3d", "path", "organ3d", "vessel-28"}
CARDS = [
    *sorted(load_tasks()),
    *sorted(FORMS & extra_tasks().keys()),
    *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(extra_tasks().keys() - FORMS)),
]


def files(card: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["@id"]: each for each in card["distribution"]}


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_registered_card_is_valid_croissant(name: str) -> None:
    card = find_task(name)
    made = croissant(card)
    read = mlc.Dataset(jsonld=made).metadata
    assert not read.ctx.issues.errors
    assert read.name == name
    assert [each["classes/name"] for each in read.record_sets[0].data] == list(card.classes)
    said = [*(read.data_biases or ()), *(read.data_limitations or ())]
    assert set(card.known_issues) <= set(said)
    assert set(files(made)) >= {"data"}


def test_what_a_card_of_medmnist_says() -> None:
    made = croissant(find_task("derma"))
    assert made["license"] == "https://spdx.org/licenses/CC-BY-NC-4.0.html"
    assert made["citeAs"].startswith("Yang et al.")
    data = files(made)["data"]
    assert data["md5"] == "8974907d8e169bef5f5b96bc506ae45d"
    assert data["contentUrl"].startswith("https://zenodo.org/records/10519652/files/dermamnist")
    assert [each["@id"] for each in made["recordSet"]] == ["classes", "train", "val", "test"]
    assert any("leaks lesions" in issue for issue in made["rai:dataBiases"])


def test_originals_and_the_file_made_of_them() -> None:
    made = files(croissant(find_task("brain-tumor")))
    assert made["figshare/cvind.mat"]["md5"] == "5ea82eb3212c9fcb84290ccf0beb486d"
    assert made["figshare/cvind.mat"]["contentSize"] == "5736 B"
    assert made["data"]["sha256"] == UNPUBLISHED


def test_a_digest_of_the_file_at_hand_or_none() -> None:
    card = find_task("busv")
    assert files(croissant(replace(card, origins=())))["data"]["sha256"] == UNPUBLISHED
    made = croissant(replace(card, origins=()), digests={"sha256": "a" * 64})
    assert files(made)["data"]["sha256"] == "a" * 64


def test_a_licence_in_words_stays_in_words() -> None:
    card = find_task("busv")
    assert croissant(card)["license"] == "non-commercial research and education only"
    assert croissant(replace(card, licence="unknown"))["license"] == "unknown"


def test_embedded_samples_and_stored_axes() -> None:
    card = find_task("nodule-malignancy-3d")
    card = replace(card, source=structs.replace(card.source, axes="WHD"))
    (_, samples) = croissant(card)["recordSet"]
    said = {each["@id"]: each.get("description") for each in samples["field"]}
    assert said["samples/rating"] == ("Class 1 above 3, class 0 below; equal ratings are left out.")
    assert said["samples/image"].endswith("Stored axes: WHD.")
