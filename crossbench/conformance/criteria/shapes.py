"""Output shapes: those of ``nn.Conv2d`` and ``nn.Conv3d``, one argument at a time."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from crossbench.conformance.comparing import demand_finite, draw, infer, make
from crossbench.conformance.geometry import Geometry
from crossbench.conformance.interface import Criterion, Finding, ViolationError
from crossbench.nets.declarations import has_own_depth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.conformance.interface import Case
    from crossbench.conformance.target import Target

KERNELS = (1, 3, 5, 7)
_CUBE = ((8, 8, 8),)
_ODD = ((5, 7, 9), (7, 5, 8), (11, 9, 7))


def _examine(case: Case) -> Finding:
    inputs = draw(case)
    found = infer(make(case), inputs)
    wanted, shape = case.expected(len(inputs)), tuple(found.shape)
    own = shape[2:3] if case.dims == 3 and has_own_depth(case.method) else wanted[2:3]
    if shape != (*wanted[:2], *own, *wanted[3:]):
        raise ViolationError(f"the shape is {shape}, nn.Conv{case.dims}d's is {wanted}")
    demand_finite(found, "the answer")
    return Finding()


def grid(sides: Sequence[tuple[int, int, int]] = _CUBE, **choices: Sequence[Any]) -> list[Geometry]:
    """Every combination that is a convolution, the smallest first.

    Args:
        sides: Of the inputs.
        **choices: Values of further fields of :class:`Geometry`. The padding may be ``"half"``,
            which keeps the size at stride 1; groups multiply the channels.
    """
    named = {"kernel": KERNELS, "padding": ("half",), "sides": sides} | choices
    made = (_geometry(**dict(zip(named, each, strict=True))) for each in product(*named.values()))
    return sorted({each for each in made if each.exists}, key=lambda each: each.size)


def _geometry(padding: Any, groups: int = 1, inputs: int = 2, **rest: Any) -> Geometry:
    half = rest.get("dilation", 1) * (rest["kernel"] // 2)
    return Geometry(
        padding=half if padding == "half" else padding,
        groups=groups,
        inputs=inputs * groups,
        outputs=rest.pop("outputs", 2) * groups,
        **rest,
    )


_ASPECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "kernel": ("kernels 1, 3, 5 and 7, with and without a bias", {"bias": (False, True)}),
    "stride": ("strides 1, 2 and 3", {"stride": (1, 2, 3), "sides": (*_CUBE, _ODD[0])}),
    "padding": ("paddings 0 to 3", {"padding": (0, 1, 2, 3), "stride": (1, 2)}),
    "dilation": (
        "dilations 1, 2 and 3",
        {"dilation": (1, 2, 3), "padding": ("half", 0), "sides": ((20, 20, 20),)},
    ),
    "groups": (
        "1, 2 and 4 groups, and as many as channels",
        {"groups": (1, 2, 4), "inputs": (1, 2), "outputs": (1, 2), "stride": (1, 2)},
    ),
    "sides": ("odd sides that differ", {"sides": _ODD, "stride": (1, 2)}),
}


def _cases(target: Target, choices: dict[str, Any]) -> Iterator[Case]:
    return target.layers(grid(**choices))


CRITERIA = tuple(
    Criterion(
        name=f"shape-{aspect}",
        demand=f"outputs are shaped as nn.Conv2d's and nn.Conv3d's for {words}",
        tolerance="equal",
        cases=partial(_cases, choices=choices),
        examine=_examine,
    )
    for aspect, (words, choices) in _ASPECTS.items()
)
