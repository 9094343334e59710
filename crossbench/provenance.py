"""Where a number came from: hashes, versions, machine. Nothing here imports torch eagerly."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.cards import to_mapping
from crossbench.hashing import hash_json
from crossbench.method_identity import identify
from crossbench.plugin_files import PLUGIN

if TYPE_CHECKING:
    from crossbench.methods import Method

_PACKAGES = (
    "crossbench",
    "torch",
    "torchvision",
    "timm",
    "acsconv",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
)


def hash_spec(spec: Any) -> str:
    """SHA-256 (hex) of a spec's content."""
    return hash_json(to_mapping(spec))


@cache
def package_versions() -> dict[str, str]:
    """Versions of the packages that a number depends on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def git_state() -> dict[str, Any]:
    """Commit of the crossbench checkout and whether it has changes; empty outside one."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return {}
    try:
        commit = _git(root, "rev-parse", "HEAD")
        dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit, "dirty": dirty}


def method_origin(method: Method) -> dict[str, Any]:
    """Where a method came from.

    Returns:
        ``distribution`` and ``version`` of the package that registers it, or "plugin file" and
        the name of the ``file``; ``git``, as :func:`source_state` has it.
    """
    identity = identify(method)
    origin, files = identity.origin, identity.files
    plugin = next((file.path.name for file in files if file.label == PLUGIN), None)
    return {
        "distribution": origin.distribution if origin else "made by hand",
        "version": origin.version if origin else "",
        **({"file": plugin} if plugin else {}),
        "git": source_state(tuple(file.path for file in files)),
    }


@cache
def source_state(files: tuple[Path, ...]) -> dict[str, Any]:
    """Commit of the checkout that holds some files, and whether they differ from it.

    Args:
        files: One or more; the first tells which checkout it is, and those outside do not count.

    Returns:
        Empty where there is no checkout, or one that tracks none of them.
    """
    try:
        root = Path(_git(files[0].parent, "rev-parse", "--show-toplevel"))
        real = [file.resolve() for file in files]
        inside = [str(file) for file in real if file.is_relative_to(root)]
        tracked = _git(root, "ls-files", "--", *inside).splitlines()
        if not tracked:
            return {}
        changed = _git(root, "status", "--porcelain", "--", *inside)
        commit = _git(root, "rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit, "dirty": bool(changed) or len(tracked) < len(inside)}


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    return done.stdout.strip()


def hardware(device: Any) -> dict[str, Any]:
    """Fingerprint of the machine as far as it bears on a number or a time.

    Args:
        device: The ``torch.device`` that a run uses.
    """
    import torch

    found: dict[str, Any] = {
        "device": str(device),
        "processor": _processor(),
        "cores": available_cores(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "gpu": properties.name,
            "gpu_memory": properties.total_memory,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "driver": _driver(),
        }
    return found


def available_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resident_peak() -> int | None:
    """Highest resident size of this process so far, in bytes; None where the system has no say."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else 1024 * size


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@cache
def _driver() -> str:
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
        return text.splitlines()[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return "unknown"
