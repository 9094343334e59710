"""Origins of methods, from records of every version and of strangers."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crossbench.results.records.method_origin import MethodOrigin
from crossbench.specs import RunKey, RunRecord

RECORD = RunRecord(
    identity="0" * 64,
    key=RunKey(
        preset="smoke",
        task="t",
        method="mine",
        backbone="resnet18",
        init="random",
        protocol="finetune",
        seed=0,
        fold=0,
    ),
    status="failed",
    source="real",
    dimension=3,
    metric="auroc",
)


def origin(provenance: dict[str, Any]) -> MethodOrigin:
    return MethodOrigin.of(dataclasses.replace(RECORD, provenance=provenance))


def test_all_that_a_record_tells_is_read() -> None:
    found = origin(
        {
            "method": {
                "distribution": "plugin file",
                "version": "",
                "file": "mine.py",
                "git": {"commit": "a" * 40, "dirty": True},
                "metadata": {"authors": ["A", "B"], "licence": "MIT"},
                "summary": "Mine.",
            },
            "facts": {"method": {"files": [["<plugin>", "b" * 64]], "config": {"temp": 2}}},
            "hashes": {"method": "c" * 64},
        }
    )
    assert (found.distribution, found.file, found.summary) == ("plugin file", "mine.py", "Mine.")
    assert (found.commit, found.dirty) == ("a" * 40, True)
    assert (found.metadata.authors, found.metadata.licence) == (("A", "B"), "MIT")
    assert (found.files, found.config) == ({"<plugin>": "b" * 64}, {"temp": 2})
    assert found.sha256 == "c" * 64


def test_older_records_and_plain_baselines_tell_less() -> None:
    assert origin({}) == MethodOrigin()
    assert origin({"method": None, "hashes": {"method": "c" * 64}}).sha256 == "c" * 64
    early = origin({"method": {"distribution": "p", "version": "1", "git": {}}})
    assert early == MethodOrigin(distribution="p", version="1")


def test_what_has_no_place_in_a_line_is_escaped_cut_or_left_out() -> None:
    found = origin(
        {
            "method": {
                "distribution": "a\n\x1b[31mb",
                "version": 3,
                "summary": "x" * 10_000,
                "git": {"commit": "<b>", "dirty": "yes"},
                "metadata": {"url": "javascript:alert(1)"},
            },
            "facts": {"method": {"files": [["a", "no digest"]], "config": []}},
        }
    )
    assert found.distribution == "a \\x1b[31mb"
    assert len(found.summary) < 600
    assert (found.version, found.commit, found.dirty, found.metadata.url) == ("", "", False, "")
    assert (found.files, found.config) == ({}, {})


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
keys = st.sampled_from(["method", "facts", "hashes", "git", "metadata", "files", "config"])


@given(st.dictionaries(keys, st.dictionaries(keys, json) | json))
def test_no_record_stops_a_reader(provenance: dict[str, Any]) -> None:
    assert isinstance(origin(provenance), MethodOrigin)
