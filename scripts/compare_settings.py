"""Say what a setting is worth: runs of two results folders, paired by task, method, seed and fold.

    crossbench run ... --out one
    crossbench run ... --set fusion.zero_grad=step --out other
    python scripts/compare_settings.py one other [--metric mcc]

Boards keep runs under different settings apart, which are no methods to choose between. The gain of
OTHER over ONE is that of the same folds, by the corrected resampled t test (docs/statistics.md).
Where a folder holds several settings, ``--one lora.rank=2 --other lora.rank=4`` choose among them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from select_runs import RUN, select, under_one_setting

import crossbench
from crossbench.evaluation.statistics import corrected_t

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd


def gains(one: pd.DataFrame, other: pd.DataFrame, metric: str) -> Iterator[str]:
    """A sentence for each task and method that both have, plain baselines last.

    Args:
        one: Runs under the setting that is measured against.
        other: Runs under the other.
        metric: A metric of which more is better; ``score`` is each run's main one.

    Raises:
        StatisticsError: If a run failed, or there is one alone.
    """
    pairs = one.merge(other, on=RUN, suffixes=("_one", "_other"))
    pairs["plain"] = pairs["protocol_one"] == "plain"
    for (task, _, method), rows in pairs.groupby(["task", "plain", "method"]):
        before, after = rows[f"{metric}_one"], rows[f"{metric}_other"]
        folds = json.loads(rows["split_settings_one"].iloc[0])["split.folds"]
        found = corrected_t(before, after, folds=folds)
        said = "equal" if found.identical else f"gain {found.gain:+.3f}, p = {found.p_value:.2g}"
        means = f"{before.mean():.3f} and {after.mean():.3f}"
        yield f"{method} on {task}: {means}, {said}, {len(rows)} runs"


def read(folder: Path, where: Iterable[str]) -> pd.DataFrame:
    """The runs of a folder that have these values, ``KEY=VALUE`` each; one of several of a key.

    Raises:
        LookupError: If there is none, or a fold has several.
    """
    wanted: defaultdict[str, list[Any]] = defaultdict(list)
    for key, _, value in (each.partition("=") for each in where):
        wanted[key].append(_parsed(value))
    frame = select(crossbench.load_results(folder), wanted)
    try:
        return under_one_setting(frame)
    except LookupError as error:
        msg = f"{folder} holds {error}; choose by --one and --other, such as --one lora.rank=2"
        raise LookupError(msg) from error


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def main(words: Sequence[str] | None = None) -> int:
    """Print the sentences; 1 where no run is in both folders."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--metric", default="score", help="another than each run's main one")
    for side in ("one", "other"):
        parser.add_argument(
            f"--{side}",
            dest=f"of_{side}",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help=f"only runs of {side.upper()} with this value of a column or setting",
        )
    options = parser.parse_args(words)
    try:
        one, other = read(options.one, options.of_one), read(options.other, options.of_other)
    except LookupError as error:
        parser.error(str(error))
    found = list(gains(one, other, options.metric))
    print("\n".join(found) or f"no run is in {options.one} and in {options.other}")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
