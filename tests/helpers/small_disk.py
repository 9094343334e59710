"""Commands on a disk that is full: a small file system of its own, in a namespace."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.specs import RunRecord

#: Do a command on a disk of $1 on which there is no room but $2, and again after room was made.
_SCRIPT = """\
set -e
mount -t tmpfs -o size=$1 tmpfs disk
head -c $1 /dev/zero > disk/filler 2> /dev/null || true
truncate -s -$2 disk/filler
shift 2
try() { said=$1; shift; "$@" > $said.txt 2>&1 && echo 0 > $said || echo $? > $said; }
try first "$@"
cp -a disk/out full
rm disk/filler
try second "$@" --retry-failed
cp -a disk/out done
"""
_IN_A_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


class Tries(NamedTuple):
    """What became of a command on a full disk, and of the same one after room was made."""

    codes: tuple[int, int]
    said: str
    full: Path
    done: Path


def try_twice(words: list[str], folder: Path, *, room: str) -> Tries:
    """Do a command that writes into ``disk/out`` below a folder, which it begins in, twice."""
    (folder / "disk").mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("no program makes namespaces here")
    probe = "mount -t tmpfs tmpfs disk"
    if subprocess.run([*_IN_A_NAMESPACE, probe], cwd=folder, capture_output=True).returncode:
        pytest.skip("this system mounts nothing in a namespace of one's own")
    command = [sys.executable, "-P", "-m", "crossbench", *words]
    subprocess.run([*_IN_A_NAMESPACE, _SCRIPT, "sh", "8M", room, *command], cwd=folder, check=True)
    first, second = (int((folder / name).read_text()) for name in ("first", "second"))
    said = (folder / "first.txt").read_text()
    return Tries((first, second), said, folder / "full", folder / "done")


def lost_weights(tries: Tries) -> str:
    """What a failed run says: runs without room for weights fail, and the others are done."""
    assert tries.codes == (1, 0), tries.said
    ends = {record.key.method: record for record in records(tries.full).values()}
    assert {name: record.status for name, record in ends.items()} == {
        "acs": "failed", "conv3d": "failed", "majority": "ok", "logistic": "ok",
    }  # fmt: skip
    error = ends["conv3d"].error
    assert error is not None
    assert error["message"].endswith("cannot be written: [Errno 28] No space left on device")
    assert "2 runs done, 2 failed, 0 already there" in tries.said
    assert {record.status for record in records(tries.done).values()} == {"ok"}
    return error["message"]


def records(out: Path) -> dict[str, RunRecord]:
    """The records by identity, all of them whole, and nothing beside them that none names."""
    store = Store(out)
    assert not store.broken()
    found = list(store.records())
    named = {name for each in found for name in (each.predictions, each.weights) if name}
    assert {path.name for path in out.rglob("*.npz")} | {
        path.name for path in out.rglob("*.safetensors")
    } == named
    assert not list(out.rglob("*.tmp"))
    assert not list(out.glob(".claims/*"))
    return {record.identity: record for record in found}
