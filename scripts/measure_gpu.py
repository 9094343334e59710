"""What a GPU does: layers, networks, whole runs, training steps, fits, and processes that share it.

    python scripts/measure_gpu.py --out results/gpu --into docs/performance.md

Runs `crossbench bench` for Table III's layers, ResNet-18 and whole runs of the paper's four
methods, whose tables name its V100 figures; then times a training step in each way of launching
it, a fit beside a plain PyTorch loop, and runs that 1 to 8 processes do on the GPU at a time. The
tables are printed as they come, and written between the markers `gpu` and `gpu end` of the
document. `--device cpu --tiny` shows that the script works. Where there are several GPUs,
$CUDA_VISIBLE_DEVICES chooses the one.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from measure_gpu_fits import fits
from measure_gpu_processes import processes
from measure_gpu_steps import ways

from crossbench.cli.columns import table
from crossbench.environment.arithmetic import arithmetic, find_device
from crossbench.execution import interpreter
from crossbench.specs import ComputeSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BEGIN, _END = "<!-- gpu -->", "<!-- gpu end -->"


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and write into the document that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, help="where bench records go (nowhere)")
    parser.add_argument("--into", type=Path, help="the document with the markers")
    parser.add_argument("--tiny", action="store_true", help="small networks, few steps")
    options = parser.parse_args(words)
    device = find_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        out = options.out or Path(folder)
        for title, text in _tables(out, options.device, device, tiny=options.tiny):
            heading = f"{title} ({name}, torch {torch.__version__})"
            parts.append(f"```text\n{heading}\n\n{text.strip()}\n```")
            print(parts[-1], end="\n\n", flush=True)  # at once: what comes next may take long
    said = "\n\n".join(parts)
    if options.into is not None:
        options.into.write_text(put(options.into.read_text("utf-8"), said), encoding="utf-8")
    return 0


def put(document: str, said: str) -> str:
    """A document with what was measured between the markers.

    Raises:
        SystemExit: If the markers are not there.
    """
    before, found, rest = document.partition(_BEGIN)
    _, ended, after = rest.partition(_END)
    if not (found and ended):
        raise SystemExit(f"the document has no {_BEGIN} ... {_END}; add the two lines")
    return f"{before}{_BEGIN}\n{said}\n{_END}{after}"


def _tables(
    out: Path, named: str, device: torch.device, *, tiny: bool
) -> Iterator[tuple[str, str]]:
    """Every table with its title."""
    yield from benches(out, named, tiny=tiny)
    with arithmetic(ComputeSettings()):
        yield "A training step by how it is launched", table(ways(device, tiny=tiny))
        title = "Two epochs of a fit and of a plain loop, whose data is on the device"
        yield title, table(fits(device, tiny=tiny))
    yield "Runs by how many processes share the device", table(processes(device, tiny=tiny))


def benches(out: Path, device: str, *, tiny: bool) -> Iterator[tuple[str, str]]:
    """The tables of `crossbench bench`: layers, networks, whole runs."""
    layers = ["ops", "--shapes", "paper"]
    four = ["--method", "conv2d,acs,conv3d,crossd"]
    kinds = {
        "Layers of Table III, forward": [*layers, *four],
        "Layers of Table III, forward and backward": [*layers, *four, "--backward"],
        "ResNet-18": ["models", "--input", "224", "64", "64x64x64", *four],
        "Whole runs": ["harness", *four],
    }
    if tiny:
        few = ["--repeats", "1", "--method", "conv2d", "--backbone", "test_resnet"]
        kinds = {"A small network": ["models", "--input", "32", *few]}
    for title, words in kinds.items():
        process = interpreter.start(
            *("-m", "crossbench", "bench", *words, "--device", device, "--out", str(out)),
            stdout=subprocess.PIPE,
        )
        text, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"crossbench bench {' '.join(words)} ended with {process.returncode}")
        yield title, text


if __name__ == "__main__":
    raise SystemExit(main())
