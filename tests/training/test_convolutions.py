from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from crossbench.data.dataset import Dataset
from crossbench.data.transforms import STATISTICS, RandomSource
from crossbench.data.transforms.batch import normalise
from crossbench.nets.build import build_model
from crossbench.nets.lora import merge_lora
from crossbench.protocols import PROTOCOLS
from crossbench.specs import FitSettings, LoraSettings
from crossbench.training.convolutions import FEW, QuickConvolutions
from crossbench.training.fit import fit, prepare, training_loss
from crossbench.training.loader import BatchLoader
from crossbench.training.predict import predict

sizes = st.tuples(*[st.integers(1, 4)] * 3)
FAST = "_Conv3dBackward"


def made_by(tensor: torch.Tensor) -> str:
    return type(tensor.grad_fn).__name__


def convolve(x: torch.Tensor, weight: torch.Tensor, **kwargs: Any) -> torch.Tensor:
    with QuickConvolutions():
        return nn.functional.conv3d(x, weight, **kwargs)


def gradients(output: torch.Tensor, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    return torch.autograd.grad(output, inputs, torch.randn_like(output))


@settings(deadline=None, max_examples=60)
@given(
    batch=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    size=sizes,
    kernel=st.tuples(*[st.integers(1, 3)] * 3),
    stride=st.one_of(st.integers(1, 3), st.tuples(*[st.integers(1, 3)] * 3)),
    padding=st.one_of(st.integers(1, 2), st.tuples(*[st.integers(1, 2)] * 3)),
)
def test_output_and_gradients_are_those_of_torch(
    batch: int, channels: tuple[int, int], size: Any, kernel: Any, stride: Any, padding: Any
) -> None:
    torch.manual_seed(0)
    x = torch.randn(batch, channels[0], *size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(*channels[::-1], *kernel, dtype=torch.float64, requires_grad=True)
    ours = convolve(x, weight, stride=stride, padding=padding)
    theirs = nn.functional.conv3d(x, weight, stride=stride, padding=padding)
    assert (made_by(ours) == FAST) == (ours[0, 0].numel() <= FEW)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    for one, other in zip(gradients(ours, x, weight), gradients(theirs, x, weight), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_the_input_gradient_is_that_of_torch_bit_for_bit() -> None:
    x = torch.randn(4, 64, 2, 2, 2, requires_grad=True)
    weight = torch.randn(32, 64, 3, 3, 3, requires_grad=True)
    ours = convolve(x, weight, padding=1)
    theirs = nn.functional.conv3d(x, weight, padding=1)
    assert made_by(ours) == FAST
    assert torch.equal(ours, theirs)
    assert torch.equal(gradients(ours, x)[0], gradients(theirs, x)[0])


@pytest.mark.parametrize(
    "kwargs",
    [
        {"padding": "same"},
        {"padding": 1, "groups": 2},
        {"padding": 2, "dilation": 2},
        {"padding": 1, "bias": torch.ones(4)},
    ],
)
def test_what_is_not_plain_is_left_to_torch(kwargs: dict[str, Any]) -> None:
    x = torch.randn(2, 4, 2, 2, 2, requires_grad=True)
    weight = torch.randn(4, 4 // kwargs.get("groups", 1), 3, 3, 3, requires_grad=True)
    output = convolve(x, weight, **kwargs)
    assert made_by(output) != FAST
    assert torch.equal(output, nn.functional.conv3d(x, weight, **kwargs))


def test_frozen_kernels_and_passes_without_gradients_are_left_to_torch() -> None:
    x, weight = torch.randn(2, 4, 1, 1, 1), torch.randn(4, 4, 1, 1, 1)
    assert made_by(convolve(x.clone().requires_grad_(), weight)) != FAST
    with torch.no_grad():
        assert convolve(x, weight.requires_grad_()).grad_fn is None


def test_a_volume_without_a_batch_is_left_to_torch() -> None:
    x, weight = torch.randn(4, 1, 1, 1), torch.randn(4, 4, 1, 1, 1, requires_grad=True)
    with QuickConvolutions():
        assert nn.functional.conv3d(x, weight).shape == (4, 1, 1, 1)


def test_a_method_may_map_and_differentiate_within_its_forward_pass() -> None:
    x = torch.randn(3, 1, 4, 1, 1, 1)
    weight = torch.randn(2, 4, 1, 1, 1, requires_grad=True)

    def energy(weight: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv3d(x[0], weight).square().sum()

    with QuickConvolutions():
        mapped = torch.vmap(lambda each: nn.functional.conv3d(each, weight))(x)
        gradient = torch.func.grad(energy)(weight)
    torch.testing.assert_close(mapped, nn.functional.conv3d(x.flatten(0, 1), weight)[:, None])
    torch.testing.assert_close(gradient, torch.func.grad(energy)(weight))


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_a_method_may_make_its_maps_anew_in_the_backward_pass(use_reentrant: bool) -> None:
    layers = nn.Sequential(*[nn.Conv3d(4, 4, 3, padding=1, bias=False) for _ in range(2)])
    x = torch.randn(2, 4, 2, 2, 2, requires_grad=True)
    with QuickConvolutions():
        output = checkpoint(layers, x, use_reentrant=use_reentrant)
    output.sum().backward()
    weights = tuple(layers.parameters())
    for weight, other in zip(weights, torch.autograd.grad(layers(x).sum(), weights), strict=True):
        torch.testing.assert_close(weight.grad, other)


@pytest.mark.parametrize("size", [1, 4])
def test_maps_made_anew_are_those_that_were_kept(size: int) -> None:
    """Where a kernel would be cut, and where it would be summed over a gray batch's channels."""
    layer = nn.Conv3d(3, 4, 3, padding=1)
    x = gray_batch(3, size=size)
    with QuickConvolutions():
        output = checkpoint(layer, x, use_reentrant=False)
    (gradient,) = torch.autograd.grad(output.sum(), layer.weight)
    torch.testing.assert_close(gradient, torch.autograd.grad(layer(x).sum(), layer.weight)[0])


def test_gradients_under_mixed_precision_are_left_to_torch() -> None:
    x, weight = torch.randn(2, 4, 2, 2, 2), torch.randn(4, 4, 3, 3, 3, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert made_by(convolve(x, weight, padding=1)) != FAST


def test_a_stride_of_zero_is_refused_by_torch() -> None:
    x = torch.zeros(1, 1, 4, 4, 4)
    with pytest.raises(RuntimeError, match="non-positive stride is not supported"):
        convolve(x, torch.zeros(1, 1, 3, 3, 3), stride=0)


@pytest.mark.parametrize(("method", "dims"), [("conv3d", 3), ("acs", 3), ("crossd", 2)])
def test_a_training_step_is_that_of_torch(method: str, dims: int) -> None:
    """To rounding, where the last maps are of one position: output, gradients, statistics."""
    torch.manual_seed(0)
    model = build_model(method, dims=dims, num_classes=2, backbone="test_resnet").double()
    inputs, labels = torch.randn(2, 3, *[32] * dims, dtype=torch.float64), torch.tensor([0, 1])
    twin = copy.deepcopy(model)
    theirs = nn.functional.cross_entropy(twin(inputs), labels)
    ours = training_loss(model, inputs, labels)
    assert dims == 2 or FAST in makers(ours)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    for loss in (ours, theirs):
        loss.backward()
    for name, one in model.named_parameters():
        other = twin.get_parameter(name).grad
        torch.testing.assert_close(one.grad, other, rtol=1e-9, atol=1e-10)
    for one, other in zip(model.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def gray_batch(
    dims: int,
    *,
    batch: int = 2,
    size: int = 5,
    statistics: str = "imagenet",
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    torch.manual_seed(0)
    return normalise(torch.rand(batch, 1, *[size] * dims, dtype=dtype), *STATISTICS[statistics])


@settings(deadline=None, max_examples=60)
@given(
    dims=st.sampled_from([2, 3]),
    statistics=st.sampled_from(["imagenet", "radimagenet"]),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.one_of(st.integers(0, 3), st.just("valid")),
    dilation=st.integers(1, 2),
    biased=st.booleans(),
)
def test_a_gray_batch_is_convolved_as_its_three_channels(
    dims: int, statistics: str, kernel: int, stride: int, padding: Any, dilation: int, biased: bool
) -> None:
    x = gray_batch(dims, size=7, statistics=statistics, dtype=torch.float64)
    weight = torch.randn(2, 3, *[kernel] * dims, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True) if biased else None
    kwargs: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    function = {2: nn.functional.conv2d, 3: nn.functional.conv3d}[dims]
    with QuickConvolutions():
        ours = function(x, weight, bias, **kwargs)
    theirs = function(x.clone(), weight, bias, **kwargs)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    learning = (weight,) if bias is None else (weight, bias)
    found, expected = gradients(ours, *learning), gradients(theirs, *learning)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_gray_batch_with_a_padding_by_name(padding: str) -> None:
    x, weight = gray_batch(3), torch.randn(4, 3, 3, 3, 3)
    torch.testing.assert_close(
        convolve(x, weight, padding=padding), nn.functional.conv3d(x, weight, padding=padding)
    )


def multiplications(x: torch.Tensor, weight: torch.Tensor, **kwargs: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        convolve(x, weight, **kwargs)
    return counter.get_total_flops()


@pytest.mark.parametrize(("statistics", "samples"), [("imagenet", 4 + 1), ("radimagenet", 4)])
def test_a_gray_batch_takes_a_third_of_the_multiplications(statistics: str, samples: int) -> None:
    x, weight = gray_batch(3, batch=4, statistics=statistics), torch.randn(2, 3, 3, 3, 3)
    alike = multiplications(x.clone(), weight, padding=1)
    assert multiplications(x, weight, padding=1) * 3 * 4 == alike * samples


def test_groups_and_gradients_of_the_input_need_three_channels() -> None:
    x, weight = gray_batch(3), torch.randn(3, 1, 3, 3, 3)
    assert torch.equal(convolve(x, weight, groups=3), nn.functional.conv3d(x, weight, groups=3))
    x, weight = gray_batch(3).requires_grad_(), torch.randn(2, 3, 3, 3, 3)
    expected = gradients(nn.functional.conv3d(x, weight), x)
    torch.testing.assert_close(gradients(convolve(x, weight), x), expected)


def test_what_torch_refuses_of_a_gray_batch_is_refused_by_torch() -> None:
    with pytest.raises(RuntimeError, match="expected input"):
        convolve(gray_batch(3), torch.zeros(1, 2, 3, 3, 3))


@pytest.mark.parametrize(
    ("method", "dims", "protocol"),
    [
        ("conv2d", 2, "finetune"),
        ("crossd", 2, "lora"),
        ("conv3d", 3, "finetune"),
        ("acs", 3, "weak-probe"),
    ],
)
def test_a_fit_to_gray_batches_is_that_to_three_channels(
    method: str, dims: int, protocol: str
) -> None:
    """To rounding, which Adam enlarges where a gradient is nothing else."""
    noted, copied = (fitted(method, dims, protocol, noted=noted) for noted in (True, False))
    torch.testing.assert_close(noted, copied, rtol=1e-11, atol=1e-11)


def fitted(method: str, dims: int, protocol: str, *, noted: bool) -> dict[str, torch.Tensor]:
    """What two epochs leave: weights, and logits of the validation part; in float64."""
    torch.manual_seed(0)
    model = build_model(method, dims=dims, num_classes=2, backbone="test_resnet").double()
    images = np.random.default_rng(0).random((12, 1, *[32] * dims))
    dataset = Dataset(
        images=images, labels=np.arange(12) % 2, num_classes=2, groups=None,
        official=None, covariate=None, source="real", file=Path("x"), content_hash="",
    )  # fmt: skip

    def transform(raw: torch.Tensor, random: RandomSource | None = None) -> torch.Tensor:
        batch = normalise(raw, *STATISTICS["imagenet"])
        return batch if noted else batch.clone()

    train = BatchLoader(
        dataset=dataset, indices=np.arange(8), transform=transform, batch_size=4,
        device=torch.device("cpu"),
    )  # fmt: skip
    validation = replace(train, indices=np.arange(8, 12))
    fit(
        model, schedule=prepare(model, PROTOCOLS[protocol], LoraSettings()),
        settings=FitSettings(epochs=2, lr=1e-3), train=train, validation=validation,
        random=RandomSource(3, "cpu"),
    )  # fmt: skip
    merge_lora(model)
    return {**model.state_dict(), "logits": predict(model, validation)}


def makers(tensor: torch.Tensor) -> set[str]:
    """The kinds of all nodes of a tensor's graph."""
    found, nodes = set(), [tensor.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is not None and node not in found:
            found.add(node)
            nodes += [each for each, _ in node.next_functions]
    return {type(node).__name__ for node in found}


@pytest.mark.parametrize(
    ("size", "kernel", "stride"),
    [((2, 1, 1), 3, 1), ((1, 1, 1), 3, 2), ((2, 2, 2), 3, 1), ((8, 4, 4), 3, 1), ((1, 1), 3, 2)],
)
def test_gradients_under_autocast_are_those_of_float32(
    size: tuple[int, ...], kernel: int, stride: int
) -> None:
    """Where torch's own kernel gradients hold memory that was never written."""
    torch.manual_seed(0)
    conv = torch.conv3d if len(size) == 3 else torch.conv2d
    x = torch.randn(8, 64, *size, requires_grad=True)
    weight = (torch.randn(64, 64, *(kernel,) * len(size)) / 30).requires_grad_()
    exact = conv(x, weight, None, stride, 1)
    expected = torch.autograd.grad(exact.square().sum(), (x, weight))
    for _ in range(3):
        with QuickConvolutions(), torch.autocast("cpu", torch.bfloat16):
            answer = conv(x, weight, None, stride, 1)
        assert answer.dtype == torch.bfloat16
        torch.testing.assert_close(
            answer.float(), exact, rtol=0, atol=0.02 * exact.detach().max().item()
        )
        found = torch.autograd.grad(answer.float().square().sum(), (x, weight))
        for one, two in zip(found, expected, strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=0.02 * float(two.abs().max()))
