"""Damage files at random, and fail where one brings a traceback, a hang or silent acceptance.

    python scripts/fuzz.py --cases 20000

Valid files of each kind are made on the spot: data files, checkpoints, task cards, run records,
predictions, bundles and DICOM files. Each case damages one and reads it as crossbench does. It must
be refused by an error of crossbench's own or leave what was read as it was; only a card, a DICOM
file and the values of a checkpoint, which nothing seals, may be read as something else that is
valid. A case is the function of seed, kind and number, so that one that failed can be made again:

    python scripts/fuzz.py --kinds record --first 1234 --cases 1

Exit code: 0 if no case failed, 1 otherwise.
"""

from __future__ import annotations

import argparse
import dataclasses
import faulthandler
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fuzz_damage import damage
from fuzz_kinds import KINDS

from crossbench.errors import CrossbenchError
from crossbench.execution import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz_kinds import Kind

HANG = 30.0  # seconds that a case may take
ROOM = 2 * 2**30  # bytes that reading may allocate beyond what the interpreter has


def attempt(kind: Kind, content: bytes, original: Any, scratch: Path, *, seal: bool) -> str:
    """One case: ``refused``, ``unchanged``, ``valid``, or what is wrong, after ``FAILED``."""
    file = scratch / kind.file.name
    file.write_bytes(content)
    try:
        found = kind.read(file)
        if _equal(found, original):
            return "unchanged"
        kind.valid(found)
    except CrossbenchError as error:
        return "refused" if str(error).strip() else "FAILED an error without a message"
    except BaseException:  # noqa: BLE001  (that is what is looked for)
        return f"FAILED {traceback.format_exc()}"
    return "FAILED damage was accepted: what was read is not what was written" if seal else "valid"


def _equal(found: Any, original: Any) -> bool:
    if isinstance(original, dict) and hasattr(next(iter(original.values())), "all"):  # of tensors
        return found.keys() == original.keys() and all(
            bool((found[key] == value).all()) for key, value in original.items()
        )
    if dataclasses.is_dataclass(original) and hasattr(original, "path"):
        found, original = (dataclasses.replace(each, path=None) for each in (found, original))
    return bool(found == original)


def work(name: str, first: int, cases: int, seed: int, folder: Path) -> None:
    """Do cases of one kind, a line each on standard output; a case that hangs ends the process."""
    kind = KINDS[name](folder)
    original = kind.read(kind.file)
    content = kind.file.read_bytes()
    scratch = folder / "scratch"
    scratch.mkdir()
    _limit_memory()
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    for case in range(first, first + cases):
        faulthandler.dump_traceback_later(HANG, exit=True)
        random = np.random.default_rng([seed, place, case])
        inside = bool(random.integers(2))
        damaged = (kind.within if inside else damage)(content, random)
        seal = kind.sealed or (kind.checked and not inside)
        outcome = attempt(kind, damaged, original, scratch, seal=seal)
        print(outcome.replace("\n", "\\n"), flush=True)
    faulthandler.cancel_dump_traceback_later()


def _limit_memory() -> None:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    data = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data * 1024 + ROOM, hard))


def _beside() -> dict[str, str]:
    """The import path with this script's folder, which interpreters are started without."""
    folders = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(folders)}


def supervise(name: str, first: int, cases: int, seed: int, end: float) -> Iterator[str]:
    """The outcomes of cases done in a process of their own, which is replaced when it dies."""
    case, last = first, first + cases
    while case < last and time.monotonic() < end:
        begun = case
        with tempfile.TemporaryDirectory() as folder:
            words = [__file__, "--worker", folder, "--kinds", name]
            numbers = ["--first", case, "--cases", last - case, "--seed", seed]
            process = interpreter.start(
                *words, *map(str, numbers), more=_beside(), stdout=subprocess.PIPE
            )
            for line in process.stdout or ():
                yield line.strip()
                case += 1
                if time.monotonic() > end:
                    process.kill()
            process.communicate()
        if case < last and time.monotonic() < end:
            yield f"FAILED the process hung or died ({process.returncode})"
            if case == begun:
                return  # it is the files or the machine, not the damage
            case += 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=20_000, help="over all kinds (20000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (0)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (0)")
    parser.add_argument("--seconds", type=float, default=3600, help="at most so long (3600)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="(all)")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    share = -(-options.cases // len(options.kinds))
    if options.worker:
        work(options.kinds[0], options.first, options.cases, options.seed, options.worker)
        return 0
    end = time.monotonic() + options.seconds
    failed = 0
    for name in options.kinds:
        counts: Counter[str] = Counter()
        outcomes = supervise(name, options.first, share, options.seed, end)
        for case, outcome in enumerate(outcomes, options.first):
            counts[outcome.split()[0]] += 1
            if outcome.startswith("FAILED"):
                print(f"--kinds {name} --seed {options.seed} --first {case} --cases 1:")
                print(outcome.replace("\\n", "\n"))
        failed += counts["FAILED"]
        words = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        print(f"{name}: {sum(counts.values())} cases: {words}", flush=True)
        failed += sum(counts.values()) == 0
    print(f"{failed} failures")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
