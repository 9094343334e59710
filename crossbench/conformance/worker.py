"""Work of the processes that :mod:`crossbench.conformance.run` starts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crossbench.conformance.cost import measure
from crossbench.conformance.criteria import FIRST, criteria
from crossbench.conformance.judging import judge
from crossbench.conformance.kernels import kernels
from crossbench.conformance.target import Target
from crossbench.environment.arithmetic import arithmetic, find_device
from crossbench.environment.provenance import hardware, package_versions
from crossbench.environment.state import own_randomness, restored
from crossbench.execution.child import tell
from crossbench.registry.method_identity import identify
from crossbench.registry.method_origin import method_origin
from crossbench.registry.methods import find_methods, load_plugin
from crossbench.specs import ComputeSettings
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.methods import Method

#: CPU threads of every check: on a busy machine, two that wait for one another take minutes.
THREADS = 1


def describe(name: str, plugins: list[str], device: str) -> dict[str, Any]:
    """Facts of a method and this machine, and the criteria, as JSON.

    Raises:
        RequestError: If the method cannot be loaded, or there is no such device.
    """
    with _loaded(name, plugins, device) as target:
        method, identity = target.method, identify(target.method)
        return {
            "facts": {
                "method": method.name,
                "sha256": identity.sha256,
                "config": identity.config,
                "origin": method_origin(method),
                "versions": package_versions(),
                "device": str(target.device),
                "hardware": hardware(target.device),
                "threads": THREADS,
            },
            "criteria": [
                {"name": each.name, "demand": each.demand, "tolerance": each.tolerance}
                for each in criteria()
            ],
        }


def examine(name: str, plugins: list[str], device: str, wanted: list[str]) -> None:
    """Make checks in turn, and tell each of them, as JSON; none more if the method does not run.

    Args:
        name: The method.
        plugins: Files that define further ones.
        device: Where costs are measured.
        wanted: Names of criteria.
    """
    with _loaded(name, plugins, device) as target:
        for criterion in (each for each in criteria() if each.name in wanted):
            with restored():
                check = judge(criterion, target)
            tell(to_mapping(check))
            if check.name == FIRST and check.status == "fail":
                return


def trace(name: str, plugins: list[str], device: str) -> list[dict[str, Any]]:
    """A method's kernel on its way from 2D to 3D, as JSON."""
    with _loaded(name, plugins, device) as target:
        return [to_mapping(kernel) for kernel in kernels(target.method)]


def spend(name: str, plugins: list[str], device: str) -> list[dict[str, Any]]:
    """Costs of a method beside a plain convolution's, as JSON."""
    with _loaded(name, plugins, device) as target:
        return [to_mapping(cost) for cost in measure(target)]


def is_file(name: str) -> bool:
    """Whether a method is given as a plugin file, ``mine.py`` or ``mine.py:ATTRIBUTE``."""
    return name.endswith(".py") or ".py:" in name


def find(name: str, plugins: list[str]) -> Method:
    """The method of a name, or of a plugin file.

    Raises:
        RequestError: If it cannot be loaded.
    """
    return load_plugin(name) if is_file(name) else find_methods([name], plugins)[0]


@contextmanager
def _loaded(name: str, plugins: list[str], device: str) -> Iterator[Target]:
    """The method, loaded as a run loads it, and the arithmetic of a run on few threads."""
    with restored() as changed, own_randomness(0):
        method = find(name, plugins)
    with arithmetic(ComputeSettings(threads=THREADS)):
        yield Target(method, find_device(device), tuple(changed))
