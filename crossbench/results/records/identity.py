"""Parts of a run's identity, and the facts that they are hashes of.

An identity is the hash of its parts by name. A part is a word (``name``, ``source``, ``seed``), the
digest of a file or of arrays, or the hash of facts that stand in the record beside it, so that
whoever changes one of them changes the identity. Nothing here imports anything heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from crossbench.files.hashing import hash_array, hash_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from crossbench.data.splits import Split
    from crossbench.specs import Preset, TaskCard

#: Settings of a split that choose which runs there are, and not what they are.
NOT_SPLIT = ("seeds", "run_folds")

#: Parts of a split, which counts are of.
PARTS = ("train", "val", "test")


def table_of(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object under a key of other people's JSON; empty where there is none."""
    value = mapping.get(name)
    return value if isinstance(value, dict) else {}


def identity_of(hashes: Mapping[str, str]) -> str:
    """SHA-256 over the parts of an identity, by name."""
    return hash_json(dict(hashes))


class ProvenanceHashes(NamedTuple):
    """Hashes of a record's settings, and of its facts by name."""

    settings: str
    facts: dict[str, str]


def hash_provenance(provenance: Any) -> ProvenanceHashes:
    """The hashes of the settings and facts in a provenance."""
    known = provenance if isinstance(provenance, dict) else {}
    facts = {name: hash_json(fact) for name, fact in table_of(known, "facts").items()}
    return ProvenanceHashes(hash_json(known.get("settings")), facts)


def record_digest(mapping: Mapping[str, Any], known: ProvenanceHashes) -> str:
    """The seal of a record: SHA-256 over its canonical JSON without the digest.

    Settings and facts stand in it by their hashes, which the identity is made of.
    """
    sealed = {key: value for key, value in mapping.items() if key != "digest"}
    if isinstance(origin := sealed.get("provenance"), dict):
        sealed["provenance"] = origin | {"settings": known.settings, "facts": known.facts}
    return hash_json(sealed)


def seed_part(seed: int, fold: int) -> str:
    """The part ``seed``."""
    return f"{seed}/{fold}"


def task_facts(card: TaskCard) -> dict[str, Any]:
    """The facts on a card that reach the numbers, the part ``task``."""
    return card.fingerprint()


def task_hash(card: TaskCard) -> str:
    """Hash of the facts on a card that reach the numbers."""
    return hash_json(task_facts(card))


def split_facts(preset: Preset, split: Split, labels: NDArray[np.int64]) -> dict[str, Any]:
    """The split's settings and samples, the part ``split``.

    Args:
        preset: The settings.
        split: The fold.
        labels: (N,) int64 class of each sample of the dataset.
    """
    facts = preset.split.fingerprint()
    facts |= {"max_samples": preset.input.max_samples, "grouped": split.grouped}
    for part in PARTS:
        index = getattr(split, part)
        facts[part] = {"samples": len(index), "sha256": hash_array(index)}
    facts["test"]["labels"] = hash_array(labels[split.test])
    return facts
