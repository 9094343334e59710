"""Kill random processes of a sweep at random moments, start it again, and compare what is left.

    python scripts/torture.py --kills 20 --seed 1 --folder /tmp/torture

A sweep of small runs is started over and over; each time a process (the one that watches, the one
that plans, the server that forks, or one that does a run; in a random order, each as often) is
killed by SIGKILL, a random time after the first of its kind or of a later one has come: so kills
meet starts, plans and runs alike however slow the machine is. The last start is left alone. The
folder must then hold what an undisturbed, unisolated sweep leaves: the same runs, finished, with
the same metrics and predictions, and no temporary file, claim, mark, log or process besides.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.execution import interpreter
from crossbench.execution.claims import CLAIMS
from crossbench.execution.logs import LOGS
from crossbench.execution.memory import process_tree
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: A grid of small runs, some of which share features.
SWEEP = (
    "run", "--task", "nodule-malignancy-3d", "--preset", "smoke", "--method", "conv3d,acs",
    "--seeds", "43", "44", "45", "--protocol", "linear-probe", "--device", "cpu",
    "--backbone", "test_resnet", "--set", "compute.threads=1",
    "--set", "input.max_samples=60", "--retry-failed",
)  # fmt: skip
#: Kinds of processes, in the order in which they come.
ROLES = ("watcher", "planner", "server", "worker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Torture, compare and say what came of it.

    Returns:
        0 where nothing differs, else 1.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--longest", type=float, default=2.0, help="seconds to a kill")
    parser.add_argument("--folder", type=Path, help="where to work (a temporary one)")
    parser.add_argument("words", nargs="*", default=SWEEP, help="another command, after --")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="torture-") as own:
        folder = options.folder or Path(own)
        faults = torture(
            folder,
            options.words,
            kills=options.kills,
            jobs=options.jobs,
            longest=options.longest,
            seed=options.seed,
        )
    print("\n".join([*faults, f"{options.kills} kills, {len(faults)} differences"]))
    return 1 if faults else 0


def torture(
    folder: Path, words: Sequence[str], *, kills: int, jobs: int, longest: float, seed: int
) -> list[str]:
    """Kill processes of a sweep so many times, then let it finish, and compare.

    Args:
        folder: Where results and caches go.
        words: The command, without where its results go.
        kills: How many processes are killed.
        jobs: As for ``crossbench run``.
        longest: Seconds after the first process of its kind within which the kill comes.
        seed: Of every choice.

    Returns:
        What differs from an undisturbed sweep, and what was left behind.
    """
    chance = random.Random(seed)  # noqa: S311
    whole, hurt, spare = (folder / name for name in ("whole", "hurt", "temporary"))
    spare.mkdir(parents=True)
    if code := _start([*words, "--no-isolate", "--out", str(whole)], folder).wait():
        return [f"the undisturbed sweep ended with {code}"]
    command = [*words, "--jobs", str(jobs), "--out", str(hurt)]
    killed: Counter[str] = Counter()
    left: list[str] = []
    while killed.total() < kills:
        process = _start(command, folder)
        left = left or chance.sample(ROLES, len(ROLES))
        role = left[-1]
        since = chance.choice(ROLES[ROLES.index(role) :])
        victims, before = _wait(process, role, since, chance.uniform(0, longest))
        if victims:
            _kill(chance.choice(victims))
            killed[left.pop()] += 1
            print(f"{killed.total()} of {kills}: killed {role}", file=sys.stderr, flush=True)
        process.wait()
        _await_end(before)
        if process.returncode == 0:  # all done: begin anew
            shutil.rmtree(hurt)
    code = _start(command, folder).wait()
    print(", ".join(f"{count} {role}" for role, count in killed.most_common()), file=sys.stderr)
    faults = [f"the last sweep ended with {code}"] if code else []
    return faults + list(_differences(whole, hurt)) + list(_left(hurt, spare))


def _start(words: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    more = {"TMPDIR": str(folder / "temporary"), "CROSSBENCH_CACHE": str(folder / "cache")}
    return interpreter.start(
        "-m", "crossbench", *words, more=more, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _wait(
    process: subprocess.Popen[str], role: str, since: str, longer: float
) -> tuple[list[int], set[int]]:
    """Processes of a role, some seconds after the first of another came, and all that there were.

    There are none where the sweep has ended before.
    """
    seen = {process.pid}
    deadline = math.inf
    while process.poll() is None:
        alive = _processes(process.pid)
        seen |= {each for each, _ in alive}
        if deadline == math.inf and since in {each for _, each in alive}:
            deadline = time.monotonic() + longer
        victims = [each for each, its in alive if its == role]
        if victims and time.monotonic() >= deadline:
            return victims, seen
        time.sleep(0.02)
    return [], seen


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _processes(main: int) -> list[tuple[int, str]]:
    """The processes of a sweep and what each is for."""
    found = [(main, "watcher")]
    for process in process_tree(main)[1:]:
        if any(_is_server(each) for each in _ancestors(process)):
            found.append((process, "worker"))
        else:
            found.append((process, "server" if _is_server(process) else "planner"))
    return found


def _is_server(process: int) -> bool:
    return b"forkserver" in _read(process, "cmdline")


def _ancestors(process: int) -> Iterator[int]:
    while process > 1:
        stat = _read(process, "stat").rpartition(b")")[2].split()
        process = int(stat[1]) if stat else 0
        if process > 1:
            yield process


def _read(process: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:  # it has ended
        return b""


def _await_end(processes: set[int]) -> None:
    """Wait until those of a sweep that is killed have ended too."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not any(_read(each, "cmdline") for each in processes):  # a zombie has none
            return
        time.sleep(0.05)
    print("processes of a killed sweep still live after 60 s", file=sys.stderr)


def _differences(whole: Path, hurt: Path) -> Iterator[str]:
    """Runs that are not what they are without kills."""
    one, two = ({each.identity: each for each in Store(root).records()} for root in (whole, hurt))
    for identity in one.keys() ^ two.keys():
        yield f"run {identity[:8]} is in one folder alone"
    for identity in one.keys() & two.keys():
        for what in ("status", "metrics", "predictions_sha256"):
            if getattr(one[identity], what) != getattr(two[identity], what):
                yield f"{what} of {one[identity].key} differ"
    yield from (f"{path} is damaged: {why}" for path, why in Store(hurt).broken())


def _left(hurt: Path, spare: Path) -> Iterator[str]:
    """What a finished sweep must not leave behind."""
    for path in hurt.rglob("*"):
        kept = path.is_dir() or path.suffix in {".json", ".npz"}
        if path.parent.name in (CLAIMS, LOGS) or not kept:
            yield f"{path.relative_to(hurt)} was left behind"
    yield from (f"temporary {path.name} was left behind" for path in spare.glob("crossbench-*"))


if __name__ == "__main__":
    sys.exit(main())
