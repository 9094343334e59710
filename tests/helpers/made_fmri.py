"""Parcellated recordings in miniature: the real names and layouts, few regions and volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crossbench.registry.tasks import find_task

REGIONS = ("A", "B", "C", "B")  # names may be there twice, as in RPN-signature

CARD = replace(
    find_task("phantom-both"),
    name="response",
    classes=("no", "yes"),
    input={"atlas": "four", "tr": 2.0, "window": 20},
)
OPTIONS: dict[str, Any] = {
    "label": "Response",
    "classes": ("0", "1"),
    "covariates": ("age=Age", "male=gender:male", "Drug:duloxetine"),
    "site": ("Drug", "gender"),
    "motion": "{id}_*desc-confounds_timeseries.tsv",
}


def series(seed: int, volumes: int = 24, regions: int = len(REGIONS)) -> np.ndarray:
    """(volumes, regions) noise."""
    return np.random.default_rng(seed).standard_normal((volumes, regions))


def write_series(
    file: Path, values: np.ndarray, names: Sequence[str] = REGIONS, separator: str = "\t"
) -> None:
    """A table with a row a volume; without a row of names where there are none."""
    rows = [separator.join(names)] if names else []
    rows += [separator.join(f"{value:.17g}" for value in row) for row in values]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(rows) + "\n")


def bids(folder: Path, participants: int = 8, **columns: Sequence[Any]) -> Path:
    """Derivatives: recordings of 24 volumes and more, a table, and confounds of fMRIPrep."""
    table: dict[str, Sequence[Any]] = {
        "participant_id": [f"sub-{number:02}" for number in range(1, participants + 1)],
        "Response": [number % 2 for number in range(participants)],
        "gender": [("female", "male")[number // 2 % 2] for number in range(participants)],
        "Age": [40.5 + number for number in range(participants)],
        "Drug": [("placebo", "duloxetine")[number // 4 % 2] for number in range(participants)],
        **columns,
    }
    folder.mkdir(parents=True, exist_ok=True)
    rows = [list(table), *zip(*table.values(), strict=True)]
    text = "\n".join("\t".join(map(str, row)) for row in rows)
    (folder / "participants.tsv").write_text(text + "\n")
    for number, name in enumerate(table["participant_id"]):
        stem = folder / str(name) / "func" / f"{name}_task-rest"
        write_series(Path(f"{stem}_atlas-four_timeseries.tsv"), series(number, 24 + number % 3))
        displacement = np.array([["n/a"], ["0.1"], ["0.3"]])
        confounds = Path(f"{stem}_desc-confounds_timeseries.tsv")
        confounds.write_text("\n".join(["framewise_displacement", *displacement[:, 0]]) + "\n")
    return folder


def rpn_signature(folder: Path, subjects: int = 6, volumes: int = 205) -> Path:
    """A clone: two sites with tables of their own form, one subject without a sex."""
    for place, site in enumerate(("bochum", "essen")):
        home = folder / "data" / f"{site}-sample"
        rows = [_title(site)]
        for number in range(1, subjects + 1):
            stem = f"{site}-{number:03}_pumi-{number - 1}"
            values = np.column_stack([np.ones(volumes), series(100 * place + number, volumes, 122)])
            names = ["GlobSig", *(f"region{each // 2}" for each in range(122))]
            write_series(home / "regional_timeseries" / f"{stem}.tsv", values, names)
            write_series(home / "regional_timeseries" / f"{stem}-scrubbed.tsv", values[:50], names)
            displacement = home / "framewise_displacement" / f"FD_{stem}.txt"
            displacement.parent.mkdir(exist_ok=True)
            displacement.write_text("FramewiseDisplacement\n0.1\n0.3\n")
            rows.append(_row(site, number))
        (home / f"{site}_sample.csv").write_text("\n".join(rows))
    return folder


def _title(site: str) -> str:
    if site == "bochum":
        return "ID,Male,Age,CPT,HPT,MPT_log_geom"
    trials = [f"qst_{kind}_{trial}" for kind in ("cpt", "hpt") for trial in range(1, 7)]
    trials += [f"qst_mpt_{trial}_{felt}" for trial in range(1, 6) for felt in ("pain", "no_pain")]
    return ",".join(["ID", "Male", "Age", *trials])


def _row(site: str, number: int) -> str:
    male = "NaN" if (site, number) == ("bochum", 3) else str(number % 2)
    start = f"{number},{male},{20 + number}"
    if site == "bochum":
        return f"{start},{10 + number},{45 - number / 10},{3 - number / 10}"
    cold, heat, force = [f"{9 + number}"] * 6, ["44"] * 6, ["16"] * 10
    return ",".join([start, *cold, *heat, *force])
