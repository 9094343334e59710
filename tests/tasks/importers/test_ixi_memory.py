"""Memory and stopping of a real import command, with volumes as large as the largest task's."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from time import sleep

import numpy as np
import pytest
from miniatures import noise, write_nifti, write_xls

SUBJECTS = 30
SAMPLE = 2 * 160 * 192 * 224  # bytes of one, as uint8
GIB = 1 << 30


def distribution(folder: Path, subjects: int = SUBJECTS) -> Path:
    """Subjects with volumes of the publisher's size, and a table."""
    affine = np.diag([-0.94, 0.94, 1.2, 1.0])
    plain = noise(0, 256, 256, 150, high=1000)
    rows: list[list[object]] = [["IXI_ID", "SEX_ID (1=m, 2=f)", "AGE"]]
    for number in range(1, subjects + 1):
        rows.append([number, number % 2 + 1, 40])
        for contrast in ("T1", "T2"):
            name = f"IXI{number:03}-HH-{1000 + number}-{contrast}.nii"
            write_nifti(folder / contrast / name, plain + number, affine)
    write_xls(folder / "IXI.xls", rows)
    return folder


def command(folder: Path, data: Path) -> list[str]:
    words = ["data", "import", "ixi", "--from", str(folder), "--data-dir", str(data)]
    return [sys.executable, "-m", "crossbench", *words, "--allow-count-mismatch"]


def waited(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Exit status of a process, and the most bytes that it had in memory at once.

    The kernel's high-water mark of the process itself: ``ru_maxrss`` begins at that of the process
    that started it.
    """
    most = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)  # none once it has ended
        most = max(most, int(found[1]) * 1024 if found else 0)
        sleep(0.05)
    return process.returncode, most


@pytest.mark.slow
def test_the_command_needs_less_than_a_gib_beyond_one_sample_and_goes_on(tmp_path: Path) -> None:
    folder, data = distribution(tmp_path / "from"), tmp_path / "data"
    data.mkdir()
    process = subprocess.Popen(command(folder, data))
    parts = data / "imported" / "ixi"
    while len(list(parts.glob(".work-*/*.npy"))) < 8:
        assert process.poll() is None
        sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    assert waited(process)[0] == -signal.SIGKILL
    assert not list(parts.glob("*.npz"))
    kept = {part.name: part.stat().st_mtime_ns for part in parts.glob(".work-*/*.npy")}
    process = subprocess.Popen(command(folder, data))
    while not (now := list(parts.glob(".work-*/*.npy"))) or len(now) < SUBJECTS:
        assert process.poll() is None
        again = {part.name: part.stat().st_mtime_ns for part in now if part.name in kept}
        assert again == kept or not now
        sleep(0.1)
    code, most = waited(process)
    assert code == 0
    print(f"peak memory {most / GIB:.2f} GiB, one sample {SAMPLE / GIB:.3f} GiB")
    assert 0 < most < GIB + SAMPLE
    (file,) = parts.glob("*.npz")
    with np.load(file, mmap_mode="r") as arrays:
        assert arrays["images"].shape == (SUBJECTS, 2, 160, 192, 224)
