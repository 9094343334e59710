"""Measure ``crossbench data verify`` on synthetic images.

    python scripts/measure_verify.py 6250 12500 25000

Writes files of so many gray images of 224x224 (uint8) in 11 classes to a temporary folder, in
chunks, verifies each in a process of its own, and prints wall and CPU seconds, the peak of memory
(which includes pages of the mapped file) and the load of the machine.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from crossbench.execution import interpreter

_SIDE, _CELL, _CLASSES, _CHUNK = 224, 16, 11, 250

_CARD = """\
name = "many"
title = "Many"
kind = "image"
modality = "None"
classes = [{classes}]
licence = "CC0-1.0"
citation = "Made by scripts/measure_verify.py"
metric = "balanced_accuracy"
version = 1

[source]
kind = "npz"
file = "many.npz"
"""


def write(folder: Path, samples: int) -> Path:
    """The card of so many synthetic images, and their file."""
    random = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "many.npz", "w", zipfile.ZIP_STORED) as archive:
        with archive.open("labels.npy", "w", force_zip64=True) as stream:
            npy.write_array(stream, np.arange(samples) % _CLASSES)
        with archive.open("images.npy", "w", force_zip64=True) as stream:
            shape = (samples, _SIDE, _SIDE)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            npy.write_array_header_1_0(stream, header)
            for start in range(0, samples, _CHUNK):
                stream.write(_images(random, min(_CHUNK, samples - start)).data)
    names = ", ".join(f'"{label}"' for label in range(_CLASSES))
    (folder / "many.toml").write_text(_CARD.format(classes=names), encoding="utf-8")
    return folder / "many.toml"


def _images(random: np.random.Generator, count: int) -> np.ndarray:
    """(count, 224, 224) cells of random brightness, with noise."""
    cells = random.random((count, _SIDE // _CELL, _SIDE // _CELL), np.float32)
    noise = random.random((count, _SIDE, _SIDE), np.float32)
    bright = np.kron(cells, np.ones((_CELL, _CELL), np.float32))
    return (bright * 200 + noise * 40).astype(np.uint8)


def main() -> None:
    """Measure each number of samples."""
    print("samples  wall s  CPU s  peak GB  load")
    for samples in map(int, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as name:
            card = write(Path(name), samples)
            words = ["-m", "crossbench", "data", "verify", str(card), "--data-dir", name, "--json"]
            begun, before = time.perf_counter(), _used()
            with interpreter.start(*words, stdout=subprocess.DEVNULL) as process:
                process.wait()
            wall, cpu = time.perf_counter() - begun, _used() - before
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        print(f"{samples:7}  {wall:6.0f}  {cpu:5.0f}  {peak:7.2f}  {os.getloadavg()[0]:.1f}")


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
