"""Hand-made records, made whole: parts, facts and identity as a run would leave them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from crossbench.files.hashing import hash_array, hash_json
from crossbench.results.records.identity import NOT_SPLIT, identity_of, seed_part

if TYPE_CHECKING:
    from crossbench.results.records.predictions import Predictions
    from crossbench.specs import RunRecord

SPLIT: dict[str, Any] = {"scheme": "standard", "folds": 5, "seeds": [], "run_folds": []}
COUNTS = {"train": 80, "val": 20, "test": 12}


def identified(record: RunRecord, predictions: Predictions | None = None) -> RunRecord:
    """The record with what a run's record has beside its results, and the identity of all that.

    Hashes of a provenance that are given stay, those of facts excepted, which go into the facts.
    """
    key, given = record.key, record.provenance
    counts = (COUNTS if predictions is None else COUNTS | {"test": len(predictions.index)}) | (
        record.counts
    )
    split = SPLIT | given.get("split", {})
    split["seeds"] = sorted({*split["seeds"], key.seed})
    settings = given.get("settings")
    if not key.plain:
        protocol = (settings or {}).get("protocol", {}) | {"name": key.protocol}
        settings = (settings or {}) | {"backbone": key.backbone, "protocol": protocol}
    said = given.get("hashes", {})
    if "facts" in given:  # made whole before, and changed since
        said = {name: said[name] for name in said if name not in ("config", "init")}
    facts = {
        "task": {"name": key.task, "dimension": record.dimension, "said": said.get("task", "")},
        "split": _split_facts(record, split, counts, predictions) | {"said": said.get("split", "")},
    }
    hashes = said | {
        "name": key.method,
        "source": record.source,
        "seed": seed_part(key.seed, key.fold),
        **{name: hash_json(fact) for name, fact in facts.items()},
    }
    if not key.plain:
        init = "random" if key.init == "random" else f"init {key.init}"
        hashes = {"config": hash_json(settings), "init": init} | hashes
    provenance = given | {
        "hashes": hashes,
        "facts": facts,
        "split": split,
        "settings": settings,
        "max_samples": given.get("max_samples"),
    }
    return dataclasses.replace(
        record, identity=identity_of(hashes), counts=counts, provenance=provenance
    )


def _split_facts(
    record: RunRecord,
    split: dict[str, Any],
    counts: dict[str, int],
    predictions: Predictions | None,
) -> dict[str, Any]:
    facts = {name: value for name, value in split.items() if name not in NOT_SPLIT}
    facts |= {"max_samples": record.provenance.get("max_samples"), "grouped": record.grouped}
    facts |= {part: {"samples": counts[part], "sha256": ""} for part in ("train", "val", "test")}
    if predictions is not None:
        shown = {"index": predictions.index, "labels": predictions.label}
        index, labels = (hash_array(array) for array in shown.values())
        facts["test"] |= {"sha256": index, "labels": labels}
    return facts
