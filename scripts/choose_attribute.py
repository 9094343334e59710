"""Measure how far each rating of the nodules can be told from their outlines.

    python scripts/choose_attribute.py [--dims 2|3] [--folds 0 1] [--epochs N] [--out DIR]

Every candidate becomes a task card; a ResNet-18 is trained from scratch on it beside the
plain baselines, on patient-disjoint folds. What is already in DIR is not trained again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import crossbench

if TYPE_CHECKING:
    import pandas as pd

DATA = Path(__file__).parents[1] / "tasks/crossbench_tasks/embedded/nodules.npz"
METHODS = {2: "conv2d", 3: "conv3d"}
COLUMNS = {"covariate": "diameter", "logistic": "voxels"}

# Three readers or more agree better, and their number no longer shows in the agreement.
_THREE: dict[str, float] = {"readers": 3}
# Rating, threshold near its median (or between its lowest two grades), lower bounds.
CANDIDATES: tuple[tuple[str, float, dict[str, float]], ...] = (
    ("malignancy", 3.0, {}),
    ("subtlety", 4.0, _THREE),
    ("sphericity", 3.5, _THREE),
    ("sphericity", 4.0, _THREE),
    ("margin", 4.0, _THREE),
    ("lobulation", 1.6, _THREE),
    ("lobulation", 1.7, {"diameter_mm": 6}),
    ("spiculation", 1.6, _THREE),
    ("texture", 4.5, _THREE),
)

CARD = """
name = "candidate-{number}"
title = {title}
dimension = {dimension}
modality = "Radiologists' outlines on chest CT"
classes = ["low", "high"]
licence = "CC-BY-3.0"
citation = "Armato et al. 2011, doi:10.1118/1.3528204"
metric = "balanced_accuracy"
version = 1
group = "patient"
{size}

[source]
kind = "embedded"
file = {file}
images = "volumes"
label = "{label}"
threshold = {threshold}
minimum = {{ {minimum} }}
covariate = "diameter_mm"
"""


def write_cards(folder: Path, dimension: int) -> dict[str, str]:
    """Write the candidates' cards and return their titles by task name."""
    titles = {}
    for number, (label, threshold, minimum) in enumerate(CANDIDATES):
        bounds = [f"{name} = {bound}" for name, bound in minimum.items()]
        title = " ".join([f"{label} > {threshold}", *(bound.replace("=", "≥") for bound in bounds)])
        text = CARD.format(
            number=number,
            title=json.dumps(title, ensure_ascii=False),
            dimension=dimension,
            size="input_size = 32" if dimension == 2 else "",
            file=json.dumps(str(DATA)),
            label=label,
            threshold=threshold,
            minimum=", ".join(bounds),
        )
        (folder / f"{number}.toml").write_text(text, encoding="utf-8")
        titles[f"candidate-{number}"] = title
    return titles


def measure(arguments: argparse.Namespace) -> pd.DataFrame:
    """ROC AUC, mean over the folds, one row a candidate and one column a method."""
    with tempfile.TemporaryDirectory() as name:
        titles = write_cards(Path(name), arguments.dims)
        frame = crossbench.run(
            METHODS[arguments.dims],
            [str(file) for file in sorted(Path(name).glob("*.toml"))],
            out=arguments.out,
            preset="standard",
            protocol="finetune",
            seeds=[43],
            folds=arguments.folds,
            settings=[
                f"fit.epochs={arguments.epochs}",
                "fit.batch_size=32",
                "input.augment=false",
                "compute.threads=1",
            ],
        )
    samples = frame.groupby("task")[["samples_train", "samples_val", "samples_test"]].first()
    table = frame.pivot_table(index="task", columns="method", values="auroc")
    table = table.rename(columns=COLUMNS).drop(columns="majority")
    table.insert(0, "nodules", samples.sum(axis=1))
    return table.rename(index=titles)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dims", type=int, choices=METHODS, default=2)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("results/choose-attribute"))
    print(measure(parser.parse_args()).round(3).to_string())


if __name__ == "__main__":
    main()
