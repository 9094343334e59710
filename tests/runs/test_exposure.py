"""What weights have seen is told by the content of samples, whatever file they come in."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crossbench.data.content import sample_hashes
from crossbench.data.sources import open_task
from crossbench.data.splits import Split
from crossbench.errors import RequestError
from crossbench.nets.weights.catalogue import KnownWeights
from crossbench.nets.weights.checkpoint import TrainingSamples, data_file, unpack_hashes
from crossbench.registry.tasks import find_task, load_card
from crossbench.runs.exposure import check_unseen, seen_in, suspicion, units_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset

ORDER = np.random.default_rng(3).permutation(60)
HALVES = np.arange(30), np.arange(30, 60)


@pytest.fixture
def opened(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Dataset]:
    """Open a file of the given arrays as the task ``name``."""

    def make(name: str, arrays: dict[str, Any], *, packed: bool = False) -> Dataset:
        card = make_task(name)
        (np.savez_compressed if packed else np.savez)(tmp_path / f"{name}.npz", **arrays)
        return open_task(load_card(card), data="real", data_dir=tmp_path, cache_dir=tmp_path)

    return make


def arrays(seed: int = 0, *, groups: bool = True) -> dict[str, NDArray[Any]]:
    """60 volumes, two of each of 30 patients, or of patients unknown."""
    made = {
        "images": np.random.default_rng(seed).integers(0, 255, (60, 6, 7, 8)).astype(np.uint8),
        "labels": np.arange(60) // 2 % 2,
    }
    return made | ({"groups": np.arange(60) // 2} if groups else {})


def split(train: NDArray[np.int64], test: NDArray[np.int64]) -> Split:
    return Split(
        seed=43, fold=0, train=train[:-4], val=train[-4:], test=test, grouped=True, warnings=()
    )


def check(seen: tuple[TrainingSamples, ...], dataset: Dataset, test: NDArray[np.int64]) -> None:
    init: Any = SimpleNamespace(source="w.safetensors", about=SimpleNamespace(seen=seen))
    rest = np.setdiff1d(np.arange(len(dataset)), test)
    check_unseen(init, dataset, split(rest, test), task="blobs")


@pytest.mark.parametrize(
    ("groups", "words"), [(True, "15 of the 15 groups"), (False, "30 of the 30 sam")]
)
def test_the_same_scans_are_recognised_in_another_file(
    opened: Callable[..., Dataset], groups: bool, words: str
) -> None:
    first, second = HALVES
    made = arrays(groups=groups)
    seen = seen_in(opened("one", made), split(first, second))
    shuffled = {key: array[ORDER] for key, array in made.items()}
    shuffled["images"] = shuffled["images"][:, None]  # with a channel
    if groups:
        shuffled["groups"] = 100 - shuffled["groups"]  # numbered otherwise
    other = opened("other", shuffled, packed=True)
    place = np.argsort(ORDER)
    check(seen, other, np.sort(place[second]))
    with pytest.raises(RequestError, match=rf"'w.safetensors' has seen {words}"):
        check(seen, other, np.sort(place[first]))


def test_another_hospitals_file_of_equal_size_is_not_refused(
    opened: Callable[..., Dataset], tmp_path: Path
) -> None:
    first, second = HALVES
    mine = opened("mine", arrays())
    size = (tmp_path / "mine.npz").stat().st_size
    seen = seen_in(mine, split(first, second))
    theirs = opened("mine", arrays(seed=1))
    assert theirs.file.stat().st_size == size
    check(seen, theirs, first)


def test_one_sample_of_a_group_gives_the_whole_group_away(opened: Callable[..., Dataset]) -> None:
    made = arrays()
    seen = seen_in(opened("one", made), split(np.arange(10), np.arange(50, 60)))
    later = arrays(seed=1) | {"groups": made["groups"]}
    later["images"][1] = made["images"][0]  # a patient's first scan and a new one
    other = opened("later", later)
    with pytest.raises(RequestError, match="has seen 1 of the 3 groups that blobs tests on in"):
        check(seen, other, np.arange(6))
    check(seen, other, np.arange(2, 60))


def test_what_the_data_has_on_both_sides_is_not_the_weights_fault(
    opened: Callable[..., Dataset],
) -> None:
    """Blank samples, and scans that two patients share, do not tie a fold's weights to its test."""
    first, second = HALVES
    made = arrays()
    made["images"][[3, 40]] = 0
    made["images"][41] = made["images"][4]
    dataset = opened("one", made)
    seen = seen_in(dataset, split(first, second))
    check(seen, dataset, second)
    with pytest.raises(RequestError, match="has seen 1 of the 15 groups"):
        check(seen_in(dataset, split(np.append(first, 50), second[:10])), dataset, second)


def test_images_and_volumes_of_one_file_are_the_same_patients() -> None:
    """Of the nodules, cards take slices, invert them, or leave small ones out."""

    def nodules(name: str) -> Dataset:
        return open_task(find_task(name), data="real", data_dir=None, cache_dir=None)  # type: ignore[arg-type]

    flat, volumes = nodules("nodule-malignancy-2d"), nodules("nodule-malignancy-inverted-3d")
    groups, _ = units_of(flat, np.arange(len(flat)))
    tested = np.flatnonzero(np.isin(volumes.groups, groups[:100]))
    learnt = np.flatnonzero(~np.isin(flat.groups, groups[:100]))
    seen = seen_in(flat, split(learnt, tested))
    check(seen, volumes, tested)
    with pytest.raises(RequestError, match="has seen 1 of the 101 groups"):
        check(seen, volumes, np.flatnonzero(np.isin(volumes.groups, groups[:101])))


def test_checkpoints_of_0_1_are_held_to_name_size_and_place(opened: Callable[..., Dataset]) -> None:
    dataset = opened("one", arrays())
    old = TrainingSamples(file=data_file(dataset.file), unit="group", codes=(0, 1, 2))
    with pytest.raises(RequestError, match="has seen 3 of the 15 groups"):
        check((old,), dataset, HALVES[0])
    check((old,), dataset, HALVES[1])
    check((TrainingSamples(file="one.npz:1", unit="group", codes=(0, 1, 2)),), dataset, HALVES[0])


def test_hashes_look_at_values_dtype_and_shape() -> None:
    images = np.random.default_rng(0).integers(0, 255, (5, 1, 6, 7)).astype(np.uint8)
    images[3] = 9
    hashes = sample_hashes(images)
    assert hashes.dtype == np.uint64
    assert hashes[3] == 0  # blank
    assert len(set(hashes.tolist())) == 5
    assert (sample_hashes(np.asfortranarray(images[:, 0])) == hashes).all()
    assert (sample_hashes(images[::-1]) == hashes[::-1]).all()
    for other in (images.astype(np.int16), images.reshape(5, 1, 7, 6)):
        assert not np.isin(np.delete(sample_hashes(other), 3), hashes).any()


def test_what_was_seen_is_kept_compactly(opened: Callable[..., Dataset]) -> None:
    dataset = opened("one", arrays())
    (seen,) = seen_in(dataset, split(*HALVES))
    assert (seen.file, seen.unit, seen.count, seen.codes) == ("one.npz", "group", 15, ())
    assert len(seen.samples) == 30 * 8 / 3 * 4
    assert unpack_hashes(seen.samples).tolist() == sorted(dataset.as_stored.hashes[:30].tolist())


def test_a_cohorts_patients_are_the_same_in_all_of_its_tasks(
    opened: Callable[..., Dataset], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    """Whatever their samples are there: outlines in one task, CT in another."""
    first, second = HALVES
    names = {"one": np.arange(60) // 2, "other": np.array([f"{n // 2}" for n in range(60)])}
    datasets = {}
    for seed, (name, groups) in enumerate(names.items()):
        opened(name, arrays(seed) | {"groups": groups})
        for cohort in ("lungs", ""):
            card = replace(load_card(tmp_path / f"{name}.toml"), group="patient", cohort=cohort)
            datasets[name, cohort] = open_task(
                card, data="real", data_dir=tmp_path, cache_dir=tmp_path
            )
    seen = seen_in(datasets["one", "lungs"], split(first, second))
    check(seen, datasets["other", "lungs"], second)
    with pytest.raises(RequestError, match="has seen 15 of the 15 groups"):
        check(seen, datasets["other", "lungs"], first)
    check(seen, datasets["other", ""], first)
    check(seen_in(datasets["one", ""], split(first, second)), datasets["other", "lungs"], first)


def test_weights_that_may_have_seen_a_cohort_give_a_warning() -> None:
    def said(card: str, **known: Any) -> tuple[str, ...]:
        init: Any = SimpleNamespace(name="ct", known=KnownWeights(name="ct", file="f", **known))
        return suspicion(init, find_task(card))

    (warning,) = said(
        "nodule-malignancy-3d", may_have_seen=("lits", "lidc-idri"), trained_on="chest CT"
    )
    assert warning == (
        "the weights 'ct' (trained on chest CT) may have seen some of the patients that "
        "nodule-malignancy-3d tests on, of cohort 'lidc-idri'; which, if any, is not known"
    )
    assert said("nodule-malignancy-3d", may_have_seen=("lits",)) == ()
    assert said("adrenal", may_have_seen=("lidc-idri",)) == ()  # of no cohort
    unknown: Any = SimpleNamespace(name="random", known=None)
    assert suspicion(unknown, find_task("nodule-malignancy-3d")) == ()
