"""Write the table of MedMNIST's further sizes and sets from the installed medmnist's INFO.

    python scripts/write_medmnist_tasks.py

The registered tasks that read a file of MedMNIST get its other sizes; the sets that no task reads
get a card in their largest size, and the others. ChestMNIST is multi-label, which no task is. What
INFO does not state of a set stands below.
"""

from __future__ import annotations

import importlib.util
import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.registry.tasks import load_tasks
from crossbench.specs import MedmnistSource
from crossbench.specs.toml import to_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossbench.specs import TaskCard

TABLE = Path(__file__).parents[1] / "tasks/crossbench_tasks/extra/medmnist.toml"
PARTS = ("train", "val", "test")

_MEDMNIST = (
    'Yang et al., "MedMNIST v2", Scientific Data 10:41 (2023), doi:10.1038/s41597-022-01721-8'
)
_NO_IDS = "the file carries no identifiers of {}s"

#: What INFO does not state of a set, by its flag; `like` names the task whose source it shares.
SETS: dict[str, dict[str, Any]] = {
    "pathmnist": {
        "name": "path",
        "title": "Path",
        "modality": "Colon histology",
        "citation": (
            'Kather et al., "Predicting survival from colorectal cancer histology slides using '
            'deep learning", PLoS Medicine 16:e1002730 (2019), doi:10.1371/journal.pmed.1002730'
        ),
        "group": "slide",
        "split": "9:1 by patch; the test part is of another clinical centre",
        "known_issues": [
            (
                "Train and val hold patches of the same slides (inferred); "
                f"{_NO_IDS.format('slide')}, and pooled parts mix two centres."
            ),
        ],
    },
    "octmnist": {
        "name": "oct",
        "title": "OCT",
        "modality": "Retinal OCT",
        "citation": (
            'Kermany et al., "Identifying medical diagnoses and treatable diseases by image-based '
            'deep learning", Cell 172:1122 (2018), doi:10.1016/j.cell.2018.02.010'
        ),
        "group": "patient",
        "split": "the source's training set 9:1 by image, and its validation set",
        "known_issues": [
            (
                "Train and val hold images of the same patients (inferred); "
                f"{_NO_IDS.format('patient')}."
            ),
            "Images are cut to their central square.",
        ],
    },
    "retinamnist": {
        "name": "retina",
        "title": "Retina",
        "modality": "Fundus photography",
        "citation": (
            'Liu et al., "DeepDRiD: Diabetic Retinopathy—Grading and Image Quality Estimation '
            'Challenge", Patterns 3:100512 (2022), doi:10.1016/j.patter.2022.100512'
        ),
        "group": "patient",
        "split": "the source's training set 9:1 by image, and its validation set",
        "known_issues": [
            "The classes are grades in an order, which metrics and losses here do not use.",
            (
                "Train and val hold images of the same patients (inferred); "
                f"{_NO_IDS.format('patient')}."
            ),
        ],
    },
    "tissuemnist": {
        "name": "tissue",
        "title": "Tissue",
        "modality": "Kidney cortex fluorescence microscopy",
        "citation": (
            'Ljosa et al., "Annotated high-throughput microscopy image sets for validation", '
            "Nature Methods 9:637 (2012), doi:10.1038/nmeth.2083"
        ),
        "split": "7:1:2 by cell",
        "known_issues": [
            (
                "The cells come from 3 specimens, each of which is in all parts (inferred); "
                f"{_NO_IDS.format('specimen')}."
            ),
            (
                "The source has 32x32 pixels and 7 slices a cell, of which the maximum is kept: "
                "larger sizes hold no more detail."
            ),
        ],
    },
    "organamnist": {
        "name": "organa",
        "title": "OrganA",
        "like": "organc",
        "split": "from 115/16/70 scans",
        "indexed": "OrganAMNIST",
        "known_issues": [
            (
                "Pooling the official splits and drawing folds by image mixes slices of one scan "
                f"(inferred); {_NO_IDS.format('scan')}."
            ),
            "OrganA, OrganC, OrganS and Organ3D are cut from the same scans.",
        ],
    },
    "organmnist3d": {
        "name": "organ3d",
        "title": "Organ3D",
        "like": "organc",
        "split": "from 115/16/70 scans",
        "known_issues": [
            (
                "Pooling the official splits and drawing folds by volume mixes organs of one scan; "
                f"{_NO_IDS.format('scan')}."
            ),
            "OrganA, OrganC, OrganS and Organ3D are cut from the same scans.",
            "The classes are in another order than those of OrganA, OrganC and OrganS.",
        ],
    },
    "nodulemnist3d": {
        "name": "nodule3d",
        "title": "Nodule3D",
        "modality": "Chest CT",
        "citation": (
            'Armato et al., "The Lung Image Database Consortium (LIDC) and Image Database Resource '
            'Initiative (IDRI)", Medical Physics 38:915 (2011), doi:10.1118/1.3528204'
        ),
        "group": "patient",
        "cohort": "lidc-idri",
        "split": "7:1:2 by nodule",
        "known_issues": [
            "The label is the readers' impression, not pathology; nodules rated 3 are left out.",
            (f"Parts hold nodules of the same patients (inferred); {_NO_IDS.format('patient')}."),
            (
                "The patients are those of every other task on LIDC-IDRI; weights that were fitted "
                "to one of these have seen them, and without groups the file cannot tell which."
            ),
        ],
    },
    "adrenalmnist3d": {
        "name": "adrenal",
        "title": "Adrenal",
        "modality": "Outlines on abdominal CT",
        "group": "patient",
        "split": "by patient",
        "known_issues": [
            (
                "792 patients give a left and a right gland each: pooling the parts and drawing "
                f"folds by gland puts them on both sides; {_NO_IDS.format('patient')}."
            ),
            "The voxels are outlines; they hold no CT intensities.",
        ],
    },
}


def published() -> dict[str, dict[str, Any]]:
    """``medmnist.INFO``, read without importing torch."""
    spec = importlib.util.find_spec("medmnist")
    if spec is None or spec.origin is None:
        raise SystemExit("medmnist is not installed; install crossbench[data]")
    found: dict[str, dict[str, Any]] = runpy.run_path(str(Path(spec.origin).with_name("info.py")))[
        "INFO"
    ]
    return found


def table(info: Mapping[str, dict[str, Any]]) -> str:
    """The table as TOML text."""
    tasks = {name: card for name, card in load_tasks().items() if is_medmnist(card)}
    cards = {SETS[flag]["name"]: _card(info[flag], **SETS[flag]) for flag in SETS}
    bases = {name: _stem(card.source.file) for name, card in tasks.items()}
    bases |= {SETS[flag]["name"]: (flag, max(_sizes(info[flag]))) for flag in SETS}
    sizes = {
        f"{name}-{size}": {"base": name, "size": size, **_file(info[flag], size)}
        for name, (flag, own) in bases.items()
        for size in _sizes(info[flag])
        if size != own
    }
    said = "# Written from medmnist.INFO by scripts/write_medmnist_tasks.py; change that.\n"
    return said + to_toml({"cards": cards, "sizes": sizes})


def is_medmnist(card: TaskCard) -> bool:
    """Whether a task reads a file of MedMNIST."""
    return isinstance(card.source, MedmnistSource) and "mnist" in card.source.file


def _card(
    info: Mapping[str, Any],
    *,
    name: str,
    split: str,
    like: str = "",
    indexed: str = "",
    citation: str = "",
    **further: Any,
) -> dict[str, Any]:
    """The keys of a card of a set, in its largest size."""
    dims = 3 if "3d" in info["url"] else 2
    size = max(_sizes(info))
    counts = [info["n_samples"][part] for part in PARTS]
    file = _file(info, size)
    shared = load_tasks()[like] if like else None
    if shared is not None:
        further |= {key: getattr(shared, key) for key in ("modality", "group", "cohort")}
        citation = shared.citation.removeprefix(f"{_MEDMNIST}; ")
    steps = _steps(shared, name, indexed) if shared is not None and indexed else []
    origin = {"name": "medmnist", "kind": "download", **({"steps": steps} if steps else {})}
    return {
        "kind": {2: "image", 3: "volume"}[dims],
        **further,
        "classes": [_class(label) for _, label in sorted(info["label"].items(), key=_code)],
        "licence": info["license"].replace("CC BY", "CC-BY").replace(" ", "-"),
        "citation": "; ".join(filter(None, (_MEDMNIST, citation))),
        "metric": "balanced_accuracy",
        "version": 1,
        "samples": {"publisher": sum(counts)},
        "shape": [size] * dims,
        "channels": info["n_channels"],
        "intensity": [0, 255],
        **({"input_size": size} if dims == 2 else {}),
        "homepage": "https://medmnist.com",
        "checksum": file["checksum"],
        "official_split": f"train/val/test {'/'.join(f'{n:,}' for n in counts)}, {split}",
        "source": {
            "kind": "medmnist",
            "file": file["file"],
            "url": file["url"],
            "remedy": (
                f"Save MedMNIST's {file['file']} (no account needed) in the data folder "
                "(--data-dir DIR)."
            ),
        },
        "origins": [{**origin, "files": [file]}],
    }


def _sizes(info: Mapping[str, Any]) -> tuple[int, ...]:
    """The sizes that a set is offered in, small before large."""
    return (28, *sorted(int(key.removeprefix("MD5_")) for key in info if key.startswith("MD5_")))


def _file(info: Mapping[str, Any], size: int) -> dict[str, Any]:
    """The file of one size: its name, address and digest."""
    tail = "" if size == 28 else f"_{size}"
    url = info[f"url{tail}"]
    name = re.search(r"[^/]+\.npz", url)
    if name is None:
        raise ValueError(f"no file name in {url}")
    return {"file": name[0], "url": url, "checksum": {"md5": info[f"MD5{tail}"]}}


def _stem(file: str) -> tuple[str, int]:
    """Flag and size of a file, as MedMNIST names it."""
    flag, _, size = file.removesuffix(".npz").partition("_")
    return flag, int(size or 28)


def _steps(shared: TaskCard, name: str, indexed: str) -> list[str]:
    """How groups are joined, as for the task with the same source."""
    (steps,) = (each.steps for each in shared.origins if each.name == "medmnist")
    own = [step.replace(f"groups {shared.name}", f"groups {name}") for step in steps]
    return [re.sub(r"\w+MNIST(?=,)", indexed, step) for step in own]


def _class(label: str) -> str:
    """A class name that stands in a table: no comma, and more than a number."""
    return f"grade {label}" if label.isdigit() else label.replace(", ", " or ")


def _code(item: tuple[str, str]) -> int:
    return int(item[0])


if __name__ == "__main__":
    TABLE.write_text(table(published()), encoding="utf-8")
    print(f"written: {TABLE}")
