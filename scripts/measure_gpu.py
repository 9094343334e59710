"""What a GPU does: layers, networks, whole runs, and ways of launching a training step.

    python scripts/measure_gpu.py --out results/gpu --into docs/performance.md

Runs `crossbench bench` for Table III's layers, ResNet-18 and whole runs, whose tables name the
paper's V100 figures; then times a training step in each way of launching it. The tables are printed
and written between the markers `gpu` and `gpu end` of the document. `--device cpu --tiny` shows
that the script works.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from crossbench import nets
from crossbench.cli.columns import table
from crossbench.environment.arithmetic import arithmetic, find_device, finish
from crossbench.execution import interpreter
from crossbench.specs import ComputeSettings
from crossbench.training.timing import seconds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Step = Callable[[], None]

_BEGIN, _END = "<!-- gpu -->", "<!-- gpu end -->"
_METHODS = ("conv3d", "acs", "crossd")
_WARM = 3  # steps before a graph is captured, and that ways are compared after


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
    parts = [f"{name}, torch {torch.__version__}."]
    with tempfile.TemporaryDirectory() as folder:
        parts += benches(options.out or Path(folder), options.device, tiny=options.tiny)
    with arithmetic(ComputeSettings()):
        parts.append(table(ways(device, tiny=options.tiny)))
    said = "\n\n".join(f"```text\n{part.rstrip()}\n```" for part in parts)
    print(said)
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


def benches(out: Path, device: str, *, tiny: bool) -> list[str]:
    """The tables of `crossbench bench`: layers, networks, whole runs."""
    common = ["--device", device, "--out", str(out)]
    few = ["--repeats", "1", "--method", "conv2d"] if tiny else []
    kinds: list[list[str]] = [
        ["ops", "--shapes", "paper", *(["--max-batch", "1"] if tiny else [])],
        ["ops", "--shapes", "paper", "--backward", *(["--max-batch", "1"] if tiny else [])],
        ["models", "--input", *(["32"] if tiny else ["224", "64", "64x64x64"])],
        ["harness"],
    ]
    tables = []
    for words in kinds[2:3] if tiny else kinds:
        small = ["--backbone", "test_resnet"] if tiny else []
        process = interpreter.start(
            *("-m", "crossbench", "bench", *words, *common, *few, *small), stdout=subprocess.PIPE
        )
        tables.append(process.communicate()[0])
        if process.returncode:
            raise SystemExit(f"crossbench bench {' '.join(words)} ended with {process.returncode}")
    return tables


def ways(device: torch.device, *, tiny: bool) -> list[dict[str, Any]]:
    """A training step, launched in each way that the device has, and whether its weights agree."""
    rows = []
    for method in _METHODS[:1] if tiny else _METHODS:
        eager: dict[str, torch.Tensor] = {}
        for way, make in _ways(device, tiny=tiny).items():
            network, inputs, labels = _training(method, device, tiny=tiny)
            step = make(network, inputs, labels)
            for _ in range(_WARM):
                step()
            finish(device)
            weights = {name: each.detach().clone() for name, each in network.state_dict().items()}
            eager = eager or weights
            equal = all(torch.equal(weights[name], eager[name]) for name in weights)
            milliseconds = 1000 * seconds_of(step, device)
            rows.append(
                {
                    "method": method,
                    "training step": way,
                    "ms": f"{milliseconds:.2f}",
                    "weights": "as eager" if equal else "differ",
                }
            )
    return rows


def _ways(
    device: torch.device, *, tiny: bool
) -> dict[str, Callable[[nn.Module, torch.Tensor, torch.Tensor], Step]]:
    known = {"eager": eager_step}
    if not tiny:
        known["torch.compile"] = lambda network, *batch: eager_step(
            network, *batch, run=torch.compile(network)
        )
    if device.type == "cuda":
        known["CUDA graph"] = graphed_step
    return known


def _training(
    method: str, device: torch.device, *, tiny: bool
) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A network and a batch, the same at every call."""
    torch.manual_seed(0)
    network = nets.build_model(method, dims=3, num_classes=2, backbone=_backbone(tiny=tiny))
    inputs = torch.rand(4 if tiny else 32, 3, 32, 32, 32)
    labels = torch.arange(len(inputs)) % 2
    return network.to(device).train(), inputs.to(device), labels.to(device)


def eager_step(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    run: Callable[..., torch.Tensor] | None = None,
) -> Step:
    """A step of gradient descent, each of whose kernels is launched by Python."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy((run or network)(inputs), labels).backward()
        optimizer.step()

    return step


def graphed_step(network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> Step:
    """A step whose kernels are launched together; weights are as before the capture."""
    before = {name: each.clone() for name, each in network.state_dict().items()}
    step = eager_step(network, inputs, labels)
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(_WARM):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    network.load_state_dict(before)
    return graph.replay


def _backbone(*, tiny: bool) -> str:
    return "test_resnet" if tiny else "resnet18"


if __name__ == "__main__":
    raise SystemExit(main())
