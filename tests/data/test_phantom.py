from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from crossbench.data.formats.npz import content_hash
from crossbench.data.inputs import find_kind
from crossbench.data.phantom import phantom_file, phantom_path
from crossbench.evaluation.metrics import evaluate
from crossbench.registry.tasks import load_tasks
from crossbench.specs import NpzSource, TaskCard

FILE_CARDS = [card for card in load_tasks().values() if not card.embedded]
CARD = TaskCard(
    name="twin",
    title="Twin",
    kind="image",
    dimension=2,
    modality="None",
    classes=("a", "b"),
    licence="CC0-1.0",
    citation="Made on the spot",
    source=NpzSource(file="twin.npz"),
    metric="accuracy",
    version=1,
)
VOLUMES = replace(CARD, kind="volume", dimension=3)


def make_phantom(card: TaskCard) -> dict[str, np.ndarray]:
    return find_kind(card.kind).phantom(card)


def canonical(card: TaskCard, arrays: dict[str, np.ndarray]) -> np.ndarray:
    return find_kind(card.kind).canonical(arrays, where=card.name)


every_card = pytest.mark.parametrize("card", FILE_CARDS, ids=lambda card: card.name)


# ---------------------------------------------------------------------------- form


@every_card
def test_follows_its_card(card: TaskCard) -> None:
    arrays = make_phantom(card)
    images = canonical(card, arrays)
    counts = np.bincount(arrays["labels"], minlength=len(card.classes))
    assert images.ndim == card.dimension + 2
    assert images.shape[1] == (card.channels or 1)
    assert max(images.shape[2:]) in (24, 32, 64)
    assert len(images) == counts.sum() <= 230
    assert counts.min() >= 6
    if card.class_counts:
        proportions = np.array(card.class_counts) / sum(card.class_counts)
        assert np.abs(counts - np.maximum(6, 216 * proportions)).max() <= 0.5
    else:
        assert len(set(counts)) == 1
    assert ("groups" in arrays) == (card.group is not None)


@pytest.mark.parametrize(
    ("intensity", "dtype"),
    [
        (None, np.uint8),
        ((0.0, 255.0), np.uint8),
        ((-1450.0, 3879.0), np.int16),
        ((0.0, 22016.0), np.int16),
        ((0.0, 40000.0), np.float32),
        ((0.0, 1.0), np.float32),
        ((-0.5, 900.5), np.float32),
    ],
)
def test_fills_the_intensity_range(intensity: Any, dtype: type) -> None:
    images = make_phantom(replace(CARD, intensity=intensity))["images"]
    low, high = intensity or (0, 255)
    assert images.dtype == dtype
    assert images.min() < low + 0.02 * (high - low)
    assert low <= images.min()
    assert 0.98 * high < images.max() <= high


@pytest.mark.parametrize(
    ("card", "shape"),
    [
        (CARD, (64, 64)),
        (replace(CARD, shape=(224, 448)), (32, 64)),
        (replace(CARD, shape=(32, 28)), (32, 28)),
        (replace(CARD, shape=(4, 900)), (4, 64)),
        (replace(CARD, channels=3), (64, 64, 3)),
        (VOLUMES, (32, 32, 32)),
        (replace(VOLUMES, shape=(128, 128, 64)), (32, 32, 16)),
        (replace(VOLUMES, shape=(160, 192, 224), channels=2), (2, 17, 21, 24)),
    ],
)
def test_shrinks_in_proportion_and_stores_as_the_authors_do(
    card: TaskCard, shape: tuple[int, ...]
) -> None:
    assert make_phantom(card)["images"].shape[1:] == shape


def test_groups_are_small_and_of_one_class() -> None:
    arrays = make_phantom(
        replace(CARD, classes=("a", "b", "c"), class_counts=(50, 40, 1), group="scan")
    )
    labels, groups = arrays["labels"], arrays["groups"]
    members = np.bincount(groups)
    assert set(members) == {1, 2, 3, 4}
    assert all(len(set(labels[groups == group])) == 1 for group in range(len(members)))
    assert all(len(set(groups[labels == label])) >= 5 for label in range(3))


# ----------------------------------------------------------------------- the same again


def test_the_same_card_gives_the_same_bytes(tmp_path: Path) -> None:
    first = phantom_file(CARD, tmp_path / "a")
    again = phantom_file(CARD, tmp_path / "b")
    assert first.read_bytes() == again.read_bytes()
    assert first == phantom_path(CARD, tmp_path / "a")
    assert list(first.parent.iterdir()) == [first]


def test_the_recipe_is_pinned() -> None:
    """If this fails, the bytes have changed: raise the recipe's number in the file name."""
    card = replace(VOLUMES, group="scan", intensity=(0.0, 1.0), class_counts=(3, 1))
    assert content_hash(make_phantom(card)).startswith("bf52249d8a75b79c")


def test_a_phantom_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    file = phantom_file(CARD, tmp_path)
    file.write_bytes(b"kept")
    assert phantom_file(CARD, tmp_path).read_bytes() == b"kept"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"kind": "volume"},
        {"shape": (28, 28)},
        {"channels": 3},
        {"intensity": (0.0, 1.0)},
        {"classes": ("a", "b", "c")},
        {"class_counts": (1, 2)},
        {"group": "patient"},
    ],
)
def test_other_facts_mean_another_file(tmp_path: Path, change: dict[str, Any]) -> None:
    assert phantom_path(replace(CARD, **change), tmp_path) != phantom_path(CARD, tmp_path)


def test_words_on_a_card_do_not_matter(tmp_path: Path) -> None:
    other = replace(CARD, title="Other", citation="Other", version=2)
    assert phantom_path(other, tmp_path) == phantom_path(CARD, tmp_path)


# -------------------------------------------------------------------------- the signal


def texture(images: np.ndarray) -> np.ndarray:
    """Mean, spread and roughness of each sample scaled by its own range: (N, 3 C)."""
    flat = images.reshape(*images.shape[:2], -1).astype(np.float64)
    low, high = flat.min(axis=(1, 2), keepdims=True), flat.max(axis=(1, 2), keepdims=True)
    flat = (flat - low) / (high - low)
    rough = np.abs(np.diff(flat.reshape(images.shape), axis=-1))
    return np.hstack(
        [flat.mean(axis=2), flat.std(axis=2), rough.mean(axis=tuple(range(2, images.ndim)))]
    )


def auroc(features: np.ndarray, labels: np.ndarray) -> float:
    """Macro AUROC of a cross-validated linear discriminant."""
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    probabilities = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")
    value = evaluate(labels, probabilities).metrics["auroc"]
    assert value is not None
    return value


def permuted_auroc(features: np.ndarray, labels: np.ndarray) -> float:
    """The mean over a few permutations: a single one strays where a class is rare."""
    random = np.random.default_rng(0)
    return float(np.mean([auroc(features, random.permutation(labels)) for _ in range(5)]))


@every_card
def test_the_class_is_in_the_texture_and_nowhere_else(card: TaskCard) -> None:
    arrays = make_phantom(card)
    features = texture(canonical(card, arrays))
    assert 0.8 < auroc(features, arrays["labels"]) < 0.99
    assert abs(permuted_auroc(features, arrays["labels"]) - 0.5) < 0.1


def test_an_untrained_network_sees_the_class() -> None:
    card = load_tasks()["blood"]
    arrays = make_phantom(card)
    images = canonical(card, arrays)
    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=0).train()
    with torch.inference_mode():
        features = network(torch.from_numpy(images / np.float32(255)))[:, :64].numpy()
    assert auroc(features, arrays["labels"]) > 0.75
    assert abs(permuted_auroc(features, arrays["labels"]) - 0.5) < 0.1
