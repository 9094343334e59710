"""What the server that processes are forked from has at hand: imported, looked up, and kept.

The server alone imports this. A process that it forks begins with the modules that most runs
import when they begin, and with what is known of the installed packages; nothing here starts a
thread, touches CUDA or runs code of a method.
"""

from __future__ import annotations

import atexit
import gc
import importlib
from contextlib import suppress

from crossbench.environment.provenance import package_versions
from crossbench.errors import CrossbenchError
from crossbench.files.checkout import git_state
from crossbench.registry.presets import load_presets
from crossbench.registry.tasks import load_tasks

_MODULES = (
    "torch",
    "timm",
    "crossbench.execution.group",
    "crossbench.data.inputs.volume",
    "crossbench.data.transforms.volume",
    "crossbench.nets.lora",
    "crossbench.training.features",
    "crossbench.training.fit",
    "sklearn.linear_model",
)


def _look_up() -> None:
    """Look up what every run asks of the installation; a fault is said where a run asks."""
    git_state()
    package_versions()
    with suppress(CrossbenchError):
        load_tasks()
        load_presets()


for _name in _MODULES:
    importlib.import_module(_name)
_look_up()
gc.collect()
gc.freeze()  # collections in the processes neither look at all this nor copy its pages
atexit.register(gc.unfreeze)  # or libraries take what the server leaves for leaks, and say so
