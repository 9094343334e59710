"""Initial weights of a bundle's runs, found among a reviewer's files."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from scored_runs import make_run

from crossbench.errors import RequestError
from crossbench.submissions.initial_weights import hash_weights, initial_weights

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.specs import RunRecord


def started_from(name: str, **hashes: str) -> RunRecord:
    """A record of a run from weights of a name."""
    record, _ = make_run("mine", "breast")
    provenance = record.provenance | {"hashes": hashes}
    return replace(record, key=replace(record.key, init=name), provenance=provenance)


@pytest.fixture
def checkpoint(tmp_path: Path) -> tuple[str, str]:
    """A file's path and SHA-256."""
    path = tmp_path / "mine.pth"
    path.write_bytes(b"weights")
    return str(path), hashlib.sha256(b"weights").hexdigest()


def test_a_file_serves_the_runs_that_were_recorded_with_its_hash(
    checkpoint: tuple[str, str],
) -> None:
    path, digest = checkpoint
    own = started_from("mine", init=digest)
    one_of_many = started_from("organs", init="recipe", weights=digest)
    named = started_from("in1k", init="0" * 64)
    drawn = started_from("random", init="random")
    files = hash_weights([path], [own, one_of_many, named, drawn])
    found = [initial_weights(each, files) for each in (own, one_of_many, named, drawn)]
    assert found == [path, path, "in1k", "random"]


def test_weights_that_are_not_given_are_refused(checkpoint: tuple[str, str]) -> None:
    _, digest = checkpoint
    with pytest.raises(
        RequestError, match=f"starts from weights 'mine' of SHA-256 {digest}, .* add --init FILE"
    ):
        initial_weights(started_from("mine", init=digest), {})


def test_files_that_no_run_starts_from_are_refused(checkpoint: tuple[str, str]) -> None:
    path, digest = checkpoint
    with pytest.raises(
        RequestError, match=rf"has SHA-256 {digest[:12]}, .* theirs are mine \(a{{12}}\)"
    ):
        hash_weights([path], [started_from("mine", init="a" * 64)])
    with pytest.raises(RequestError, match="theirs are random alone"):
        hash_weights([path], [started_from("random", init="random")])
    with pytest.raises(RequestError, match=r"--init 'nowhere.pth' is no file; give"):
        hash_weights(["nowhere.pth"], [])
