"""MedMNIST's further sizes and sets: against its INFO, and on its official files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import write_medmnist_tasks as script
from shared_data import shared_data

import crossbench
from crossbench.data.sources import open_task
from crossbench.errors import DataError, RequestError
from crossbench.registry.tasks import extra_faults, extra_tasks, find_task, load_tasks
from crossbench.runs.request import resolve
from crossbench.runs.samples import choose_data
from crossbench.specs import TaskCard
from crossbench.specs.origins import DownloadOrigin
from crossbench.specs.requests import RunRequest

EXTRA = {
    name: card
    for name, card in extra_tasks().items()
    if card.path is not None and card.path.name == "medmnist.toml"
}
BASES_2D = ["blood", "breast", "derma", "organc", "organs", "pneumonia"]
BASES_3D = ["fracture", "synapse", "vessel"]
SETS = {
    "adrenal": "adrenalmnist3d",
    "nodule3d": "nodulemnist3d",
    "oct": "octmnist",
    "organ3d": "organmnist3d",
    "organa": "organamnist",
    "path": "pathmnist",
    "retina": "retinamnist",
    "tissue": "tissuemnist",
}
FLAGS = (
    {name: f"{name}mnist" for name in BASES_2D} | {name: f"{name}mnist3d" for name in BASES_3D}
) | SETS
RENAMED = {
    "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)": "immature granulocytes",
    "normal, benign": "normal or benign",
    "Collecting Duct, Connecting Tubule": "Collecting Duct or Connecting Tubule",
    **{str(grade): f"grade {grade}" for grade in range(5)},
}


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """``medmnist.INFO``, read without making a folder in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        return script.published()


def _sizes(dimension: int) -> tuple[int, ...]:
    return (28, 64, 128, 224) if dimension == 2 else (28, 64)


def test_the_table_is_what_the_script_writes_from_the_installed_medmnist(
    info: dict[str, Any],
) -> None:
    assert script.TABLE.read_text(encoding="utf-8") == script.table(info)


def test_all_of_them_load() -> None:
    assert extra_faults() == ()
    flat = {f"{name}-{size}" for name in BASES_2D for size in (28, 64, 128)}
    solid = {f"{name}-28" for name in BASES_3D}
    new = set(SETS) | {
        f"{name}-{size}" for name in SETS for size in _sizes(EXTRA[name].dimension)[:-1]
    }
    assert set(EXTRA) == flat | solid | new
    assert not set(EXTRA) & set(load_tasks())


def test_every_set_but_the_multi_label_one_is_a_task(info: dict[str, Any]) -> None:
    assert sorted(FLAGS.values()) == sorted(set(info) - {"chestmnist"})
    assert "multi-label" in info["chestmnist"]["task"]


@pytest.mark.parametrize(("name", "card"), EXTRA.items(), ids=EXTRA)
def test_a_card_agrees_with_medmnist(name: str, card: TaskCard, info: dict[str, Any]) -> None:
    base, _, size = name.rpartition("-") if name[-1].isdigit() else (name, "", "")
    published, largest = info[FLAGS[base]], _sizes(card.dimension)[-1]
    tail = "" if size == "28" else f"_{size or largest}"
    labels = [published["label"][str(index)] for index in range(len(published["label"]))]
    counts = [published["n_samples"][part] for part in ("train", "val", "test")]

    assert card.shape == (int(size or largest),) * card.dimension
    assert card.input_size == (int(size or largest) if card.dimension == 2 else None)
    assert card.classes == tuple(RENAMED.get(label, label) for label in labels)
    assert card.samples == {"publisher": sum(counts)}
    assert card.official_split is not None
    assert "/".join(f"{count:,}" for count in counts) in card.official_split
    assert card.licence == published["license"].replace("CC BY", "CC-BY").replace(" ", "-")
    assert card.checksum == {"md5": published[f"MD5{tail}"]}
    assert card.channels == published["n_channels"]
    assert card.source.kind == "medmnist"
    assert card.source.url == published[f"url{tail}"]
    assert card.source.file == f"{FLAGS[base]}{tail}.npz"
    (origin,) = card.origins
    assert isinstance(origin, DownloadOrigin)
    (file,) = origin.files
    assert (file.url, file.file, file.checksum) == (
        card.source.url,
        card.source.file,
        card.checksum,
    )


@pytest.mark.parametrize(("name", "card"), EXTRA.items(), ids=EXTRA)
def test_a_card_is_complete_and_stands_on_no_board_of_the_paper(name: str, card: TaskCard) -> None:
    assert card.group_by is None
    assert card.known_issues
    sized = name.rpartition("-")[2]
    unit = "voxels" if card.dimension == 3 else "pixels"
    assert card.edition == (f"{sized} {unit}" if sized.isdigit() else None)
    assert card.source.remedy.startswith(f"Save MedMNIST's {card.source.file} (no account")
    for text in (card.title, card.modality, card.citation, *card.known_issues):
        assert text == " ".join(text.split())
    if "NC" in card.licence:
        assert card.restrictions
        assert card.origins[0].accept == card.licence
    for step in card.origins[0].steps:
        assert "crossbench data groups" not in step or f"groups {name} --from" in step


@pytest.mark.parametrize("name", [*BASES_2D, *BASES_3D])
def test_a_size_has_the_facts_of_the_task_with_the_same_samples(name: str) -> None:
    base, other = load_tasks()[name], EXTRA[f"{name}-28"]
    for fact in ("modality", "classes", "citation", "licence", "group", "cohort", "known_issues"):
        assert getattr(other, fact) == getattr(base, fact)
    assert other.title == f"{base.title} 28"
    assert other.fingerprint() != base.fingerprint()


def test_a_similar_name_is_suggested_and_all_leaves_them_out() -> None:
    with pytest.raises(RequestError, match=r"unknown task 'vesel-28'; did you mean vessel-28"):
        find_task("vesel-28")
    asked = resolve(RunRequest.of(methods="conv3d", tasks="all", preset="smoke"))
    assert not {card.name for card in asked.tasks} & set(EXTRA)
    asked = resolve(RunRequest.of(methods="conv3d", tasks="vessel-28", preset="smoke"))
    assert asked.tasks == (EXTRA["vessel-28"],)
    assert choose_data(EXTRA["vessel-28"], asked.preset) == "phantom"


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("vessel-28", [1693, 215]),
        ("breast-28", [210, 570]),
        ("retina-28", [714, 186, 326, 282, 92]),
        ("adrenal-28", [1234, 350]),
        ("adrenal", [1234, 350]),
    ],
)
def test_an_official_file_is_read(name: str, counts: list[int], tmp_path: Path) -> None:
    """The reader compares checksum, shape, channels, intensity and, where stated, class counts."""
    card = find_task(name)
    folder = shared_data("medmnist", card.source.file).parent
    dataset = open_task(card, data="real", data_dir=folder, cache_dir=tmp_path)
    assert dataset.source == "real"
    assert [int((dataset.labels == label).sum()) for label in range(len(counts))] == counts
    assert dataset.official is not None
    assert dataset.groups is None


def test_another_size_of_the_same_samples_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    wrong = shared_data("medmnist", "adrenalmnist3d_64.npz")
    (folder / "adrenalmnist3d.npz").symlink_to(wrong)
    with pytest.raises(DataError, match=r"checksum\.md5 is 17721accfe9fb005146a"):
        open_task(EXTRA["adrenal-28"], data="real", data_dir=folder, cache_dir=tmp_path)


@pytest.mark.parametrize(("name", "method"), [("vessel-28", "conv3d"), ("breast-28", "conv2d")])
def test_a_size_goes_to_a_finished_run_on_the_official_file(
    name: str, method: str, tmp_path: Path
) -> None:
    """Both are fed as stored: 28 voxels a side leave ResNet-18 one, as 32 do."""
    folder = shared_data("medmnist", EXTRA[name].source.file).parent
    frame = crossbench.run(
        method,
        name,
        protocol="linear-probe",
        seeds=[43],
        folds=[0],
        settings=["input.max_samples=40", "fit.epochs=1"],
        data_dir=folder,
        out=tmp_path,
        device="cpu",
    )
    run = frame[frame["method"] == method].iloc[0]
    assert (run["status"], run["source"], run["task"]) == ("ok", "real", name)


def test_tasks_of_the_same_scans_are_of_one_cohort() -> None:
    names = [name for name, card in EXTRA.items() if card.cohort == "lits"]
    assert {name.partition("-")[0] for name in names} == {"organa", "organc", "organs", "organ3d"}
    assert load_tasks()["organc"].cohort == load_tasks()["organs"].cohort == "lits"
