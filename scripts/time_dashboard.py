"""Time the dashboard's start, and ``crossbench report``, over many records.

    python scripts/time_dashboard.py [--records 10000]

The records are the example results under other names: ten methods over the paper's tasks, two
protocols and two inits. Each line is a process of its own, from its start to the last element of
the first view: the dashboard with an empty cache of tables, and with a full one; then the report.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import tempfile
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossbench.execution import interpreter
from crossbench.files.hashing import hash_json
from crossbench.registry.tasks import load_tasks
from crossbench.results.records.files import read_predictions, read_record
from crossbench.results.records.identity import NOT_SPLIT, identity_of, seed_part, task_facts
from crossbench.results.records.store import Store
from crossbench.specs import SCHEMA_VERSION
from crossbench_leaderboard.state import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.specs import RunRecord, TaskCard

METHODS = ("conv2d", "crossd", "acs", "conv3d", *(f"method-{number}" for number in range(6)))
PROTOCOLS, INITS = ("weak-probe", "finetune"), ("random", "in1k")
SEEDS, FOLDS = (43, 44, 45), range(5)

_FIRST_VIEW = """
import sys
from streamlit.testing.v1 import AppTest
from crossbench_leaderboard import app
sys.argv = [app.__file__, sys.argv[1]]
page = AppTest.from_file(app.__file__).run(timeout=3600)
assert not page.exception and page.title[0].value == "Leaderboard"
"""


def write_records(root: Path, count: int) -> None:
    """Put so many valid records into a folder."""
    example = next(path for path in Store(EXAMPLES).files() if "weak-probe" in path.name)
    predictions = read_predictions(example)
    store = Store(root)
    for record in islice(_records(read_record(example)), count):
        store.write(record, predictions)


def _records(pattern: RunRecord) -> Iterator[RunRecord]:
    """Records of many runs, their scores drawn at random about the pattern's."""
    rng = np.random.default_rng(0)
    cards = [card for card in load_tasks().values() if not card.embedded]
    scores = {name: value or 0 for name, value in pattern.metrics.items()}
    grid = product(cards, PROTOCOLS, INITS, enumerate(METHODS), SEEDS, FOLDS)
    for card, protocol, init, (skill, method), seed, fold in grid:
        names = {"task": card.name, "method": method, "protocol": protocol, "init": init}
        key = dataclasses.replace(pattern.key, seed=seed, fold=fold, **names)
        better = 0.01 * skill + rng.normal(scale=0.02)
        metrics = {name: float(np.clip(value + better, 0, 1)) for name, value in scores.items()}
        yield _identified(
            dataclasses.replace(
                pattern,
                key=key,
                source="real",
                dimension=card.dimension,
                metric=card.metric,
                metrics=metrics,
                schema_version=SCHEMA_VERSION,
            ),
            card,
        )


def _identified(record: RunRecord, card: TaskCard) -> RunRecord:
    """The record with the identity that its key, settings and split have."""
    key, origin = record.key, record.provenance
    settings = origin["settings"] | {"protocol": {"name": key.protocol}}
    split = origin["split"] | {"seeds": list(SEEDS)}
    counted = {part: {"samples": count} for part, count in record.counts.items()}
    shown = {"max_samples": origin["max_samples"], "grouped": record.grouped, **counted}
    kept = {name: value for name, value in split.items() if name not in NOT_SPLIT}
    facts = {"task": task_facts(card), "split": kept | shown}
    hashes = {
        "name": key.method,
        "source": record.source,
        "seed": seed_part(key.seed, key.fold),
        "method": key.method,
        "init": key.init,
        "config": hash_json(settings),
        **{name: hash_json(fact) for name, fact in facts.items()},
    }
    return dataclasses.replace(
        record,
        identity=identity_of(hashes),
        provenance=origin
        | {"hashes": hashes, "facts": facts, "settings": settings, "split": split},
    )


def seconds(words: list[str], cache: Path) -> str:
    """CPU and wall time of a process that is waited for, in words."""
    before, begin = os.times(), os.times().elapsed
    # An empty value has compiled modules kept, as they are.
    variables = {"CROSSBENCH_CACHE": str(cache), "PYTHONDONTWRITEBYTECODE": ""}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with interpreter.start(*words, more=variables, **quiet) as process:
        if process.wait():
            raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}")
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return f"{used:.1f} s of CPU, {after.elapsed - begin:.1f} s of time"


def main() -> None:
    """Print one line a start."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=10_000, metavar="N")
    count = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder, "results"), Path(folder, "cache")
        write_records(root, count)
        os.sync()  # or the system writes them to the disk while the views are timed
        view = ["-c", _FIRST_VIEW, str(root)]
        print(f"{count} records, first view, nothing kept:  {seconds(view, cache)}")
        print(f"{count} records, first view, table kept:    {seconds(view, cache)}")
        report = ["-m", "crossbench", "report", str(root)]
        print(f"{count} records, crossbench report:         {seconds(report, cache)}")


if __name__ == "__main__":
    main()
