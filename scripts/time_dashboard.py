"""Time the dashboard's start, and ``crossbench report``, over many records.

    python scripts/time_dashboard.py [--records 10000]

The records are the example results under other names: ten methods over the paper's tasks, two
protocols and two inits. Each line is a process of its own, from its start to the last element of
the first view: the dashboard with an empty cache of tables, and with a full one; then the report.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import subprocess
import tempfile
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossbench.cards import load_tasks
from crossbench.execution import interpreter
from crossbench.results.files import read_predictions, read_record
from crossbench.results.store import Store
from crossbench_leaderboard.state import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.specs import RunRecord

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
    grid = product(cards, PROTOCOLS, INITS, enumerate(METHODS), SEEDS, FOLDS)
    for card, protocol, init, (skill, method), seed, fold in grid:
        names = {"task": card.name, "method": method, "protocol": protocol, "init": init}
        key = dataclasses.replace(pattern.key, seed=seed, fold=fold, **names)
        better = 0.01 * skill + rng.normal(scale=0.02)
        hashes = pattern.provenance["hashes"] | {"method": method, "task": card.name, "init": init}
        yield dataclasses.replace(
            pattern,
            key=key,
            identity=hashlib.sha256(repr(key).encode()).hexdigest(),
            source="real",
            dimension=card.dimension,
            metric=card.metric,
            metrics={name: (value or 0) + better for name, value in pattern.metrics.items()},
            provenance=pattern.provenance | {"hashes": hashes},
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
