"""A results folder on a disk that is full: a small file system of its own, in a namespace."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from crossbench.cli import main
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.specs import RunRecord

#: Do a command on a disk of $1 on which there is no room but $2, and again after room was made.
SCRIPT = """\
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
IN_A_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


class Tries(NamedTuple):
    """What became of a command on a full disk, and of the same one after room was made."""

    codes: tuple[int, int]
    said: str
    full: Path
    done: Path


@pytest.fixture
def try_twice(tmp_path: Path) -> Callable[..., Tries]:
    """Do a command that writes into ``disk/out``, twice."""
    (tmp_path / "disk").mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("no program makes namespaces here")
    probe = "mount -t tmpfs tmpfs disk"
    if subprocess.run([*IN_A_NAMESPACE, probe], cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("this system mounts nothing in a namespace of one's own")

    def do(words: list[str], *, room: str) -> Tries:
        command = [sys.executable, "-P", "-m", "crossbench", *words]
        subprocess.run(
            [*IN_A_NAMESPACE, SCRIPT, "sh", "8M", room, *command], cwd=tmp_path, check=True
        )
        first, second = (int((tmp_path / name).read_text()) for name in ("first", "second"))
        said = (tmp_path / "first.txt").read_text()
        return Tries((first, second), said, tmp_path / "full", tmp_path / "done")

    return do


@pytest.fixture
def words(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., list[str]]:
    """The command of two methods and the plain baselines on two folds."""
    card = str(make_task())

    def build(out: str, *more: str) -> list[str]:
        return [
            "run", "--method", "acs,conv3d", "--task", card, "--seeds", "43", "--folds", "0", "1",
            "--out", out, "--data-dir", str(tmp_path), "--device", "cpu",
            "--backbone", "test_resnet", "--set", "fit.epochs=1", "--set", "compute.threads=1",
            *more,
        ]  # fmt: skip

    return build


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


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--no-isolate", "--isolate", "--jobs=2"])
def test_without_room_for_a_record_the_sweep_ends_and_goes_on_from_there(
    try_twice: Callable[..., Tries], words: Callable[..., list[str]], tmp_path: Path, how: str
) -> None:
    tries = try_twice(words("disk/out", how), room="48K")
    assert tries.codes == (2, 0), tries.said
    assert "cannot be written: [Errno 28] No space left on device" in tries.said
    assert "Traceback" not in tries.said
    assert main(words(str(tmp_path / "beside"))) == 0
    expected, before, after = map(records, (tmp_path / "beside", tries.full, tries.done))
    assert 0 < len(before) < len(expected) == 8
    for identity, record in expected.items():
        assert after[identity].metrics == record.metrics
        assert after[identity].predictions_sha256 == record.predictions_sha256
    for identity, record in before.items():
        if record.error is None:
            assert after[identity] == record
        else:  # there may be room for a failure
            assert "No space left on device" in record.error["message"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--no-isolate", "--isolate"])
def test_a_run_without_room_for_its_weights_fails_and_the_others_are_done(
    try_twice: Callable[..., Tries], words: Callable[..., list[str]], how: str
) -> None:
    tries = try_twice(words("disk/out", how, "--save-weights", "--folds", "0"), room="200K")
    assert tries.codes == (1, 0), tries.said
    ends = {record.key.method: record for record in records(tries.full).values()}
    assert {name: record.status for name, record in ends.items()} == {
        "acs": "failed", "conv3d": "failed", "majority": "ok", "logistic": "ok",
    }  # fmt: skip
    error = ends["conv3d"].error
    assert error is not None
    assert error["message"].endswith("cannot be written: [Errno 28] No space left on device")
    assert str(tries.full.parent) not in error["message"]
    assert "2 runs done, 2 failed, 0 already there" in tries.said
    assert {record.status for record in records(tries.done).values()} == {"ok"}
