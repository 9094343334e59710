"""Cross-D Conv with a divided shift: derivatives of all kinds, and what is not asked for."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from crossbench.nets.build import build_model
from crossbench.nets.lora import add_lora, lora_parameters, merge_lora
from crossbench_baselines import crossd_divided
from crossbench_baselines.crossd import CrossDConv2d
from crossbench_baselines.crossd_divided import Geometry, composed, divided
from crossbench_baselines.crossd_functional import _side

# torch scripts its own decompositions where forward mode begins, and warns of it
FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")

pytestmark = pytest.mark.usefixtures("_seeded")


@pytest.fixture
def _seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(crossd_divided, "_BLOCK", 200)  # several blocks, the last one smaller


def tensors(*, batch: int = 2, size: int = 3, groups: int = 2) -> list[Tensor]:
    """x, U, a and R for ten input channels."""
    shapes = [
        (batch, 10, 5, 6),
        (2 * groups, 10 // groups, size, size, size),
        (batch, size),
        (batch, size**2, size**2),
    ]
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


GEOMETRY = Geometry((2, 1), (0, 1), (1, 1), 2, (2, 6))


@pytest.mark.parametrize(
    ("size", "geometry"),
    [
        (1, Geometry((1, 2), (0, 0), (1, 1), 1, (5, 3))),
        (3, GEOMETRY),
        (3, Geometry((1, 1), (2, 1), (2, 1), 5, (5, 6))),
        (5, Geometry((1, 1), (2, 2), (1, 1), 1, (5, 6))),
        (7, Geometry((1, 2), (3, 3), (1, 1), 2, (5, 3))),
    ],
    ids=str,
)
def test_blocks_equal_the_whole(size: int, geometry: Geometry) -> None:
    given = tensors(size=size, groups=geometry.groups)
    y, wanted = divided(*given, geometry), composed(*given, geometry)
    torch.testing.assert_close(y, wanted)
    upstream = torch.randn_like(y)
    gradients = torch.autograd.grad(y, given, upstream)
    torch.testing.assert_close(gradients, torch.autograd.grad(wanted, given, upstream))


@FORWARD_MODE
def test_derivatives_forward_backward_and_second() -> None:
    def function(*given: Tensor) -> Tensor:
        return divided(*given, GEOMETRY)

    given = tensors()
    assert torch.autograd.gradcheck(function, given, fast_mode=True, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, given, fast_mode=True)


@pytest.mark.parametrize("learns", range(4), ids=["x", "U", "a", "R"])
def test_only_what_learns_gets_a_gradient(learns: int) -> None:
    given = tensors()
    wanted = torch.autograd.grad(divided(*given, GEOMETRY).sum(), given)[learns]
    for place, tensor in enumerate(given):
        tensor.requires_grad_(place == learns)
    divided(*given, GEOMETRY).sum().backward()
    assert [tensor.grad is not None for tensor in given] == [place == learns for place in range(4)]
    torch.testing.assert_close(given[learns].grad, wanted)


@FORWARD_MODE
def test_functional_transforms() -> None:
    x, *rest = (tensor.detach() for tensor in tensors())

    def loss(x: Tensor, *rest: Tensor) -> Tensor:
        return divided(x, *rest, GEOMETRY).square().sum()

    def whole(x: Tensor, *rest: Tensor) -> Tensor:
        return composed(x, *rest, GEOMETRY).square().sum()

    every = (0, 1, 2, 3)
    found, wanted = (torch.func.grad(f, every)(x, *rest) for f in (loss, whole))
    torch.testing.assert_close(found, wanted)
    xs = torch.stack([x, 2 * x])
    in_dims = (0, None, None, None)
    found, wanted = (torch.vmap(f, in_dims)(xs, *rest) for f in (loss, whole))
    torch.testing.assert_close(found, wanted)
    found, wanted = (torch.func.jvp(f, (x, *rest), (x, *rest)) for f in (loss, whole))
    torch.testing.assert_close(found, wanted)


# ----------------------------------------------------------------------- layers on this side


def layer() -> tuple[CrossDConv2d, Tensor]:
    """A layer and an input that it answers with a divided shift."""
    made, x = CrossDConv2d(8, 96, 3, padding=1, bias=True), torch.randn(4, 8, 8, 8)
    assert _side(x, made.weights_3d, Geometry((1, 1), (1, 1), (1, 1), 1, (8, 8))) == "divided"
    return made, x


def test_the_layer_survives_copies_files_and_casts() -> None:
    made, x = layer()
    wanted = made.eval()(x)
    twin = CrossDConv2d(8, 96, 3, padding=1, bias=True).eval()
    twin.load_state_dict(safetensors.torch.load(safetensors.torch.save(made.state_dict())))
    copies = [twin, copy.deepcopy(made), pickle.loads(pickle.dumps(made)), made.half().float()]
    for made_again, tolerance in zip(copies, (0, 0, 0, 1e-2), strict=True):
        torch.testing.assert_close(made_again(x), wanted, rtol=0, atol=tolerance)


def test_training_after_inference_mode_and_a_step_of_an_optimiser() -> None:
    made, x = layer()
    twin = copy.deepcopy(made).double()
    with torch.inference_mode():
        made.eval()(x)
    for model, given in ((made.train(), x), (twin.train(), x.double())):
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
        model(given).square().mean().backward()
        optimiser.step()
    torch.testing.assert_close(made.weights_3d.double(), twin.weights_3d, rtol=0, atol=1e-6)


def test_low_rank_updates_of_a_3d_kernel_are_merged_into_it() -> None:
    network = build_model("crossd", dims=2, num_classes=2, backbone="test_resnet").eval()
    kernels = [name for name in network.state_dict() if name.endswith("weights_3d")]
    before, x = copy.deepcopy(network.state_dict()), torch.randn(2, 3, 32, 32)
    add_lora(network, rank=2, alpha=4)
    network(x).square().sum().backward()
    updates = list(lora_parameters(network).values())
    assert any(update.grad.abs().max() > 0 for update in updates)
    torch.optim.SGD(updates, lr=1e-3).step()
    wanted = network(x)
    merge_lora(network)
    torch.testing.assert_close(network(x), wanted)
    after = network.state_dict()
    assert list(after) == list(before)
    assert any(not torch.equal(after[name], before[name]) for name in kernels)
    assert all(after[name].shape == before[name].shape for name in kernels)


WORKER = """
import pickle, sys
from pathlib import Path
import torch
from torch.nn.parallel import DistributedDataParallel

torch.distributed.init_process_group("gloo")
rank, folder = torch.distributed.get_rank(), Path(sys.argv[1])
layer, x = pickle.loads((folder / "layer.pickle").read_bytes())
shared = DistributedDataParallel(layer)
shared(x.chunk(2)[rank]).square().mean().backward()
torch.save({name: each.grad for name, each in layer.named_parameters()}, folder / f"{rank}.pt")
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_find_the_gradients_that_one_finds(tmp_path: Path) -> None:
    """Each gets the layer as a pickle, and half of the batch."""
    made, x = layer()
    made.rotation_params.eval()  # or BatchNorm would see half of the batch, too
    (tmp_path / "layer.pickle").write_bytes(pickle.dumps((made, x)))
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(tmp_path / "worker.py"), str(tmp_path)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    made(x).square().mean().backward()
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, parameter in made.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_a_frozen_kernel_gets_no_gradient_and_its_shift_learns() -> None:
    made, x = layer()
    made.weights_3d.requires_grad_(False)
    made(x).square().sum().backward()
    assert made.weights_3d.grad is None
    assert all(each.grad is not None for each in made.rotation_params.parameters())


def test_compiles_by_another_side() -> None:
    made, x = layer()
    compiled = torch.compile(made.eval(), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), made(x))


def test_exports_by_another_side() -> None:
    made, x = layer()
    exported = torch.export.export(made.eval(), (x,)).module()
    torch.testing.assert_close(exported(x), made(x))
