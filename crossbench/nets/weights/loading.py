"""Resolve an init to a file, and load it into a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.errors import WeightsError
from crossbench.nets.weights.catalogue import (
    HUB_PREFIX,
    find_known,
    hub_file,
    known_weights,
    unreserved,
)
from crossbench.nets.weights.checkpoint import Checkpoint, existing, read_checkpoint
from crossbench.nets.weights.retrieval import fetch
from crossbench.specs import RANDOM

if TYPE_CHECKING:
    from torch import nn

    from crossbench.methods import Method

_USUAL_STEMS = ("model", "pytorch_model")  # of files that only their repository tells apart


def resolve_init(init: str | Path, method: Method, backbone: str) -> str | Path:
    """The file that an init names, downloaded if it is absent.

    Args:
        init: ``random``; a known name, such as ``in1k``; ``hf:REPO/FILE@REV``; or a file's path.
        method: Whose networks a named file has to fit.
        backbone: timm name of these networks.

    Returns:
        ``random``, or the path of a file.

    Raises:
        WeightsError: If there is no such file, it cannot be fetched, or it is not what was
            pinned.
        RequestError: If a file of the hub is not of the form above.
    """
    if init == RANDOM:
        return RANDOM
    if isinstance(init, str) and init.startswith(HUB_PREFIX):
        return fetch(hub_file(init))
    if init in {each.name for each in known_weights()}:
        return fetch(find_known(str(init), method, backbone))
    return existing(init)


def init_name(init: str | Path) -> str:
    """The name of an init in views: ``random``, a known name, or a file's stem.

    A file of the hub that is called what most are called has its repository's name. A file that is
    called ``random``, or as known weights are, is marked as a file.
    """
    if init == RANDOM or init in {each.name for each in known_weights()}:
        return str(init)
    if isinstance(init, str) and init.startswith(HUB_PREFIX):
        weights = hub_file(init)
        stem = Path(weights.file).stem
        return unreserved(Path(weights.repo).name if stem in _USUAL_STEMS else stem)
    return unreserved(Path(init).stem)


# ------------------------------------------------------------------------ into the network


def load_weights(network: nn.Module, init: str | Path | Checkpoint, *, dims: int = 2) -> None:
    """Load a checkpoint into a network; all but the classifier must be there, and fit.

    Args:
        network: A timm network, with a method's layers.
        init: A checkpoint, or the path of one as for
            :func:`crossbench.nets.weights.checkpoint.read_checkpoint`. Its classifier is ignored.
        dims: Of the network: 2 or 3.

    Raises:
        WeightsError: If the file is missing or unreadable, is of a network of other
            dimensions, or a key is missing, unexpected, of another shape, of another kind of
            numbers, or not finite.
    """
    checkpoint = init if isinstance(init, Checkpoint) else read_checkpoint(init)
    reason = checkpoint.misfit(network, dims)
    if reason:
        raise WeightsError(f"{checkpoint.path}: {reason}")
    checkpoint.load(network)
