"""The job scripts of docs/clusters.md, submitted to a stand-in for Slurm that runs their tasks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENT = Path(__file__).parents[1] / "docs" / "clusters.md"
_SCRIPT = re.compile(r"^```bash\n(#!/bin/bash\n.*?)^```", re.MULTILINE | re.DOTALL)
_GRID = "--method all --task all --preset standard"

#: ``sbatch [--array=A-B] SCRIPT``: the tasks side by side, on this machine.
SBATCH = """\
#!/bin/bash
array=$(sed -n 's/^#SBATCH --array=//p' "${@: -1}")
case $1 in --array=*) array=${1#--array=} ;; esac
export SLURM_JOB_ID=$$ SLURM_CPUS_PER_TASK=1 SLURM_SUBMIT_DIR=$PWD
for SLURM_ARRAY_TASK_ID in $(seq "${array%-*}" "${array#*-}"); do
    export SLURM_ARRAY_TASK_ID
    bash "${@: -1}" >"slurm-$SLURM_ARRAY_TASK_ID.out" 2>&1 &
    tasks="$tasks $!"
done
for task in $tasks; do wait "$task" || exit 1; done
"""


@pytest.fixture
def submit(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., None]:
    """Submit a script of the document whose grid is made small."""
    card = make_task()
    grid = (
        f"--method acs,conv3d --task {card} --data-dir {tmp_path} --folds 0 1 --device cpu "
        "--backbone test_resnet --set fit.epochs=1"
    )
    scripts = _SCRIPT.findall(DOCUMENT.read_text(encoding="utf-8"))
    named = {re.search(r"--job-name=(\S+)", script)[1]: script for script in scripts}  # type: ignore[index]
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(SBATCH)
    sbatch.chmod(0o755)
    folders = [str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {"PATH": os.pathsep.join(folders)}

    def run(name: str, *options: str, more: str = "") -> None:
        assert named[name].count(_GRID) == 1
        (tmp_path / "job.sh").write_text(named[name].replace(_GRID, f"{grid} {more}"))
        done = subprocess.run(
            ["sbatch", *options, "job.sh"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        said = done.stdout + done.stderr
        said += "".join(file.read_text() for file in sorted(tmp_path.glob("slurm-*.out")))
        assert done.returncode == 0, said

    return run


def results(out: Path) -> dict[str, Any]:
    store = Store(out)
    assert not store.broken()
    return {each.identity: (each.metrics, each.predictions_sha256) for each in store.records()}


@pytest.mark.slow
def test_an_array_shares_the_grid_and_parts_of_it_merge_to_the_same(
    submit: Callable[..., None], tmp_path: Path
) -> None:
    submit("crossbench", "--array=0-1", more="--seeds 43 44")
    done = re.findall(r"^(\d+) runs done, 0 failed", _logs(tmp_path), re.MULTILINE)
    assert len(done) == 2
    together = results(tmp_path / "results")
    assert len(together) == 16
    submit("crossbench-apart", "--array=43-44")
    merge = [sys.executable, "-P", "-m", "crossbench", "merge", "apart/43", "apart/44"]
    subprocess.run([*merge, "--into", "merged"], cwd=tmp_path, check=True, capture_output=True)
    assert results(tmp_path / "merged") == together


def _logs(folder: Path) -> str:
    return "".join(file.read_text() for file in folder.glob("slurm-*.out"))
